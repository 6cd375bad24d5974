/* Family `dit`: the class-conditioned diffusion transformer of Peebles and Xie (arXiv 2212.09748), in the layout of
 * facebookresearch/DiT (models.py), any width, depth, patch and size, with or without learned variance.
 * This file reads and validates; dit-condition.c and dit-run.c compute. */
#include "family/dit.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "nn/layer.h"
#include "nn/timestep.h"

#define MAX_LAYERS 1024
#define MAX_WIDTH 65536

static gboolean
dit_probe (PmCheckpoint *checkpoint)
{
  return pm_checkpoint_find (checkpoint, "x_embedder.proj.weight") && pm_checkpoint_find (checkpoint, "blocks.0.attn.qkv.weight")
         && pm_checkpoint_find (checkpoint, "y_embedder.embedding_table.weight");
}

/* The published sizes S, B, L and XL; 0 for another width. */
static int
official_heads (int width)
{
  static const int sizes[][2] = { { 384, 6 }, { 768, 12 }, { 1024, 16 }, { 1152, 16 } };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    if (sizes[i][0] == width)
      return sizes[i][1];
  return 0;
}

static gboolean
read_heads (const PmConfig *config, PmNetworkInfo *info, GError **error)
{
  info->n_heads = config->n_heads > 0 ? config->n_heads : official_heads (info->width);
  if (info->n_heads == 0)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("The number of attention heads cannot be told from a width of %d; write {\"num_attention_heads\": N} into "
                   "config.json in the model's folder, or into NAME.json beside a lone file."),
                 info->width);
  else if (info->width % info->n_heads != 0)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("The configuration says %d attention heads, which do not divide the width %d; correct "
                   "\"num_attention_heads\"."),
                 info->n_heads, info->width);
  else
    return TRUE;
  return FALSE;
}

/* Width, channels, patch and grid from x_embedder and pos_embed. */
static gboolean
read_embedder (PmCheckpoint *checkpoint, PmNetworkInfo *info, GError **error)
{
  const PmTensor *patch = pm_checkpoint_find (checkpoint, "x_embedder.proj.weight");
  const PmTensor *position = pm_checkpoint_find (checkpoint, "pos_embed");

  if (patch->rank != 4 || patch->shape[2] != patch->shape[3] || patch->shape[0] < 1 || patch->shape[0] > MAX_WIDTH
      || patch->shape[1] < 1 || patch->shape[1] > 256 || patch->shape[2] < 1 || patch->shape[2] > 256)
    {
      g_autofree char *shape = pm_tensor_shape_to_string (patch);
      g_set_error (
          error, PM_ERROR, PM_ERROR_DAMAGED,
          _("The tensor “x_embedder.proj.weight” has the shape %s where [width, channels, patch, patch] is expected; the "
            "file is damaged or of another kind."),
          shape);
      return FALSE;
    }
  info->width = (int) patch->shape[0];
  info->in_channels = (int) patch->shape[1];
  info->patch = (int) patch->shape[2];

  gsize n_tokens = position && position->rank == 3 ? position->shape[1] : 0;
  int   side = (int) floor (sqrt ((double) n_tokens) + 0.5);
  if (n_tokens == 0 || n_tokens > 1 << 20 || (gsize) side * side != n_tokens)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                           _("The tensor “pos_embed” is missing or is not [1, tokens, width] with a square number of tokens; "
                             "save the model with its table of positions, as facebookresearch/DiT does."));
      return FALSE;
    }
  info->grid_w = info->grid_h = side;
  return pm_nn_require (checkpoint, error, "pos_embed", 3, (gsize) 1, n_tokens, (gsize) info->width) != NULL;
}

/* Channels out from final_layer, and what they mean. */
static gboolean
read_prediction (PmCheckpoint *checkpoint, const PmConfig *config, PmNetworkInfo *info, GError **error)
{
  const PmTensor *linear = pm_checkpoint_find (checkpoint, "final_layer.linear.weight");
  gsize           patch_area = (gsize) info->patch * info->patch;
  gsize           C = info->in_channels, out = linear && linear->rank == 2 ? linear->shape[0] / patch_area : 0;

  if (out != C && out != 2 * C)
    {
      g_set_error (
          error, PM_ERROR, PM_ERROR_DAMAGED,
          _("The tensor “final_layer.linear.weight” is missing or does not give %d or %d channels; the file is damaged or "
            "of another kind."),
          info->in_channels, 2 * info->in_channels);
      return FALSE;
    }
  info->out_channels = (int) out;
  info->prediction = config->prediction;
  if (info->prediction == PM_PREDICTION_UNKNOWN)
    info->prediction = out == 2 * C ? PM_PREDICTION_EPS_LEARNED_RANGE : PM_PREDICTION_EPS;
  if ((info->prediction == PM_PREDICTION_EPS_LEARNED_RANGE) != (out == 2 * C))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                           _("The configuration's \"prediction\" contradicts the number of channels of “final_layer.linear”; "
                             "“eps_learned_range” goes with twice the channels of the input, the others with as many."));
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_classes (PmCheckpoint *checkpoint, const PmConfig *config, PmNetwork *network, GError **error)
{
  PmNetworkInfo  *info = &network->info;
  const PmTensor *table = pm_checkpoint_find (checkpoint, "y_embedder.embedding_table.weight");
  gsize           n_names = config->classes ? g_strv_length (config->classes) : 0;

  if (table->rank != 2 || table->shape[0] < 1 || table->shape[0] > G_MAXINT / 2)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                           _("The tensor “y_embedder.embedding_table.weight” is not [classes, width]; the file is damaged."));
      return FALSE;
    }
  if (! pm_nn_require (checkpoint, error, "y_embedder.embedding_table.weight", 2, table->shape[0], (gsize) info->width))
    return FALSE;
  network->n_rows = (int) table->shape[0];
  info->null_class = config->null_class >= 0 ? config->null_class : network->n_rows - 1;
  if (config->null_class < 0 && (n_names == table->shape[0] || network->n_rows == 1))
    info->null_class = -1; /* every row is a class: trained without dropping it */
  if (info->null_class >= network->n_rows)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The configuration's \"null_class\" is %d, but the class table has only %d rows; correct it."),
                   info->null_class, network->n_rows);
      return FALSE;
    }
  info->n_classes = network->n_rows - (info->null_class >= 0 ? 1 : 0);
  if (n_names > 0 && n_names != (gsize) info->n_classes && n_names != (gsize) network->n_rows)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The configuration names %d classes, but the model has %d; give one name for each."), (int) n_names,
                   info->n_classes);
      return FALSE;
    }
  return TRUE;
}

/* Every tensor of the network against the shapes that follow from the first ones. */
static gboolean
check_layers (PmNetwork *network, GError **error)
{
  PmCheckpoint        *checkpoint = network->checkpoint;
  const PmNetworkInfo *info = &network->info;
  gsize                D = info->width, F = network->F, area = (gsize) info->patch * info->patch;

  if (! pm_nn_layer_check (checkpoint, "x_embedder.proj", D, info->in_channels * area, error)
      || ! pm_nn_layer_check (checkpoint, "t_embedder.mlp.0", D, PM_TIMESTEP_DIM, error)
      || ! pm_nn_layer_check (checkpoint, "t_embedder.mlp.2", D, D, error)
      || ! pm_nn_layer_check (checkpoint, "final_layer.adaLN_modulation.1", 2 * D, D, error)
      || ! pm_nn_layer_check (checkpoint, "final_layer.linear", info->out_channels * area, D, error))
    return FALSE;
  for (int i = 0; i < info->n_layers; i++)
    {
      const struct
      {
        const char *name;
        gsize       N, K;
      } layers[] = { { "attn.qkv", 3 * D, D },   { "attn.proj", D, D },           { "mlp.fc1", F, D },
                     { "mlp.fc2", D, F },        { "adaLN_modulation.1", 6 * D, D } };
      for (guint j = 0; j < G_N_ELEMENTS (layers); j++)
        {
          g_autofree char *prefix = g_strdup_printf ("blocks.%d.%s", i, layers[j].name);
          if (! pm_nn_layer_check (checkpoint, prefix, layers[j].N, layers[j].K, error))
            return FALSE;
        }
    }
  return TRUE;
}

static gboolean
count_layers (PmNetwork *network, GError **error)
{
  int n = 0;
  for (; n < MAX_LAYERS; n++)
    {
      g_autofree char *name = g_strdup_printf ("blocks.%d.attn.qkv.weight", n);
      if (! pm_checkpoint_find (network->checkpoint, name))
        break;
    }
  network->info.n_layers = n;
  const PmTensor *fc1 = pm_checkpoint_find (network->checkpoint, "blocks.0.mlp.fc1.weight");
  if (! fc1)
    return pm_nn_require (network->checkpoint, error, "blocks.0.mlp.fc1.weight", 2, (gsize) 0, (gsize) 0) != NULL;
  network->F = (int) MIN (fc1->shape[0], 16 * MAX_WIDTH);
  return TRUE;
}

static void
make_sites (PmNetworkInfo *info)
{
  int    n_tokens = info->grid_w * info->grid_h;
  PmSpan picture = { .role = PM_ROLE_PICTURE, .count = n_tokens, .grid_w = info->grid_w, .grid_h = info->grid_h };

  info->sites = g_new0 (PmSite, info->n_layers);
  for (int i = 0; i < info->n_layers; i++)
    info->sites[i] = (PmSite) { .layer = i,
                                .kind = PM_SITE_SELF,
                                .n_heads = info->n_heads,
                                .n_queries = n_tokens,
                                .n_keys = n_tokens,
                                .query_spans = { picture },
                                .n_query_spans = 1,
                                .key_spans = { picture },
                                .n_key_spans = 1 };
}

static PmNetwork *
dit_load (PmCheckpoint *checkpoint, const PmConfig *config, PmNetworkInfo *out, GError **error)
{
  g_autofree PmNetwork *network = g_new0 (PmNetwork, 1);
  PmNetworkInfo        *info = &network->info;

  network->checkpoint = checkpoint;
  if (! read_embedder (checkpoint, info, error) || ! read_heads (config, info, error)
      || ! read_prediction (checkpoint, config, info, error) || ! read_classes (checkpoint, config, network, error)
      || ! count_layers (network, error) || ! check_layers (network, error))
    return NULL;

  info->schedule = config->schedule;
  info->is_latent = config->has_vae ? config->vae != NULL : info->in_channels != 3;
  info->guidance_channels = config->guidance_channels > 0    ? MIN (config->guidance_channels, info->in_channels)
                            : config->guidance_channels == 0 ? info->in_channels
                            : info->in_channels == 4         ? 3 /* as forward_with_cfg in DiT's models.py */
                                                             : info->in_channels;
  make_sites (info);
  *out = *info;
  return g_steal_pointer (&network);
}

static void
dit_free (PmNetwork *network, PmNetworkInfo *info)
{
  g_clear_pointer (&info->sites, g_free);
  g_free (network);
}

static double
dit_flops (PmNetwork *network, int B)
{
  const PmNetworkInfo *info = &network->info;
  double               D = info->width, T = (double) info->grid_w * info->grid_h, area = info->patch * info->patch;
  double               block = T * (4 * D * D + 2 * D * network->F) + 2 * T * T * D + 6 * D * D;
  double ends = T * D * area * (info->in_channels + info->out_channels) + D * (PM_TIMESTEP_DIM + D) + 2 * D * D;
  return 2.0 * B * (info->n_layers * block + ends);
}

const PmFamily pm_family_dit = {
  .id = "dit",
  .probe = dit_probe,
  .load = dit_load,
  .free = dit_free,
  .prepare = pm_dit_prepare,
  .release = pm_dit_release,
  .expect = pm_dit_expect,
  .denoise = pm_dit_denoise,
  .flops = dit_flops,
  .work_bytes = pm_dit_work_bytes,
};
