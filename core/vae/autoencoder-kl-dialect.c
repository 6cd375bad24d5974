/* How programs name the tensors of an AutoencoderKL: one entry a dialect, one path of computation. Sources of truth: diffusers,
 * models/autoencoders/vae.py and loaders/single_file_utils.py (convert_ldm_vae_checkpoint); CompVis/latent-diffusion,
 * ldm/modules/diffusionmodules/model.py (Encoder, Decoder), whose checkpoints of whole models have a prefix too. */
#include "vae/autoencoder-kl.h"

#define MIDDLE { "%s.mid_block.resnets.0", "%s.mid_block.attentions.0", "%s.mid_block.resnets.1" }
#define RESNETS { [PM_VAE_DECODE] = "%s.up_blocks.%d.resnets.%d", [PM_VAE_ENCODE] = "%s.down_blocks.%d.resnets.%d" }
#define RESIZES                                                                                                           \
  { [PM_VAE_DECODE] = "%s.up_blocks.%d.upsamplers.0.conv", [PM_VAE_ENCODE] = "%s.down_blocks.%d.downsamplers.0.conv" }

static const PmKlDialect dialects[] = {
  {
    .resnet = RESNETS,
    .resize = RESIZES,
    .middle = MIDDLE,
    .attention = { "group_norm", "to_q", "to_k", "to_v", "to_out.0" },
    .shortcut = "conv_shortcut",
    .norm_out = "conv_norm_out",
  },
  {
    .resnet = RESNETS, /* before diffusers 0.16 */
    .resize = RESIZES,
    .middle = MIDDLE,
    .attention = { "group_norm", "query", "key", "value", "proj_attn" },
    .shortcut = "conv_shortcut",
    .norm_out = "conv_norm_out",
  },
  {
    .resnet = { [PM_VAE_DECODE] = "%s.up.%d.block.%d", [PM_VAE_ENCODE] = "%s.down.%d.block.%d" },
    .resize = { [PM_VAE_DECODE] = "%s.up.%d.upsample.conv", [PM_VAE_ENCODE] = "%s.down.%d.downsample.conv" },
    .middle = { "%s.mid.block_1", "%s.mid.attn_1", "%s.mid.block_2" },
    .attention = { "norm", "q", "k", "v", "proj_out" },
    .shortcut = "nin_shortcut",
    .norm_out = "norm_out",
    .counts_by_size = TRUE,
  },
};

static const char *const prefixes[] = { "", "first_stage_model.", "vae." };

static gboolean
has (PmCheckpoint *checkpoint, const char *prefix, const char *format, const char *rest)
{
  g_autofree char *side = g_strconcat (prefix, "decoder", NULL);
  g_autofree char *key = g_strdup_printf (format, side, 0, 0);
  g_autofree char *name = g_strconcat (key, ".", rest, ".weight", NULL);
  return pm_checkpoint_find (checkpoint, name) != NULL;
}

const PmKlDialect *
pm_kl_dialect_find (PmCheckpoint *checkpoint, const char **prefix)
{
  const PmKlDialect *found = NULL;

  for (guint p = 0; p < G_N_ELEMENTS (prefixes) && ! found; p++)
    for (guint i = 0; i < G_N_ELEMENTS (dialects); i++)
      {
        const PmKlDialect *dialect = &dialects[i];
        if (! has (checkpoint, prefixes[p], "%s", "conv_in") || ! has (checkpoint, prefixes[p], "%s", "conv_out")
            || ! has (checkpoint, prefixes[p], dialect->resnet[PM_VAE_DECODE], "conv1"))
          continue;
        *prefix = prefixes[p];
        if (! found || has (checkpoint, prefixes[p], dialect->middle[1], dialect->attention[1]))
          found = dialect;
      }
  return found;
}

char *
pm_kl_dialect_key (const PmVaeNetwork *network, PmVaeDirection direction, const char *format, int level, int block)
{
  gboolean is_reversed = network->dialect->counts_by_size && direction == PM_VAE_DECODE;
  return g_strdup_printf (format, network->sides[direction], is_reversed ? network->n_levels - 1 - level : level, block);
}
