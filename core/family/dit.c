/* Family `dit`: the class-conditioned diffusion transformer of Peebles and Xie (arXiv 2212.09748), in the dialects of
 * dit-dialect.c, any width, depth, patch and size, with or without learned variance.
 * This file reads and validates; dit-condition.c and dit-run.c compute. */
#include "family/dit.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/shapes.h"
#include "nn/timestep.h"

#define MAX_SIDE 1024 /* of the grid of tokens */

static gboolean
dit_probe (PmCheckpoint *checkpoint)
{
  return pm_dit_dialect_find (checkpoint) != NULL;
}

/* The grid of tokens from the stored table of positions. */
static gboolean
read_position (PmNetwork *network, GError **error)
{
  PmNetworkInfo  *info = &network->info;
  const char     *name = network->dialect->position;
  const PmTensor *position = pm_checkpoint_find (network->checkpoint, name);
  gsize           n_tokens = position && position->rank == 3 ? position->shape[1] : 0;
  int             side = (int) floor (sqrt ((double) n_tokens) + 0.5);

  if (n_tokens == 0 || n_tokens > MAX_SIDE * MAX_SIDE || (gsize) side * side != n_tokens)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The tensor “%s” is missing or is not [1, tokens, width] with a square number of tokens; save the model "
                     "with its table of positions, as facebookresearch/DiT does."),
                   name);
      return FALSE;
    }
  info->grid_w = info->grid_h = side;
  return pm_nn_require (network->checkpoint, error, name, 3, (gsize) 1, n_tokens, (gsize) info->width) != NULL;
}

/* The grid of tokens where nothing is stored but the size, in the configuration. */
static gboolean
read_sample_size (PmNetwork *network, const PmConfig *config, GError **error)
{
  PmNetworkInfo *info = &network->info;
  int            size = config->network.sample_size;

  if (size == 0)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                         _("The size of what the model paints cannot be told from its tensors; write {\"sample_size\": N} into "
                           "config.json in the model's folder, or into NAME.json beside a lone file: 32 for 256 pixels of the "
                           "published models, 64 for 512."));
  else if (size % info->patch != 0 || size / info->patch > MAX_SIDE || info->width % 4 != 0)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("The configuration says \"sample_size\" %d, which cannot be cut into patches of %d for a width of %d; correct "
                   "it."),
                 size, info->patch, info->width);
  else
    {
      info->grid_w = info->grid_h = size / info->patch;
      return TRUE;
    }
  return FALSE;
}

static gboolean
read_classes (PmNetwork *network, const PmConfig *config, GError **error)
{
  PmNetworkInfo  *info = &network->info;
  const char     *name = network->dialect->classes;
  const PmTensor *table = pm_checkpoint_find (network->checkpoint, name);
  gsize           n_names = config->classes ? g_strv_length (config->classes) : 0;

  if (table->rank != 2 || table->shape[0] < 1 || table->shape[0] > G_MAXINT / 2)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("The tensor “%s” is not [classes, width]; the file is damaged."), name);
      return FALSE;
    }
  if (! pm_nn_require (network->checkpoint, error, name, 2, table->shape[0], (gsize) info->width))
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
  info->has_null = info->null_class >= 0;
  info->n_classes = network->n_rows - (info->has_null ? 1 : 0);
  if (n_names > 0 && n_names != (gsize) info->n_classes && n_names != (gsize) network->n_rows)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   g_dngettext (GETTEXT_PACKAGE,
                                "The configuration names %d class, but the model has %d; give one name for each.",
                                "The configuration names %d classes, but the model has %d; give one name for each.", n_names),
                   (int) n_names, info->n_classes);
      return FALSE;
    }
  return TRUE;
}

/* Every tensor of the network against the shapes that follow from the first ones. */
static gboolean
check_layers (PmNetwork *network, GError **error)
{
  PmCheckpoint        *checkpoint = network->checkpoint;
  const PmDitDialect  *dialect = network->dialect;
  const PmNetworkInfo *info = &network->info;
  gsize                D = info->width, F = network->F, area = (gsize) info->patch * info->patch;
  gsize                rows_q = dialect->layers[PM_DIT_K] ? D : 3 * D;
  const gsize          ends[PM_DIT_N_ENDS][2] = { [PM_DIT_EMBED] = { D, info->in_channels * area },
                                                  [PM_DIT_TIME0] = { D, PM_TIMESTEP_DIM },
                                                  [PM_DIT_TIME2] = { D, D },
                                                  [PM_DIT_FINAL_MODULATION] = { 2 * D, D },
                                                  [PM_DIT_FINAL] = { info->out_channels * area, D } };
  const gsize          layers[PM_DIT_N_LAYERS][2] = { [PM_DIT_Q] = { rows_q, D }, [PM_DIT_K] = { D, D },
                                                      [PM_DIT_V] = { D, D },      [PM_DIT_PROJ] = { D, D },
                                                      [PM_DIT_FC1] = { F, D },    [PM_DIT_FC2] = { D, F },
                                                      [PM_DIT_MODULATION] = { 6 * D, D } };

  for (int i = 0; i < PM_DIT_N_ENDS; i++)
    if (! pm_nn_layer_check (checkpoint, dialect->ends[i], ends[i][0], ends[i][1], error))
      return FALSE;
  return pm_shapes_check_blocks (checkpoint, dialect->block, dialect->layers, PM_DIT_N_LAYERS, layers, info, error)
         && pm_dit_dialect_check_copies (dialect, checkpoint, info->n_layers, error);
}

/* What the configuration says besides must be what the tensors say. */
static gboolean
check_config (PmNetwork *network, const PmConfig *config, GError **error)
{
  const PmNetworkInfo *info = &network->info;
  const PmShapeFact    facts[] = { { "num_embeds_ada_norm", config->network.n_classes, network->n_rows - 1 },
                                   { "cross_attention_dim", config->network.cross_dim, 0 },
                                   { "sample_size", config->network.sample_size, info->grid_w * info->patch } };

  return pm_shapes_check_config (network->checkpoint, config, info, facts, G_N_ELEMENTS (facts), error);
}

PmSite *
pm_dit_sites (PmNetwork *network, const PmShape *shape, int *n_sites)
{
  const PmNetworkInfo *info = &network->info;
  PmSite              *sites = g_new0 (PmSite, info->n_layers);

  for (int i = 0; i < info->n_layers; i++)
    sites[i] = pm_site_new_self (i, info->n_heads, shape->grid_w, shape->grid_h);
  if (n_sites)
    *n_sites = info->n_layers;
  return sites;
}

static PmNetwork *
dit_load (PmCheckpoint *checkpoint, const PmConfig *config, PmNetworkInfo *out, GError **error)
{
  g_autofree PmNetwork *network = g_new0 (PmNetwork, 1);
  PmNetworkInfo        *info = &network->info;

  network->checkpoint = checkpoint;
  network->dialect = pm_dit_dialect_find (checkpoint);
  if (! pm_shapes_read_embedder (checkpoint, network->dialect->ends[PM_DIT_EMBED], info, error)
      || ! pm_shapes_read_heads (config, info, error)
      || ! (network->dialect->position ? read_position (network, error) : read_sample_size (network, config, error))
      || ! pm_shapes_read_prediction (checkpoint, network->dialect->ends[PM_DIT_FINAL], config, info, error)
      || ! read_classes (network, config, error)
      || ! pm_shapes_count_blocks (checkpoint, network->dialect->block, network->dialect->layers[PM_DIT_Q],
                                   network->dialect->layers[PM_DIT_FC1], info, &network->F, error)
      || ! check_layers (network, error) || ! check_config (network, config, error))
    return NULL;

  network->mlp_eps = config->network.norm_eps > 0 ? (float) config->network.norm_eps : network->dialect->mlp_eps;
  info->dialect = network->dialect->id;
  info->schedule = config->schedule;
  if (info->schedule.spacing == PM_SPACING_UNKNOWN)
    info->schedule.spacing = network->dialect->spacing;
  info->is_latent = config->has_vae ? config->vae != NULL : info->in_channels != 3;
  info->guidance_channels = pm_shapes_guidance_channels (config, info, network->dialect->guidance_channels);
  *out = *info;
  return g_steal_pointer (&network);
}

static void
dit_free (PmNetwork *network, PmNetworkInfo *info)
{
  g_free (network);
}

static double
dit_flops (PmNetwork *network, const PmShape *shape, int B)
{
  const PmNetworkInfo *info = &network->info;
  double               D = info->width;
  double               conditions = info->n_layers * 6 * D * D + D * (PM_TIMESTEP_DIM + D) + 2 * D * D;
  return B * (pm_trunk_flops (info, network->F, shape) + 2 * conditions);
}

const PmFamily pm_family_dit = {
  .id = "dit",
  .probe = dit_probe,
  .load = dit_load,
  .free = dit_free,
  .prepare = pm_dit_prepare,
  .release = pm_dit_release,
  .sites = pm_dit_sites,
  .expect = pm_dit_expect,
  .denoise = pm_dit_denoise,
  .flops = dit_flops,
  .work_bytes = pm_dit_work_bytes,
};
