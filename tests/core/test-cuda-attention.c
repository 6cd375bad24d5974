/* The CUDA kernels of attention, built for the host, against the reference loops: every type, odd and larger shapes, packed and
 * separate q, k and v, what is added to logits, everything that is recorded; whatever the order in which threads come, and
 * whatever the size of the device.
 *
 * Types of 16 bits are compared with the reference on the same rounded numbers. Their limits, of what is largest: `out` is
 * rounded to 8 or 11 bits, and so was each probability that it is made of; what is recorded is f32 all the way. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "base/random.h"
#include "compare.h"
#include "cuda-door.h"
#include "tensor/tensor.h"

#define N_REGIONS 2
#define N_RESULTS 6

typedef struct
{
  int      B, H, d, Tq, Tk;
  gboolean has_counts, has_edit, has_bias;
  gboolean is_packed;                 /* q, k and v are columns of one matrix */
  int      pad;                       /* elements behind rows */
  int      n_query, n_key;            /* weights */
  int      rows_by;                   /* every so many queries are chosen; 0: none */
  gboolean has_choice;                /* of heads and items */
  int      n_multiprocessors;         /* 0: 132 */
} Case;

/* One run: its arguments, in the memory of whoever runs it, and its results. */
typedef struct
{
  const Case *c;
  PmDtype     dtype;
  gsize       q_row, kv_row, n_q, n_kv;
  float      *q, *kv;                      /* as f32 values of the dtype */
  float      *query_weights, *key_weights, *bias, *key_bias, *region_bias, *head_weights;
  int        *key_region, *counts, *rows;
  int         n_rows;
  bool       *head_choice, *item_choice;
  gsize       sizes[N_RESULTS];
} Setup;

typedef struct
{
  float *values[N_RESULTS];
} Results;

typedef struct
{
  PmDtype     dtype;
  const char *name;
  double      out, recorded;
} Precision;

static const Precision precisions[] = { { PM_DTYPE_F32, "f32", 2e-6, 2e-6 },
                                        { PM_DTYPE_BF16, "bf16", 6e-3, 2e-6 },
                                        { PM_DTYPE_F16, "f16", 8e-4, 2e-6 } };

static guint16
narrow (float x, PmDtype dtype)
{
  guint16 half;
  guint32 bits;
  if (dtype == PM_DTYPE_F16)
    {
      pm_convert_f32_to_f16 (&x, 1, &half);
      return half;
    }
  memcpy (&bits, &x, 4);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float *
new_normals (PmRandom *random, gsize n, float scale, PmDtype dtype)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (random, n, values);
  for (gsize i = 0; i < n; i++)
    {
      values[i] *= scale;
      guint16 half = dtype == PM_DTYPE_F32 ? 0 : narrow (values[i], dtype);
      if (dtype != PM_DTYPE_F32)
        pm_convert_to_f32 (&half, dtype, 1, &values[i]);
    }
  return values;
}

/* The first key of an item always stays; of the others some are weighed, some hidden, some belong to regions that hide them from
 * every third query. */
static void
setup_steering (Setup *setup)
{
  const Case *c = setup->c;
  gsize       n_keys = (gsize) c->B * c->Tk, n_bias = (gsize) c->B * N_REGIONS * c->Tq;

  setup->key_bias = g_new (float, n_keys);
  setup->key_region = g_new (int, n_keys);
  setup->region_bias = g_new (float, n_bias);
  for (gsize j = 0; j < n_keys; j++)
    {
      int key = (int) (j % c->Tk);
      setup->key_bias[j] = key == 0 ? 0.5f : key % 5 == 1 ? -INFINITY : key % 5 == 2 ? logf (3.f) : 0.f;
      setup->key_region[j] = key == 0 ? -1 : key % 3 - 1;
    }
  for (gsize i = 0; i < n_bias; i++)
    setup->region_bias[i] = i % 3 == 0 ? -INFINITY : i % 3 == 1 ? -1.5f : 0.f;
}

static void
setup_init (Setup *setup, const Case *c, PmDtype dtype, PmRandom *random)
{
  gsize width = (gsize) c->H * c->d, heads = (gsize) c->B * c->H;

  *setup = (Setup) { .c = c, .dtype = dtype };
  setup->q_row = (c->is_packed ? 3 : 1) * width + c->pad;
  setup->kv_row = c->is_packed ? setup->q_row : 2 * width + c->pad;
  setup->n_q = (gsize) c->B * (c->is_packed ? MAX (c->Tq, c->Tk) : c->Tq) * setup->q_row;
  setup->n_kv = c->is_packed ? 0 : (gsize) c->B * c->Tk * setup->kv_row;
  setup->q = new_normals (random, setup->n_q, 1.3f, dtype);
  setup->kv = new_normals (random, setup->n_kv, 1.3f, dtype);
  setup->bias = new_normals (random, (gsize) c->H * c->Tq * c->Tk, 2.f, PM_DTYPE_F32);
  setup->query_weights = g_new (float, (gsize) c->B * c->n_query * c->Tq + 1);
  setup->key_weights = g_new (float, (gsize) c->B * c->n_key * c->Tk + 1);
  pm_random_uniform (random, (gsize) c->B * c->n_query * c->Tq, setup->query_weights);
  pm_random_uniform (random, (gsize) c->B * c->n_key * c->Tk, setup->key_weights);
  setup->head_weights = g_new (float, c->H);
  setup->head_choice = g_new (bool, c->H);
  setup->item_choice = g_new (bool, c->B);
  setup->counts = g_new (int, c->B);
  for (int h = 0; h < c->H; h++)
    {
      setup->head_weights[h] = h % 3 == 1 ? 0.f : 1.f / (h + 1);
      setup->head_choice[h] = ! c->has_choice || h % 2 == 0;
    }
  for (int b = 0; b < c->B; b++)
    {
      setup->item_choice[b] = ! c->has_choice || b == 0;
      setup->counts[b] = ! c->has_counts ? c->Tk : b == 0 ? MAX (c->Tk - 3, 1) : MAX (c->Tk / (b + 2), 1);
    }
  setup->n_rows = c->rows_by ? (c->Tq + c->rows_by - 1) / c->rows_by : 0;
  setup->rows = g_new (int, setup->n_rows + 1);
  for (int r = 0; r < setup->n_rows; r++)
    setup->rows[r] = c->Tq - 1 - r * c->rows_by;
  setup_steering (setup);
  const gsize sizes[N_RESULTS] = { c->B * c->Tq * (width + c->pad), heads * c->n_query * c->Tk, heads * c->n_key * c->Tq,
                                   heads * c->Tq, heads * setup->n_rows * c->Tk, (gsize) c->B * c->Tq * c->Tk };
  memcpy (setup->sizes, sizes, sizeof sizes);
}

static void
setup_clear (Setup *setup)
{
  gpointer all[] = { setup->q, setup->kv, setup->query_weights, setup->key_weights, setup->bias, setup->key_bias,
                     setup->region_bias, setup->head_weights, setup->key_region, setup->counts, setup->rows, setup->head_choice,
                     setup->item_choice };
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

/* Memory of the device, freed all together. */
static gpointer
send (GPtrArray *owned, gconstpointer from, gsize n_bytes)
{
  gpointer memory = pm_test_cuda_alloc (MAX (n_bytes, 1));
  g_ptr_array_add (owned, memory);
  pm_test_cuda_upload (memory, from, n_bytes);
  return memory;
}

static PmActs
send_acts (GPtrArray *owned, const float *from, gsize n, PmDtype dtype)
{
  g_autofree guint16 *halves = g_new (guint16, n + 1);
  for (gsize i = 0; i < n && dtype != PM_DTYPE_F32; i++)
    halves[i] = narrow (from[i], dtype);
  return (PmActs) { send (owned, dtype == PM_DTYPE_F32 ? (gconstpointer) from : halves, n * pm_dtype_size (dtype)), dtype };
}

/* The operation on host memory: everything but results. */
static PmAttention
describe (const Setup *setup, PmReduce *reduce, PmLogitEdit *edit)
{
  const Case *c = setup->c;
  gsize       width = (gsize) c->H * c->d;
  int         T = c->is_packed ? MAX (c->Tq, c->Tk) : 0;
  PmAttention op = { .B = c->B, .H = c->H, .d = c->d, .Tq = c->Tq, .Tk = c->Tk, .q = pm_acts_f32 (setup->q),
                     .k = pm_acts_f32 (c->is_packed ? setup->q + width : setup->kv),
                     .v = pm_acts_f32 (c->is_packed ? setup->q + 2 * width : setup->kv + width),
                     .q_item = (T ? T : c->Tq) * setup->q_row, .q_row = setup->q_row,
                     .kv_item = (T ? T : c->Tk) * setup->kv_row, .kv_row = setup->kv_row, .scale = 1.f / sqrtf (c->d),
                     .out_item = c->Tq * (width + c->pad), .out_row = width + c->pad,
                     .key_counts = c->has_counts ? setup->counts : NULL, .bias = c->has_bias ? setup->bias : NULL,
                     .edit = c->has_edit ? edit : NULL, .reduce = reduce };

  *edit = (PmLogitEdit) { .key_bias = setup->key_bias, .key_region = setup->key_region, .n_regions = N_REGIONS,
                          .region_bias = setup->region_bias };
  *reduce = (PmReduce) { .n_query_weights = c->n_query, .query_weights = setup->query_weights, .n_key_weights = c->n_key,
                         .key_weights = setup->key_weights, .n_rows = setup->n_rows, .rows = setup->rows,
                         .head_weights = setup->head_weights, .heads = c->has_choice ? setup->head_choice : NULL,
                         .items = c->has_choice ? setup->item_choice : NULL };
  return op;
}

static void
point_at_results (PmReduce *reduce, float **values)
{
  reduce->query_sums = values[1];
  reduce->key_sums = values[2];
  reduce->entropy = values[3];
  reduce->row_probs = values[4];
  reduce->matrix = values[5];
}

static void
run_reference (const Setup *setup, Results *results)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmBackend) ref = pm_backend_open ("ref", 1, &error);
  PmReduce              reduce;
  PmLogitEdit           edit;
  PmAttention           op = describe (setup, &reduce, &edit);

  g_assert_no_error (error);
  for (int i = 0; i < N_RESULTS; i++)
    results->values[i] = g_new0 (float, setup->sizes[i] + 1);
  op.out = pm_acts_f32 (results->values[0]);
  point_at_results (&reduce, results->values);
  pm_backend_attention (ref, &op);
}

/* On a device, whose threads come in an order that the seed decides. */
static void
run_device (const Setup *setup, gboolean is_recorded, int seed, Results *results)
{
  g_autoptr (GPtrArray) owned = g_ptr_array_new_with_free_func (pm_test_cuda_free);
  g_autofree char      *settings = g_strdup_printf ("seed=%d", seed);
  const Case           *c = setup->c;
  gsize                 width = (gsize) c->H * c->d, n_keys = (gsize) c->B * c->Tk, size = pm_dtype_size (setup->dtype);
  PmReduce              reduce;
  PmLogitEdit           edit;
  PmAttention           op = describe (setup, &reduce, &edit);
  float                *device[N_RESULTS];

  g_setenv ("PM_CUDA_HOST", settings, TRUE);
  op.q = send_acts (owned, setup->q, setup->n_q, setup->dtype);
  PmActs kv = send_acts (owned, setup->kv, setup->n_kv, setup->dtype);
  op.k = c->is_packed ? pm_acts_at (op.q, width) : kv;
  op.v = c->is_packed ? pm_acts_at (op.q, 2 * width) : pm_acts_at (kv, width);
  op.bias = op.bias ? send (owned, op.bias, sizeof (float) * c->H * c->Tq * c->Tk) : NULL;
  edit.key_bias = send (owned, edit.key_bias, sizeof (float) * n_keys);
  edit.key_region = send (owned, edit.key_region, sizeof (int) * n_keys);
  edit.region_bias = send (owned, edit.region_bias, sizeof (float) * c->B * N_REGIONS * c->Tq);
  reduce.query_weights = send (owned, reduce.query_weights, sizeof (float) * c->B * c->n_query * c->Tq);
  reduce.key_weights = send (owned, reduce.key_weights, sizeof (float) * c->B * c->n_key * c->Tk);
  for (int i = 0; i < N_RESULTS; i++)
    {
      g_autofree float *zeros = g_new0 (float, setup->sizes[i] + 1);
      device[i] = send (owned, zeros, setup->sizes[i] * (i == 0 ? size : sizeof (float)));
    }
  op.out = (PmActs) { device[0], setup->dtype };
  point_at_results (&reduce, device);
  if (! is_recorded)
    op.reduce = NULL;
  g_assert_true (pm_test_cuda_attention (&op, c->n_multiprocessors ? c->n_multiprocessors : 132, 227 * 1024));

  for (int i = 0; i < N_RESULTS; i++)
    {
      gsize n = setup->sizes[i], bytes = n * (i == 0 ? size : sizeof (float));
      results->values[i] = g_new (float, n + 1);
      pm_test_cuda_download (results->values[i], device[i], bytes);
      if (i == 0 && setup->dtype != PM_DTYPE_F32)
        {
          g_autofree guint16 *halves = g_memdup2 (results->values[0], bytes);
          pm_convert_to_f32 (halves, setup->dtype, n, results->values[0]);
        }
    }
}

static void
results_clear (Results *results)
{
  for (int i = 0; i < N_RESULTS; i++)
    g_free (results->values[i]);
}

/* Makes 0 of what was not chosen: n values for each head of each item. */
static void
forget_others (const Setup *setup, float *values, gsize n)
{
  const Case *c = setup->c;
  for (int head = 0; head < c->B * c->H; head++)
    if (! setup->item_choice[head / c->H] || ! setup->head_choice[head % c->H])
      memset (values + head * n, 0, n * sizeof (float));
}

static void
compare_results (const Setup *setup, const Precision *precision, Results *got, Results *expected)
{
  static const char *const names[] = { "out", "query sums", "key sums", "entropy", "rows", "matrix" };
  const Case              *c = setup->c;

  for (Results *results = got; results; results = results == got ? expected : NULL)
    {
      for (int i = 1; i < 5; i++)
        forget_others (setup, results->values[i], setup->sizes[i] / ((gsize) c->B * c->H));
      for (int b = 0; b < c->B; b++)
        if (! setup->item_choice[b])
          memset (results->values[5] + (gsize) b * c->Tq * c->Tk, 0, sizeof (float) * c->Tq * c->Tk);
    }
  for (int i = 0; i < N_RESULTS; i++)
    if (setup->sizes[i] > 0)
      pm_test_compare_relative (names[i], got->values[i], expected->values[i], setup->sizes[i],
                                i == 0 ? precision->out : precision->recorded);
  for (gsize i = 0; i < setup->sizes[4]; i++) /* hidden is hidden, not nearly */
    g_assert_true ((got->values[4][i] == 0) == (expected->values[4][i] == 0));
}

static void
check (const Case *c, const Precision *precision, PmRandom *random)
{
  Setup   setup;
  Results expected, got, plain, again;

  g_test_message ("%s: %d items, %d heads of %d, %d queries, %d keys", precision->name, c->B, c->H, c->d, c->Tq, c->Tk);
  setup_init (&setup, c, precision->dtype, random);
  run_reference (&setup, &expected);
  run_device (&setup, TRUE, 1, &got);
  run_device (&setup, FALSE, 2, &plain);
  run_device (&setup, TRUE, 3, &again);
  g_assert_cmpmem (plain.values[0], setup.sizes[0] * sizeof (float), got.values[0], setup.sizes[0] * sizeof (float));
  for (int i = 0; i < N_RESULTS; i++)
    g_assert_cmpmem (again.values[i], setup.sizes[i] * sizeof (float), got.values[i], setup.sizes[i] * sizeof (float));
  compare_results (&setup, precision, &got, &expected);
  results_clear (&expected);
  results_clear (&got);
  results_clear (&plain);
  results_clear (&again);
  setup_clear (&setup);
}

/* B, H, d, Tq, Tk; counts, edit, bias; packed, pad; query and key weights, rows; choice; multiprocessors */
static const Case cases[] = {
  { 1, 1, 1, 1, 1, FALSE, FALSE, FALSE, TRUE, 0, 1, 1, 1 },
  { 1, 1, 3, 4, 1, TRUE, TRUE, FALSE, FALSE, 0, 2, 3, 1 },
  { 2, 3, 24, 16, 16, FALSE, FALSE, FALSE, TRUE, 0, 1, 4, 5 },
  { 1, 2, 20, 7, 45, FALSE, FALSE, FALSE, TRUE, 1, 1, 1, 1 },
  { 2, 3, 24, 33, 19, TRUE, FALSE, TRUE, FALSE, 3, 2, 2, 7 },
  { 1, 2, 72, 65, 64, FALSE, FALSE, FALSE, TRUE, 0, 2, 3, 9 },
  { 3, 2, 72, 130, 77, FALSE, TRUE, FALSE, FALSE, 0, 1, 5, 40 },
  { 2, 2, 64, 129, 140, FALSE, FALSE, TRUE, TRUE, 0, 5, 9, 3, TRUE },
  { 1, 3, 72, 300, 257, FALSE, FALSE, FALSE, TRUE, 0, 3, 4, 50 },
  { 2, 2, 72, 200, 135, TRUE, TRUE, TRUE, TRUE, 0, 1, 2, 20, TRUE, 3 },
  { 1, 2, 64, 150, 70, FALSE, FALSE, FALSE, FALSE, 8, 1, 1, 30, FALSE, 2 },
  { 2, 1, 40, 70, 130, TRUE, FALSE, FALSE, FALSE, 0, 1, 0, 0 },
  { 1, 2, 96, 66, 65, FALSE, FALSE, FALSE, TRUE, 0, 0, 1, 11 },
  { 1, 1, 128, 90, 200, FALSE, TRUE, FALSE, FALSE, 0, 1, 1, 17 },
  { 2, 1, 160, 70, 100, TRUE, TRUE, TRUE, FALSE, 0, 2, 1, 23 },
  { 1, 1, 260, 66, 35, FALSE, FALSE, FALSE, FALSE, 4, 1, 6, 8 },
  { 4, 16, 32, 17, 33, TRUE, FALSE, FALSE, TRUE, 0, 1, 1, 4, TRUE },
  { 1, 1, 8, 50, 3000, FALSE, FALSE, FALSE, FALSE, 0, 1, 3, 10 },
};

static void
test_cases (gconstpointer data)
{
  PmRandom random;

  pm_random_init (&random, 11);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i], data, &random);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/attention/", precisions[i].name, NULL);
      g_test_add_data_func (path, &precisions[i], test_cases);
    }
  return g_test_run ();
}
