/* The bench on a decoder of latents: the list of channels that the published ones have (128, 256, 512, 512; Rombach et al.,
 * arXiv 2112.10752), with hashed weights. */
#include "bench/private.h"

#include <math.h>

#include "base/random.h"
#include "vae/vae.h"

#define LATENT 32 /* side of the latent of 256 px */
#define CHANNELS 4

/* A convolution KEY.NAME [N, C, side, side] that keeps unit variance. */
static void
add_conv (GString *json, const char *key, const char *name, int N, int C, int side)
{
  char scale[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_dtostr (scale, sizeof scale, sqrt (3.0 / (C * side * side)));
  g_string_append_printf (json, "%s\n\"%s%s.weight\": {\"shape\": [%d, %d, %d, %d], \"scale\": %s}",
                          json->str[json->len - 1] == '{' ? "" : ",", key, name, N, C, side, side, scale);
  g_string_append_printf (json, ",\n\"%s%s.bias\": {\"shape\": [%d], \"scale\": 0.1}", key, name, N);
}

static void
add_norm (GString *json, const char *key, const char *name, int C)
{
  g_string_append_printf (json, ",\n\"%s%s.weight\": {\"shape\": [%d], \"scale\": 0.5, \"offset\": 1}", key, name, C);
  g_string_append_printf (json, ",\n\"%s%s.bias\": {\"shape\": [%d], \"scale\": 0.2}", key, name, C);
}

static void
add_resnet (GString *json, const char *key, int N, int C)
{
  add_norm (json, key, ".norm1", C);
  add_conv (json, key, ".conv1", N, C, 3);
  add_norm (json, key, ".norm2", N);
  add_conv (json, key, ".conv2", N, N, 3);
  if (N != C)
    add_conv (json, key, ".conv_shortcut", N, C, 1);
}

/* The hash file of a decoder; free with g_free. */
static char *
make_hash_json (void)
{
  static const int channels[] = { 512, 512, 256, 128 };
  static const char *const maps[] = { "to_q", "to_k", "to_v", "to_out.0" };
  GString *json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {");
  int width = channels[0];

  add_conv (json, "", "post_quant_conv", CHANNELS, CHANNELS, 1);
  add_conv (json, "decoder.", "conv_in", width, CHANNELS, 3);
  add_resnet (json, "decoder.mid_block.resnets.0", width, width);
  add_norm (json, "decoder.mid_block.attentions.0.", "group_norm", width);
  for (guint i = 0; i < G_N_ELEMENTS (maps); i++)
    add_conv (json, "decoder.mid_block.attentions.0.", maps[i], width, width, 1);
  add_resnet (json, "decoder.mid_block.resnets.1", width, width);
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      {
        g_autofree char *key = j < 3 ? g_strdup_printf ("decoder.up_blocks.%d.resnets.%d", i, j)
                                     : g_strdup_printf ("decoder.up_blocks.%d.upsamplers.0", i);
        if (j < 3)
          add_resnet (json, key, channels[i], width);
        else if (i < 3)
          add_conv (json, key, ".conv", channels[i], channels[i], 3);
        width = channels[i];
      }
  add_norm (json, "decoder.", "conv_norm_out", width);
  add_conv (json, "decoder.", "conv_out", 3, width, 3);
  g_string_append (json, "}}");
  return g_string_free (json, FALSE);
}

/* Multiplications and additions of the three convolutions behind doublings as they are published, beyond those that are run:
 * 36 products for every 16. */
static double
folded_flops (void)
{
  double saved = 0;
  for (int i = 0; i < 3; i++)
    saved += 2.0 * 20 * (LATENT << i) * (LATENT << i) * (i < 2 ? 512 : 256) * (i < 2 ? 512 : 256);
  return saved;
}

gboolean
pm_bench_run_vae (PmBench *bench, GError **error)
{
  g_autofree char *json = make_hash_json ();
  PmCheckpoint *checkpoint = pm_checkpoint_new_hash (json, error);
  g_autoptr (PmVae) vae = checkpoint ? pm_vae_new_from_checkpoint (checkpoint, NULL, error) : NULL;
  g_autofree float *latent = g_new (float, CHANNELS *LATENT *LATENT);
  g_autofree float *picture = g_new (float, 3 * 64 * LATENT * LATENT);
  PmVaeCall call = { .direction = PM_VAE_DECODE, .h = LATENT, .w = LATENT };
  double best = G_MAXDOUBLE, ratios[5];
  PmRandom random;
  int n = bench->is_quick ? 2 : 5;

  if (! vae)
    return FALSE;
  PmVaeCost cost = pm_vae_measure (vae, NULL, &call);
  double flops = cost.flops;
  pm_random_init (&random, 1);
  pm_random_normal (&random, CHANNELS * LATENT * LATENT, latent);
  for (int i = 0; i < n; i++)
    {
      double before = pm_bench_sgemm (bench, NULL), start = pm_bench_now ();
      if (! pm_vae_decode (vae, bench->backend, LATENT, LATENT, latent, call.memory, picture, bench->job, error))
        return FALSE;
      double seconds = pm_bench_now () - start;
      ratios[i] = flops / seconds / ((before + pm_bench_sgemm (bench, NULL)) / 2);
      best = MIN (best, seconds);
    }
  double ratio = pm_bench_median (ratios, n);
  pm_bench_row (bench, "VAE (128, 256, 512, 512), decoding 256 px", best, "s", -1, NULL);
  pm_bench_row (bench, "VAE: speed by the operations that are run (aim 0.7)", flops / best / 1e9, "GFLOP/s", ratio, "sgemm 2048");
  pm_bench_row (bench, "VAE: speed by the operations as published", (flops + folded_flops ()) / best / 1e9, "GFLOP/s",
                ratio * (flops + folded_flops ()) / flops, "sgemm 2048");
  pm_bench_row (bench, "VAE: operations run", flops / 1e9, "GFLOP", -1, NULL);
  pm_bench_row (bench, "VAE: memory beside the weights", cost.work_bytes / 1048576.0, "MiB", -1, NULL);
  return TRUE;
}
