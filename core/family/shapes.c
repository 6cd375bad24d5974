/* See shapes.h. */
#include "family/shapes.h"

#include "base/error.h"
#include "base/i18n.h"
#include "nn/layer.h"

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

gboolean
pm_shapes_read_heads (const PmConfig *config, PmNetworkInfo *info, GError **error)
{
  int head_dim = config->network.head_dim;

  info->n_heads = config->n_heads > 0                           ? config->n_heads
                  : head_dim > 0 && info->width % head_dim == 0 ? info->width / head_dim
                                                                : official_heads (info->width);
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

gboolean
pm_shapes_read_embedder (PmCheckpoint *checkpoint, const char *layer, PmNetworkInfo *info, GError **error)
{
  g_autofree char *name = g_strconcat (layer, ".weight", NULL);
  const PmTensor  *patch = pm_checkpoint_find (checkpoint, name);

  if (patch->rank != 4 || patch->shape[2] != patch->shape[3] || patch->shape[0] < 1 || patch->shape[0] > PM_MAX_WIDTH
      || patch->shape[1] < 1 || patch->shape[1] > 256 || patch->shape[2] < 1 || patch->shape[2] > 256)
    {
      g_autofree char *shape = pm_tensor_shape_to_string (patch);
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The tensor “%s” has the shape %s where [width, channels, patch, patch] is expected; the file is damaged "
                     "or of another kind."),
                   name, shape);
      return FALSE;
    }
  info->width = (int) patch->shape[0];
  info->in_channels = (int) patch->shape[1];
  info->patch = (int) patch->shape[2];
  return TRUE;
}

gboolean
pm_shapes_read_prediction (PmCheckpoint *checkpoint, const char *layer, const PmConfig *config, PmNetworkInfo *info,
                           GError **error)
{
  g_autofree char *name = g_strconcat (layer, ".weight", NULL);
  const PmTensor  *linear = pm_checkpoint_find (checkpoint, name);
  gsize            patch_area = (gsize) info->patch * info->patch;
  gsize            C = info->in_channels, out = linear && linear->rank == 2 ? linear->shape[0] / patch_area : 0;

  if (out != C && out != 2 * C)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The tensor “%s” is missing or does not give %d or %d channels; the file is damaged or of another kind."),
                   name, info->in_channels, 2 * info->in_channels);
      return FALSE;
    }
  info->out_channels = (int) out;
  info->prediction = config->prediction;
  if (info->prediction == PM_PREDICTION_UNKNOWN)
    info->prediction = out == 2 * C ? PM_PREDICTION_EPS_LEARNED_RANGE : PM_PREDICTION_EPS;
  if ((info->prediction == PM_PREDICTION_EPS_LEARNED_RANGE) != (out == 2 * C))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The configuration's \"prediction\" or \"prediction_type\" contradicts the number of channels of “%s”; "
                     "“eps_learned_range” goes with twice the channels of the input, “v” and “x0” with as many. Correct it."),
                   name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_fact (PmCheckpoint *checkpoint, const PmShapeFact *fact, GError **error)
{
  if (fact->said <= 0 || fact->said == fact->is)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("The configuration says \"%s\" %d, but the tensors of “%s” say %d; take both from the same model, or correct "
                 "the configuration."),
               fact->key, fact->said, pm_checkpoint_get_path (checkpoint), fact->is);
  return FALSE;
}

gboolean
pm_shapes_check_config (PmCheckpoint *checkpoint, const PmConfig *config, const PmNetworkInfo *info, const PmShapeFact *more,
                        gsize n_more, GError **error)
{
  const PmConfigNetwork *said = &config->network;
  const PmShapeFact      facts[] = { { "attention_head_dim", said->head_dim, info->width / info->n_heads },
                                     { "num_layers", said->n_layers, info->n_layers },
                                     { "patch_size", said->patch, info->patch },
                                     { "in_channels", said->in_channels, info->in_channels },
                                     { "out_channels", said->out_channels, info->out_channels } };

  for (gsize i = 0; i < G_N_ELEMENTS (facts); i++)
    if (! check_fact (checkpoint, &facts[i], error))
      return FALSE;
  for (gsize i = 0; i < n_more; i++)
    if (! check_fact (checkpoint, &more[i], error))
      return FALSE;
  return TRUE;
}

int
pm_shapes_guidance_channels (const PmConfig *config, const PmNetworkInfo *info, int published)
{
  if (config->guidance_channels >= 0)
    return config->guidance_channels == 0 ? info->in_channels : MIN (config->guidance_channels, info->in_channels);
  return info->in_channels == 4 ? published : info->in_channels;
}

gboolean
pm_shapes_count_blocks (PmCheckpoint *checkpoint, const char *block, const char *counted, const char *first_of_mlp,
                        PmNetworkInfo *info, int *mlp_width, GError **error)
{
  g_autofree char *layer = g_strdup_printf (block, 0, first_of_mlp), *name = g_strconcat (layer, ".weight", NULL);
  const PmTensor  *first = pm_checkpoint_find (checkpoint, name);

  for (info->n_layers = 0; info->n_layers < PM_MAX_LAYERS; info->n_layers++)
    {
      g_autofree char *counted_layer = g_strdup_printf (block, info->n_layers, counted);
      g_autofree char *weight = g_strconcat (counted_layer, ".weight", NULL);
      if (! pm_checkpoint_find (checkpoint, weight))
        break;
    }
  if (! first)
    return pm_nn_require (checkpoint, error, name, 2, (gsize) 0, (gsize) 0) != NULL;
  *mlp_width = (int) MIN (first->shape[0], 16 * PM_MAX_WIDTH);
  return TRUE;
}

gboolean
pm_shapes_check_blocks (PmCheckpoint *checkpoint, const char *block, const char *const *layers, int n_layers,
                        const gsize (*shapes)[2], const PmNetworkInfo *info, GError **error)
{
  for (int i = 0; i < info->n_layers; i++)
    for (int j = 0; j < n_layers; j++)
      {
        g_autofree char *name = layers[j] ? g_strdup_printf (block, i, layers[j]) : NULL;
        if (name && ! pm_nn_layer_check (checkpoint, name, shapes[j][0], shapes[j][1], error))
          return FALSE;
      }
  return TRUE;
}
