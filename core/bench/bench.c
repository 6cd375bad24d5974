/* The bench: its list of measurements, and the machine's own rate (sgemm), which the others are compared with. */
#include "bench/private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cpu.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/pool.h"
#include "base/random.h"

#define SIDE 2048

typedef struct
{
  const char *name;
  gboolean (*run) (PmBench *bench, GError **error);
} Measurement;

static const Measurement measurements[] = {
  { "sgemm", pm_bench_run_sgemm },
  { "attention", pm_bench_run_attention },
  { "dit-s", pm_bench_run_dit_s },
  { "dit-xl", pm_bench_run_dit_xl },
  { "dit-xl-512", pm_bench_run_dit_xl_512 },
  { "pixart", pm_bench_run_pixart },
  { "sizes", pm_bench_run_sizes },
  { "threads", pm_bench_run_threads },
  { "open", pm_bench_run_open },
  { "starter", pm_bench_run_starter },
  { "vae", pm_bench_run_vae },
  { "device", pm_bench_run_device },
};

static const char *const names[] = { "sgemm",   "attention", "dit-s", "dit-xl",  "dit-xl-512", "pixart", "sizes",
                                     "threads", "open",      "starter", "vae",       "device", NULL };

G_STATIC_ASSERT (G_N_ELEMENTS (names) == G_N_ELEMENTS (measurements) + 1);

const char *const *
pm_bench_list (void)
{
  return names;
}

double
pm_bench_now (void)
{
  return g_get_monotonic_time () * 1e-6;
}

double
pm_bench_cpu (void)
{
  return (double) clock () / CLOCKS_PER_SEC;
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

double
pm_bench_median (double *values, int n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void
pm_bench_row (PmBench *bench, const char *name, double value, const char *unit, double ratio, const char *ratio_of)
{
  const PmBenchRow row = { .name = name, .value = value, .unit = unit, .ratio = ratio, .ratio_of = ratio_of };

  bench->func (&row, bench->data);
}

/* One worker's share of the rows, straight to BLAS. */
static void
rows_cb (int task, int worker, gpointer data)
{
  PmBench *bench = data;
  int n = pm_pool_get_n_workers (pm_backend_get_pool (bench->backend));
  int first = SIDE * task / n, last = SIDE * (task + 1) / n;

  pm_cpu_gemm_nt (last - first, SIDE, SIDE, bench->a + (gsize) first * SIDE, SIDE, bench->b, SIDE,
                  bench->c + (gsize) first * SIDE, SIDE);
}

/* The same of the columns. */
static void
columns_cb (int task, int worker, gpointer data)
{
  PmBench *bench = data;
  int n = pm_pool_get_n_workers (pm_backend_get_pool (bench->backend));
  int first = SIDE * task / n, last = SIDE * (task + 1) / n;

  pm_cpu_gemm_nt (SIDE, last - first, SIDE, bench->a, SIDE, bench->b + (gsize) first * SIDE, SIDE, bench->c + first, SIDE);
}

double
pm_bench_sgemm (PmBench *bench, double *cpu_rate)
{
  PmPool *pool = pm_backend_get_pool (bench->backend);
  const double flops = 2.0 * SIDE * SIDE * SIDE;
  double wall[3], cpu[3];

  for (int i = 0; i < 3; i++)
    {
      wall[i] = pm_bench_now ();
      cpu[i] = pm_bench_cpu ();
      if (i < 2)
        pm_pool_run (pool, pm_pool_get_n_workers (pool), i == 0 ? rows_cb : columns_cb, bench);
    }
  if (cpu_rate)
    *cpu_rate = flops / MIN (cpu[1] - cpu[0], cpu[2] - cpu[1]);
  return flops / MIN (wall[1] - wall[0], wall[2] - wall[1]);
}

static gboolean
bench_open (PmBench *bench, GError **error)
{
  const gsize n = (gsize) SIDE * SIDE;
  PmTensor tensor = { .name = "b", .dtype = PM_DTYPE_F32, .rank = 2, .shape = { SIDE, SIDE }, .n_elements = n };
  PmRandom random;

  bench->backend = pm_backend_open ("cpu", bench->n_threads, error);
  if (! bench->backend || ! (bench->a = pm_backend_alloc (bench->backend, n * sizeof (float), error))
      || ! (bench->b = pm_backend_alloc (bench->backend, n * sizeof (float), error))
      || ! (bench->c = pm_backend_alloc (bench->backend, n * sizeof (float), error)))
    return FALSE;

  pm_random_init (&random, 1);
  pm_random_uniform (&random, n, bench->a);
  pm_random_uniform (&random, n, bench->b);
  tensor.data = bench->b;
  if (! pm_backend_prepare (bench->backend, &tensor, &bench->b_weight, error))
    return FALSE;
  pm_backend_set_job (bench->backend, bench->job);
  pm_bench_sgemm (bench, NULL); /* wakes the workers and the processor's clock */
  return TRUE;
}

static void
bench_close (PmBench *bench)
{
  if (! bench->backend)
    return;
  if (bench->b_weight.data)
    pm_backend_release (bench->backend, &bench->b_weight);
  pm_backend_free (bench->backend, bench->a);
  pm_backend_free (bench->backend, bench->b);
  pm_backend_free (bench->backend, bench->c);
  pm_backend_close (bench->backend);
}

gboolean
pm_bench_run_sgemm (PmBench *bench, GError **error)
{
  const PmLinear op = { .M = SIDE, .N = SIDE, .K = SIDE, .x = pm_acts_f32 (bench->a), .x_stride = SIDE,
                        .w = &bench->b_weight, .rows_per_item = SIDE, .y = pm_acts_f32 (bench->c), .y_stride = SIDE };
  double best = 0, own = 0;

  for (int i = 0; i < (bench->is_quick ? 5 : 20); i++)
    {
      best = MAX (best, pm_bench_sgemm (bench, NULL));
      double start = pm_bench_now ();
      pm_backend_linear (bench->backend, &op);
      own = MAX (own, 2.0 * SIDE * SIDE * SIDE / (pm_bench_now () - start));
      if (! pm_job_check (bench->job, error))
        return FALSE;
    }
  pm_bench_row (bench, "sgemm 2048", best / 1e9, "GFLOP/s", -1, NULL);
  pm_bench_row (bench, "the same product by the backend's own kernel", own / 1e9, "GFLOP/s", own / best, "sgemm 2048");
  return pm_backend_finish (bench->backend, error);
}

gboolean
pm_bench (const char *what, const PmBenchOptions *options, PmBenchFunc func, gpointer data, PmJob *job, GError **error)
{
  PmBench bench = { .is_quick = options->is_quick, .n_threads = options->n_threads, .is_one = what != NULL, .options = options,
                    .func = func, .data = data, .job = job };
  gboolean ok, found = FALSE;

  if (what && ! g_strv_contains (names, what))
    {
      g_autofree char *list = g_strjoinv (", ", (char **) names);
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no measurement “%s”; choose one of: %s."), what, list);
      return FALSE;
    }
  ok = bench_open (&bench, error);
  for (gsize i = 0; ok && i < G_N_ELEMENTS (measurements); i++)
    if (! what || strcmp (what, measurements[i].name) == 0)
      {
        found = TRUE;
        ok = measurements[i].run (&bench, error);
      }
  g_assert (found || ! ok);
  bench_close (&bench);
  return ok;
}
