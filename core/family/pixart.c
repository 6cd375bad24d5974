/* Family `pixart`: PixArt-alpha (Chen et al., arXiv 2310.00426) and PixArt-Sigma (arXiv 2403.04692), diffusion transformers that
 * look at a text in every block, in the dialects of pixart-dialect.c, any width, depth and size of the picture, told that size
 * or not, with or without learned variance.
 * This file reads and validates; the files beside it compute. */
#include "family/pixart.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/shapes.h"
#include "nn/timestep.h"

#define MAX_SIDE 256      /* of the grid of tokens: 4096 pixels */
#define MAX_TOKENS 4096   /* of a stored text */
#define ALPHA_TOKENS 120  /* of the texts that each was trained with */
#define SIGMA_TOKENS 300
#define PUBLISHED_BASE 32 /* side of the grid whose positions are whole numbers */

static gboolean
pixart_probe (PmCheckpoint *checkpoint)
{
  return pm_pixart_dialect_find (checkpoint) != NULL;
}

/* How far apart the first two columns of a stored table of positions are: their distance d has sin d in the first channel of the
 * second column, cos d in the one behind all sines. Powers of two are published; f16 would blur them. */
static double
measure_interpolation (const PmTensor *position)
{
  gsize D = position->shape[2];
  float row[2];

  if (position->shape[1] < 2)
    return 1;
  gsize size = pm_dtype_size (position->dtype);
  pm_convert_to_f32 ((const char *) position->data + size * D, position->dtype, 1, &row[0]);
  pm_convert_to_f32 ((const char *) position->data + size * (D + D / 4), position->dtype, 1, &row[1]);
  double distance = atan2 (row[0], row[1]);
  double power = distance > 0 ? floor (log2 (1 / distance) + 0.5) : 0;
  return distance > 0 && fabs (log2 (1 / distance) - power) > 0.02 ? 1 / distance : exp2 (power);
}

/* The trained grid from a stored table of positions, or from the configuration. */
static gboolean
read_grid (PmNetwork *network, const PmConfig *config, GError **error)
{
  PmNetworkInfo  *info = &network->info;
  const char     *name = network->dialect->position;
  const PmTensor *position = name ? pm_checkpoint_find (network->checkpoint, name) : NULL;
  int             size = config->network.sample_size, side = size / info->patch;

  if (position && position->rank == 3)
    {
      side = position->shape[1] <= MAX_SIDE * MAX_SIDE ? (int) floor (sqrt ((double) position->shape[1]) + 0.5) : 0;
      if (! pm_nn_require (network->checkpoint, error, name, 3, (gsize) 1, (gsize) side * side, (gsize) info->width))
        return FALSE;
    }
  else if (size == 0)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                           _("The size of what the model paints cannot be told from its tensors; write {\"sample_size\": N} into "
                             "config.json in the model's folder, or into NAME.json beside a lone file: 32 for 256 pixels of the "
                             "published models, 64 for 512, 128 for 1024."));
      return FALSE;
    }
  if (side < 1 || side > MAX_SIDE || (size > 0 && size != side * info->patch) || info->width % 4 != 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The configuration says \"sample_size\" %d, which does not go with patches of %d and the positions of a "
                     "grid of %d for a width of %d; correct it."),
                   size, info->patch, side, info->width);
      return FALSE;
    }
  info->grid_w = info->grid_h = side;
  network->base = side;
  network->interpolation = config->network.interpolation > 0 ? config->network.interpolation
                           : position                        ? measure_interpolation (position)
                                                             : MAX (side * info->patch / (2 * PUBLISHED_BASE), 1);
  return TRUE;
}

/* Width of the text embeddings, and how many tokens of them the network was trained with. */
static gboolean
read_text (PmNetwork *network, const PmConfig *config, GError **error)
{
  PmNetworkInfo   *info = &network->info;
  const char      *null_name = network->dialect->null_text;
  const PmTensor  *null_text = null_name ? pm_checkpoint_find (network->checkpoint, null_name) : NULL;
  g_autofree char *name = g_strconcat (network->dialect->ends[PM_PIXART_CAPTION1], ".weight", NULL);
  const PmTensor  *caption = pm_checkpoint_find (network->checkpoint, name);

  if (! caption || caption->rank != 2 || caption->shape[1] < 1 || caption->shape[1] > PM_MAX_WIDTH)
    return pm_nn_require (network->checkpoint, error, name, 2, (gsize) info->width, (gsize) 4096) != NULL;
  info->text_width = (int) caption->shape[1];
  info->max_text = network->has_size || g_strcmp0 (config->pipeline, "PixArtAlphaPipeline") == 0 ? ALPHA_TOKENS : SIGMA_TOKENS;
  if (null_text && null_text->rank == 2 && null_text->shape[0] >= 1 && null_text->shape[0] <= MAX_TOKENS)
    {
      if (! pm_nn_require (network->checkpoint, error, null_name, 2, null_text->shape[0], (gsize) info->text_width))
        return FALSE;
      info->max_text = (int) null_text->shape[0];
      info->has_null_text = TRUE;
    }
  info->cleans_text = TRUE;
  info->has_null = TRUE; /* the empty text */
  info->null_class = -1;
  return TRUE;
}

/* The first block's tensors tell networks of another build apart. */
static gboolean
check_variant (PmNetwork *network, GError **error)
{
  for (const char *const *variant = network->dialect->variants; *variant; variant++)
    {
      g_autofree char *name = g_strdup_printf (network->dialect->block, 0, *variant);
      if (! pm_checkpoint_find (network->checkpoint, name))
        continue;
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("“%s” holds the tensor “%s”: its attention is built in another way (norms of queries and keys, compressed "
                     "keys, or relative positions) than can be computed. Choose another model."),
                   pm_checkpoint_get_path (network->checkpoint), name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_ends (PmNetwork *network, GError **error)
{
  const PmNetworkInfo *info = &network->info;
  gsize                D = info->width, area = (gsize) info->patch * info->patch, third = D / 3;
  const gsize          shapes[PM_PIXART_N_ENDS][2] = { [PM_PIXART_EMBED] = { D, info->in_channels * area },
                                                       [PM_PIXART_TIME0] = { D, PM_TIMESTEP_DIM },
                                                       [PM_PIXART_TIME2] = { D, D },
                                                       [PM_PIXART_MODULATION] = { 6 * D, D },
                                                       [PM_PIXART_CAPTION1] = { D, info->text_width },
                                                       [PM_PIXART_CAPTION2] = { D, D },
                                                       [PM_PIXART_FINAL] = { info->out_channels * area, D },
                                                       [PM_PIXART_SIZE0] = { third, PM_TIMESTEP_DIM },
                                                       [PM_PIXART_SIZE2] = { third, third },
                                                       [PM_PIXART_ASPECT0] = { third, PM_TIMESTEP_DIM },
                                                       [PM_PIXART_ASPECT2] = { third, third } };

  if (network->has_size && D % 3 != 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The model is told the picture's size in thirds of its width, but the width %d has none; the file is "
                     "damaged or of another kind."),
                   info->width);
      return FALSE;
    }
  for (int i = 0; i < PM_PIXART_N_ENDS; i++)
    if (pm_pixart_has_end (network, i)
        && ! pm_nn_layer_check (network->checkpoint, network->dialect->ends[i], shapes[i][0], shapes[i][1], error))
      return FALSE;
  return pm_nn_require (network->checkpoint, error, network->dialect->final_table, 2, (gsize) 2, D) != NULL;
}

static gboolean
check_blocks (PmNetwork *network, GError **error)
{
  const PmPixartDialect *dialect = network->dialect;
  gsize                  D = network->info.width, F = network->F;
  gsize                  rows_q = dialect->layers[PM_PIXART_K] ? D : 3 * D;
  gsize                  rows_k = dialect->layers[PM_PIXART_CROSS_V] ? D : 2 * D;
  const gsize            shapes[PM_PIXART_N_LAYERS][2] = {
    [PM_PIXART_Q] = { rows_q, D },       [PM_PIXART_K] = { D, D },       [PM_PIXART_V] = { D, D },
    [PM_PIXART_PROJ] = { D, D },         [PM_PIXART_CROSS_Q] = { D, D }, [PM_PIXART_CROSS_K] = { rows_k, D },
    [PM_PIXART_CROSS_V] = { D, D },      [PM_PIXART_CROSS_PROJ] = { D, D },
    [PM_PIXART_FC1] = { F, D },          [PM_PIXART_FC2] = { D, F }
  };

  for (int i = 0; i < network->info.n_layers; i++)
    {
      g_autofree char *table = pm_pixart_dialect_table (dialect, i);
      if (! pm_nn_require (network->checkpoint, error, table, 2, (gsize) 6, D))
        return FALSE;
    }
  return pm_shapes_check_blocks (network->checkpoint, dialect->block, dialect->layers, PM_PIXART_N_LAYERS, shapes,
                                 &network->info, error);
}

static gboolean
check_config (PmNetwork *network, const PmConfig *config, GError **error)
{
  const PmShapeFact facts[] = { { "cross_attention_dim", config->network.cross_dim, network->info.width },
                                { "caption_channels", config->network.caption_channels, network->info.text_width } };

  return pm_shapes_check_config (network->checkpoint, config, &network->info, facts, G_N_ELEMENTS (facts), error);
}

static PmNetwork *
pixart_load (PmCheckpoint *checkpoint, const PmConfig *config, PmNetworkInfo *out, GError **error)
{
  g_autofree PmNetwork *network = g_new0 (PmNetwork, 1);
  PmNetworkInfo        *info = &network->info;

  network->checkpoint = checkpoint;
  network->dialect = pm_pixart_dialect_find (checkpoint);
  g_autofree char *size = g_strconcat (network->dialect->ends[PM_PIXART_SIZE0], ".weight", NULL);
  network->has_size = pm_checkpoint_find (checkpoint, size) != NULL;
  if (! pm_shapes_read_embedder (checkpoint, network->dialect->ends[PM_PIXART_EMBED], info, error)
      || ! pm_shapes_read_heads (config, info, error) || ! read_grid (network, config, error)
      || ! pm_shapes_read_prediction (checkpoint, network->dialect->ends[PM_PIXART_FINAL], config, info, error)
      || ! read_text (network, config, error)
      || ! pm_shapes_count_blocks (checkpoint, network->dialect->block, network->dialect->layers[PM_PIXART_CROSS_Q],
                                   network->dialect->layers[PM_PIXART_FC1], info, &network->F, error)
      || ! check_variant (network, error) || ! check_ends (network, error) || ! check_blocks (network, error)
      || ! check_config (network, config, error))
    return NULL;

  network->eps = config->network.norm_eps > 0 ? (float) config->network.norm_eps : 1e-6f;
  info->any_size = TRUE;
  info->max_side = MAX_SIDE;
  info->dialect = network->dialect->id;
  info->schedule = config->schedule;
  if (info->schedule.spacing == PM_SPACING_UNKNOWN)
    info->schedule.spacing = PM_SPACING_LINSPACE;
  info->is_latent = config->has_vae ? config->vae != NULL : info->in_channels != 3;
  info->guidance_channels = pm_shapes_guidance_channels (config, info, info->in_channels);
  info->sampler = "dpmpp2m";
  info->steps = 20;
  info->guidance = 4.5;
  *out = *info;
  return g_steal_pointer (&network);
}

static void
pixart_free (PmNetwork *network, PmNetworkInfo *info)
{
  g_free (network);
}

PmSite *
pm_pixart_sites (PmNetwork *network, const PmShape *shape, int *n_sites)
{
  const PmNetworkInfo *info = &network->info;
  int                  L = info->n_layers;
  PmSite              *sites = g_new (PmSite, 2 * L);

  for (int i = 0; i < L; i++)
    {
      sites[i] = pm_site_new_self (i, info->n_heads, shape->grid_w, shape->grid_h);
      sites[L + i] = pm_site_new_cross (i, info->n_heads, shape->grid_w, shape->grid_h, shape->max_text);
    }
  if (n_sites)
    *n_sites = 2 * L;
  return sites;
}

static double
pixart_flops (PmNetwork *network, const PmShape *shape, int B)
{
  const PmNetworkInfo *info = &network->info;
  double               D = info->width, T = (double) pm_shape_tokens (shape);
  double               cross = T * 2 * D * D + 2 * T * shape->max_text * D;
  double               conditions = D * (PM_TIMESTEP_DIM + D) + 6 * D * D;
  return B * (pm_trunk_flops (info, network->F, shape) + 2 * (info->n_layers * cross + conditions));
}

const PmFamily pm_family_pixart = {
  .id = "pixart",
  .probe = pixart_probe,
  .load = pixart_load,
  .free = pixart_free,
  .prepare = pm_pixart_prepare,
  .release = pm_pixart_release,
  .sites = pm_pixart_sites,
  .set_text = pm_pixart_set_text,
  .expect = pm_pixart_expect,
  .denoise = pm_pixart_denoise,
  .flops = pixart_flops,
  .work_bytes = pm_pixart_work_bytes,
};
