/* The CUDA module's operations in types of 16 bits, against the reference on the same rounded numbers.
 *
 * Limits are of what is largest: 2^-8 and 2^-11 are what rounding to bf16 and f16 costs, twice where a product waits for its
 * epilogue; sums are f32 everywhere. */
#include <math.h>
#include <string.h>

#include "backend/features.h"
#include "compare.h"
#include "cuda-module.h"
#include "devices.h"

typedef struct
{
  PmDtype     dtype;
  const char *name;
  double      rounding;
} Precision;

static const Precision precisions[] = { { PM_DTYPE_F32, "f32", 0 },
                                        { PM_DTYPE_BF16, "bf16", 0x1p-8 },
                                        { PM_DTYPE_F16, "f16", 0x1p-11 } };

#define SUMS 2e-6 /* f32 sums in another order */

typedef struct
{
  int          M, N, K;
  PmActivation activation;
  gboolean     bias, gate, gate_matrix, residual;
} LinearCase;

/* Whole blocks, GELU on the way, gate and residual behind, a gated unit, few rows, no multiple of 8 (which cuBLASLt's stand-in
 * refuses in 16 bits), one column. */
static const LinearCase linear_cases[] = {
  { 96, 72, 64, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, FALSE },
  { 130, 136, 72, PM_ACTIVATION_GELU_TANH, TRUE, FALSE, FALSE, FALSE },
  { 130, 64, 136, PM_ACTIVATION_NONE, TRUE, TRUE, FALSE, TRUE },
  { 70, 40, 48, PM_ACTIVATION_NONE, FALSE, FALSE, FALSE, TRUE },
  { 75, 56, 40, PM_ACTIVATION_NONE, FALSE, TRUE, TRUE, FALSE },
  { 2, 200, 88, PM_ACTIVATION_SILU, TRUE, FALSE, FALSE, FALSE },
  { 67, 35, 21, PM_ACTIVATION_SILU, TRUE, TRUE, FALSE, TRUE },
  { 140, 150, 33, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, FALSE },
  { 9, 1, 24, PM_ACTIVATION_RELU, TRUE, FALSE, FALSE, FALSE },
};

typedef struct
{
  float *x, *w, *bias, *gate, *y;
  gsize  n_gate;
} LinearData;

static void
linear_run_ref (const LinearCase *c, const LinearData *data, float *y)
{
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  PmWeight w = { .dtype = PM_DTYPE_F32, .rows = c->N, .cols = c->K, .data = data->w };
  PmWeight bias = { .dtype = PM_DTYPE_F32, .rows = 1, .cols = c->N, .data = data->bias };

  pm_backend_linear (ref, &(PmLinear) { .M = c->M, .N = c->N, .K = c->K, .x = pm_acts_f32 (data->x), .x_stride = c->K, .w = &w,
                                        .bias = c->bias ? &bias : NULL, .activation = c->activation,
                                        .gate = pm_acts_f32 (c->gate ? data->gate : NULL), .gate_stride = c->N,
                                        .rows_per_item = c->gate_matrix ? 1 : (c->M + 1) / 2,
                                        .residual = pm_acts_f32 (c->residual ? y : NULL), .y = pm_acts_f32 (y),
                                        .y_stride = c->N });
}

static float *
linear_run (const PmCudaModule *module, PmCuda *cuda, const LinearCase *c, const LinearData *data, PmDtype x_dtype,
            PmDtype y_dtype, PmDtype acts)
{
  gsize       n_y = (gsize) c->M * c->N;
  PmDtype     gate_dtype = c->gate_matrix ? acts : PM_DTYPE_F32;
  gpointer    x = pm_test_cuda_put (module, cuda, data->x, (gsize) c->M * c->K, x_dtype);
  gpointer    y = pm_test_cuda_put (module, cuda, data->y, n_y, y_dtype);
  gpointer    gate = pm_test_cuda_put (module, cuda, data->gate, data->n_gate, gate_dtype);
  PmWeight    w, bias;
  PmCudaError error;

  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, c->N, c->K, data->w, &w, &error));
  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, 1, c->N, data->bias, &bias, &error));
  PmLinear op = { .M = c->M, .N = c->N, .K = c->K, .x = { x, x_dtype }, .x_stride = c->K, .w = &w, .bias = c->bias ? &bias : NULL,
                  .activation = c->activation, .gate_stride = c->N, .rows_per_item = c->gate_matrix ? 1 : (c->M + 1) / 2,
                  .y = { y, y_dtype }, .y_stride = c->N };
  if (c->gate)
    op.gate = (PmActs) { gate, gate_dtype };
  if (c->residual)
    op.residual = op.y;
  g_assert_true (module->linear (cuda, &op));
  module->weight_free (cuda, &w);
  module->weight_free (cuda, &bias);
  module->free (cuda, x);
  module->free (cuda, gate);
  pm_test_cuda_finish (module, cuda);
  return pm_test_cuda_take (module, cuda, y, n_y, y_dtype);
}

static void
check_linear (const PmCudaModule *module, PmCuda *cuda, const LinearCase *c, const Precision *precision, PmRandom *random)
{
  gsize      n_y = (gsize) c->M * c->N;
  LinearData data = { .n_gate = (gsize) (c->gate_matrix ? c->M : 2) * c->N };

  data.x = pm_test_cuda_normals (random, (gsize) c->M * c->K, 1);
  data.w = pm_test_cuda_normals (random, (gsize) c->N * c->K, 1 / sqrtf (c->K));
  data.bias = pm_test_cuda_normals (random, c->N, 1);
  data.gate = pm_test_cuda_normals (random, data.n_gate, 1);
  data.y = pm_test_cuda_normals (random, n_y, 1);
  pm_test_cuda_round (data.x, (gsize) c->M * c->K, precision->dtype);
  pm_test_cuda_round (data.w, (gsize) c->N * c->K, precision->dtype);
  pm_test_cuda_round (data.y, n_y, precision->dtype);
  if (c->gate_matrix)
    pm_test_cuda_round (data.gate, data.n_gate, precision->dtype);
  g_autofree float *expected = g_memdup2 (data.y, n_y * sizeof (float));
  linear_run_ref (c, &data, expected);
  for (int types = 0; types < 4; types++)
    {
      PmDtype x_dtype = types & 1 ? PM_DTYPE_F32 : precision->dtype, y_dtype = types & 2 ? PM_DTYPE_F32 : precision->dtype;
      gboolean waits = (c->gate || (c->residual && c->activation)) && c->M > 64;
      double   n_rounded = (y_dtype == PM_DTYPE_F32 ? 0 : c->bias ? 2 : 1) + (waits ? 2 : 0);
      double   limit = SUMS + n_rounded * precision->rounding;
      g_autofree char  *what = g_strdup_printf ("%s: %d x %d x %d, x %s, y %s", precision->name, c->M, c->N, c->K,
                                                pm_dtype_name (x_dtype), pm_dtype_name (y_dtype));
      g_autofree float *got = linear_run (module, cuda, c, &data, x_dtype, y_dtype, precision->dtype);
      pm_test_compare_relative (what, got, expected, n_y, limit);
    }
  float *all[] = { data.x, data.w, data.bias, data.gate, data.y };
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

static void
test_linear (gconstpointer data)
{
  const PmCudaModule *module = data;
  PmRandom            random;

  pm_random_init (&random, 21);
  for (gsize p = 0; p < G_N_ELEMENTS (precisions); p++)
    {
      PmCuda *cuda = pm_test_cuda_open (module, &(PmCudaOptions) { .compute = precisions[p].dtype });
      for (gsize i = 0; i < G_N_ELEMENTS (linear_cases); i++)
        check_linear (module, cuda, &linear_cases[i], &precisions[p], &random);
      module->close (cuda);
    }
}

/* Norms that write 16 bits; rows that fit a warp, do not, and are not aligned. */
static void
test_norm (gconstpointer data)
{
  static const int      shapes[][2] = { { 6, 16 }, { 9, 1152 }, { 5, 1538 }, { 3, 3000 }, { 7, 75 } };
  const PmCudaModule   *module = data;
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  PmRandom              random;

  pm_random_init (&random, 22);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (shapes); i++)
    {
      const Precision  *precision = &precisions[1 + i % 2];
      int               M = shapes[i / 2][0], D = shapes[i / 2][1];
      gsize             n = (gsize) M * D;
      PmCuda           *cuda = pm_test_cuda_open (module, &(PmCudaOptions) { .compute = precision->dtype });
      g_autofree float *x = pm_test_cuda_normals (&random, n, 2), *mod = pm_test_cuda_normals (&random, 4 * D, 1);
      g_autofree float *expected = g_new (float, n);
      for (gsize j = 0; j < n; j++)
        x[j] += 4;
      PmNorm op = { .M = M, .D = D, .rows_per_item = (M + 1) / 2, .x = x, .shift = mod, .scale = mod + D, .mod_stride = 2 * D,
                    .eps = 1e-6f, .y = pm_acts_f32 (expected) };
      pm_backend_norm_modulate (ref, &op);
      gpointer dx = pm_test_cuda_put (module, cuda, x, n, PM_DTYPE_F32);
      gpointer dmod = pm_test_cuda_put (module, cuda, mod, 4 * D, PM_DTYPE_F32);
      gpointer dy = pm_test_cuda_put (module, cuda, x, n, precision->dtype);
      op.x = dx;
      op.shift = dmod;
      op.scale = (float *) dmod + D;
      op.y = (PmActs) { dy, precision->dtype };
      g_assert_true (module->norm_modulate (cuda, &op));
      g_autofree float *got = pm_test_cuda_take (module, cuda, dy, n, precision->dtype);
      pm_test_compare_relative (precision->name, got, expected, n, SUMS + precision->rounding);
      pm_test_cuda_finish (module, cuda);
      module->close (cuda);
    }
}

typedef struct
{
  int      height, width, C, N, side, stride, pad;
  gboolean is_doubled, adds, normed;
  PmDtype  from, to;
  gsize    limit; /* of the device's memory, for pictures that then go in bands; 0: none */
} ConvCase;

static const ConvCase conv_cases[] = {
  { 5, 7, 4, 17, 3, 1, 1, FALSE, TRUE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32 },
  { 20, 21, 40, 72, 3, 1, 1, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F16 },
  { 12, 13, 24, 130, 3, 1, 1, FALSE, TRUE, FALSE, PM_DTYPE_F16, PM_DTYPE_F16 },
  { 18, 22, 16, 24, 3, 2, 0, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32 },
  { 9, 11, 24, 20, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F16, PM_DTYPE_F32 },
  { 15, 10, 33, 6, 1, 1, 0, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32 },
  { 90, 40, 40, 6, 3, 1, 1, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32, 48 << 20 },
  { 70, 40, 40, 5, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 48 << 20 },
  { 72, 40, 40, 4, 3, 2, 0, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 48 << 20 },
};

/* height x width pixels of `channels` values as features hold them. */
static gpointer
new_features (const float *values, int height, int width, int channels, PmDtype dtype, PmFeatures *features)
{
  g_autofree float *row = g_new (float, channels);

  *features = (PmFeatures) { .height = height, .width = width, .channels = channels, .stride = channels, .dtype = dtype };
  features->data = g_malloc (pm_features_bytes (features, height));
  for (gsize p = 0; p < (gsize) height * width; p++)
    {
      memcpy (row, values + p * channels, sizeof (float) * channels);
      pm_features_write (features, p, channels, row);
    }
  return features->data;
}

static void
check_conv (const PmCudaModule *module, const ConvCase *c, const Precision *precision, PmRandom *random)
{
  int   up = c->is_doubled ? 2 : 1, height = c->height * up / c->stride, width = c->width * up / c->stride;
  gsize taps = c->is_doubled ? 16 : c->side * c->side, n_y = (gsize) height * width * c->N;
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  g_autofree float *x = pm_test_cuda_normals (random, (gsize) c->height * c->width * c->C, 1);
  g_autofree float *y = pm_test_cuda_normals (random, n_y, 1);
  g_autofree float *w = pm_test_cuda_normals (random, taps * c->C * c->N, (float) (1 / sqrt ((double) taps * c->C)));
  g_autofree float *affine = pm_test_cuda_normals (random, 2 * c->C + c->N, 1);
  g_autofree float *expected = g_new (float, n_y), *got = g_new (float, n_y);
  PmFeatures        fx, fy;
  PmCuda           *cuda = pm_test_cuda_open (module, &(PmCudaOptions) { .compute = precision->dtype, .limit_bytes = c->limit });
  PmCudaError       error;

  pm_test_cuda_round (w, taps * c->C * c->N, precision->dtype);
  pm_test_cuda_round (x, (gsize) c->height * c->width * c->C, precision->dtype);
  g_autofree gpointer hx = new_features (x, c->height, c->width, c->C, c->from, &fx);
  g_autofree gpointer hy = new_features (y, height, width, c->N, c->to, &fy);
  g_autofree gpointer result = g_memdup2 (hy, pm_features_bytes (&fy, height));
  PmWeight            weight = { .rows = c->N, .cols = taps * c->C, .data = w };
  PmWeight            bias = { .rows = 1, .cols = c->N, .data = affine + 2 * c->C };
  PmConv op = { .x = fx, .y = fy, .side = c->side, .stride = c->stride, .pad = c->pad, .is_doubled = c->is_doubled,
                .scale = c->normed ? affine : NULL, .shift = c->normed ? affine + c->C : NULL, .activation = PM_ACTIVATION_SILU,
                .w = &weight, .bias = &bias, .adds = c->adds };
  gsize    n_x_bytes = pm_features_bytes (&fx, c->height), n_y_bytes = pm_features_bytes (&fy, height);
  gpointer dx, dy, daffine = pm_test_cuda_put (module, cuda, affine, 2 * c->C, PM_DTYPE_F32);

  g_assert_true (module->alloc (cuda, n_x_bytes, &dx, &error) && module->alloc (cuda, n_y_bytes, &dy, &error));
  module->upload (cuda, dx, hx, n_x_bytes);
  module->upload (cuda, dy, hy, n_y_bytes);
  op.y.data = result;
  pm_backend_conv (ref, &op);
  for (gsize p = 0; p < (gsize) height * width; p++)
    pm_features_read (&op.y, p, c->N, expected + p * c->N);
  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, c->N, taps * c->C, w, &weight, &error));
  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, 1, c->N, affine + 2 * c->C, &bias, &error));
  op.x.data = dx;
  op.y.data = dy;
  if (c->normed)
    {
      op.scale = daffine;
      op.shift = (float *) daffine + c->C;
    }
  g_assert_true (module->conv (cuda, &op));
  module->weight_free (cuda, &weight);
  module->weight_free (cuda, &bias);
  module->download (cuda, result, dy, n_y_bytes);
  pm_test_cuda_finish (module, cuda);
  op.y.data = result;
  for (gsize p = 0; p < (gsize) height * width; p++)
    pm_features_read (&op.y, p, c->N, got + p * c->N);
  g_autofree char *what = g_strdup_printf ("%s: %d to %d channels, %s", precision->name, c->C, c->N,
                                           c->normed ? "normed" : "bare");
  pm_test_compare_relative (what, got, expected, n_y,
                            SUMS + (c->to == PM_DTYPE_F16 ? 0x1p-11 : 0) + (c->normed ? precision->rounding : 0));
  module->close (cuda);
}

static void
test_conv (gconstpointer data)
{
  PmRandom random;

  pm_random_init (&random, 23);
  for (gsize p = 1; p < G_N_ELEMENTS (precisions); p++)
    for (gsize i = 0; i < G_N_ELEMENTS (conv_cases); i++)
      if (p == 1 || conv_cases[i].limit == 0) /* where a band ends is the same for both */
        check_conv (data, &conv_cases[i], &precisions[p], &random);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char   *name;
    GTestDataFunc run;
  } tests[] = { { "linear", test_linear }, { "norm", test_norm }, { "conv", test_conv } };

  g_test_init (&argc, &argv, NULL);
  const PmCudaModule *module = pm_test_cuda_load ();
  for (gsize i = 0; module && i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda-types/", tests[i].name, NULL);
      g_test_add_data_func (path, module, tests[i].run);
    }
  return g_test_run ();
}
