/* Kind `autoencoder-kl`: diffusers' AutoencoderKL (models/autoencoders/autoencoder_kl.py and vae.py: Encoder, Decoder), the
 * decoder of latent diffusion models (Rombach et al., arXiv 2112.10752), with any list of channels.
 * Shapes decide; the configuration gives what they cannot tell, and what should be there. */
#include "vae/autoencoder-kl.h"

#include "base/error.h"
#include "base/i18n.h"
#include "nn/layer.h"

#define MAX_LEVELS 8
#define MAX_RESNETS 64
#define LEAST_BAND ((gsize) 1 << 20)
#define MOST_BAND ((gsize) 1 << 27)

static const char *const sides[] = { [PM_VAE_DECODE] = "decoder", [PM_VAE_ENCODE] = "encoder" };
static const char *const blocks[] = { [PM_VAE_DECODE] = "up_blocks", [PM_VAE_ENCODE] = "down_blocks" };

static gboolean
kl_probe (PmCheckpoint *checkpoint)
{
  return pm_checkpoint_find (checkpoint, "decoder.conv_in.weight") && pm_checkpoint_find (checkpoint, "decoder.conv_out.weight")
         && pm_checkpoint_find (checkpoint, "decoder.up_blocks.0.resnets.0.conv1.weight");
}

static gboolean
walk_key (PmKlWalk *walk, gboolean (*layer) (PmKlWalk *, const char *, PmFeatures *, GError **), PmFeatures *x, GError **error,
          const char *format, ...) G_GNUC_PRINTF (5, 6);

/* A residual block or an attention under a formatted key. */
static gboolean
walk_key (PmKlWalk *walk, gboolean (*layer) (PmKlWalk *, const char *, PmFeatures *, GError **), PmFeatures *x, GError **error,
          const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *key = g_strdup_vprintf (format, args);
  va_end (args);
  return layer (walk, key, x, error);
}

static gboolean
walk_middle (PmKlWalk *walk, const char *side, PmFeatures *x, GError **error)
{
  return walk_key (walk, pm_kl_resnet, x, error, "%s.mid_block.resnets.0", side)
         && (! walk->network->config.has_attention
             || walk_key (walk, pm_kl_attention, x, error, "%s.mid_block.attentions.0", side))
         && walk_key (walk, pm_kl_resnet, x, error, "%s.mid_block.resnets.1", side);
}

/* The levels of residual blocks, and between them half or double the size. */
static gboolean
walk_levels (PmKlWalk *walk, PmVaeDirection direction, PmFeatures *x, GError **error)
{
  const PmVaeNetwork *network = walk->network;
  const PmConv        resize = { .side = 3, .stride = direction == PM_VAE_ENCODE ? 2 : 1, /* zeros behind only, when halving */
                                 .pad = direction == PM_VAE_ENCODE ? 0 : 1, .is_doubled = direction == PM_VAE_DECODE };
  const char         *resizer = direction == PM_VAE_ENCODE ? "downsamplers" : "upsamplers";

  for (int i = 0; i < network->n_levels; i++)
    {
      for (int j = 0; j < network->n_resnets[direction]; j++)
        if (! walk_key (walk, pm_kl_resnet, x, error, "%s.%s.%d.resnets.%d", sides[direction], blocks[direction], i, j))
          return FALSE;
      g_autofree char *key = g_strdup_printf ("%s.%s.%d.%s.0.conv", sides[direction], blocks[direction], i, resizer);
      if (i + 1 < network->n_levels && ! pm_kl_conv (walk, key, resize, 0, x, error))
        return FALSE;
    }
  return TRUE;
}

/* From what goes in to what comes out; x is replaced. */
static gboolean
walk_all (PmKlWalk *walk, PmVaeDirection direction, PmFeatures *x, GError **error)
{
  const PmVaeNetwork *network = walk->network;
  const PmConv        plain = { .side = 3, .stride = 1, .pad = 1 }, point = { .side = 1, .stride = 1 };
  int                 z = network->info.latent_channels;
  gboolean            decodes = direction == PM_VAE_DECODE;
  PmConv              last = plain;
  g_autofree char    *in = g_strconcat (sides[direction], ".conv_in", NULL);
  g_autofree char    *out = g_strconcat (sides[direction], ".conv_out", NULL);
  g_autofree char    *norm = g_strconcat (sides[direction], ".conv_norm_out", NULL);

  if (decodes && network->config.has_post_quant_conv && ! pm_kl_conv (walk, "post_quant_conv", point, z, x, error))
    return FALSE;
  if (! pm_kl_conv (walk, in, plain, 0, x, error) || (decodes && ! walk_middle (walk, sides[direction], x, error))
      || ! walk_levels (walk, direction, x, error) || (! decodes && ! walk_middle (walk, sides[direction], x, error)))
    return FALSE;
  last.activation = PM_ACTIVATION_SILU;
  if (! pm_kl_norm (walk, norm, x, &last, error) || ! pm_kl_conv (walk, out, last, decodes ? 3 : 2 * z, x, error))
    return FALSE;
  return decodes || ! network->config.has_quant_conv || pm_kl_conv (walk, "quant_conv", point, 2 * z, x, error);
}

/* Sizes and types of a call's walk; nothing is allocated. */
static PmKlWalk
walk_begin (const PmVaeNetwork *network, const PmVaeCall *call)
{
  gsize limit = call->memory.limit ? call->memory.limit : PM_VAE_LIMIT;
  return (PmKlWalk) { .network = network,
                      .latent_area = (gsize) call->h * call->w,
                      .large = call->memory.is_half ? PM_DTYPE_F16 : PM_DTYPE_F32,
                      .limit = limit,
                      .band = CLAMP (limit / 8, LEAST_BAND, MOST_BAND) };
}

/* Checks and counts: the plan without a backend. */
static gboolean
walk_dry (const PmVaeNetwork *network, const PmVaeCall *call, PmVaeCost *cost, GError **error)
{
  PmKlWalk   walk = walk_begin (network, call);
  gboolean   decodes = call->direction == PM_VAE_DECODE;
  int        scale = decodes ? 1 : network->info.factor;
  PmFeatures x;
  gboolean   done = pm_kl_features_new (&walk, call->h * scale, call->w * scale, decodes ? network->info.latent_channels : 3, &x,
                                        error)
                  && walk_all (&walk, call->direction, &x, error);

  pm_kl_walk_clear (&walk);
  *cost = (PmVaeCost) { .flops = walk.flops, .file_bytes = walk.most_file_bytes,
                        .work_bytes = walk.most_bytes + (walk.most_file_bytes > 0 ? walk.band : 0) };
  return done;
}

static PmVaeCost
kl_measure (PmVaeNetwork *network, const PmVaeCall *call)
{
  PmVaeCost cost = { 0 };
  gsize     scale = call->direction == PM_VAE_DECODE ? 1 : network->info.factor;

  walk_dry (network, call, &cost, NULL);
  cost.work_bytes += (gsize) call->h * call->w * scale * scale * 3 * sizeof (float); /* the copy that is turned round */
  return cost;
}

/* [channels, area] on the host to channels last, or back. */
static void
turn (const float *from, gsize rows, gsize cols, float *to /* [cols, rows] */)
{
  for (gsize r = 0; r < rows; r++)
    for (gsize c = 0; c < cols; c++)
      to[c * rows + r] = from[r * cols + c];
}

static gboolean
run_walk (PmKlWalk *walk, const PmVaeCall *call, int scale, int channels, GError **error)
{
  gsize             n = (gsize) call->h * scale * call->w * scale * channels;
  g_autofree float *turned = g_try_new (float, n);
  PmFeatures        x;

  if (! turned)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                         _("There is not enough memory for the picture; close other programs, or choose a smaller size."));
  if (! turned || ! pm_kl_features_new (walk, call->h * scale, call->w * scale, channels, &x, error))
    return FALSE;
  turn (call->in, channels, n / channels, turned);
  pm_backend_upload (walk->backend, x.data, turned, n * sizeof (float));
  g_clear_pointer (&turned, g_free);
  if (! walk_all (walk, call->direction, &x, error) || ! pm_backend_finish (walk->backend, error)
      || ! pm_job_check (call->job, error))
    return FALSE;

  n = (gsize) x.height * x.width * x.channels;
  turned = g_try_new (float, n);
  if (! turned)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture; close other programs, or choose a smaller size."));
      return FALSE;
    }
  pm_backend_download (walk->backend, turned, x.data, n * sizeof (float));
  turn (turned, n / x.channels, x.channels, call->out);
  return TRUE;
}

static gboolean
kl_run (PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call, GError **error)
{
  PmKlWalk  walk = walk_begin (network, call);
  gboolean  decodes = call->direction == PM_VAE_DECODE;
  PmVaeCost cost;

  if (! pm_checkpoint_verify (network->checkpoint, error) || ! walk_dry (network, call, &cost, error))
    return FALSE;
  walk.all_flops = cost.flops;
  walk.backend = backend;
  walk.job = call->job;
  walk.affine = pm_backend_alloc (backend, 2 * PM_KL_MAX_CHANNELS * sizeof (float), error);
  int      scale = decodes ? 1 : network->info.factor, channels = decodes ? network->info.latent_channels : 3;
  gboolean done = walk.affine && run_walk (&walk, call, scale, channels, error);
  pm_kl_walk_clear (&walk);
  return done;
}

/* Levels that are there, and residual blocks of the first one. */
static void
count_blocks (PmVaeNetwork *network, PmVaeDirection direction, int *n_levels, int *n_resnets)
{
  for (int i = 0; i <= MAX_LEVELS; i++)
    {
      g_autofree char *key = g_strdup_printf ("%s.%s.%d.resnets.0.conv1.weight", sides[direction], blocks[direction], i);
      if (! pm_checkpoint_find (network->checkpoint, key))
        break;
      *n_levels = i + 1;
    }
  for (int j = 0; j <= MAX_RESNETS; j++)
    {
      g_autofree char *key = g_strdup_printf ("%s.%s.0.resnets.%d.conv1.weight", sides[direction], blocks[direction], j);
      if (! pm_checkpoint_find (network->checkpoint, key))
        break;
      *n_resnets = j + 1;
    }
}

/* What the configuration does not say is counted; what it says must then be there. */
static gboolean
read_plan (PmVaeNetwork *network, GError **error)
{
  PmVaeConfig    *config = &network->config;
  const PmTensor *in = pm_checkpoint_find (network->checkpoint, "decoder.conv_in.weight");
  int             n_levels = 0, n_other = 0;

  if (in->rank != 4 || in->shape[1] < 1 || in->shape[1] > 256)
    return pm_nn_require (network->checkpoint, error, "decoder.conv_in.weight", 4, in->shape[0], (gsize) 4, (gsize) 3, (gsize) 3)
           != NULL;
  network->info.latent_channels = (int) in->shape[1];
  network->info.has_encoder = pm_checkpoint_find (network->checkpoint, "encoder.conv_in.weight") != NULL;
  count_blocks (network, PM_VAE_DECODE, &n_levels, &network->n_resnets[PM_VAE_DECODE]);
  count_blocks (network, PM_VAE_ENCODE, &n_other, &network->n_resnets[PM_VAE_ENCODE]);
  network->n_levels = config->n_levels > 0 ? config->n_levels : n_levels;
  if (config->n_layers > 0)
    {
      network->n_resnets[PM_VAE_DECODE] = config->n_layers + 1;
      network->n_resnets[PM_VAE_ENCODE] = config->n_layers;
    }
  if (! config->is_known)
    {
      config->has_attention
          = pm_checkpoint_find (network->checkpoint, "decoder.mid_block.attentions.0.group_norm.weight") != NULL;
      config->has_quant_conv = pm_checkpoint_find (network->checkpoint, "quant_conv.weight") != NULL;
      config->has_post_quant_conv = pm_checkpoint_find (network->checkpoint, "post_quant_conv.weight") != NULL;
    }
  if (network->n_levels > MAX_LEVELS || network->n_resnets[PM_VAE_DECODE] > MAX_RESNETS)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("The decoder “%s” has more than %d levels or %d blocks in one; choose another model."),
                   pm_checkpoint_get_path (network->checkpoint), MAX_LEVELS, MAX_RESNETS);
      return FALSE;
    }
  network->info.factor = 1 << (network->n_levels - 1);
  return TRUE;
}

static PmVaeNetwork *
kl_load (PmCheckpoint *checkpoint, const PmVaeConfig *config, PmVaeInfo *info, GError **error)
{
  g_autofree PmVaeNetwork *network = g_new0 (PmVaeNetwork, 1);
  PmVaeCall                call = { .direction = PM_VAE_DECODE, .h = 1, .w = 1 };
  PmVaeCost                cost;

  network->checkpoint = checkpoint;
  network->config = *config;
  if (! read_plan (network, error) || ! walk_dry (network, &call, &cost, error))
    return NULL;
  call.direction = PM_VAE_ENCODE;
  if (network->info.has_encoder && ! walk_dry (network, &call, &cost, error))
    return NULL;
  info->latent_channels = network->info.latent_channels;
  info->factor = network->info.factor;
  info->has_encoder = network->info.has_encoder;
  return g_steal_pointer (&network);
}

static void
kl_free (PmVaeNetwork *network)
{
  g_free (network);
}

const PmVaeKind pm_vae_autoencoder_kl = {
  .id = "autoencoder-kl",
  .probe = kl_probe,
  .load = kl_load,
  .free = kl_free,
  .run = kl_run,
  .measure = kl_measure,
};
