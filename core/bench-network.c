/* The bench on whole networks: DiT-XL/2 and DiT-S/2 at 256 px with hashed weights (format/hash.c), and the starter model.
 * Letters: B items, D width, T tokens. Sizes of the networks: Peebles and Xie, Scalable Diffusion Models with Transformers,
 * table 1. */
#include "bench-private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/pool.h"
#include "base/random.h"
#include "family/family.h"
#include "format/checkpoint.h"
#include "generate.h"

#define LATENT 32 /* side of the latent of 256 px */
#define CHANNELS 4
#define TOKENS (LATENT / 2 * LATENT / 2)
#define CLASSES 1000
#define TAP_STEPS 20 /* steps whose maps are kept at once */

typedef struct
{
  PmCheckpoint *checkpoint;
  PmConfig *config;
  const PmFamily *family;
  PmNetwork *network;
  PmNetworkInfo info;
  PmShape shape;
  PmPrepared *prepared;
  int B;
  float *x, *out;   /* [B, C, h, w], [B, 2C, h, w] */
  double share;     /* seconds that the modulations of a run of TAP_STEPS steps took, for one step */
  double share_cpu; /* the same of processor time */
} Net;

void
pm_bench_add_tensor (GString *json, const char *key, const char *shape, double scale, const char *dtype)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (json, "%s\n\"%s\": {\"shape\": [%s], \"scale\": %s, \"dtype\": \"%s\"}",
                          json->str[json->len - 1] == '{' ? "" : ",", key, shape, g_ascii_dtostr (number, sizeof number, scale),
                          dtype);
}

void
pm_bench_add_linear (GString *json, const char *key, int rows, int columns, const char *dtype)
{
  g_autofree char *weight = g_strconcat (key, ".weight", NULL);
  g_autofree char *bias = g_strconcat (key, ".bias", NULL);
  g_autofree char *shape = g_strdup_printf ("%d, %d", rows, columns);
  g_autofree char *length = g_strdup_printf ("%d", rows);

  pm_bench_add_tensor (json, weight, shape, sqrt (3.0 / columns), dtype);
  pm_bench_add_tensor (json, bias, length, 0.1, dtype);
}

static void
add_tensor (GString *json, const char *key, const char *shape, double scale)
{
  pm_bench_add_tensor (json, key, shape, scale, "F32");
}

static void
add_linear (GString *json, const char *key, int rows, int columns)
{
  pm_bench_add_linear (json, key, rows, columns, "F32");
}

/* The hash file of a DiT with patch 2, learned sigma and ImageNet's classes; free with g_free. */
static char *
make_hash_json (int depth, int D)
{
  GString *json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {");
  const struct
  {
    const char *key;
    int rows, columns;
  } linears[] = { { "attn.qkv", 3 * D, D },
                  { "attn.proj", D, D },
                  { "mlp.fc1", 4 * D, D },
                  { "mlp.fc2", D, 4 * D },
                  { "adaLN_modulation.1", 6 * D, D } };
  g_autofree char *patch_shape = g_strdup_printf ("%d, %d, 2, 2", D, CHANNELS);
  g_autofree char *width = g_strdup_printf ("%d", D);
  g_autofree char *positions = g_strdup_printf ("1, %d, %d", TOKENS, D);
  g_autofree char *classes = g_strdup_printf ("%d, %d", CLASSES + 1, D);

  add_tensor (json, "x_embedder.proj.weight", patch_shape, 0.4);
  add_tensor (json, "x_embedder.proj.bias", width, 0.1);
  add_tensor (json, "pos_embed", positions, 1);
  add_linear (json, "t_embedder.mlp.0", D, 256);
  add_linear (json, "t_embedder.mlp.2", D, D);
  add_tensor (json, "y_embedder.embedding_table.weight", classes, 1);
  for (int i = 0; i < depth; i++)
    for (gsize k = 0; k < G_N_ELEMENTS (linears); k++)
      {
        g_autofree char *key = g_strdup_printf ("blocks.%d.%s", i, linears[k].key);
        add_linear (json, key, linears[k].rows, linears[k].columns);
      }
  add_linear (json, "final_layer.adaLN_modulation.1", 2 * D, D);
  add_linear (json, "final_layer.linear", 2 * 2 * 2 * CHANNELS, D);
  g_string_append (json, "}}");
  return g_string_free (json, FALSE);
}

static void
net_close (Net *net)
{
  if (net->prepared)
    net->family->release (net->prepared);
  if (net->network)
    net->family->free (net->network, &net->info);
  g_clear_pointer (&net->checkpoint, pm_checkpoint_free);
  g_clear_pointer (&net->config, pm_config_free);
  g_free (net->x);
  g_free (net->out);
}

static gboolean
net_open (Net *net, PmBench *bench, int depth, int D, int n_heads, int B, GError **error)
{
  g_autofree char *json = make_hash_json (depth, D);
  gsize n = (gsize) B * CHANNELS * LATENT * LATENT;
  PmRandom random;

  net->B = B;
  net->checkpoint = pm_checkpoint_new_hash (json, error);
  if (! net->checkpoint)
    return FALSE;
  for (int i = 0; pm_families[i] && ! net->family; i++)
    if (pm_families[i]->probe (net->checkpoint))
      net->family = pm_families[i];
  g_assert (net->family != NULL);

  net->config = pm_config_new ();
  net->config->n_heads = n_heads;
  net->network = net->family->load (net->checkpoint, net->config, &net->info, error);
  net->shape = pm_shape_trained (&net->info, B);
  net->prepared = net->network ? net->family->prepare (net->network, bench->backend, &net->shape, error) : NULL;
  if (! net->prepared)
    return FALSE;

  net->x = g_new (float, n);
  net->out = g_new (float, n * net->info.out_channels / CHANNELS);
  pm_random_init (&random, 1);
  pm_random_normal (&random, n, net->x);
  return TRUE;
}

/* Tells the network of a run of TAP_STEPS steps, each with times and classes of its own, and keeps what that took. */
static gboolean
net_expect (Net *net, PmJob *job, GError **error)
{
  float t[2 * TAP_STEPS];
  int y[2 * TAP_STEPS];
  double start = pm_bench_now (), cpu = pm_bench_cpu ();

  for (int i = 0; i < net->B * TAP_STEPS; i++)
    {
      t[i] = 999 - 50 * (i / net->B);
      y[i] = i % net->B ? CLASSES : 207;
    }
  if (! net->family->expect (net->prepared, net->B * TAP_STEPS, t, y, job, error))
    return FALSE;
  net->share = (pm_bench_now () - start) / TAP_STEPS;
  net->share_cpu = (pm_bench_cpu () - cpu) / TAP_STEPS;
  return TRUE;
}

/* Seconds of one denoising, its share of the modulations included; < 0 with an error. */
static double
net_step (Net *net, PmTap *tap, int step, PmJob *job, GError **error)
{
  const float t[2] = { 999 - 50 * step, 999 - 50 * step };
  const int y[2] = { 207, CLASSES };
  const PmItemTag tags[2] = { PM_ITEM_CONDITION, PM_ITEM_NULL };
  const PmDenoise in = { .B = net->B, .x = net->x, .t = t, .y = y, .tags = tags, .tap = tap, .job = job };

  double start = pm_bench_now ();
  if (tap)
    pm_tap_begin_step (tap, step, tags, net->B);
  if (! net->family->denoise (net->prepared, &in, net->out, error))
    return -1;
  return pm_bench_now () - start + net->share;
}

/* The process's peak of resident memory in bytes since the last reset; 0 where the system does not tell. */
static guint64
peak_memory (gboolean reset)
{
  g_autofree char *status = NULL;

  if (reset)
    {
      FILE *file = fopen ("/proc/self/clear_refs", "w");
      if (file)
        {
          fputs ("5", file);
          fclose (file);
        }
    }
  if (! g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  const char *line = strstr (status, "VmHWM:");
  return line ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024 : 0;
}

/* A tap that records `received` in all layers and heads at all steps. */
static PmTap *
make_tap (PmBench *bench, const Net *net, gsize *n_bytes, GError **error)
{
  double times[TAP_STEPS];
  PmShow show;
  PmTap *tap = NULL;
  int n_sites = 0;
  g_autofree PmSite *sites = net->family->sites (net->network, &net->shape, &n_sites);
  const PmTapOptions options = {
    .backend = bench->backend,
    .sites = sites,
    .n_sites = n_sites,
    .n_items = net->B,
    .n_steps = TAP_STEPS,
    .times = times,
    .budget = (gsize) 256 << 20,
  };
  PmTapEstimate estimate = { 0 };

  for (int i = 0; i < TAP_STEPS; i++)
    times[i] = 1000 - 50 * i;
  pm_show_init (&show);
  if (pm_show_parse (&show, "layers=all;heads=all;steps=all;read=received", error)
      && pm_tap_estimate (&show, &options, &estimate, error))
    tap = pm_tap_new (&show, &options, error);
  *n_bytes = estimate.n_bytes;
  pm_show_clear (&show);
  return tap;
}

static void
print_fallbacks (PmBench *bench)
{
  g_auto (GStrv) fallbacks = pm_backend_get_fallbacks (bench->backend);
  g_autofree char *list = g_strjoinv (", ", fallbacks);
  g_autofree char *name = g_strdup_printf ("DiT-XL/2 operations left to ref: %s", fallbacks[0] ? list : "none");

  pm_bench_row (bench, name, g_strv_length (fallbacks), "", -1, NULL);
}

/* What one turn of time_dit_xl measured; "cpu" is by processor time. */
typedef struct
{
  double plain, recorded, plain_cpu; /* seconds of a step */
  double sgemm, sgemm_cpu;           /* operations per second after it */
} Turn;

/* Two steps, one of them recorded, in either order: what drifts must not favour one. Then sgemm. */
static gboolean
take_turn (PmBench *bench, Net *net, PmTap *tap, int i, Turn *turn, GError **error)
{
  for (int k = 0; k < 2; k++)
    {
      gboolean with = (i + k) % 2;
      double cpu = pm_bench_cpu (), seconds = net_step (net, with ? tap : NULL, i, bench->job, error);
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
print_turns (PmBench *bench, const Net *net, const Turn *turns, int n)
{
  double flops = net->family->flops (net->network, &net->shape, net->B);
  double sgemm[TAP_STEPS], plain[TAP_STEPS], recorded[TAP_STEPS], speeds[TAP_STEPS], cpu_speeds[TAP_STEPS], costs[TAP_STEPS];
  double shares[TAP_STEPS], cpu[TAP_STEPS];

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
  pm_bench_row (bench, "DiT-XL/2 256 px, batch 2, f32: one step", step, "s", -1, NULL);
  pm_bench_row (bench, "DiT-XL/2 256 px: speed (aim 0.85)", flops / step / 1e9, "GFLOP/s", pm_bench_median (speeds, n),
                "sgemm 2048");
  pm_bench_row (bench, "DiT-XL/2 256 px: speed by processor time", flops / pm_bench_median (cpu, n) / 1e9, "GFLOP/s",
                pm_bench_median (cpu_speeds, n), "sgemm 2048");
  pm_bench_row (bench, "DiT-XL/2 with `received` of 28 x 16 heads (aim 1.05)", pm_bench_median (recorded, n), "s",
                pm_bench_median (costs, n), _("the plain step"));
}

static gboolean
time_dit_xl (PmBench *bench, Net *net, GError **error)
{
  int n = bench->is_quick ? 4 : TAP_STEPS;
  Turn turns[TAP_STEPS];
  gsize tap_bytes = 0;

  if (net_step (net, NULL, 0, bench->job, error) < 0 || ! net_expect (net, bench->job, error))
    return FALSE;
  guint64 before = peak_memory (TRUE);
  g_autoptr (PmTap) tap = make_tap (bench, net, &tap_bytes, error);
  if (! tap)
    return FALSE;
  for (int i = 0; i < n; i++)
    {
      pm_job_report (bench->job, "DiT-XL/2", i, n, (double) i / n);
      if (! take_turn (bench, net, tap, i, &turns[i], error))
        return FALSE;
    }
  guint64 after = peak_memory (FALSE);
  double more = MAX (tap_bytes, after > before ? after - before : 0) / 1048576.0;

  print_turns (bench, net, turns, n);
  pm_bench_row (bench, "DiT-XL/2 memory for `received` of 20 steps (aim 64)", more, "MiB", -1, NULL);
  print_fallbacks (bench);
  return TRUE;
}

gboolean
pm_bench_run_dit_xl (PmBench *bench, GError **error)
{
  Net net = { 0 };
  gboolean ok = net_open (&net, bench, 28, 1152, 16, 2, error) && time_dit_xl (bench, &net, error);

  net_close (&net);
  return ok;
}

gboolean
pm_bench_run_dit_s (PmBench *bench, GError **error)
{
  Net net = { 0 };
  gboolean ok = net_open (&net, bench, 12, 384, 6, 1, error) && net_step (&net, NULL, 0, bench->job, error) >= 0
                && net_expect (&net, bench->job, error);
  double best = G_MAXDOUBLE, sgemm = 0;

  for (int i = 0; ok && i < (bench->is_quick ? 5 : 20); i++)
    {
      sgemm = MAX (sgemm, pm_bench_sgemm (bench, NULL));
      double seconds = net_step (&net, NULL, i, bench->job, error);
      ok = seconds >= 0;
      best = MIN (best, seconds);
    }
  if (ok)
    {
      double rate = net.family->flops (net.network, &net.shape, net.B) / best;
      pm_bench_row (bench, "DiT-S/2 256 px, batch 1, f32: one step", best, "s", -1, NULL);
      pm_bench_row (bench, "DiT-S/2 256 px: speed", rate / 1e9, "GFLOP/s", rate / sgemm, "sgemm 2048");
    }
  net_close (&net);
  return ok;
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
  for (int i = 0; i < (bench->is_quick ? 2 : 5); i++)
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
