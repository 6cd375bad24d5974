/* The attention of every backend, and all that is recorded of it, against the reference loops, over odd and large shapes, the
 * limit beside it; bit by bit the same whatever the number of threads; and the reference itself against the definition. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "compare.h"
#include "devices.h"

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
  steering->key_bias = pm_test_to_backend (backend, bias, n_keys);
  steering->region_bias = pm_test_to_backend (backend, regions, n_bias);
  steering->key_region = (int *) pm_test_to_backend (backend, (const float *) key_region, n_keys);
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

/* Sums and entropy of an item next to each other, with the next item's further away. */
static void
set_apart (PmBackend *backend, PmReduce *reduce, const AttentionCase *c)
{
  gsize n_query = (gsize) 2 * c->H * c->Tk, n_key = (gsize) 3 * c->H * c->Tq;

  reduce->item_stride = n_query + n_key + (gsize) c->H * c->Tq + 5;
  g_autofree float *zeros = g_new0 (float, c->B * reduce->item_stride);
  reduce->query_sums = pm_test_to_backend (backend, zeros, c->B * reduce->item_stride);
  reduce->key_sums = reduce->query_sums + n_query;
  reduce->entropy = reduce->key_sums + n_key;
}

static void
bring_together (PmBackend *backend, const PmReduce *reduce, const AttentionCase *c, AttentionResults *results)
{
  g_autofree float *all = pm_test_from_backend (backend, reduce->query_sums, c->B * reduce->item_stride);
  const float      *from = all;

  for (int i = 1; i < 4; i++)
    {
      gsize             n = results->n[i] / c->B;
      g_autofree float *values = g_new (float, results->n[i]);
      for (int b = 0; b < c->B; b++)
        memcpy (values + b * n, from + b * reduce->item_stride, n * sizeof (float));
      pm_backend_free (backend, results->values[i]);
      results->values[i] = pm_test_to_backend (backend, values, results->n[i]);
      from += n;
    }
}

static void
run_attention (PmBackend *backend, const AttentionCase *c, const float *qkv, const float *weights, const float *logits,
               gboolean reduced, gboolean is_apart, AttentionResults *results)
{
  gsize row = 3 * (gsize) c->H * c->d, T = MAX (c->Tq, c->Tk), width = (gsize) c->H * c->d, heads = (gsize) c->B * c->H;
  const int rows[] = { 0, c->Tq - 1, c->Tq / 2 };
  g_autofree float *head_weights = g_new0 (float, c->H);
  Steering          steering;
  const gsize sizes[N_RESULTS] = { c->B * c->Tq * width, heads * 2 * c->Tk, heads * 3 * c->Tq, heads * c->Tq, heads * 3 * c->Tk,
                                   (gsize) c->B * c->Tq * c->Tk };
  float *q = pm_test_to_backend (backend, qkv, c->B * T * row), *w = pm_test_to_backend (backend, weights, 5 * c->B * T);
  float *bias = c->has_bias ? pm_test_to_backend (backend, logits, (gsize) c->H * c->Tq * c->Tk) : NULL;

  for (int h = 0; h < c->H; h += 2)
    head_weights[h] = 1.f / (h + 1);
  for (int i = 0; i < N_RESULTS; i++)
    {
      g_autofree float *zeros = g_new0 (float, sizes[i]);
      results->values[i] = pm_test_to_backend (backend, zeros, sizes[i]);
      results->n[i] = sizes[i];
    }
  steering_init (&steering, backend, c);
  PmReduce reduce = { .n_query_weights = 2, .query_weights = w, .query_sums = results->values[1], .n_key_weights = 3,
                      .key_weights = w + 2 * c->B * T, .key_sums = results->values[2], .entropy = results->values[3], .n_rows = 3,
                      .rows = rows, .row_probs = results->values[4], .head_weights = head_weights, .matrix = results->values[5] };
  if (is_apart)
    set_apart (backend, &reduce, c);
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
  if (is_apart)
    bring_together (backend, &reduce, c, results);
  for (int i = 0; i < N_RESULTS; i++)
    results->values[i] = pm_test_from_backend (backend, results->values[i], sizes[i]);
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
check_attention (PmTestPair *fixture, const AttentionCase *c)
{
  static const char *const names[] = { "out", "query sums", "key sums", "entropy", "rows", "matrix" };
  static const double limits[] = { 3e-6, 3e-6, 3e-6, 1e-6, 3e-6, 3e-6 }; /* f32 logits of a few nats, then exp */
  gsize             T = MAX (c->Tq, c->Tk);
  g_autofree float *qkv = pm_test_new_normals (fixture, 3 * (gsize) c->B * T * c->H * c->d, 1.3f);
  g_autofree float *weights = g_new (float, 5 * c->B * T);
  g_autofree float *bias = pm_test_new_normals (fixture, (gsize) c->H * c->Tq * c->Tk, 2.f);
  AttentionResults  expected, got, plain, apart;

  pm_random_uniform (&fixture->random, 5 * c->B * T, weights);
  g_test_message ("attention of %d items, %d heads of %d, %d queries, %d keys", c->B, c->H, c->d, c->Tq, c->Tk);
  run_attention (fixture->ref, c, qkv, weights, bias, TRUE, FALSE, &expected);
  run_attention (fixture->backend, c, qkv, weights, bias, TRUE, FALSE, &got);
  run_attention (fixture->backend, c, qkv, weights, bias, TRUE, TRUE, &apart);
  run_attention (fixture->backend, c, qkv, weights, bias, FALSE, FALSE, &plain);
  g_assert_cmpmem (plain.values[0], plain.n[0] * sizeof (float), got.values[0],
                   got.n[0] * sizeof (float)); /* looking changes nothing */
  for (int i = 0; i < N_RESULTS; i++)
    {
      pm_test_compare_relative (names[i], got.values[i], expected.values[i], got.n[i], limits[i]);
      g_assert_cmpmem (apart.values[i], apart.n[i] * sizeof (float), got.values[i], got.n[i] * sizeof (float));
    }
  for (gsize i = 0; i < got.n[4]; i++) /* hidden is hidden, not nearly */
    g_assert_true ((got.values[4][i] == 0) == (expected.values[4][i] == 0));
  for (int threads = 1; pm_test_has_threads (fixture->device) && threads <= 3; threads += 2)
    {
      g_autoptr (PmBackend) other = pm_test_open (fixture->device, threads);
      AttentionResults      again;
      run_attention (other, c, qkv, weights, bias, TRUE, FALSE, &again);
      for (int i = 0; i < N_RESULTS; i++)
        g_assert_cmpmem (again.values[i], again.n[i] * sizeof (float), got.values[i], got.n[i] * sizeof (float));
      results_clear (&again);
    }
  results_clear (&expected);
  results_clear (&got);
  results_clear (&plain);
  results_clear (&apart);
}

static void
test_attention (PmTestPair *fixture, gconstpointer data)
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
test_steering (PmTestPair *fixture, gconstpointer data)
{
  const AttentionCase c = { 2, 2, 5, 9, 11, TRUE, TRUE };
  gsize               row = 3 * (gsize) c.H * c.d, T = MAX (c.Tq, c.Tk), width = (gsize) c.H * c.d;
  g_autofree float   *qkv = pm_test_new_normals (fixture, c.B * T * row, 1.3f);
  g_autofree float   *weights = pm_test_new_normals (fixture, 5 * c.B * T, 1.f);
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
  run_attention (fixture->ref, &c, qkv, weights, NULL, TRUE, FALSE, &got);
  pm_test_compare_relative ("steered out", got.values[0], expected, got.n[0], 1e-6);
  for (int head = 0; head < c.B * c.H; head++) /* the first of three rows that are kept */
    for (int j = 0; j < c.Tk; j++)
      g_assert_cmpfloat (fabsf (got.values[4][(head * 3) * c.Tk + j] - probs[head * c.Tk + j]), <, 1e-7);
  results_clear (&got);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (PmTestPair *, gconstpointer);
  } tests[] = { { "recorded", test_attention }, { "steering", test_steering } };

  g_test_init (&argc, &argv, NULL);
  g_auto (GStrv) devices = pm_test_devices ();
  for (int i = 0; devices[i]; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (tests); j++)
      {
        g_autofree char *path = g_strdup_printf ("/backend-attention/%s/%s", devices[i], tests[j].name);
        g_test_add (path, PmTestPair, devices[i], pm_test_pair_open, tests[j].run, pm_test_pair_close);
      }
  return g_test_run ();
}
