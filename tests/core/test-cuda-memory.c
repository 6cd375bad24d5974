/* The CUDA module's memory: weights that are streamed or make room for something else, graphs, cancelling, and every error that a
 * machine can answer with. What only the host build can be made to do is skipped on other modules. */
#include <math.h>
#include <string.h>

#include "cuda-module.h"

#define N_LAYERS 9
#define WIDTH    48

/* A chain of products, several times over; free with g_free. pressure: bytes that are taken in the middle of it. */
static float *
run_chain (const PmCudaModule *module, const PmCudaOptions *options, int n_passes, gsize pressure, PmCudaUsage *usage)
{
  PmCuda     *cuda = pm_test_cuda_open (module, options);
  PmWeight    weights[N_LAYERS];
  PmCudaError error = { 0 };
  PmRandom    random;
  void       *more = NULL;

  pm_random_init (&random, 24);
  g_autofree float *x = pm_test_cuda_normals (&random, 8 * WIDTH, 1);
  gpointer          a = pm_test_cuda_put (module, cuda, x, 8 * WIDTH, PM_DTYPE_F32);
  gpointer          b = pm_test_cuda_put (module, cuda, x, 8 * WIDTH, PM_DTYPE_F32);
  for (int i = 0; i < N_LAYERS; i++)
    {
      g_autofree float *w = pm_test_cuda_normals (&random, WIDTH * WIDTH, 1 / sqrtf (WIDTH));
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
  pm_test_cuda_finish (module, cuda);
  module->get_usage (cuda, usage);
  float *result = pm_test_cuda_take (module, cuda, a, 8 * WIDTH, PM_DTYPE_F32);
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
  for (int seed = 0; seed < (pm_test_cuda_is_host () ? 20 : 1); seed++)
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

  for (int seed = 0; seed < (pm_test_cuda_is_host () ? 10 : 1); seed++)
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
  PmCuda *cuda = pm_test_cuda_open (module, &options);
  g_assert_false (module->alloc (cuda, options.limit_bytes, &memory, &error));
  g_assert_cmpint (error.status, ==, PM_CUDA_OUT_OF_MEMORY);
  pm_test_cuda_finish (module, cuda); /* which was told at once, and is no error of the queue */
  module->close (cuda);
}

/* x doubles in each step: queued, captured, launched again. */
static void
test_graph (gconstpointer data)
{
  const PmCudaModule *module = data;
  PmCuda             *cuda = pm_test_cuda_open (module, NULL);
  g_autofree float   *ones = g_new (float, 100);
  PmCudaUsage         usage;

  for (int i = 0; i < 100; i++)
    ones[i] = 1;
  gpointer x = pm_test_cuda_put (module, cuda, ones, 100, PM_DTYPE_F32);
  gpointer other = pm_test_cuda_put (module, cuda, ones, 100, PM_DTYPE_F32);
  for (int step = 0; step < 6; step++)
    {
      gpointer late = step == 4 ? pm_test_cuda_put (module, cuda, ones, 100, PM_DTYPE_F32) : NULL;
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
  pm_test_cuda_finish (module, cuda);
  g_autofree float *got = pm_test_cuda_take (module, cuda, x, 100, PM_DTYPE_F32);
  g_assert_cmpfloat (got[99], ==, 128);
  module->close (cuda);
}

/* A norm and a convolution over a picture of f16, which lies with its result in the device's memory or in the host's. Free with
 * g_free. */
static float *
run_picture (const PmCudaModule *module, gboolean is_far, gboolean has_norm, PmCudaUsage *usage)
{
  const int           side = 19, C = 16, N = 24;
  const gsize         n_x = (gsize) side * side * C, n_y = (gsize) side * side * N;
  const PmCudaOptions options = { .compute = PM_DTYPE_F16 };
  PmCuda             *cuda = pm_test_cuda_open (module, &options);
  PmWeight            w, row;
  PmCudaError         error = { 0 };
  PmRandom            random;
  void               *pictures[2], *affine;

  pm_random_init (&random, 8);
  g_autofree float *x = pm_test_cuda_normals (&random, n_x, 1), *weights = pm_test_cuda_normals (&random, N * C * 9, 0.1f);
  gpointer          near = pm_test_cuda_put (module, cuda, x, n_x, PM_DTYPE_F16), back;
  PmFeatures        from = { side, side, C, C, PM_DTYPE_F16, near, 0 }, to = { side, side, N, N, PM_DTYPE_F16, NULL, 0 };
  for (int i = 0; i < 2; i++)
    g_assert_true ((is_far ? module->alloc_far : module->alloc) (cuda, 2 * (i ? n_y : n_x), &pictures[i], &error));
  g_assert_true (module->alloc (cuda, 2 * C * sizeof (float), &affine, &error));
  g_assert_true (module->alloc (cuda, 2 * n_y, &back, &error));
  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, N, C * 9, weights, &w, &error));
  g_assert_true (module->weight_new (cuda, PM_DTYPE_F32, 1, C, weights, &row, &error));
  module->copy (cuda, pictures[0], near, 2 * n_x);
  from.data = pictures[0];
  to.data = pictures[1];
  PmConv op = { .x = from, .y = to, .side = 3, .stride = 1, .pad = 1, .w = &w, .activation = PM_ACTIVATION_SILU };
  if (has_norm)
    {
      op.scale = affine;
      op.shift = (float *) affine + C;
      module->group_norm (cuda, &(PmGroupNorm) { .x = from, .n_groups = 4, .eps = 1e-6f, .weight = &row, .bias = &row,
                                                 .scale = affine, .shift = (float *) affine + C });
    }
  module->conv (cuda, &op);
  op.adds = true;
  module->conv (cuda, &op);
  module->copy (cuda, back, pictures[1], 2 * n_y);
  module->free (cuda, pictures[1]); /* behind the work on it */
  pm_test_cuda_finish (module, cuda);
  module->get_usage (cuda, usage);
  float *result = pm_test_cuda_take (module, cuda, back, n_y, PM_DTYPE_F16);
  module->close (cuda); /* with what is left */
  return result;
}

static void
test_far (gconstpointer data)
{
  const PmCudaModule *module = data;
  const PmCudaOptions never = { .resident_bytes = SIZE_MAX };
  PmCudaUsage         usage, far_usage;
  PmCudaError         error = { 0 };
  void               *memory;

  for (int has_norm = 0; has_norm < 2; has_norm++)
    {
      g_autofree float *near = run_picture (module, FALSE, has_norm, &usage);
      g_autofree float *far = run_picture (module, TRUE, has_norm, &far_usage);
      g_assert_cmpmem (far, sizeof (float) * 19 * 19 * 24, near, sizeof (float) * 19 * 19 * 24);
      g_assert_cmpuint (usage.peak_far_bytes, ==, 0);
      g_assert_cmpuint (far_usage.peak_far_bytes, >=, 2 * 19 * 19 * (16 + 24));
    }
  PmCuda *cuda = pm_test_cuda_open (module, &never);
  g_assert_false (module->alloc_far (cuda, 1000, &memory, &error));
  g_assert_cmpint (error.status, ==, PM_CUDA_OUT_OF_MEMORY);
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
  const PmCudaOptions options = { .is_cancelled = is_cancelled_cb, .user = &is_cancelled };
  PmCuda             *cuda = pm_test_cuda_open (module, &options);
  const float         one = 1;
  gpointer            x = pm_test_cuda_put (module, cuda, &one, 1, PM_DTYPE_F32);

  module->add (cuda, &(PmAdd) { .n = 1, .n_y = 1, .x = x, .y = x });
  is_cancelled = TRUE;
  module->add (cuda, &(PmAdd) { .n = 1, .n_y = 1, .x = x, .y = x });
  pm_test_cuda_finish (module, cuda);
  is_cancelled = FALSE;
  g_autofree float *got = pm_test_cuda_take (module, cuda, x, 1, PM_DTYPE_F32);
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

  if (! pm_test_cuda_is_host ())
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

  if (! pm_test_cuda_is_host ())
    {
      g_test_skip ("only the host build can be told to be lost");
      return;
    }
  if (g_test_subprocess ())
    {
      g_autofree float *x = g_new0 (float, 10);
      PmCudaError       error = { 0 };
      g_setenv ("PM_CUDA_HOST", "lost=2", TRUE);
      PmCuda  *cuda = pm_test_cuda_open (module, NULL);
      gpointer memory = pm_test_cuda_put (module, cuda, x, 10, PM_DTYPE_F32);
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
  } tests[] = { { "streaming", test_streaming }, { "making-room", test_making_room }, { "graph", test_graph },
                { "far", test_far },             { "cancel", test_cancel },           { "errors", test_errors },
                { "lost", test_lost } };

  g_test_init (&argc, &argv, NULL);
  const PmCudaModule *module = pm_test_cuda_load ();
  for (gsize i = 0; module && i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda-memory/", tests[i].name, NULL);
      g_test_add_data_func (path, module, tests[i].run);
    }
  return g_test_run ();
}
