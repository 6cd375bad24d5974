/* Every operation of every backend against the reference loops, over odd and large shapes, the limit beside it; and bit by
 * bit the same whatever the number of threads. A backend without an operation of its own is no match for itself: it fails. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "base/random.h"
#include "compare.h"
#include "devices.h"

/* Everything an operation of these tests touches, large enough for all. */
typedef struct
{
  PmRandom    random;
  PmBackend  *ref, *backend;
  const char *device;
} Fixture;

static float *
new_normals (Fixture *fixture, gsize n, float scale)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (&fixture->random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= scale;
  return values;
}

static void
fixture_open (Fixture *fixture, gconstpointer data)
{
  pm_random_init (&fixture->random, 11);
  fixture->ref = pm_test_open ("ref", 1);
  fixture->backend = pm_test_open (data, 2);
}

static void
fixture_close (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv)     fallbacks = pm_backend_get_fallbacks (fixture->backend);
  g_assert_true (pm_backend_finish (fixture->backend, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
  pm_backend_close (fixture->ref);
  pm_backend_close (fixture->backend);
}

/* Host memory for the reference; these helpers carry it to the backend under test and back. */
static float *
to_backend (PmBackend *backend, const float *from, gsize n)
{
  g_autoptr (GError) error = NULL;
  float             *memory = pm_backend_alloc (backend, n * sizeof (float), &error);
  g_assert_no_error (error);
  pm_backend_upload (backend, memory, from, n * sizeof (float));
  return memory;
}

static float *
from_backend (PmBackend *backend, float *memory, gsize n)
{
  float *values = g_new (float, n);
  pm_backend_download (backend, values, memory, n * sizeof (float));
  pm_backend_free (backend, memory);
  return values;
}

typedef struct
{
  int          M, N, K;
  PmDtype      dtype;
  PmActivation activation;
  gboolean     bias, gate, residual;
  int          pad; /* of the rows of x and y */
} LinearCase;

static const LinearCase linear_cases[] = {
  { 1, 1, 1, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 0 },
  { 2, 70, 19, PM_DTYPE_F16, PM_ACTIVATION_SILU, TRUE, TRUE, TRUE, 3 },
  { 8, 33, 1152, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, TRUE, 0 },
  { 9, 64, 17, PM_DTYPE_BF16, PM_ACTIVATION_GELU_TANH, FALSE, FALSE, FALSE, 0 },
  { 50, 75, 31, PM_DTYPE_F32, PM_ACTIVATION_GELU_TANH, TRUE, TRUE, TRUE, 5 },
  { 128, 576, 192, PM_DTYPE_F16, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 0 },
  { 130, 1153, 257, PM_DTYPE_F32, PM_ACTIVATION_SILU, TRUE, FALSE, TRUE, 0 },
  { 1030, 384, 96, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 0 },
  { 66, 2500, 513, PM_DTYPE_BF16, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 0 },
  { 64, 48, 64, PM_DTYPE_F32, PM_ACTIVATION_NONE, FALSE, FALSE, FALSE, 0 },
  { 17, 5, 4609, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 1 },
  { 33, 400, 1552, PM_DTYPE_F16, PM_ACTIVATION_GELU_TANH, TRUE, TRUE, FALSE, 0 },
  { 1000, 50, 4700, PM_DTYPE_F16, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 2 },
};

/* Weights as a file would hold them. */
static gpointer
new_weights (Fixture *fixture, PmDtype dtype, gsize n)
{
  float   *values = new_normals (fixture, n, 1.f);
  guint16 *half = g_new (guint16, n);
  if (dtype == PM_DTYPE_F32)
    {
      g_free (half);
      return values;
    }
  if (dtype == PM_DTYPE_F16)
    pm_convert_f32_to_f16 (values, n, half);
  for (gsize i = 0; dtype == PM_DTYPE_BF16 && i < n; i++)
    {
      guint32 bits;
      memcpy (&bits, &values[i], 4);
      half[i] = bits >> 16;
    }
  g_free (values);
  return half;
}

static float *
run_linear (PmBackend *backend, const LinearCase *c, const float *x, gconstpointer w, const float *bias, const float *gate,
            const float *y0)
{
  g_autoptr (GError) error = NULL;
  PmTensor wt
      = { .name = "w", .dtype = c->dtype, .rank = 2, .shape = { c->N, c->K }, .n_elements = (gsize)c->N * c->K, .data = w };
  PmTensor bt = { .name = "b", .dtype = PM_DTYPE_F32, .rank = 1, .shape = { c->N }, .n_elements = c->N, .data = bias };
  PmWeight weight, bias_weight;
  int      rows_per_item = (c->M + 1) / 2;
  gsize    xs = c->K + c->pad, ys = c->N + c->pad;
  float *bx = to_backend (backend, x, c->M * xs), *by = to_backend (backend, y0, c->M * ys),
        *bg = to_backend (backend, gate, 2 * c->N);

  g_assert_true (pm_backend_prepare (backend, &wt, &weight, &error) && pm_backend_prepare (backend, &bt, &bias_weight, &error));
  pm_backend_linear (backend, &(PmLinear) { .M = c->M, .N = c->N, .K = c->K, .x = pm_acts_f32 (bx), .x_stride = xs, .w = &weight,
                                            .bias = c->bias ? &bias_weight : NULL, .activation = c->activation,
                                            .gate = pm_acts_f32 (c->gate ? bg : NULL), .gate_stride = c->N,
                                            .rows_per_item = rows_per_item,
                                            .residual = pm_acts_f32 (c->residual ? by : NULL), .y = pm_acts_f32 (by),
                                            .y_stride = ys });
  g_assert_true (pm_backend_finish (backend, &error));
  pm_backend_release (backend, &weight);
  pm_backend_release (backend, &bias_weight);
  pm_backend_free (backend, bx);
  pm_backend_free (backend, bg);
  return from_backend (backend, by, c->M * ys);
}

static void
check_linear (Fixture *fixture, const LinearCase *c)
{
  gsize               n_y = (gsize) c->M * (c->N + c->pad);
  g_autofree float   *x = new_normals (fixture, (gsize) c->M * (c->K + c->pad), 1.f), *y = new_normals (fixture, n_y, 1.f);
  g_autofree float   *bias = new_normals (fixture, c->N, 1.f), *gate = new_normals (fixture, 2 * c->N, 1.f);
  g_autofree gpointer w = new_weights (fixture, c->dtype, (gsize) c->N * c->K);
  g_autofree char    *name = g_strdup_printf ("linear %d x %d x %d %s", c->M, c->N, c->K, pm_dtype_name (c->dtype));
  g_autofree float   *expected = run_linear (fixture->ref, c, x, w, bias, gate, y);
  g_autofree float   *got = run_linear (fixture->backend, c, x, w, bias, gate, y);

  pm_test_compare_relative (name, got, expected, n_y, 1e-6);
  for (int threads = 1; pm_test_has_threads (fixture->device) && threads <= 5; threads += 2)
    {
      g_autoptr (PmBackend) other = pm_test_open (fixture->device, threads);
      g_autofree float     *again = run_linear (other, c, x, w, bias, gate, y);
      g_assert_cmpmem (again, n_y * sizeof (float), got, n_y * sizeof (float));
    }
}

static void
test_linear (Fixture *fixture, gconstpointer data)
{
  fixture->device = data;
  for (gsize i = 0; i < G_N_ELEMENTS (linear_cases); i++)
    check_linear (fixture, &linear_cases[i]);
}

static float *
run_norm (PmBackend *backend, int M, int D, const float *x, const float *mod)
{
  float *bx = to_backend (backend, x, (gsize)M * D), *bm = to_backend (backend, mod, 4 * D),
        *by = to_backend (backend, x, (gsize)M * D);
  pm_backend_norm_modulate (backend, &(PmNorm){ .M = M,
                                                .D = D,
                                                .rows_per_item = (M + 1) / 2,
                                                .x = bx,
                                                .shift = bm,
                                                .scale = bm + D,
                                                .mod_stride = 2 * (gsize)D,
                                                .eps = 1e-6f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_free (backend, bx);
  pm_backend_free (backend, bm);
  return from_backend (backend, by, (gsize) M * D);
}

static void
test_norm (Fixture *fixture, gconstpointer data)
{
  static const int shapes[][2] = { { 1, 1 }, { 3, 17 }, { 128, 192 }, { 77, 1152 }, { 515, 75 } };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      int               M = shapes[i][0], D = shapes[i][1];
      g_autofree float *x = new_normals (fixture, (gsize) M * D, 3.f), *mod = new_normals (fixture, 4 * D, 1.f);
      for (gsize j = 0; j < (gsize) M * D; j++)
        x[j] += 5.f; /* a mean far from 0, as residual streams have */
      g_autofree float *expected = run_norm (fixture->ref, M, D, x, mod), *got = run_norm (fixture->backend, M, D, x, mod);
      pm_test_compare_relative ("norm_modulate", got, expected, (gsize) M * D, 2e-6);
    }
}

static float *
run_rms_norm (PmBackend *backend, int M, int D, PmDtype dtype, const float *x, gconstpointer w)
{
  PmTensor tensor = { .name = "w", .dtype = dtype, .rank = 1, .shape = { D }, .n_elements = D, .data = w };
  PmWeight weight;
  float   *bx = to_backend (backend, x, (gsize) M * D), *by = to_backend (backend, x, (gsize) M * D);

  g_assert_true (pm_backend_prepare (backend, &tensor, &weight, NULL));
  pm_backend_rms_norm (backend, &(PmRmsNorm) { .M = M, .D = D, .x = bx, .weight = &weight, .eps = 1e-6f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_rms_norm (backend, &(PmRmsNorm) { .M = M, .D = D, .x = by, .weight = &weight, .eps = 0.5f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_release (backend, &weight);
  pm_backend_free (backend, bx);
  return from_backend (backend, by, (gsize) M * D);
}

static void
test_rms_norm (Fixture *fixture, gconstpointer data)
{
  static const int     shapes[][2] = { { 1, 1 }, { 3, 17 }, { 128, 192 }, { 77, 4096 }, { 515, 75 } };
  static const PmDtype dtypes[] = { PM_DTYPE_F32, PM_DTYPE_F16, PM_DTYPE_BF16 };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      int                 M = shapes[i][0], D = shapes[i][1];
      PmDtype             dtype = dtypes[i % 3];
      g_autofree float   *x = new_normals (fixture, (gsize) M * D, 3.f);
      g_autofree gpointer w = new_weights (fixture, dtype, D);
      for (gsize j = 0; j < (gsize) M * D; j++)
        x[j] += 5.f;
      g_autofree float *expected = run_rms_norm (fixture->ref, M, D, dtype, x, w);
      g_autofree float *got = run_rms_norm (fixture->backend, M, D, dtype, x, w);
      pm_test_compare_relative ("rms_norm", got, expected, (gsize) M * D, 2e-6);
    }
}

static void
test_patches (Fixture *fixture, gconstpointer data)
{
  static const int shapes[][5] = { { 1, 1, 2, 2, 1 }, { 2, 4, 32, 32, 2 }, { 3, 3, 24, 40, 8 }, { 2, 5, 6, 9, 3 } };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      PmPatches op
          = { .B = shapes[i][0], .C = shapes[i][1], .height = shapes[i][2], .width = shapes[i][3], .patch = shapes[i][4] };
      gsize     n = (gsize) op.B * op.C * op.height * op.width;
      g_autofree float *x = new_normals (fixture, n, 1.f);
      for (int reverse = 0; reverse < 2; reverse++)
        {
          float *results[2];
          for (int which = 0; which < 2; which++)
            {
              PmBackend *backend = which ? fixture->backend : fixture->ref;
              float     *from = to_backend (backend, x, n), *to = to_backend (backend, x, n);
              op.from = from;
              op.to = to;
              (reverse ? pm_backend_unpatchify : pm_backend_patchify) (backend, &op);
              results[which] = from_backend (backend, to, n);
              pm_backend_free (backend, from);
            }
          g_assert_cmpmem (results[0], n * sizeof (float), results[1], n * sizeof (float));
          g_free (results[0]);
          g_free (results[1]);
        }
    }
}

static void
test_elements (Fixture *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 1, 15, 16, 33, 50001 };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int a = PM_ACTIVATION_NONE; a < PM_N_ACTIVATIONS; a++)
      {
        gsize             n = sizes[i], n_y = (n + 2) / 3;
        g_autofree float *x = new_normals (fixture, n, 4.f);
        float            *results[2];
        x[0] = a % 2 ? -120.f : 120.f; /* past the range of exp */
        for (int which = 0; which < 2; which++)
          {
            PmBackend *backend = which ? fixture->backend : fixture->ref;
            float     *bx = to_backend (backend, x, n), *by = to_backend (backend, x, n_y);
            pm_backend_activate (backend, &(PmActivate) { .n = n, .activation = a, .x = bx, .y = bx });
            pm_backend_add (backend, &(PmAdd) { .n = n, .n_y = n_y, .x = bx, .y = by });
            pm_backend_free (backend, by);
            results[which] = from_backend (backend, bx, n);
          }
        pm_test_compare_relative ("activate and add, far out", results[1], results[0], 1, 1e-6);
        if (n > 1)
          pm_test_compare_relative ("activate and add", results[1] + 1, results[0] + 1, n - 1, 1e-6);
        g_free (results[0]);
        g_free (results[1]);
      }
}

static void
test_combine (Fixture *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 1, 17, 70001 };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int n_terms = 1; n_terms <= PM_COMBINE_MAX; n_terms++)
      {
        gsize             n = sizes[i];
        g_autofree float *x = new_normals (fixture, PM_COMBINE_MAX * n, 1.f);
        float            *results[2];
        for (int which = 0; which < 2; which++)
          {
            PmBackend *backend = which ? fixture->backend : fixture->ref;
            float     *bx = to_backend (backend, x, PM_COMBINE_MAX * n);
            PmCombine  op = { .n = n, .n_terms = n_terms, .weights = { -1.f, 0.5f, 3.f, 1e-3f }, .y = bx + (n_terms - 1) * n };
            for (int k = 0; k < n_terms; k++)
              op.x[k] = bx + k * n; /* y is one of them */
            pm_backend_combine (backend, &op);
            results[which] = from_backend (backend, bx, PM_COMBINE_MAX * n);
          }
        pm_test_compare_relative ("combine", results[1], results[0], PM_COMBINE_MAX * n, 1e-6);
        g_free (results[0]);
        g_free (results[1]);
      }
}

typedef struct
{
  int      B, H, d, Tq, Tk;
  gboolean has_counts, has_edit, has_bias;
} AttentionCase;

#define MAX_ITEMS 3
#define N_REGIONS 2

/* What differs between items: how many keys they look at, and what is added to their logits. */
typedef struct
{
  int         counts[MAX_ITEMS];
  float      *key_bias, *region_bias;
  int        *key_region;
  PmLogitEdit edit;
} Steering;

/* The first key of an item always stays; of the others some are weighed, some hidden, some belong to regions that hide them from
 * every third query. */
static void
steering_init (Steering *steering, PmBackend *backend, const AttentionCase *c)
{
  gsize             n_keys = (gsize) c->B * c->Tk, n_bias = (gsize) c->B * N_REGIONS * c->Tq;
  g_autofree float *bias = g_new0 (float, n_keys);
  g_autofree float *regions = g_new0 (float, n_bias);
  g_autofree int   *key_region = g_new (int, n_keys);

  g_assert_cmpint (c->B, <=, MAX_ITEMS);
  for (int b = 0; b < c->B; b++)
    steering->counts[b] = b == 0 ? MAX (c->Tk - 3, 1) : MAX (c->Tk / (b + 2), 1);
  for (gsize j = 0; j < n_keys; j++)
    {
      int key = (int) (j % c->Tk);
      bias[j] = key == 0 ? 0.5f : key % 5 == 1 ? -INFINITY : key % 5 == 2 ? logf (3.f) : 0.f;
      key_region[j] = key == 0 ? -1 : key % 3 - 1;
    }
  for (gsize i = 0; i < n_bias; i++)
    regions[i] = i % 3 == 0 ? -INFINITY : i % 3 == 1 ? -1.5f : 0.f;
  steering->key_bias = to_backend (backend, bias, n_keys);
  steering->region_bias = to_backend (backend, regions, n_bias);
  steering->key_region = (int *) to_backend (backend, (const float *) key_region, n_keys);
  steering->edit = (PmLogitEdit) { .key_bias = steering->key_bias, .key_region = steering->key_region, .n_regions = N_REGIONS,
                                   .region_bias = steering->region_bias };
}

static void
steering_clear (Steering *steering, PmBackend *backend)
{
  pm_backend_free (backend, steering->key_bias);
  pm_backend_free (backend, steering->region_bias);
  pm_backend_free (backend, steering->key_region);
}

/* Results of one run: out, then every reduction. */
#define N_RESULTS 6
typedef struct
{
  float *values[N_RESULTS];
  gsize  n[N_RESULTS];
} AttentionResults;

static void
run_attention (PmBackend *backend, const AttentionCase *c, const float *qkv, const float *weights, const float *logits,
               gboolean reduced, AttentionResults *results)
{
  gsize row = 3 * (gsize) c->H * c->d, T = MAX (c->Tq, c->Tk), width = (gsize) c->H * c->d, heads = (gsize) c->B * c->H;
  const int rows[] = { 0, c->Tq - 1, c->Tq / 2 };
  g_autofree float *head_weights = g_new0 (float, c->H);
  Steering          steering;
  const gsize sizes[N_RESULTS] = { c->B * c->Tq * width, heads * 2 * c->Tk, heads * 3 * c->Tq, heads * c->Tq, heads * 3 * c->Tk,
                                   (gsize) c->B * c->Tq * c->Tk };
  float *q = to_backend (backend, qkv, c->B * T * row), *w = to_backend (backend, weights, 5 * c->B * T);
  float *bias = c->has_bias ? to_backend (backend, logits, (gsize) c->H * c->Tq * c->Tk) : NULL;

  for (int h = 0; h < c->H; h += 2)
    head_weights[h] = 1.f / (h + 1);
  for (int i = 0; i < N_RESULTS; i++)
    {
      g_autofree float *zeros = g_new0 (float, sizes[i]);
      results->values[i] = to_backend (backend, zeros, sizes[i]);
      results->n[i] = sizes[i];
    }
  steering_init (&steering, backend, c);
  PmReduce reduce = { .n_query_weights = 2, .query_weights = w, .query_sums = results->values[1], .n_key_weights = 3,
                      .key_weights = w + 2 * c->B * T, .key_sums = results->values[2], .entropy = results->values[3], .n_rows = 3,
                      .rows = rows, .row_probs = results->values[4], .head_weights = head_weights, .matrix = results->values[5] };
  pm_backend_attention (backend, &(PmAttention){ .B = c->B,
                                                 .H = c->H,
                                                 .d = c->d,
                                                 .Tq = c->Tq,
                                                 .Tk = c->Tk,
                                                 .q = pm_acts_f32 (q),
                                                 .k = pm_acts_f32 (q + width),
                                                 .v = pm_acts_f32 (q + 2 * width),
                                                 .q_item = T * row,
                                                 .q_row = row,
                                                 .kv_item = T * row,
                                                 .kv_row = row,
                                                 .scale = 1.f / sqrtf (c->d),
                                                 .out = pm_acts_f32 (results->values[0]),
                                                 .out_item = c->Tq * width,
                                                 .out_row = width,
                                                 .bias = bias,
                                                 .key_counts = c->has_counts ? steering.counts : NULL,
                                                 .edit = c->has_edit ? &steering.edit : NULL,
                                                 .reduce = reduced ? &reduce : NULL });
  steering_clear (&steering, backend);
  for (int i = 0; i < N_RESULTS; i++)
    results->values[i] = from_backend (backend, results->values[i], sizes[i]);
  pm_backend_free (backend, q);
  pm_backend_free (backend, w);
  if (bias)
    pm_backend_free (backend, bias);
}

static void
results_clear (AttentionResults *results)
{
  for (int i = 0; i < N_RESULTS; i++)
    g_free (results->values[i]);
}

static void
check_attention (Fixture *fixture, const AttentionCase *c)
{
  static const char *const names[] = { "out", "query sums", "key sums", "entropy", "rows", "matrix" };
  static const double limits[] = { 3e-6, 3e-6, 3e-6, 1e-6, 3e-6, 3e-6 }; /* f32 logits of a few nats, then exp */
  gsize             T = MAX (c->Tq, c->Tk);
  g_autofree float *qkv = new_normals (fixture, 3 * (gsize) c->B * T * c->H * c->d, 1.3f);
  g_autofree float *weights = g_new (float, 5 * c->B * T);
  g_autofree float *bias = new_normals (fixture, (gsize) c->H * c->Tq * c->Tk, 2.f);
  AttentionResults  expected, got, plain;

  pm_random_uniform (&fixture->random, 5 * c->B * T, weights);
  g_test_message ("attention of %d items, %d heads of %d, %d queries, %d keys", c->B, c->H, c->d, c->Tq, c->Tk);
  run_attention (fixture->ref, c, qkv, weights, bias, TRUE, &expected);
  run_attention (fixture->backend, c, qkv, weights, bias, TRUE, &got);
  run_attention (fixture->backend, c, qkv, weights, bias, FALSE, &plain);
  g_assert_cmpmem (plain.values[0], plain.n[0] * sizeof (float), got.values[0],
                   got.n[0] * sizeof (float)); /* looking changes nothing */
  for (int i = 0; i < N_RESULTS; i++)
    pm_test_compare_relative (names[i], got.values[i], expected.values[i], got.n[i], limits[i]);
  for (gsize i = 0; i < got.n[4]; i++) /* hidden is hidden, not nearly */
    g_assert_true ((got.values[4][i] == 0) == (expected.values[4][i] == 0));
  for (int threads = 1; pm_test_has_threads (fixture->device) && threads <= 3; threads += 2)
    {
      g_autoptr (PmBackend) other = pm_test_open (fixture->device, threads);
      AttentionResults      again;
      run_attention (other, c, qkv, weights, bias, TRUE, &again);
      for (int i = 0; i < N_RESULTS; i++)
        g_assert_cmpmem (again.values[i], again.n[i] * sizeof (float), got.values[i], got.n[i] * sizeof (float));
      results_clear (&again);
    }
  results_clear (&expected);
  results_clear (&got);
  results_clear (&plain);
}

static void
test_attention (Fixture *fixture, gconstpointer data)
{
  static const AttentionCase cases[] = { { 1, 1, 1, 1, 1 },    { 2, 3, 24, 16, 16 }, { 1, 2, 72, 25, 25 },
                                         { 2, 6, 32, 64, 64 }, { 1, 2, 20, 7, 45 },  { 1, 3, 72, 300, 257 },
                                         { 1, 1, 64, 40, 5000 },
                                         { 1, 1, 3, 4, 1, TRUE, TRUE },      { 2, 3, 24, 33, 19, TRUE, FALSE },
                                         { 3, 2, 72, 130, 77, FALSE, TRUE }, { 3, 4, 20, 300, 121, TRUE, TRUE },
                                         { 2, 3, 64, 300, 300, FALSE, FALSE, TRUE }, { 3, 4, 24, 9, 30, TRUE, TRUE, TRUE },
                                         { 2, 1, 160, 70, 3400, TRUE, TRUE, TRUE }, { 1, 1, 8, 50, 9000 } };
  fixture->device = data;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check_attention (fixture, &cases[i]);
}

/* The reference itself against the definition, whole and in f64. */
static void
test_steering (Fixture *fixture, gconstpointer data)
{
  const AttentionCase c = { 2, 2, 5, 9, 11, TRUE, TRUE };
  gsize               row = 3 * (gsize) c.H * c.d, T = MAX (c.Tq, c.Tk), width = (gsize) c.H * c.d;
  g_autofree float   *qkv = new_normals (fixture, c.B * T * row, 1.3f);
  g_autofree float   *weights = new_normals (fixture, 5 * c.B * T, 1.f);
  g_autofree float   *expected = g_new0 (float, c.B * c.Tq * width), *probs = g_new0 (float, c.B * c.H * c.Tk);
  Steering            steering;
  AttentionResults    got;

  steering_init (&steering, fixture->ref, &c);
  for (int row_at = 0; row_at < c.B * c.H * c.Tq; row_at++)
    {
      int           i = row_at % c.Tq, h = row_at / c.Tq % c.H, b = row_at / c.Tq / c.H, n = steering.counts[b];
      const float  *q = qkv + (b * T + i) * row + h * c.d, *k = qkv + b * T * row + width + h * c.d, *v = k + width;
      double        p[11], sum = 0;

      for (int j = 0; j < n; j++)
        {
          int region = steering.key_region[b * c.Tk + j];
          p[j] = steering.key_bias[b * c.Tk + j];
          if (region >= 0)
            p[j] += steering.region_bias[(b * N_REGIONS + region) * c.Tq + i];
          for (int e = 0; e < c.d; e++)
            p[j] += (double) q[e] * k[j * row + e] / sqrt (c.d);
          sum += p[j] = exp (p[j]);
        }
      for (int j = 0; j < n; j++)
        for (int e = 0; e < c.d; e++)
          expected[(b * c.Tq + i) * width + h * c.d + e] += (float) (p[j] / sum * v[j * row + e]);
      for (int j = 0; j < n && i == 0; j++)
        probs[(b * c.H + h) * c.Tk + j] = (float) (p[j] / sum);
    }
  steering_clear (&steering, fixture->ref);
  run_attention (fixture->ref, &c, qkv, weights, NULL, TRUE, &got);
  pm_test_compare_relative ("steered out", got.values[0], expected, got.n[0], 1e-6);
  for (int head = 0; head < c.B * c.H; head++) /* the first of three rows that are kept */
    for (int j = 0; j < c.Tk; j++)
      g_assert_cmpfloat (fabsf (got.values[4][(head * 3) * c.Tk + j] - probs[head * c.Tk + j]), <, 1e-7);
  results_clear (&got);
}

static void
test_unknown_device (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (pm_backend_open ("abacus", 1, &error));
  g_assert_nonnull (strstr (error->message, "abacus"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = { { "linear", test_linear },     { "norm", test_norm }, { "rms-norm", test_rms_norm }, { "patches", test_patches },
                { "elements", test_elements }, { "combine", test_combine }, { "attention", test_attention },
                { "steering", test_steering } };

  g_test_init (&argc, &argv, NULL);
  g_auto (GStrv) devices = pm_test_devices ();
  for (int i = 0; devices[i]; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (tests); j++)
      {
        g_autofree char *path = g_strdup_printf ("/backend/%s/%s", devices[i], tests[j].name);
        g_test_add (path, Fixture, devices[i], fixture_open, tests[j].run, fixture_close);
      }
  g_test_add_func ("/backend/unknown-device", test_unknown_device);
  return g_test_run ();
}
