/* Attention on a GPU as the core asks for it, in every type: odd and larger shapes, packed and separate q, k and v, what is added
 * to logits, everything that is recorded, more weights than one pass sums up. The kernels' host build may take the GPU's place
 * (PENTIMENTO_CUDA_MODULE): then threads come in several orders, and the device has several sizes. Without either, all is
 * skipped.
 *
 * Types of 16 bits are compared with the reference on the same rounded numbers. Their limits, of what is largest: `out` is
 * rounded to 8 or 11 bits, half a last place at most, and so was each probability that it is made of; together 2^-8 or 2^-11, and
 * a quarter more because the probabilities weigh |v|, of which `out` may be less. What is recorded is f32 all the way, from
 * products that are exact: a few roundings of logits of some nats, which exp makes relative. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/random.h"
#include "compare.h"
#include "tensor/tensor.h"

#define DEVICE "cuda:0"
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
  PmPrecision precision;
  const char *name;
  double      out, recorded;
} Precision;

static const Precision precisions[] = { { PM_DTYPE_F32, PM_PRECISION_F32, "f32", 2e-6, 2e-6 },
                                        { PM_DTYPE_BF16, PM_PRECISION_BF16, "bf16", 1.25 * 0x1p-8, 2e-6 },
                                        { PM_DTYPE_F16, PM_PRECISION_F16, "f16", 1.25 * 0x1p-11, 2e-6 } };

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

/* Memory of the backend, freed all together. */
typedef struct
{
  PmBackend *backend;
  GPtrArray *owned;
} Memory;

static gpointer
send (Memory *memory, gconstpointer from, gsize n_bytes)
{
  g_autoptr (GError) error = NULL;
  gpointer           sent = pm_backend_alloc (memory->backend, MAX (n_bytes, 1), &error);

  g_assert_no_error (error);
  g_ptr_array_add (memory->owned, sent);
  pm_backend_upload (memory->backend, sent, from, n_bytes);
  return sent;
}

static PmActs
send_acts (Memory *memory, const float *from, gsize n, PmDtype dtype)
{
  g_autofree guint16 *halves = g_new (guint16, n + 1);
  for (gsize i = 0; i < n && dtype != PM_DTYPE_F32; i++)
    halves[i] = narrow (from[i], dtype);
  return (PmActs) { send (memory, dtype == PM_DTYPE_F32 ? (gconstpointer) from : halves, n * pm_dtype_size (dtype)), dtype };
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

/* On the GPU; of the host build's, which counts for nothing elsewhere, threads come in an order that the seed decides. */
static void
run_device (const Setup *setup, const Precision *precision, gboolean is_recorded, int seed, int n_processors, int capability,
            Results *results)
{
  g_autofree char       *settings = g_strdup_printf ("seed=%d,processors=%d,capability=%d", seed, n_processors, capability);
  g_autoptr (GError)     error = NULL;
  const PmBackendOptions options = { .n_threads = 1, .precision = precision->precision };
  const Case            *c = setup->c;
  gsize                  width = (gsize) c->H * c->d, n_keys = (gsize) c->B * c->Tk, size = pm_dtype_size (setup->dtype);
  PmReduce               reduce;
  PmLogitEdit            edit;
  PmAttention            op = describe (setup, &reduce, &edit);
  float                 *device[N_RESULTS];

  g_setenv ("PM_CUDA_HOST", settings, TRUE);
  g_autoptr (PmBackend)  backend = pm_backend_open_with (DEVICE, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (pm_backend_get_activation_dtype (backend), ==, setup->dtype);
  Memory memory = { backend, g_ptr_array_new () };
  op.q = send_acts (&memory, setup->q, setup->n_q, setup->dtype);
  PmActs kv = send_acts (&memory, setup->kv, setup->n_kv, setup->dtype);
  op.k = c->is_packed ? pm_acts_at (op.q, width) : kv;
  op.v = c->is_packed ? pm_acts_at (op.q, 2 * width) : pm_acts_at (kv, width);
  op.bias = op.bias ? send (&memory, op.bias, sizeof (float) * c->H * c->Tq * c->Tk) : NULL;
  edit.key_bias = send (&memory, edit.key_bias, sizeof (float) * n_keys);
  edit.key_region = send (&memory, edit.key_region, sizeof (int) * n_keys);
  edit.region_bias = send (&memory, edit.region_bias, sizeof (float) * c->B * N_REGIONS * c->Tq);
  reduce.query_weights = send (&memory, reduce.query_weights, sizeof (float) * c->B * c->n_query * c->Tq);
  reduce.key_weights = send (&memory, reduce.key_weights, sizeof (float) * c->B * c->n_key * c->Tk);
  for (int i = 0; i < N_RESULTS; i++)
    {
      g_autofree float *zeros = g_new0 (float, setup->sizes[i] + 1);
      device[i] = send (&memory, zeros, setup->sizes[i] * (i == 0 ? size : sizeof (float)));
    }
  op.out = (PmActs) { device[0], setup->dtype };
  point_at_results (&reduce, device);
  if (! is_recorded)
    op.reduce = NULL;
  pm_backend_attention (backend, &op);

  for (int i = 0; i < N_RESULTS; i++)
    {
      gsize n = setup->sizes[i], bytes = n * (i == 0 ? size : sizeof (float));
      results->values[i] = g_new (float, n + 1);
      pm_backend_download (backend, results->values[i], device[i], bytes);
      if (i == 0 && setup->dtype != PM_DTYPE_F32)
        {
          g_autofree guint16 *halves = g_memdup2 (results->values[0], bytes);
          pm_convert_to_f32 (halves, setup->dtype, n, results->values[0]);
        }
    }
  g_assert_true (pm_backend_finish (backend, &error));
  g_auto (GStrv) fallbacks = pm_backend_get_fallbacks (backend);
  g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
  for (guint i = 0; i < memory.owned->len; i++)
    pm_backend_free (backend, g_ptr_array_index (memory.owned, i));
  g_ptr_array_unref (memory.owned);
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

/* Whether it is the kernels' host build, which has devices of several kinds. */
static gboolean
is_host (void)
{
  const char *path = g_getenv ("PENTIMENTO_CUDA_MODULE");
  return path && strstr (path, "cuda-host");
}

static void
check (const Case *c, const Precision *precision, PmRandom *random)
{
  Setup   setup;
  Results expected, got, plain, again;

  g_test_message ("%s: %d items, %d heads of %d, %d queries, %d keys", precision->name, c->B, c->H, c->d, c->Tq, c->Tk);
  setup_init (&setup, c, precision->dtype, random);
  run_reference (&setup, &expected);
  run_device (&setup, precision, TRUE, 1, 132, 90, &got);
  run_device (&setup, precision, FALSE, 2, 132, 90, &plain);
  run_device (&setup, precision, TRUE, 3, 2, 90, &again);
  g_assert_cmpmem (plain.values[0], setup.sizes[0] * sizeof (float), got.values[0], setup.sizes[0] * sizeof (float));
  for (int i = 0; i < N_RESULTS; i++)
    g_assert_cmpmem (again.values[i], setup.sizes[i] * sizeof (float), got.values[i], setup.sizes[i] * sizeof (float));
  compare_results (&setup, precision, &got, &expected);
  if (precision->dtype == PM_DTYPE_F16 && is_host ()) /* sm_75 has less shared memory, which other kernels then take */
    {
      results_clear (&again);
      run_device (&setup, precision, TRUE, 4, 2, 75, &again);
      compare_results (&setup, precision, &again, &expected);
    }
  results_clear (&expected);
  results_clear (&got);
  results_clear (&plain);
  results_clear (&again);
  setup_clear (&setup);
}

/* B, H, d, Tq, Tk; counts, edit, bias; packed, pad; query and key weights, rows; choice */
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
  { 2, 2, 72, 200, 135, TRUE, TRUE, TRUE, TRUE, 0, 1, 2, 20, TRUE },
  { 1, 2, 64, 150, 70, FALSE, FALSE, FALSE, FALSE, 8, 1, 1, 30 },
  { 2, 1, 40, 70, 130, TRUE, FALSE, FALSE, FALSE, 0, 1, 0, 0 },
  { 1, 2, 96, 66, 65, FALSE, FALSE, FALSE, TRUE, 0, 0, 1, 11 },
  { 1, 1, 128, 90, 200, FALSE, TRUE, FALSE, FALSE, 0, 1, 1, 17 },
  { 2, 1, 160, 70, 100, TRUE, TRUE, TRUE, FALSE, 0, 2, 1, 23 },
  { 1, 1, 260, 66, 35, FALSE, FALSE, FALSE, FALSE, 4, 1, 6, 8 },
  { 4, 16, 32, 17, 33, TRUE, FALSE, FALSE, TRUE, 0, 1, 1, 4, TRUE },
  { 1, 1, 8, 50, 3000, FALSE, FALSE, FALSE, FALSE, 0, 1, 3, 10 },
  { 2, 2, 72, 140, 90, TRUE, TRUE, FALSE, FALSE, 0, 0, 20, 0 },
  { 1, 2, 64, 70, 130, FALSE, FALSE, FALSE, TRUE, 0, 4, 21, 0, TRUE },
  { 2, 1, 40, 65, 20, TRUE, FALSE, TRUE, FALSE, 2, 0, 37, 9 },
  { 1, 1, 160, 67, 65, FALSE, TRUE, TRUE, FALSE, 0, 6, 18, 0 },
};

/* Why there is no GPU; NULL: there is. Free with g_free. */
static char *
find_problem (void)
{
  g_autoptr (GPtrArray) devices = pm_device_find_all ();

  for (guint i = 0; i < devices->len; i++)
    {
      const PmDevice *device = g_ptr_array_index (devices, i);
      if (g_str_equal (device->id, DEVICE))
        return g_strdup (device->problem);
    }
  return g_strdup ("no GPU of NVIDIA is known here");
}

static void
test_cases (gconstpointer data)
{
  g_autofree char *problem = find_problem ();
  PmRandom         random;

  if (problem)
    {
      g_test_skip (problem);
      return;
    }
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
      g_autofree char *path = g_strconcat ("/cuda-attention/", precisions[i].name, NULL);
      g_test_add_data_func (path, &precisions[i], test_cases);
    }
  return g_test_run ();
}
