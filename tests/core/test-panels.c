/* What passes from one operation to the next in panels (PmActs) is what passes in rows, bit by bit: a block of a network run both
 * ways. Letters: B items; T tokens; D width; H heads; F width of the MLP. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "base/random.h"

typedef struct
{
  int B, T, H, d, F, n_threads;
} Case;

static const Case cases[] = {
  { 1, 256, 6, 64, 1536, 2 }, { 2, 64, 2, 72, 192, 1 }, { 2, 77, 3, 24, 130, 2 }, { 3, 5, 1, 19, 20, 3 },
  { 1, 1, 1, 1, 1, 2 },       { 2, 300, 2, 40, 257, 2 }, { 1, 100, 5, 16, 48, 2 }, { 2, 1030, 1, 33, 70, 2 },
};

/* One block's buffers. A buffer that may be in panels has the room they need. */
typedef struct
{
  float *x, *h, *qkv, *mlp; /* [B, T, D], [B, T, D], [B, T, 3, D], [B, T, F] */
  gsize  n_x, n_qkv;
} Buffers;

static PmWeight
new_weight (PmBackend *backend, PmRandom *random, int N, int K)
{
  gsize    n = (gsize) N * K;
  PmTensor tensor = { .name = "w", .dtype = PM_DTYPE_F32, .rank = 2, .shape = { N, K }, .n_elements = n };
  PmWeight weight;
  float   *values = g_new (float, n);

  pm_random_normal (random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= 1.f / sqrtf (K);
  tensor.data = values;
  g_assert_true (pm_backend_prepare (backend, &tensor, &weight, NULL));
  return weight;
}

static void
free_weight (PmBackend *backend, PmWeight *weight)
{
  g_autofree gpointer values = (gpointer) weight->data;
  pm_backend_release (backend, weight);
}

static void
run_linear (PmBackend *backend, PmRandom *random, int M, int N, int K, PmActs x, PmActs y, PmActivation activation,
            const float *gate)
{
  PmWeight w = new_weight (backend, random, N, K), bias = new_weight (backend, random, 1, N);
  PmLinear op = { .M = M, .N = N, .K = K, .x = x, .x_stride = K, .w = &w, .bias = &bias, .activation = activation,
                  .gate = pm_acts_f32 (gate), .gate_stride = N, .rows_per_item = M, .y = y, .y_stride = N };

  if (gate)
    op.residual = y;
  pm_backend_linear (backend, &op);
  g_assert_true (pm_backend_finish (backend, NULL));
  free_weight (backend, &w);
  free_weight (backend, &bias);
}

static void
run_norm (PmBackend *backend, const Case *c, const Buffers *buffers, const float *modulation, PmActs h)
{
  int D = c->H * c->d;
  pm_backend_norm_modulate (backend, &(PmNorm) { .M = c->B * c->T, .D = D, .rows_per_item = c->T, .x = buffers->x,
                                                 .shift = modulation, .scale = modulation + D, .mod_stride = D / 2, .eps = 1e-6f,
                                                 .y = h });
}

static Buffers
run_block (PmBackend *backend, const Case *c, gboolean in_panels)
{
  int      D = c->H * c->d, M = c->B * c->T;
  gsize    n_mlp = (gsize) (M + PM_ACTS_ROWS) * c->F, n_h = (gsize) (M + PM_ACTS_ROWS) * D;
  Buffers  buffers = { .n_x = (gsize) M * D, .n_qkv = (gsize) M * 3 * D };
  PmRandom random;

  buffers.x = g_new (float, buffers.n_x);
  buffers.h = g_new (float, n_h);
  buffers.qkv = g_new (float, buffers.n_qkv);
  buffers.mlp = g_new (float, n_mlp);
  memset (buffers.h, 0xff, n_h * sizeof (float)); /* not numbers: nothing may come from there */
  memset (buffers.mlp, 0xff, n_mlp * sizeof (float));
  pm_random_init (&random, 5);
  pm_random_normal (&random, buffers.n_x, buffers.x);
  g_autofree float *modulation = g_new (float, D * (c->B + 2));
  pm_random_normal (&random, D * (c->B + 2), modulation);

  PmActs h = { buffers.h, PM_DTYPE_F32, in_panels }, mlp = { buffers.mlp, PM_DTYPE_F32, in_panels };
  PmActs qkv = pm_acts_f32 (buffers.qkv), x = pm_acts_f32 (buffers.x);
  gsize  row = 3 * (gsize) D;
  run_norm (backend, c, &buffers, modulation, h);
  run_linear (backend, &random, M, 3 * D, D, h, qkv, PM_ACTIVATION_NONE, NULL);
  pm_backend_attention (backend, &(PmAttention) { .B = c->B, .H = c->H, .d = c->d, .Tq = c->T, .Tk = c->T, .q = qkv,
                                                  .k = pm_acts_at (qkv, D), .v = pm_acts_at (qkv, 2 * D), .q_item = c->T * row,
                                                  .q_row = row, .kv_item = c->T * row, .kv_row = row, .scale = 0.2f, .out = h,
                                                  .out_item = (gsize) c->T * D, .out_row = D });
  run_linear (backend, &random, M, D, D, h, x, PM_ACTIVATION_NONE, modulation);
  run_norm (backend, c, &buffers, modulation, h);
  run_linear (backend, &random, M, c->F, D, h, mlp, PM_ACTIVATION_GELU_TANH, NULL);
  run_linear (backend, &random, M, D, c->F, mlp, x, PM_ACTIVATION_NONE, modulation);
  return buffers;
}

static void
buffers_clear (Buffers *buffers)
{
  g_free (buffers->x);
  g_free (buffers->h);
  g_free (buffers->qkv);
  g_free (buffers->mlp);
}

static void
test_block (gconstpointer device)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case           *c = &cases[i];
      g_autoptr (PmBackend) backend = pm_backend_open (device, c->n_threads, NULL);
      Buffers               rows = run_block (backend, c, FALSE), panels = run_block (backend, c, TRUE);

      g_test_message ("%d x %d tokens, %d heads of %d", c->B, c->T, c->H, c->d);
      for (gsize j = 0; j < rows.n_x; j++)
        g_assert_true (isfinite (rows.x[j]));
      g_assert_cmpmem (rows.qkv, rows.n_qkv * sizeof (float), panels.qkv, panels.n_qkv * sizeof (float));
      g_assert_cmpmem (rows.x, rows.n_x * sizeof (float), panels.x, panels.n_x * sizeof (float));
      buffers_clear (&rows);
      buffers_clear (&panels);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int i = 0; pm_backends[i]; i++)
    if (pm_backends[i]->likes_panels && (! pm_backends[i]->is_available || pm_backends[i]->is_available ()))
      {
        g_autofree char *path = g_strdup_printf ("/panels/%s", pm_backends[i]->id);
        g_test_add_data_func (path, pm_backends[i]->id, test_block);
      }
  return g_test_run ();
}
