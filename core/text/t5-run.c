/* Runs the encoder of T5. A layer's weights are prepared, used and let go of, so that of the largest encoder (19 GB in f32) no
 * more than one layer is resident; nothing is computed for padding, because no token looks at it. Letters as in t5.h. */
#include "text/t5.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"

/* Workspace, in the backend's memory. */
typedef struct
{
  PmTextNetwork *network;
  PmBackend     *backend;
  int            n;
  float         *x;              /* [n, E] the stream */
  PmActs         h;              /* [n, E] what a norm makes of it */
  PmActs         q, k, v, a;     /* [n, H, d] */
  PmActs         gate, hidden;   /* [n, F] */
  float         *bias;           /* [H, n, n] */
} PmT5Run;

int
pm_t5_bucket (int distance, int K, int max_distance)
{
  int half = K / 2, exact = half / 2, far = ABS (distance), bucket = distance > 0 ? half : 0;

  if (far < exact || exact < 1)
    return bucket + MIN (far, half - 1);
  float ratio = logf ((float) far / (float) exact);
  ratio /= (float) log ((double) max_distance / exact);
  return bucket + (int) MIN (exact + floorf (ratio * (float) (half - exact)), half - 1);
}

/* Bytes of the workspace, in the order of PmT5Run. */
static gsize
work_sizes (const PmTextNetwork *network, gsize n, PmDtype acts, gsize sizes[9])
{
  gsize E = network->E, heads = (gsize) network->H * network->d, F = network->F, sum = 0;
  gsize wanted[9] = { n * E, n * E, n * heads, n * heads, n * heads, n * heads, n * F, n * F, network->H * n * n };

  for (int i = 0; i < 9; i++)
    sum += sizes[i] = (wanted[i] * pm_dtype_size (i > 0 && i < 8 ? acts : PM_DTYPE_F32) + 63) / 64 * 64;
  return sum;
}

PmTextCost
pm_t5_measure (PmTextNetwork *network, int n, PmDtype acts)
{
  gsize  sizes[9], E = network->E, heads = (gsize) network->H * network->d, F = network->F;
  gsize  work_bytes = work_sizes (network, n, acts, sizes) + sizes[8]; /* fill_bias has a copy */
  gsize  products = 4 * E * heads + (network->is_gated ? 3 : 2) * E * F;
  double of_token = (double) products + 2.0 * heads * n;

  return (PmTextCost) { .flops = 2.0 * network->L * n * of_token, .work_bytes = work_bytes, .n_elements = products + 2 * E };
}

/* The logits' bias of every head, from the table of distances. */
static gboolean
fill_bias (PmT5Run *run, GError **error)
{
  const PmTextNetwork *network = run->network;
  int                  n = run->n, K = network->K, H = network->H;
  g_autofree float    *table = g_new (float, (gsize) K * H);
  g_autofree int      *buckets = g_new (int, 2 * n - 1); /* of distance 1 - n .. n - 1 */
  g_autofree float    *bias = g_try_new (float, (gsize) H * n * n);

  if (! bias)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to read the prompt; close other programs and try again."));
      return FALSE;
    }
  pm_convert_to_f32 (network->distances->data, network->distances->dtype, (gsize) K * H, table);
  for (int i = 0; i < 2 * n - 1; i++)
    buckets[i] = pm_t5_bucket (i - (n - 1), K, network->max_distance);
  for (int h = 0; h < H; h++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++)
        bias[((gsize) h * n + i) * n + j] = table[buckets[j - i + n - 1] * H + h];
  pm_backend_upload (run->backend, run->bias, bias, (gsize) H * n * n * sizeof (float));
  return TRUE;
}

/* Rows of the table of words. */
static gboolean
fill_stream (PmT5Run *run, const int *ids, GError **error)
{
  const PmTensor   *table = run->network->embedding;
  gsize             E = run->network->E, size = pm_dtype_size (table->dtype);
  g_autofree float *rows = g_try_new (float, run->n * E);

  if (! rows)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to read the prompt; close other programs and try again."));
      return FALSE;
    }
  for (int i = 0; i < run->n; i++)
    pm_convert_to_f32 ((const char *) table->data + ids[i] * E * size, table->dtype, E, rows + i * E);
  pm_backend_upload (run->backend, run->x, rows, run->n * E * sizeof (float));
  pm_checkpoint_let_go (run->network->checkpoint, table);
  return TRUE;
}

static gboolean
prepare_layer (PmT5Run *run, int layer, PmWeight weights[PM_T5_N_WEIGHTS], GError **error)
{
  for (PmT5Weight i = 0; i < PM_T5_N_WEIGHTS; i++)
    {
      const PmTensor *tensor = i == PM_T5_GATE && ! run->network->is_gated ? NULL : pm_t5_find (run->network, layer, i);
      if (tensor && ! pm_backend_prepare (run->backend, tensor, &weights[i], error))
        return FALSE;
    }
  return TRUE;
}

static void
release_layer (PmT5Run *run, int layer, PmWeight weights[PM_T5_N_WEIGHTS])
{
  for (PmT5Weight i = 0; i < PM_T5_N_WEIGHTS; i++)
    if (weights[i].data)
      {
        pm_backend_release (run->backend, &weights[i]);
        pm_checkpoint_let_go (run->network->checkpoint, pm_t5_find (run->network, layer, i));
      }
}

static void
norm (PmT5Run *run, const PmWeight *weight, PmActs y)
{
  pm_backend_rms_norm (run->backend, &(PmRmsNorm) { .M = run->n, .D = run->network->E, .x = run->x, .weight = weight,
                                                    .eps = (float) run->network->eps, .y = y });
}

/* y = x . w^T, dense rows; gate [n, N] and activation as PmLinear has them. */
static void
linear (PmT5Run *run, const PmWeight *w, PmActs x, PmActivation activation, PmActs gate, PmActs residual, PmActs y)
{
  pm_backend_linear (run->backend, &(PmLinear) { .M = run->n, .N = (int) w->rows, .K = (int) w->cols, .x = x,
                                                 .x_stride = w->cols, .w = w, .activation = activation, .gate = gate,
                                                 .gate_stride = w->rows, .rows_per_item = 1, .residual = residual, .y = y,
                                                 .y_stride = w->rows });
}

static void
attend (PmT5Run *run)
{
  const PmTextNetwork *network = run->network;
  gsize                row = (gsize) network->H * network->d, item = run->n * row;

  pm_backend_attention (run->backend, &(PmAttention) { .B = 1, .H = network->H, .d = network->d, .Tq = run->n, .Tk = run->n,
                                                       .q = run->q, .k = run->k, .v = run->v, .q_item = item, .q_row = row,
                                                       .kv_item = item, .kv_row = row, .scale = 1, .out = run->a,
                                                       .out_item = item, .out_row = row,
                                                       .bias = run->bias });
}

static void
run_layer (PmT5Run *run, const PmWeight *w)
{
  const PmTextNetwork *network = run->network;
  PmActs               none = { NULL }, x = pm_acts_f32 (run->x);

  norm (run, &w[PM_T5_NORM1], run->h);
  linear (run, &w[PM_T5_Q], run->h, PM_ACTIVATION_NONE, none, none, run->q);
  linear (run, &w[PM_T5_K], run->h, PM_ACTIVATION_NONE, none, none, run->k);
  linear (run, &w[PM_T5_V], run->h, PM_ACTIVATION_NONE, none, none, run->v);
  attend (run);
  linear (run, &w[PM_T5_O], run->a, PM_ACTIVATION_NONE, none, x, x);

  norm (run, &w[PM_T5_NORM2], run->h);
  if (network->is_gated)
    linear (run, &w[PM_T5_GATE], run->h, PM_ACTIVATION_NONE, none, none, run->gate);
  linear (run, &w[PM_T5_WI], run->h, network->activation, network->is_gated ? run->gate : none, none, run->hidden);
  linear (run, &w[PM_T5_WO], run->hidden, PM_ACTIVATION_NONE, none, x, x);
}

static gboolean
run_layers (PmT5Run *run, PmJob *job, GError **error)
{
  int L = run->network->L;

  for (int i = 0; i < L; i++)
    {
      PmWeight weights[PM_T5_N_WEIGHTS] = { { 0 } };

      pm_job_report (job, _("Reading the prompt"), 0, 0, (double) i / L);
      gboolean done = prepare_layer (run, i, weights, error);
      if (done)
        {
          run_layer (run, weights);
          done = pm_backend_finish (run->backend, error);
        }
      release_layer (run, i, weights);
      if (! done || ! pm_job_check (job, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
finish_run (PmT5Run *run, float *out, PmJob *job, GError **error)
{
  PmWeight weight;

  if (! pm_backend_prepare (run->backend, run->network->norm, &weight, error))
    return FALSE;
  norm (run, &weight, pm_acts_f32 (run->x));
  gboolean done = pm_backend_finish (run->backend, error);
  pm_backend_release (run->backend, &weight);
  if (! done || ! pm_job_check (job, error))
    return FALSE;
  pm_backend_download (run->backend, out, run->x, (gsize) run->n * run->network->E * sizeof (float));
  pm_job_report (job, _("Reading the prompt"), 0, 0, 1);
  return TRUE;
}

gboolean
pm_t5_run (PmTextNetwork *network, PmBackend *backend, const int *ids, int n, float *out, PmJob *job, GError **error)
{
  PmT5Run run = { .network = network, .backend = backend, .n = n };
  PmDtype acts = pm_backend_get_activation_dtype (backend);
  PmActs *parts[] = { &run.h, &run.q, &run.k, &run.v, &run.a, &run.gate, &run.hidden };
  gsize   sizes[2 + G_N_ELEMENTS (parts)];
  char   *memory = pm_backend_alloc (backend, work_sizes (network, n, acts, sizes), error), *next = memory;

  if (! memory)
    return FALSE;
  run.x = (float *) memory;
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    *parts[i] = (PmActs) { next += sizes[i], acts };
  run.bias = (float *) (next + sizes[G_N_ELEMENTS (parts)]);
  gboolean done = fill_bias (&run, error) && fill_stream (&run, ids, error) && run_layers (&run, job, error)
                  && finish_run (&run, out, job, error);
  pm_backend_free (backend, memory);
  return done;
}
