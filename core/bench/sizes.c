/* The bench on how things grow: time with the picture and with the threads, memory and time to open with the weights. */
#include "bench/net.h"

#include <glib/gstdio.h>

#include "base/i18n.h"
#include "base/pool.h"

#define LAYERS 2 /* of a network that stands for a deeper one */
#define N_SIZES 4
#define MAX_TURNS 3

static gboolean
open_sizes (PmBench *bench, PmBenchNet *nets, GError **error)
{
  for (int i = 0; i < N_SIZES; i++)
    {
      const PmBenchSize size = { LAYERS, 1152, 16, 32 * (i + 1) };
      if (! pm_bench_net_open (&nets[i], bench->backend, &size, NULL, 2, error)
          || pm_bench_net_step (&nets[i], NULL, 0, bench->job, error) < 0 || ! pm_bench_net_expect (&nets[i], bench->job, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
time_sizes (PmBench *bench, PmBenchNet *nets, GError **error)
{
  int n = bench->is_quick ? 2 : MAX_TURNS;
  double seconds[N_SIZES][MAX_TURNS], ratios[N_SIZES][MAX_TURNS];

  for (int turn = 0; turn < n; turn++)
    for (int i = 0; i < N_SIZES; i++)
      {
        if ((seconds[i][turn] = pm_bench_net_step (&nets[i], NULL, turn, bench->job, error)) < 0)
          return FALSE;
        ratios[i][turn] = seconds[i][turn] / seconds[0][turn] * pm_bench_net_flops (&nets[0]) / pm_bench_net_flops (&nets[i]);
      }
  for (int i = 0; i < N_SIZES; i++)
    {
      g_autofree char *name = g_strdup_printf ("DiT-XL/2 with %d layers, %d px, batch 2: one step", LAYERS, 256 * (i + 1));
      pm_bench_row (bench, name, pm_bench_median (seconds[i], n), "s", pm_bench_median (ratios[i], n),
                    _("256 px, by operations"));
    }
  return TRUE;
}

gboolean
pm_bench_run_sizes (PmBench *bench, GError **error)
{
  PmBenchNet nets[N_SIZES] = { { 0 } };
  gboolean ok = open_sizes (bench, nets, error) && time_sizes (bench, nets, error);

  for (int i = 0; i < N_SIZES; i++)
    pm_bench_net_close (&nets[i]);
  return ok;
}

static gboolean
time_threads (PmBench *bench, PmBenchNet *nets, GError **error)
{
  int n = bench->is_quick ? 2 : MAX_TURNS, n_workers = pm_pool_get_n_workers (pm_backend_get_pool (bench->backend));
  double seconds[2][MAX_TURNS], ratios[MAX_TURNS];

  for (int turn = 0; turn < n; turn++)
    {
      for (int i = 0; i < 2; i++)
        if ((seconds[i][turn] = pm_bench_net_step (&nets[i], NULL, turn, bench->job, error)) < 0)
          return FALSE;
      ratios[turn] = seconds[1][turn] / seconds[0][turn];
    }
  g_autofree char *name = g_strdup_printf ("DiT-XL/2 with %d layers, 256 px, batch 2: %d threads", LAYERS, n_workers);
  g_autofree char *single = g_strdup_printf ("DiT-XL/2 with %d layers, 256 px, batch 2: 1 thread", LAYERS);
  pm_bench_row (bench, single, pm_bench_median (seconds[0], n), "s", -1, NULL);
  pm_bench_row (bench, name, pm_bench_median (seconds[1], n), "s", pm_bench_median (ratios, n), _("the time of 1 thread"));
  return TRUE;
}

gboolean
pm_bench_run_threads (PmBench *bench, GError **error)
{
  const PmBenchSize size = { LAYERS, 1152, 16, 32 };
  PmBenchNet nets[2] = { { 0 } };
  g_autoptr (PmBackend) single = pm_backend_open ("cpu", 1, error);
  gboolean ok = single != NULL;

  for (int i = 0; ok && i < 2; i++)
    ok = pm_bench_net_open (&nets[i], i == 0 ? single : bench->backend, &size, NULL, 2, error)
         && pm_bench_net_step (&nets[i], NULL, 0, bench->job, error) >= 0 && pm_bench_net_expect (&nets[i], bench->job, error);
  ok = ok && time_threads (bench, nets, error);
  for (int i = 0; i < 2; i++)
    pm_bench_net_close (&nets[i]);
  return ok;
}

/* Opening and one step with the file; the file's pages count as resident, as any mapped model's do. */
static gboolean
time_file (PmBench *bench, const char *path, GError **error)
{
  const PmBenchSize size = PM_BENCH_XL (32);
  const gsize sgemm = 3 * sizeof (float) * 2048 * 2048;
  double best = G_MAXDOUBLE, bytes = 0;
  guint64 peak = 0;
  gboolean ok = TRUE;

  for (int i = 0; ok && i < 3; i++)
    {
      PmBenchNet net = { 0 };
      double start = pm_bench_now ();
      ok = pm_bench_net_open (&net, bench->backend, &size, path, 2, error);
      best = MIN (best, pm_bench_now () - start);
      if (ok && i == 2)
        {
          pm_bench_peak_memory (TRUE);
          bytes = (double) pm_checkpoint_get_bytes (net.checkpoint);
          ok = pm_bench_net_expect (&net, bench->job, error) && pm_bench_net_step (&net, NULL, 0, bench->job, error) >= 0;
          peak = pm_bench_peak_memory (FALSE);
        }
      pm_bench_net_close (&net);
    }
  if (! ok)
    return FALSE;
  g_autofree char *name = g_strdup_printf ("Opening DiT-XL/2, %.1f GB of zeros in cache (aim 0.5)", bytes / 1e9);
  pm_bench_row (bench, name, best, "s", -1, NULL);
  double more = (peak - bytes - sgemm) / 1048576;
  pm_bench_row (bench, "DiT-XL/2 256 px, batch 2: memory beside the weights (aim 300)", more, "MiB", -1, NULL);
  return TRUE;
}

gboolean
pm_bench_run_open (PmBench *bench, GError **error)
{
  const PmBenchSize size = PM_BENCH_XL (32);
  g_autofree char *folder = g_dir_make_tmp ("pentimento-XXXXXX", error);
  g_autofree char *path = folder ? g_build_filename (folder, "zeros.safetensors", NULL) : NULL;
  gboolean ok = folder && pm_bench_net_write (&size, path, error) && time_file (bench, path, error);

  if (folder)
    {
      g_unlink (path);
      g_rmdir (folder);
    }
  return ok;
}
