/* The CUDA module through its plain C door: types of 16 bits against the reference on the same rounded numbers, weights that are
 * streamed or make room, graphs, and every error that a machine can answer with. PENTIMENTO_CUDA_MODULE names the module; what
 * only its host build can be made to do is skipped on others.
 *
 * Limits are of what is largest: 2^-8 and 2^-11 are what rounding to bf16 and f16 costs, twice where a product waits for its
 * epilogue; sums are f32 everywhere. */
#include <math.h>
#include <string.h>

#include <gmodule.h>

#include "backend/backend.h"
#include "backend/cuda/abi.h"
#include "backend/features.h"
#include "base/random.h"
#include "compare.h"
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

static const PmCudaModule *
load_module (void)
{
  const char      *path = g_getenv ("PENTIMENTO_CUDA_MODULE");
  GModule         *file = path ? g_module_open (path, G_MODULE_BIND_LOCAL) : NULL;
  const PmCudaHost host = { .abi = PM_CUDA_ABI, .size = sizeof (PmCudaHost) };
  gpointer         symbol;

  if (! file)
    return NULL;
  g_module_make_resident (file);
  g_assert_true (g_module_symbol (file, PM_CUDA_MODULE_SYMBOL, &symbol));
  return ((PmCudaModuleFunc) symbol) (&host);
}

/* The host build does as PM_CUDA_HOST says. */
static gboolean
is_host_build (void)
{
  const char *path = g_getenv ("PENTIMENTO_CUDA_MODULE");
  return path && strstr (path, "cuda-host");
}

static PmCuda *
open_device (const PmCudaModule *module, const PmCudaOptions *options)
{
  PmCudaError error = { 0 };
  PmCuda     *cuda = NULL;

  if (! module->open (0, options, &cuda, &error))
    g_error ("%s", error.text);
  return cuda;
}

static float *
new_normals (PmRandom *random, gsize n, float scale)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= scale;
  return values;
}

static guint16
to_bf16 (float value)
{
  guint32 bits;
  memcpy (&bits, &value, 4);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* As dtype, to nearest even; free with g_free. */
static gpointer
narrow (const float *values, gsize n, PmDtype dtype)
{
  guint16 *half = g_new (guint16, n);

  if (dtype == PM_DTYPE_F32)
    {
      g_free (half);
      return g_memdup2 (values, n * sizeof (float));
    }
  if (dtype == PM_DTYPE_F16)
    pm_convert_f32_to_f16 (values, n, half);
  for (gsize i = 0; dtype == PM_DTYPE_BF16 && i < n; i++)
    half[i] = to_bf16 (values[i]);
  return half;
}

static void
round_to (float *values, gsize n, PmDtype dtype)
{
  g_autofree gpointer rounded = narrow (values, n, dtype);
  pm_convert_to_f32 (rounded, dtype, n, values);
}

static gpointer
put (const PmCudaModule *module, PmCuda *cuda, const float *values, gsize n, PmDtype dtype)
{
  g_autofree gpointer host = narrow (values, n, dtype);
  PmCudaError         error;
  void               *memory;

  g_assert_true (module->alloc (cuda, n * pm_dtype_size (dtype), &memory, &error));
  module->upload (cuda, memory, host, n * pm_dtype_size (dtype));
  return memory;
}

/* Frees it; NULL memory is allowed. */
static float *
take (const PmCudaModule *module, PmCuda *cuda, gpointer memory, gsize n, PmDtype dtype)
{
  g_autofree gpointer host = g_malloc (n * pm_dtype_size (dtype));
  float              *values = g_new (float, n);

  module->download (cuda, host, memory, n * pm_dtype_size (dtype));
  module->free (cuda, memory);
  pm_convert_to_f32 (host, dtype, n, values);
  return values;
}

static void
assert_finished (const PmCudaModule *module, PmCuda *cuda)
{
  PmCudaError error = { 0 };
  if (! module->finish (cuda, &error))
    g_error ("%s", error.text);
}

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
linear_run (const PmCudaModule *module, PmCuda *cuda, const LinearCase *c, const LinearData *data, PmDtype x_dtype, PmDtype y_dtype,
            PmDtype acts)
{
  gsize       n_y = (gsize) c->M * c->N;
  PmDtype     gate_dtype = c->gate_matrix ? acts : PM_DTYPE_F32;
  gpointer    x = put (module, cuda, data->x, (gsize) c->M * c->K, x_dtype), y = put (module, cuda, data->y, n_y, y_dtype);
  gpointer    gate = put (module, cuda, data->gate, data->n_gate, gate_dtype);
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
  assert_finished (module, cuda);
  return take (module, cuda, y, n_y, y_dtype);
}

static void
check_linear (const PmCudaModule *module, PmCuda *cuda, const LinearCase *c, const Precision *precision, PmRandom *random)
{
  gsize      n_y = (gsize) c->M * c->N;
  LinearData data = { .n_gate = (gsize) (c->gate_matrix ? c->M : 2) * c->N };

  data.x = new_normals (random, (gsize) c->M * c->K, 1);
  data.w = new_normals (random, (gsize) c->N * c->K, 1 / sqrtf (c->K));
  data.bias = new_normals (random, c->N, 1);
  data.gate = new_normals (random, data.n_gate, 1);
  data.y = new_normals (random, n_y, 1);
  round_to (data.x, (gsize) c->M * c->K, precision->dtype);
  round_to (data.w, (gsize) c->N * c->K, precision->dtype);
  round_to (data.y, n_y, precision->dtype);
  if (c->gate_matrix)
    round_to (data.gate, data.n_gate, precision->dtype);
  g_autofree float *expected = g_memdup2 (data.y, n_y * sizeof (float));
  linear_run_ref (c, &data, expected);
  for (int types = 0; types < 4; types++)
    {
      PmDtype x_dtype = types & 1 ? PM_DTYPE_F32 : precision->dtype, y_dtype = types & 2 ? PM_DTYPE_F32 : precision->dtype;
      gboolean waits = (c->gate || (c->residual && c->activation)) && c->M > 64;
      double   limit = SUMS + (y_dtype == PM_DTYPE_F32 ? 0 : (c->bias ? 2 : 1) * precision->rounding) + (waits ? 2 * precision->rounding : 0);
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
      PmCuda *cuda = open_device (module, &(PmCudaOptions) { .compute = precisions[p].dtype });
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
      PmCuda           *cuda = open_device (module, &(PmCudaOptions) { .compute = precision->dtype });
      g_autofree float *x = new_normals (&random, n, 2), *mod = new_normals (&random, 4 * D, 1), *expected = g_new (float, n);
      for (gsize j = 0; j < n; j++)
        x[j] += 4;
      PmNorm op = { .M = M, .D = D, .rows_per_item = (M + 1) / 2, .x = x, .shift = mod, .scale = mod + D, .mod_stride = 2 * D,
                    .eps = 1e-6f, .y = pm_acts_f32 (expected) };
      pm_backend_norm_modulate (ref, &op);
      gpointer dx = put (module, cuda, x, n, PM_DTYPE_F32), dmod = put (module, cuda, mod, 4 * D, PM_DTYPE_F32);
      gpointer dy = put (module, cuda, x, n, precision->dtype);
      op.x = dx;
      op.shift = dmod;
      op.scale = (float *) dmod + D;
      op.y = (PmActs) { dy, precision->dtype };
      g_assert_true (module->norm_modulate (cuda, &op));
      g_autofree float *got = take (module, cuda, dy, n, precision->dtype);
      pm_test_compare_relative (precision->name, got, expected, n, SUMS + precision->rounding);
      assert_finished (module, cuda);
      module->close (cuda);
    }
}

typedef struct
{
  int      height, width, C, N, side, stride, pad;
  gboolean is_doubled, adds, normed;
  PmDtype  from, to;
} ConvCase;

static const ConvCase conv_cases[] = {
  { 5, 7, 4, 17, 3, 1, 1, FALSE, TRUE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32 },
  { 20, 21, 40, 72, 3, 1, 1, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F16 },
  { 12, 13, 24, 130, 3, 1, 1, FALSE, TRUE, FALSE, PM_DTYPE_F16, PM_DTYPE_F16 },
  { 18, 22, 16, 24, 3, 2, 0, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32 },
  { 9, 11, 24, 20, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F16, PM_DTYPE_F32 },
  { 15, 10, 33, 6, 1, 1, 0, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32 },
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
  g_autofree float *x = new_normals (random, (gsize) c->height * c->width * c->C, 1), *y = new_normals (random, n_y, 1);
  g_autofree float *w = new_normals (random, taps * c->C * c->N, (float) (1 / sqrt ((double) taps * c->C)));
  g_autofree float *affine = new_normals (random, 2 * c->C + c->N, 1), *expected = g_new (float, n_y), *got = g_new (float, n_y);
  PmFeatures        fx, fy;
  PmCuda           *cuda = open_device (module, &(PmCudaOptions) { .compute = precision->dtype });
  PmCudaError       error;

  round_to (w, taps * c->C * c->N, precision->dtype);
  round_to (x, (gsize) c->height * c->width * c->C, precision->dtype);
  g_autofree gpointer hx = new_features (x, c->height, c->width, c->C, c->from, &fx);
  g_autofree gpointer hy = new_features (y, height, width, c->N, c->to, &fy);
  g_autofree gpointer result = g_memdup2 (hy, pm_features_bytes (&fy, height));
  PmWeight            weight = { .rows = c->N, .cols = taps * c->C, .data = w };
  PmWeight            bias = { .rows = 1, .cols = c->N, .data = affine + 2 * c->C };
  PmConv op = { .x = fx, .y = fy, .side = c->side, .stride = c->stride, .pad = c->pad, .is_doubled = c->is_doubled,
                .scale = c->normed ? affine : NULL, .shift = c->normed ? affine + c->C : NULL, .activation = PM_ACTIVATION_SILU,
                .w = &weight, .bias = &bias, .adds = c->adds };
  gsize    n_x_bytes = pm_features_bytes (&fx, c->height), n_y_bytes = pm_features_bytes (&fy, height);
  gpointer dx, dy, daffine = put (module, cuda, affine, 2 * c->C, PM_DTYPE_F32);

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
  assert_finished (module, cuda);
  op.y.data = result;
  for (gsize p = 0; p < (gsize) height * width; p++)
    pm_features_read (&op.y, p, c->N, got + p * c->N);
  g_autofree char *what = g_strdup_printf ("%s: %d to %d channels, %s", precision->name, c->C, c->N, c->normed ? "normed" : "bare");
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
      check_conv (data, &conv_cases[i], &precisions[p], &random);
}

#define N_LAYERS 9
#define WIDTH    48

/* A chain of products, several times over; free with g_free. pressure: bytes that are taken in the middle of it. */
static float *
run_chain (const PmCudaModule *module, const PmCudaOptions *options, int n_passes, gsize pressure, PmCudaUsage *usage)
{
  PmCuda     *cuda = open_device (module, options);
  PmWeight    weights[N_LAYERS];
  PmCudaError error = { 0 };
  PmRandom    random;
  void       *more = NULL;

  pm_random_init (&random, 24);
  g_autofree float *x = new_normals (&random, 8 * WIDTH, 1);
  gpointer          a = put (module, cuda, x, 8 * WIDTH, PM_DTYPE_F32), b = put (module, cuda, x, 8 * WIDTH, PM_DTYPE_F32);
  for (int i = 0; i < N_LAYERS; i++)
    {
      g_autofree float *w = new_normals (&random, WIDTH * WIDTH, 1 / sqrtf (WIDTH));
      if (! module->weight_new (cuda, PM_DTYPE_F32, WIDTH, WIDTH, w, &weights[i], &error))
        g_error ("%s", error.text);
      memset (w, 0xff, sizeof (float) * WIDTH * WIDTH); /* not looked at any more */
    }
  for (int i = 0; i < n_passes * N_LAYERS; i++)
    {
      if (i == N_LAYERS + 2 && pressure > 0 && ! module->alloc (cuda, pressure, &more, &error))
        g_error ("%s", error.text);
      module->linear (cuda, &(PmLinear) { .M = 8, .N = WIDTH, .K = WIDTH, .x = pm_acts_f32 (a), .x_stride = WIDTH,
                                          .w = &weights[i % N_LAYERS], .rows_per_item = 1, .y = pm_acts_f32 (b),
                                          .y_stride = WIDTH });
      gpointer swapped = a;
      a = b;
      b = swapped;
    }
  assert_finished (module, cuda);
  module->get_usage (cuda, usage);
  float *result = take (module, cuda, a, 8 * WIDTH, PM_DTYPE_F32);
  for (int i = 0; i < N_LAYERS; i += 2) /* the others are freed with the device */
    module->weight_free (cuda, &weights[i]);
  module->close (cuda);
  return result;
}

/* Bit for bit what resident weights give, whatever the order in which the two streams come along. */
static void
test_streaming (gconstpointer data)
{
  const PmCudaModule *module = data;
  const gsize         layer = WIDTH * WIDTH * sizeof (float);
  PmCudaUsage         usage;
  g_autofree float   *expected = run_chain (module, NULL, 3, 0, &usage);

  g_assert_cmpuint (usage.streamed_bytes, ==, 0);
  g_assert_cmpuint (usage.resident_bytes, ==, N_LAYERS * layer);
  for (int seed = 0; seed < (is_host_build () ? 20 : 1); seed++)
    for (int n_ring = 0; n_ring <= 4; n_ring += 2)
      {
        g_autofree char *setting = g_strdup_printf ("seed=%d", seed);
        PmCudaOptions    options = { .resident_bytes = 2 * layer + layer / 2, .ring_bytes = n_ring * layer };
        g_setenv ("PM_CUDA_HOST", setting, TRUE);
        g_autofree float *got = run_chain (module, &options, 3, 0, &usage);
        g_assert_cmpmem (got, sizeof (float) * 8 * WIDTH, expected, sizeof (float) * 8 * WIDTH);
        g_assert_cmpuint (usage.resident_bytes, ==, 2 * layer);
        g_assert_cmpuint (usage.streamed_bytes, ==, (N_LAYERS - 2) * layer);
        g_assert_cmpuint (usage.n_uploaded_bytes, >=, 3 * (N_LAYERS - 2) * layer - 4 * layer);
      }
  g_unsetenv ("PM_CUDA_HOST");
}

/* Weights that were resident make room in the middle of a run, and the limit holds. */
static void
test_making_room (gconstpointer data)
{
  const PmCudaModule *module = data;
  const gsize         layer = WIDTH * WIDTH * sizeof (float);
  PmCudaUsage         usage;
  g_autofree float   *expected = run_chain (module, NULL, 3, 0, &usage);
  PmCudaOptions       options = { .limit_bytes = usage.peak_bytes + layer };
  PmCudaError         error;
  void               *memory;

  for (int seed = 0; seed < (is_host_build () ? 10 : 1); seed++)
    {
      g_autofree char *setting = g_strdup_printf ("seed=%d", seed);
      g_setenv ("PM_CUDA_HOST", setting, TRUE);
      g_autofree float *got = run_chain (module, &options, 3, 4 * layer, &usage);
      g_assert_cmpmem (got, sizeof (float) * 8 * WIDTH, expected, sizeof (float) * 8 * WIDTH);
      g_assert_cmpuint (usage.peak_bytes, <=, options.limit_bytes);
      g_assert_cmpuint (usage.streamed_bytes, >=, 3 * layer);
    }
  g_unsetenv ("PM_CUDA_HOST");
  options.resident_bytes = SIZE_MAX;
  PmCuda *cuda = open_device (module, &options);
  g_assert_false (module->alloc (cuda, options.limit_bytes, &memory, &error));
  g_assert_cmpint (error.status, ==, PM_CUDA_OUT_OF_MEMORY);
  assert_finished (module, cuda); /* which was told at once, and is no error of the queue */
  module->close (cuda);
}

/* x doubles in each step: queued, captured, launched again. */
static void
test_graph (gconstpointer data)
{
  const PmCudaModule *module = data;
  PmCuda             *cuda = open_device (module, NULL);
  g_autofree float   *ones = g_new (float, 100);
  PmCudaUsage         usage;

  for (int i = 0; i < 100; i++)
    ones[i] = 1;
  gpointer x = put (module, cuda, ones, 100, PM_DTYPE_F32), other = put (module, cuda, ones, 100, PM_DTYPE_F32);
  for (int step = 0; step < 6; step++)
    {
      gpointer late = step == 4 ? put (module, cuda, ones, 100, PM_DTYPE_F32) : NULL;
      if (module->begin_graph (cuda, 7))
        {
          module->add (cuda, &(PmAdd) { .n = 100, .n_y = 100, .x = x, .y = x });
          module->end_graph (cuda);
        }
      if (late)
        module->free (cuda, late); /* the graph is older: it stays */
    }
  module->get_usage (cuda, &usage);
  g_assert_cmpint (usage.n_graphs, ==, 1);
  g_assert_cmpint (usage.n_replays, ==, 4);
  module->free (cuda, other); /* which the graph could know */
  if (module->begin_graph (cuda, 7))
    {
      module->add (cuda, &(PmAdd) { .n = 100, .n_y = 100, .x = x, .y = x });
      module->end_graph (cuda);
    }
  module->get_usage (cuda, &usage);
  g_assert_cmpint (usage.n_replays, ==, 4);
  assert_finished (module, cuda);
  g_autofree float *got = take (module, cuda, x, 100, PM_DTYPE_F32);
  g_assert_cmpfloat (got[99], ==, 128);
  module->close (cuda);
}

static bool
is_cancelled_cb (void *user)
{
  return *(gboolean *) user;
}

static void
test_cancel (gconstpointer data)
{
  const PmCudaModule *module = data;
  gboolean            is_cancelled = FALSE;
  PmCuda             *cuda = open_device (module, &(PmCudaOptions) { .is_cancelled = is_cancelled_cb, .user = &is_cancelled });
  const float         one = 1;
  gpointer            x = put (module, cuda, &one, 1, PM_DTYPE_F32);

  module->add (cuda, &(PmAdd) { .n = 1, .n_y = 1, .x = x, .y = x });
  is_cancelled = TRUE;
  module->add (cuda, &(PmAdd) { .n = 1, .n_y = 1, .x = x, .y = x });
  assert_finished (module, cuda);
  is_cancelled = FALSE;
  g_autofree float *got = take (module, cuda, x, 1, PM_DTYPE_F32);
  g_assert_cmpfloat (got[0], ==, 2);
  module->close (cuda);
}

/* What machines answer, made up by the host build. */
static void
test_errors (gconstpointer data)
{
  static const struct
  {
    const char  *setting;
    PmCudaStatus count, open;
    PmDtype      compute;
  } cases[] = { { "driver=0", PM_CUDA_NO_DRIVER, PM_CUDA_NO_DEVICE, PM_DTYPE_F32 },
                { "driver=12080", PM_CUDA_OLD_DRIVER, PM_CUDA_NO_DEVICE, PM_DTYPE_F32 },
                { "devices=0", PM_CUDA_NO_DEVICE, PM_CUDA_NO_DEVICE, PM_DTYPE_F32 },
                { "capability=70", PM_CUDA_OK, PM_CUDA_NO_DEVICE, PM_DTYPE_F32 },
                { "capability=75", PM_CUDA_OK, PM_CUDA_UNSUPPORTED, PM_DTYPE_BF16 },
                { "library=0", PM_CUDA_OK, PM_CUDA_NO_LIBRARY, PM_DTYPE_F32 },
                { "memory=1000000", PM_CUDA_OK, PM_CUDA_OUT_OF_MEMORY, PM_DTYPE_F32 } };
  const PmCudaModule *module = data;

  if (! is_host_build ())
    {
      g_test_skip ("only the host build can be told how to fail");
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      PmCudaError error = { 0 };
      PmCuda     *cuda;
      int         n;
      g_test_message ("%s", cases[i].setting);
      g_setenv ("PM_CUDA_HOST", cases[i].setting, TRUE);
      g_assert_cmpint (module->count (&n, &error) ? PM_CUDA_OK : error.status, ==, cases[i].count);
      g_assert_false (module->open (0, &(PmCudaOptions) { .compute = cases[i].compute }, &cuda, &error));
      g_assert_cmpint (error.status, ==, cases[i].open);
      g_assert_cmpuint (strlen (error.text), >, 0);
    }
  g_unsetenv ("PM_CUDA_HOST");
}

/* In a process of its own: what is lost stays lost. */
static void
test_lost (gconstpointer data)
{
  const PmCudaModule *module = data;

  if (! is_host_build ())
    {
      g_test_skip ("only the host build can be told to be lost");
      return;
    }
  if (g_test_subprocess ())
    {
      g_autofree float *x = g_new0 (float, 10);
      PmCudaError       error = { 0 };
      g_setenv ("PM_CUDA_HOST", "lost=2", TRUE);
      PmCuda  *cuda = open_device (module, NULL);
      gpointer memory = put (module, cuda, x, 10, PM_DTYPE_F32);
      for (int i = 0; i < 5; i++)
        module->add (cuda, &(PmAdd) { .n = 10, .n_y = 10, .x = memory, .y = memory });
      g_assert_false (module->finish (cuda, &error));
      g_assert_cmpint (error.status, ==, PM_CUDA_LOST);
      g_assert_false (module->finish (cuda, &error));
      g_assert_cmpint (error.status, ==, PM_CUDA_LOST);
      module->close (cuda);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char   *name;
    GTestDataFunc run;
  } tests[] = { { "linear", test_linear },     { "norm", test_norm },         { "conv", test_conv },
                { "streaming", test_streaming }, { "making-room", test_making_room }, { "graph", test_graph },
                { "cancel", test_cancel },     { "errors", test_errors },     { "lost", test_lost } };

  g_test_init (&argc, &argv, NULL);
  const PmCudaModule *module = load_module ();
  for (gsize i = 0; module && i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/", tests[i].name, NULL);
      g_test_add_data_func (path, module, tests[i].run);
    }
  return g_test_run ();
}
