/* One call of a DiT: facebookresearch/DiT, models.py, DiT.forward. Letters as in dit.h. */
#include "family/dit.h"

#define NORM_EPS 1e-6f

gsize
pm_dit_work_bytes (PmNetwork *network, const PmShape *shape, PmDtype acts)
{
  return pm_trunk_bytes (&network->info, network->F, shape, acts) + pm_dit_conditions_size (network, shape->max_items);
}

static gboolean
prepare_layers (PmPrepared *prepared, GError **error)
{
  PmBackend          *backend = prepared->trunk.backend;
  PmCheckpoint       *checkpoint = prepared->network->checkpoint;
  const PmDitDialect *dialect = prepared->network->dialect;

  for (int i = 0; i < PM_DIT_N_ENDS; i++)
    if (! pm_nn_layer_prepare (&prepared->ends[i], checkpoint, dialect->ends[i], backend, error))
      return FALSE;
  for (int i = 0; i < prepared->network->info.n_layers; i++)
    for (int j = 0; j < PM_DIT_N_LAYERS; j++)
      {
        g_autofree char *name = pm_dit_dialect_name (dialect, i, j);
        if (name && ! pm_nn_layer_prepare (&prepared->blocks[i].layers[j], checkpoint, name, backend, error))
          return FALSE;
      }
  return TRUE;
}

PmPrepared *
pm_dit_prepare (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error)
{
  PmPrepared     *prepared = g_new0 (PmPrepared, 1);
  const char     *name = network->dialect->position;
  const PmTensor *position = name ? pm_checkpoint_find (network->checkpoint, name) : NULL;
  gsize           more = pm_dit_conditions_size (network, shape->max_items);
  PmSite         *sites = pm_dit_sites (network, shape, NULL);

  prepared->network = network;
  prepared->blocks = g_new0 (PmDitBlock, network->info.n_layers);
  gpointer memory = pm_trunk_init (&prepared->trunk, backend, &network->info, network->F, shape, sites, more, error);
  if (memory)
    pm_dit_conditions_init (prepared, memory);
  if (! memory || ! pm_trunk_set_position (&prepared->trunk, position, 0, 0, error) || ! prepare_layers (prepared, error))
    {
      pm_dit_release (prepared);
      return NULL;
    }
  return prepared;
}

void
pm_dit_release (PmPrepared *prepared)
{
  if (! prepared)
    return;
  PmBackend *backend = prepared->trunk.backend;
  for (int i = 0; i < PM_DIT_N_ENDS; i++)
    pm_nn_layer_release (&prepared->ends[i], backend);
  for (int i = 0; i < prepared->network->info.n_layers; i++)
    for (int j = 0; j < PM_DIT_N_LAYERS; j++)
      pm_nn_layer_release (&prepared->blocks[i].layers[j], backend);
  pm_trunk_clear (&prepared->trunk);
  pm_expected_clear (&prepared->conditions.expected);
  g_free (prepared->blocks);
  g_free (prepared);
}

static void
run_block (PmPrepared *prepared, const PmDenoise *in, int layer)
{
  PmLayer     *layers = prepared->blocks[layer].layers;
  PmModulation attention = pm_dit_conditions_get (prepared, layer, 0, NORM_EPS);
  PmModulation mlp = pm_dit_conditions_get (prepared, layer, 1, prepared->network->mlp_eps);

  pm_trunk_attend (&prepared->trunk, in, layer, &layers[PM_DIT_Q], &layers[PM_DIT_PROJ], &attention);
  pm_trunk_feed (&prepared->trunk, in->B, &layers[PM_DIT_FC1], &layers[PM_DIT_FC2], &mlp);
}

static PmModulation
modulate_final (PmPrepared *prepared, const PmDenoise *in)
{
  return pm_dit_conditions_get (prepared, prepared->network->info.n_layers, 0, NORM_EPS);
}

gboolean
pm_dit_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error)
{
  const PmTrunkNetwork network = { .embed = &prepared->ends[PM_DIT_EMBED], .final = &prepared->ends[PM_DIT_FINAL],
                                   .block = run_block, .modulate_final = modulate_final, .prepared = prepared };

  return pm_dit_conditions_set (prepared, in, error) && pm_trunk_denoise (&prepared->trunk, in, &network, out, error);
}
