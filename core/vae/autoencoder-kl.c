/* Kind `autoencoder-kl`: diffusers' AutoencoderKL (models/autoencoders/autoencoder_kl.py and vae.py: Encoder, Decoder), the
 * decoder of latent diffusion models (Rombach et al., arXiv 2112.10752), with any list of channels, as either names it.
 * Shapes decide; the configuration gives what they cannot tell, and what should be there. */
#include "vae/autoencoder-kl.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "nn/layer.h"

#define MAX_LEVELS 8
#define MAX_RESNETS 64
#define LEAST_BAND ((gsize) 1 << 20)
#define MOST_BAND ((gsize) 1 << 27)

static gboolean
kl_probe (PmCheckpoint *checkpoint)
{
  const char *prefix;
  return pm_kl_dialect_find (checkpoint, &prefix) != NULL;
}

typedef gboolean (*PmKlLayer) (PmKlWalk *walk, const char *key, PmFeatures *x, GError **error);

static gboolean
walk_middle (PmKlWalk *walk, PmVaeDirection direction, PmFeatures *x, GError **error)
{
  static const PmKlLayer layers[] = { pm_kl_resnet, pm_kl_attention, pm_kl_resnet };

  for (int i = 0; i < 3; i++)
    {
      g_autofree char *key = pm_kl_dialect_key (walk->network, direction, walk->network->dialect->middle[i], 0, 0);
      if ((i != 1 || walk->network->config.has_attention) && ! layers[i] (walk, key, x, error))
        return FALSE;
    }
  return TRUE;
}

/* The levels of residual blocks, and between them half or double the size. */
static gboolean
walk_levels (PmKlWalk *walk, PmVaeDirection direction, PmFeatures *x, GError **error)
{
  const PmVaeNetwork *network = walk->network;
  const PmConv        resize = { .side = 3, .stride = direction == PM_VAE_ENCODE ? 2 : 1, /* zeros behind only, when halving */
                                 .pad = direction == PM_VAE_ENCODE ? 0 : 1, .is_doubled = direction == PM_VAE_DECODE };

  for (int i = 0; i < network->n_levels; i++)
    {
      for (int j = 0; j < network->n_resnets[direction]; j++)
        {
          g_autofree char *block = pm_kl_dialect_key (network, direction, network->dialect->resnet[direction], i, j);
          if (! pm_kl_resnet (walk, block, x, error))
            return FALSE;
        }
      g_autofree char *key = pm_kl_dialect_key (network, direction, network->dialect->resize[direction], i, 0);
      if (i + 1 < network->n_levels && ! pm_kl_conv (walk, key, resize, 0, x, error))
        return FALSE;
    }
  return TRUE;
}

/* A convolution whose result is no part of the network any more. */
static gboolean
walk_out (PmKlWalk *walk, const char *key, PmConv op, int N, PmFeatures *x, GError **error)
{
  walk->is_exact = TRUE;
  gboolean done = pm_kl_conv (walk, key, op, N, x, error);
  walk->is_exact = FALSE;
  return done;
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
  g_autofree char    *in = g_strconcat (network->sides[direction], ".conv_in", NULL);
  g_autofree char    *out = g_strconcat (network->sides[direction], ".conv_out", NULL);
  g_autofree char    *norm = g_strconcat (network->sides[direction], ".", network->dialect->norm_out, NULL);

  if (decodes && network->config.has_post_quant_conv && ! walk_out (walk, network->quant[direction], point, z, x, error))
    return FALSE;
  if (! pm_kl_conv (walk, in, plain, 0, x, error) || (decodes && ! walk_middle (walk, direction, x, error))
      || ! walk_levels (walk, direction, x, error) || (! decodes && ! walk_middle (walk, direction, x, error)))
    return FALSE;
  last.activation = PM_ACTIVATION_SILU;
  if (! pm_kl_norm (walk, norm, x, &last, error) || ! walk_out (walk, out, last, decodes ? 3 : 2 * z, x, error))
    return FALSE;
  return decodes || ! network->config.has_quant_conv || walk_out (walk, network->quant[direction], point, 2 * z, x, error);
}

/* Sizes and types of a call's walk; nothing is allocated. On a device that computes with 16 bits all that it keeps are f16
 * features, also where it computes with bf16: they have three bits more, and range enough by their unit. */
static PmKlWalk
walk_begin (const PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call)
{
  gsize    limit = call->memory.limit ? call->memory.limit : PM_VAE_LIMIT;
  gboolean is_device = backend && pm_backend_has_memory (backend);
  gboolean is_narrow = is_device && pm_backend_get_activation_dtype (backend) != PM_DTYPE_F32;

  return (PmKlWalk) { .network = network,
                      .latent_area = (gsize) call->h * call->w,
                      .is_device = is_device,
                      .small = is_narrow ? PM_DTYPE_F16 : PM_DTYPE_F32,
                      .large = is_narrow || call->memory.is_half ? PM_DTYPE_F16 : PM_DTYPE_F32,
                      .limit = limit,
                      .band = CLAMP (limit / 8, LEAST_BAND, MOST_BAND) };
}

/* What goes in. */
static gboolean
walk_in (PmKlWalk *walk, const PmVaeCall *call, PmFeatures *x, GError **error)
{
  gboolean decodes = call->direction == PM_VAE_DECODE;
  int      scale = decodes ? 1 : walk->network->info.factor, channels = decodes ? walk->network->info.latent_channels : 3;

  walk->is_exact = TRUE;
  gboolean done = pm_kl_features_new (walk, call->h * scale, call->w * scale, channels, x, error);
  walk->is_exact = FALSE;
  return done;
}

/* Checks and counts: the plan, and nothing is run on the backend (NULL: the processor). */
static gboolean
walk_dry (const PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call, PmVaeCost *cost, GError **error)
{
  PmKlWalk   walk = walk_begin (network, backend, call);
  PmFeatures x;
  gboolean   done = walk_in (&walk, call, &x, error) && walk_all (&walk, call->direction, &x, error);

  pm_kl_walk_clear (&walk);
  *cost = (PmVaeCost) { .flops = walk.flops, .file_bytes = walk.most_file_bytes, .n_elements = walk.n_elements,
                        .work_bytes = walk.most_bytes + (walk.most_file_bytes > 0 ? walk.band : 0) };
  return done;
}

static PmVaeCost
kl_measure (PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call)
{
  PmVaeCost cost = { 0 };
  gsize     scale = call->direction == PM_VAE_DECODE ? 1 : network->info.factor;

  walk_dry (network, backend, call, &cost, NULL);
  if (! backend || ! pm_backend_has_memory (backend))
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
run_walk (PmKlWalk *walk, const PmVaeCall *call, GError **error)
{
  PmFeatures x;

  if (! walk_in (walk, call, &x, error))
    return FALSE;
  gsize             n = (gsize) x.height * x.width * x.channels;
  g_autofree float *turned = g_try_new (float, n);
  if (! turned)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture; close other programs, or choose a smaller size."));
      return FALSE;
    }
  turn (call->in, x.channels, n / x.channels, turned);
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
run_once (const PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call, double flops, gboolean is_far, GError **error)
{
  PmKlWalk walk = walk_begin (network, backend, call);

  walk.all_flops = flops;
  walk.is_far = is_far;
  walk.backend = backend;
  walk.job = call->job;
  walk.affine = pm_backend_alloc (backend, 2 * PM_KL_MAX_CHANNELS * sizeof (float), error);
  gboolean done = walk.affine && run_walk (&walk, call, error);
  pm_kl_walk_clear (&walk);
  if (! done)
    pm_backend_finish (backend, NULL); /* what else went wrong is of no use to the next run */
  return done;
}

/* Pictures cannot make room for one another, so that a device whose memory is too small for them begins anew, and gets none. */
static gboolean
kl_run (PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call, GError **error)
{
  g_autoptr (GError) failure = NULL, second = NULL;
  PmVaeCost          cost;

  if (! pm_checkpoint_verify (network->checkpoint, error) || ! walk_dry (network, backend, call, &cost, error))
    return FALSE;
  gboolean done = run_once (network, backend, call, cost.flops, FALSE, &failure);
  if (! done && pm_backend_has_memory (backend) && g_error_matches (failure, PM_ERROR, PM_ERROR_MEMORY))
    done = run_once (network, backend, call, cost.flops, TRUE, &second);
  if (done)
    return TRUE;
  gboolean is_first = ! second || g_error_matches (second, PM_ERROR, PM_ERROR_MEMORY); /* which then tells more */
  g_propagate_error (error, is_first ? g_steal_pointer (&failure) : g_steal_pointer (&second));
  return FALSE;
}

static gboolean
has_tensor (const PmVaeNetwork *network, const char *key, const char *rest)
{
  g_autofree char *name = g_strconcat (key, ".", rest, ".weight", NULL);
  return pm_checkpoint_find (network->checkpoint, name) != NULL;
}

/* Levels that are there, and residual blocks of the first one. */
static void
count_blocks (PmVaeNetwork *network, PmVaeDirection direction, int *n_levels, int *n_resnets)
{
  const char *format = network->dialect->resnet[direction];

  for (int n = 0; n <= MAX_LEVELS; n++)
    {
      g_autofree char *key = g_strdup_printf (format, network->sides[direction], n, 0);
      if (! has_tensor (network, key, "conv1"))
        break;
      *n_levels = n + 1;
    }
  for (int n = 0; n <= MAX_RESNETS; n++)
    {
      g_autofree char *key = g_strdup_printf (format, network->sides[direction], 0, n);
      if (! has_tensor (network, key, "conv1"))
        break;
      *n_resnets = n + 1;
    }
}

/* What there is, where no configuration says what there should be. */
static void
find_options (PmVaeNetwork *network)
{
  PmVaeConfig     *config = &network->config;
  g_autofree char *attention = pm_kl_dialect_key (network, PM_VAE_DECODE, network->dialect->middle[1], 0, 0);
  g_autofree char *after = g_strconcat (network->quant[PM_VAE_ENCODE], ".weight", NULL);
  g_autofree char *before = g_strconcat (network->quant[PM_VAE_DECODE], ".weight", NULL);

  if (config->is_known)
    return;
  config->has_attention = has_tensor (network, attention, network->dialect->attention[0]);
  config->has_quant_conv = pm_checkpoint_find (network->checkpoint, after) != NULL;
  config->has_post_quant_conv = pm_checkpoint_find (network->checkpoint, before) != NULL;
}

/* What the configuration does not say is counted; what it says must then be there. */
static gboolean
read_plan (PmVaeNetwork *network, GError **error)
{
  PmVaeConfig     *config = &network->config;
  g_autofree char *name = g_strconcat (network->sides[PM_VAE_DECODE], ".conv_in.weight", NULL);
  const PmTensor  *in = pm_checkpoint_find (network->checkpoint, name);
  int              n_levels = 0, n_other = 0;

  if (in->rank != 4 || in->shape[1] < 1 || in->shape[1] > 256)
    return pm_nn_require (network->checkpoint, error, name, 4, in->shape[0], (gsize) 4, (gsize) 3, (gsize) 3) != NULL;
  network->info.latent_channels = (int) in->shape[1];
  network->info.has_encoder = has_tensor (network, network->sides[PM_VAE_ENCODE], "conv_in");
  count_blocks (network, PM_VAE_DECODE, &n_levels, &network->n_resnets[PM_VAE_DECODE]);
  count_blocks (network, PM_VAE_ENCODE, &n_other, &network->n_resnets[PM_VAE_ENCODE]);
  network->n_levels = config->n_levels > 0 ? config->n_levels : n_levels;
  if (config->n_layers > 0)
    {
      network->n_resnets[PM_VAE_DECODE] = config->n_layers + 1;
      network->n_resnets[PM_VAE_ENCODE] = config->n_layers;
    }
  find_options (network);
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

/* Counts what is the decoder's in the file, and refuses tensors that no layer of the plan has use for. */
static gboolean
check_tensors (PmVaeNetwork *network, GError **error)
{
  for (guint i = 0; i < pm_checkpoint_get_n_tensors (network->checkpoint); i++)
    {
      const PmTensor *tensor = pm_checkpoint_get_tensor (network->checkpoint, i);
      gboolean        is_used = g_hash_table_contains (network->names, tensor->name), is_inside = FALSE;

      for (int side = 0; side < 2; side++)
        is_inside = is_inside
                    || (g_str_has_prefix (tensor->name, network->sides[side])
                        && tensor->name[strlen (network->sides[side])] == '.');
      if (is_inside && ! is_used)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                       _("“%s” has the tensor “%s”, for which this version has no layer; choose another decoder."),
                       pm_checkpoint_get_path (network->checkpoint), tensor->name);
          return FALSE;
        }
      network->info.n_parameters += is_used ? tensor->n_elements : 0;
      network->info.n_bytes += is_used ? tensor->n_elements * pm_dtype_size (tensor->dtype) : 0;
    }
  return TRUE;
}

static void
kl_free (PmVaeNetwork *network)
{
  for (int i = 0; i < 2; i++)
    {
      g_free (network->sides[i]);
      g_free (network->quant[i]);
    }
  g_clear_pointer (&network->names, g_hash_table_unref);
  g_free (network);
}

/* Both directions, without a backend. */
static gboolean
check (PmVaeNetwork *network, GError **error)
{
  PmVaeCall call = { .direction = PM_VAE_DECODE, .h = 1, .w = 1 };
  PmVaeCost cost;

  if (! read_plan (network, error) || ! walk_dry (network, NULL, &call, &cost, error))
    return FALSE;
  call.direction = PM_VAE_ENCODE;
  return (! network->info.has_encoder || walk_dry (network, NULL, &call, &cost, error)) && check_tensors (network, error);
}

static PmVaeNetwork *
kl_load (PmCheckpoint *checkpoint, const PmVaeConfig *config, PmVaeInfo *info, GError **error)
{
  PmVaeNetwork *network = g_new0 (PmVaeNetwork, 1);
  const char   *prefix = "";

  network->checkpoint = checkpoint;
  network->config = *config;
  network->dialect = pm_kl_dialect_find (checkpoint, &prefix);
  network->sides[PM_VAE_DECODE] = g_strconcat (prefix, "decoder", NULL);
  network->sides[PM_VAE_ENCODE] = g_strconcat (prefix, "encoder", NULL);
  network->quant[PM_VAE_DECODE] = g_strconcat (prefix, "post_quant_conv", NULL);
  network->quant[PM_VAE_ENCODE] = g_strconcat (prefix, "quant_conv", NULL);
  network->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (! check (network, error))
    {
      kl_free (network);
      return NULL;
    }
  g_clear_pointer (&network->names, g_hash_table_unref);
  *info = network->info;
  return network;
}

const PmVaeKind pm_vae_autoencoder_kl = {
  .id = "autoencoder-kl",
  .probe = kl_probe,
  .load = kl_load,
  .free = kl_free,
  .run = kl_run,
  .measure = kl_measure,
};
