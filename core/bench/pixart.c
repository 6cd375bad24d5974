/* The bench on PixArt-Sigma at 512 px with hashed weights: a guided step (two items) of the whole network with f16 weights, as
 * they are published, and what f16 and bf16 cost against f32, on fewer blocks. Sizes: Chen et al., arXiv 2310.00426, section 3.1.
 * Letters: D width, F width of the MLP, S text tokens, E their width. */
#include "bench/net.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "family/family.h"

#define DEPTH 28
#define FEW 3 /* blocks where types are compared */
#define D 1152
#define F (4 * D)
#define E 4096
#define S 60 /* of a long sentence */
#define HEADS 16
#define LATENT 64
#define CHANNELS 4
#define ITEMS 2
#define STEPS 20
#define N_TYPES 3
#define MAX_TURNS 8

/* The hash file in diffusers' names; free with g_free. */
static char *
make_hash_json (int depth, const char *dtype)
{
  static const struct
  {
    const char *key;
    int rows, columns;
  } ends[] = { { "adaln_single.emb.timestep_embedder.linear_1", D, 256 },
               { "adaln_single.emb.timestep_embedder.linear_2", D, D },
               { "adaln_single.linear", 6 * D, D },
               { "caption_projection.linear_1", D, E },
               { "caption_projection.linear_2", D, D },
               { "proj_out", 2 * 2 * 2 * CHANNELS, D } },
    linears[] = { { "attn1.to_q", D, D },     { "attn1.to_k", D, D }, { "attn1.to_v", D, D },       { "attn1.to_out.0", D, D },
                  { "attn2.to_q", D, D },     { "attn2.to_k", D, D }, { "attn2.to_v", D, D },       { "attn2.to_out.0", D, D },
                  { "ff.net.0.proj", F, D },  { "ff.net.2", D, F } };
  GString *json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {");

  pm_bench_add_tensor (json, "pos_embed.proj.weight", G_STRINGIFY (D) ", 4, 2, 2", 0.4, dtype);
  pm_bench_add_tensor (json, "pos_embed.proj.bias", G_STRINGIFY (D), 0.1, dtype);
  pm_bench_add_tensor (json, "scale_shift_table", "2, " G_STRINGIFY (D), 0.5, dtype);
  for (gsize k = 0; k < G_N_ELEMENTS (ends); k++)
    pm_bench_add_linear (json, ends[k].key, ends[k].rows, ends[k].columns, dtype);
  for (int i = 0; i < depth; i++)
    {
      g_autofree char *table = g_strdup_printf ("transformer_blocks.%d.scale_shift_table", i);
      pm_bench_add_tensor (json, table, "6, " G_STRINGIFY (D), 0.5, dtype);
      for (gsize k = 0; k < G_N_ELEMENTS (linears); k++)
        {
          g_autofree char *key = g_strdup_printf ("transformer_blocks.%d.%s", i, linears[k].key);
          pm_bench_add_linear (json, key, linears[k].rows, linears[k].columns, dtype);
        }
    }
  g_string_append (json, "}}");
  return g_string_free (json, FALSE);
}

/* Texts of both halves, and the times of a run. */
static gboolean
net_tell (PmBenchNet *net, PmJob *job, GError **error)
{
  float t[ITEMS * STEPS];
  double start = pm_bench_now ();

  if (! net->family->set_text (net->prepared, PM_ITEM_CONDITION, net->text, S, NULL, job, error)
      || ! net->family->set_text (net->prepared, PM_ITEM_NULL, net->text, 1, NULL, job, error))
    return FALSE;
  net->told = pm_bench_now () - start;
  for (int i = 0; i < ITEMS * STEPS; i++)
    t[i] = 999 - 50 * (i / ITEMS);
  return net->family->expect (net->prepared, ITEMS * STEPS, t, NULL, job, error);
}

static gboolean
net_open (PmBenchNet *net, PmBench *bench, int depth, const char *dtype, GError **error)
{
  g_autofree char *json = make_hash_json (depth, dtype);
  gsize n = (gsize) ITEMS * CHANNELS * LATENT * LATENT;
  PmRandom random;

  net->checkpoint = pm_checkpoint_new_hash (json, error);
  if (! net->checkpoint)
    return FALSE;
  for (int i = 0; pm_families[i] && ! net->family; i++)
    if (pm_families[i]->probe (net->checkpoint))
      net->family = pm_families[i];
  g_assert (net->family && net->family->set_text);
  net->config = pm_config_new ();
  net->config->n_heads = HEADS;
  net->config->network.sample_size = LATENT;
  net->network = net->family->load (net->checkpoint, net->config, &net->info, error);
  net->shape = pm_shape_trained (&net->info, ITEMS);
  net->shape.max_text = S;
  net->prepared = net->network ? net->family->prepare (net->network, bench->backend, &net->shape, error) : NULL;
  if (! net->prepared)
    return FALSE;
  net->x = g_new (float, n);
  net->out = g_new (float, 2 * n);
  net->text = g_new (float, S * E);
  pm_random_init (&random, 1);
  pm_random_normal (&random, n, net->x);
  pm_random_normal (&random, S * E, net->text);
  return net_tell (net, bench->job, error);
}

/* Seconds of one guided step, and of processor time; < 0 with an error. */
static double
net_step (PmBenchNet *net, int step, double *cpu, PmJob *job, GError **error)
{
  const float t[ITEMS] = { 999 - 50 * step, 999 - 50 * step };
  const PmItemTag tags[ITEMS] = { PM_ITEM_CONDITION, PM_ITEM_NULL };
  const PmDenoise in = { .B = ITEMS, .x = net->x, .t = t, .tags = tags, .job = job };
  double start = pm_bench_now (), cpu_start = pm_bench_cpu ();

  if (! net->family->denoise (net->prepared, &in, net->out, error))
    return -1;
  *cpu = pm_bench_cpu () - cpu_start;
  return pm_bench_now () - start;
}

/* The whole network, sgemm before and after each step. */
static gboolean
time_whole (PmBench *bench, GError **error)
{
  PmBenchNet net = { 0 };
  double seconds[MAX_TURNS], speeds[MAX_TURNS], cpu[MAX_TURNS], cpu_speeds[MAX_TURNS], sgemm, sgemm_cpu;
  gboolean ok = net_open (&net, bench, DEPTH, "F16", error) && net_step (&net, 0, cpu, bench->job, error) >= 0;
  int n = bench->is_quick ? 3 : MAX_TURNS;

  sgemm = ok ? pm_bench_sgemm (bench, NULL) : 0;

  for (int i = 0; ok && i < n; i++)
    {
      pm_job_report (bench->job, "PixArt-Sigma", i, n, (double) i / n);
      seconds[i] = net_step (&net, i, &cpu[i], bench->job, error);
      ok = seconds[i] >= 0;
      double after = pm_bench_sgemm (bench, &sgemm_cpu);
      cpu_speeds[i] = net.family->flops (net.network, &net.shape, ITEMS) / cpu[i] / sgemm_cpu;
      speeds[i] = net.family->flops (net.network, &net.shape, ITEMS) / seconds[i] / ((sgemm + after) / 2);
      sgemm = after;
    }
  if (ok)
    {
      double step = pm_bench_median (seconds, n), rate = net.family->flops (net.network, &net.shape, ITEMS) / step;
      double work = net.family->work_bytes (net.network, &net.shape, PM_DTYPE_F32) / 1048576.0;
      pm_bench_row (bench, "pixart-sigma 512 px, batch 2, f16 weights: one step", step, "s", -1, NULL);
      pm_bench_row (bench, "pixart-sigma 512 px: speed (aim 0.85)", rate / 1e9, "GFLOP/s", pm_bench_median (speeds, n),
                    "sgemm 2048");
      pm_bench_row (bench, "pixart-sigma 512 px: speed by processor time", rate * step / pm_bench_median (cpu, n) / 1e9,
                    "GFLOP/s", pm_bench_median (cpu_speeds, n), "sgemm 2048");
      pm_bench_row (bench, "pixart-sigma 512 px: keys and values of both texts, once a run", net.told, "s", net.told / step,
                    "a step");
      pm_bench_row (bench, "pixart-sigma 512 px: workspace beside the weights", work, "MiB", -1, NULL);
    }
  pm_bench_net_close (&net);
  return ok;
}

/* f16 and bf16 against f32, in turns. */
static gboolean
time_types (PmBench *bench, GError **error)
{
  static const char *const types[N_TYPES] = { "F32", "F16", "BF16" };
  static const char *const rows[N_TYPES] = { NULL, "pixart-sigma 512 px, 3 blocks: f16 weights (aim 1.1)",
                                             "pixart-sigma 512 px, 3 blocks: bf16 weights (aim 1.1)" };
  PmBenchNet nets[N_TYPES] = { 0 };
  int n = bench->is_quick ? 3 : MAX_TURNS;
  double seconds[N_TYPES][MAX_TURNS], cpu[N_TYPES][MAX_TURNS], ratios[N_TYPES][MAX_TURNS]; /* of processor time */
  gboolean ok = TRUE;

  for (int k = 0; ok && k < N_TYPES; k++)
    ok = net_open (&nets[k], bench, FEW, types[k], error) && net_step (&nets[k], 0, cpu[k], bench->job, error) >= 0;
  for (int i = 0; ok && i < n; i++)
    for (int k = 0; ok && k < N_TYPES; k++)
      {
        seconds[k][i] = net_step (&nets[k], i, &cpu[k][i], bench->job, error);
        ratios[k][i] = cpu[k][i] / cpu[0][i];
        ok = seconds[k][i] >= 0;
      }
  for (int k = 1; ok && k < N_TYPES; k++)
    pm_bench_row (bench, rows[k], pm_bench_median (seconds[k], n), "s", pm_bench_median (ratios[k], n), "f32 weights");
  for (int k = 0; k < N_TYPES; k++)
    pm_bench_net_close (&nets[k]);
  return ok;
}

gboolean
pm_bench_run_pixart (PmBench *bench, GError **error)
{
  return time_types (bench, error) && time_whole (bench, error);
}
