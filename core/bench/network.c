/* The bench on whole networks: DiT-XL/2 and DiT-S/2 with hashed weights, and the starter model. */
#include "bench/net.h"

#include "base/i18n.h"
#include "base/pool.h"
#include "run/generate.h"

/* A network and how it is measured. */
typedef struct
{
  const char *name;
  PmBenchSize size;
  int         B, n_turns; /* at most PM_BENCH_STEPS */
  const char *aim;        /* of its speed, of sgemm's */
  gboolean    with_maps;
} Case;

static void
print_fallbacks (PmBench *bench)
{
  g_auto (GStrv) fallbacks = pm_backend_get_fallbacks (bench->backend);
  g_autofree char *list = g_strjoinv (", ", fallbacks);
  g_autofree char *name = g_strdup_printf ("DiT-XL/2 operations left to ref: %s", fallbacks[0] ? list : "none");

  pm_bench_row (bench, name, g_strv_length (fallbacks), "", -1, NULL);
}

/* What one turn measured; "cpu" is by processor time. */
typedef struct
{
  double plain, recorded, plain_cpu; /* seconds of a step */
  double sgemm, sgemm_cpu;           /* operations per second after it */
} Turn;

/* A step, and another that is recorded when there is a tap, in either order: what drifts must not favour one. Then sgemm. */
static gboolean
take_turn (PmBench *bench, PmBenchNet *net, PmTap *tap, int i, Turn *turn, GError **error)
{
  for (int k = 0; k < 2; k++)
    {
      gboolean with = (i + k) % 2;
      if (with && ! tap)
        continue;
      double cpu = pm_bench_cpu (), seconds = pm_bench_net_step (net, with ? tap : NULL, i, bench->job, error);
      if (seconds < 0)
        return FALSE;
      *(with ? &turn->recorded : &turn->plain) = seconds;
      if (! with)
        turn->plain_cpu = pm_bench_cpu () - cpu + net->share_cpu;
    }
  turn->sgemm = pm_bench_sgemm (bench, &turn->sgemm_cpu);
  return TRUE;
}

static void
print_turns (PmBench *bench, const Case *c, const PmBenchNet *net, const Turn *turns)
{
  double flops = pm_bench_net_flops (net);
  double sgemm[PM_BENCH_STEPS], plain[PM_BENCH_STEPS], recorded[PM_BENCH_STEPS], speeds[PM_BENCH_STEPS];
  double cpu_speeds[PM_BENCH_STEPS], costs[PM_BENCH_STEPS], shares[PM_BENCH_STEPS], cpu[PM_BENCH_STEPS];
  int n = bench->is_quick ? MIN (c->n_turns, 4) : c->n_turns;
  g_autofree char *step_name = g_strdup_printf ("%s: one step", c->name);
  g_autofree char *speed_name = g_strdup_printf ("%s: speed (aim %s)", c->name, c->aim);
  g_autofree char *cpu_name = g_strdup_printf ("%s: speed by processor time", c->name);
  g_autofree char *maps_name = g_strdup_printf ("%s, all maps (aim 1.05)", c->name);

  for (int i = 0; i < n; i++)
    {
      double before = turns[MAX (i - 1, 0)].sgemm;
      sgemm[i] = turns[i].sgemm;
      plain[i] = turns[i].plain;
      recorded[i] = turns[i].recorded;
      speeds[i] = flops / turns[i].plain / ((before + turns[i].sgemm) / 2);
      cpu_speeds[i] = flops / turns[i].plain_cpu / turns[i].sgemm_cpu;
      costs[i] = turns[i].recorded / turns[i].plain;
      cpu[i] = turns[i].plain_cpu;
      shares[i] = turns[i].plain_cpu / turns[i].plain;
    }
  double step = pm_bench_median (plain, n);
  double share = pm_bench_median (shares, n) / pm_pool_get_n_workers (pm_backend_get_pool (bench->backend));
  pm_bench_row (bench, "sgemm 2048 in the same run", pm_bench_median (sgemm, n) / 1e9, "GFLOP/s", -1, NULL);
  pm_bench_row (bench, "processors that other programs left to this run", pm_bench_median (shares, n), "", share, "all");
  pm_bench_row (bench, step_name, step, "s", -1, NULL);
  pm_bench_row (bench, speed_name, flops / step / 1e9, "GFLOP/s", pm_bench_median (speeds, n), "sgemm 2048");
  pm_bench_row (bench, cpu_name, flops / pm_bench_median (cpu, n) / 1e9, "GFLOP/s", pm_bench_median (cpu_speeds, n),
                "sgemm 2048");
  if (c->with_maps)
    pm_bench_row (bench, maps_name, pm_bench_median (recorded, n), "s", pm_bench_median (costs, n), _("the plain step"));
}

static gboolean
time_network (PmBench *bench, const Case *c, PmBenchNet *net, GError **error)
{
  int n = bench->is_quick ? MIN (c->n_turns, 4) : c->n_turns;
  Turn turns[PM_BENCH_STEPS] = { { 0 } };
  g_autoptr (PmTap) tap = NULL;
  gsize tap_bytes = 0;

  if (pm_bench_net_step (net, NULL, 0, bench->job, error) < 0 || ! pm_bench_net_expect (net, bench->job, error))
    return FALSE;
  guint64 before = pm_bench_peak_memory (TRUE);
  if (c->with_maps && ! (tap = pm_bench_net_record (net, bench->backend, &tap_bytes, error)))
    return FALSE;
  for (int i = 0; i < n; i++)
    {
      pm_job_report (bench->job, c->name, i, n, (double) i / n);
      if (! take_turn (bench, net, tap, i, &turns[i], error))
        return FALSE;
    }
  guint64 after = pm_bench_peak_memory (FALSE);
  print_turns (bench, c, net, turns);
  if (c->with_maps)
    {
      g_autofree char *name = g_strdup_printf ("%s: memory for all maps of 20 steps", c->name);
      pm_bench_row (bench, name, MAX (tap_bytes, after > before ? after - before : 0) / 1048576.0, "MiB", -1, NULL);
    }
  return TRUE;
}

static gboolean
run_case (PmBench *bench, const Case *c, GError **error)
{
  PmBenchNet net = { 0 };
  gboolean ok = pm_bench_net_open (&net, bench->backend, &c->size, NULL, c->B, error) && time_network (bench, c, &net, error);

  pm_bench_net_close (&net);
  return ok;
}

gboolean
pm_bench_run_dit_xl (PmBench *bench, GError **error)
{
  const Case c = { "DiT-XL/2 256 px, batch 2, f32", PM_BENCH_XL (32), 2, 10, "0.95", TRUE };

  if (! run_case (bench, &c, error))
    return FALSE;
  print_fallbacks (bench);
  return TRUE;
}

gboolean
pm_bench_run_dit_xl_512 (PmBench *bench, GError **error)
{
  const Case c = { "DiT-XL/2 512 px, batch 2, f32", PM_BENCH_XL (64), 2, 4, "0.9", TRUE };
  return run_case (bench, &c, error);
}

gboolean
pm_bench_run_dit_s (PmBench *bench, GError **error)
{
  const Case c = { "DiT-S/2 256 px, batch 1, f32", PM_BENCH_S (32), 1, 20, "0.8", FALSE };
  return run_case (bench, &c, error);
}

gboolean
pm_bench_run_starter (PmBench *bench, GError **error)
{
  g_autoptr (PmModel) model = pm_model_open ("starter-pixel", error);
  g_autoptr (PmRequest) plain = model ? pm_request_new_for_model (model) : NULL;
  g_autoptr (PmRequest) shown = model ? pm_request_new_for_model (model) : NULL;
  g_autoptr (PmRequest) cached = model ? pm_request_new_for_model (model) : NULL;
  double best_plain = G_MAXDOUBLE, best_shown = G_MAXDOUBLE, best_cached = G_MAXDOUBLE;

  if (! model || ! pm_request_set_show (shown, "layers=3,5;heads=all;steps=4,9,14,19;read=received", error))
    return FALSE;
  plain->n_threads = shown->n_threads = cached->n_threads = bench->n_threads;
  plain->num_steps = shown->num_steps = cached->num_steps = 24;
  cached->cache = PM_CACHE_TAYLOR;
  for (int i = 0; i < (bench->is_quick ? 4 : 20); i++)
    {
      double start = pm_bench_now ();
      g_autoptr (PmResult) without = pm_generate (model, plain, bench->job, error);
      double middle = pm_bench_now ();
      g_autoptr (PmResult) with = without ? pm_generate (model, shown, bench->job, error) : NULL;
      if (! with)
        return FALSE;
      double last = pm_bench_now ();
      g_autoptr (PmResult) faster = pm_generate (model, cached, bench->job, error);
      if (! faster)
        return FALSE;
      best_plain = MIN (best_plain, middle - start);
      best_shown = MIN (best_shown, last - middle);
      best_cached = MIN (best_cached, pm_bench_now () - last);
    }
  pm_bench_row (bench, "starter-pixel, 24 steps: a whole picture", best_plain, "s", -1, NULL);
  pm_bench_row (bench, "starter-pixel, half of the steps extrapolated (aim 0.625)", best_cached, "s", best_cached / best_plain,
                _("the plain picture"));
  pm_bench_row (bench, "starter-pixel, with 2 layers x 6 heads x 4 steps of maps", best_shown, "s", best_shown / best_plain,
                _("the plain picture"));
  return TRUE;
}
