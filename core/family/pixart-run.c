/* One call of a PixArt: PixArt-alpha/PixArt-alpha, diffusion/model/nets/PixArtMS.py, PixArtMS.forward; diffusers,
 * models/attention.py, BasicTransformerBlock with "ada_norm_single". Letters as in pixart.h. */
#include "family/pixart.h"

#define FINAL_EPS 1e-6f

gsize
pm_pixart_work_bytes (PmNetwork *network, const PmShape *shape, PmDtype acts)
{
  return pm_trunk_bytes (&network->info, network->F, shape, acts) + pm_pixart_conditions_size (network, shape)
         + pm_pixart_texts_size (network, shape, acts);
}

static gboolean
prepare_layers (PmPrepared *prepared, GError **error)
{
  PmBackend             *backend = prepared->trunk.backend;
  PmCheckpoint          *checkpoint = prepared->network->checkpoint;
  const PmPixartDialect *dialect = prepared->network->dialect;

  for (int i = 0; i < PM_PIXART_N_ENDS; i++)
    if (pm_pixart_has_end (prepared->network, i)
        && ! pm_nn_layer_prepare (&prepared->ends[i], checkpoint, dialect->ends[i], backend, error))
      return FALSE;
  for (int i = 0; i < prepared->network->info.n_layers; i++)
    for (int j = 0; j < PM_PIXART_N_LAYERS; j++)
      {
        g_autofree char *name = pm_pixart_dialect_name (dialect, i, j);
        if (name && ! pm_nn_layer_prepare (&prepared->blocks[i].layers[j], checkpoint, name, backend, error))
          return FALSE;
      }
  return TRUE;
}

PmPrepared *
pm_pixart_prepare (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error)
{
  PmPrepared *prepared = g_new0 (PmPrepared, 1);
  gsize       n_conditions = pm_pixart_conditions_size (network, shape);
  gsize       more = n_conditions + pm_pixart_texts_size (network, shape, pm_backend_get_activation_dtype (backend));
  PmSite     *sites = pm_pixart_sites (network, shape, NULL);

  prepared->network = network;
  prepared->blocks = g_new0 (PmPixartBlock, network->info.n_layers);
  char *memory = pm_trunk_init (&prepared->trunk, backend, &network->info, network->F, shape, sites, more, error);
  if (memory)
    {
      pm_pixart_conditions_init (prepared, memory);
      pm_pixart_texts_init (prepared, memory + n_conditions);
    }
  if (! memory || ! pm_trunk_set_position (&prepared->trunk, NULL, network->base, network->interpolation, error)
      || ! prepare_layers (prepared, error) || ! pm_pixart_conditions_fill (prepared, error))
    {
      pm_pixart_release (prepared);
      return NULL;
    }
  return prepared;
}

void
pm_pixart_release (PmPrepared *prepared)
{
  if (! prepared)
    return;
  PmBackend *backend = prepared->trunk.backend;
  for (int i = 0; i < PM_PIXART_N_ENDS; i++)
    pm_nn_layer_release (&prepared->ends[i], backend);
  for (int i = 0; i < prepared->network->info.n_layers; i++)
    for (int j = 0; j < PM_PIXART_N_LAYERS; j++)
      pm_nn_layer_release (&prepared->blocks[i].layers[j], backend);
  pm_pixart_texts_clear (prepared);
  pm_pixart_conditions_clear (prepared);
  pm_trunk_clear (&prepared->trunk);
  g_free (prepared->blocks);
  g_free (prepared);
}

/* The cross attention stands between the two halves, with no norm before it and no gate behind. */
static void
run_block (PmPrepared *prepared, const PmDenoise *in, int layer)
{
  PmTrunk     *trunk = &prepared->trunk;
  PmLayer     *layers = prepared->blocks[layer].layers;
  gsize        D = prepared->network->info.width;
  const float *chunks = pm_pixart_conditions_get (prepared, in->B, layer); /* [B, 6, D] */
  PmModulation attention = { chunks, chunks + D, chunks + 2 * D, 6 * D, prepared->network->eps };
  PmModulation mlp = { chunks + 3 * D, chunks + 4 * D, chunks + 5 * D, 6 * D, prepared->network->eps };

  pm_trunk_attend (trunk, in, layer, &layers[PM_PIXART_Q], &layers[PM_PIXART_PROJ], &attention);
  pm_pixart_texts_attend (prepared, in, layer);
  pm_trunk_feed (trunk, in->B, &layers[PM_PIXART_FC1], &layers[PM_PIXART_FC2], &mlp);
}

static PmModulation
modulate_final (PmPrepared *prepared, const PmDenoise *in)
{
  gsize        D = prepared->network->info.width;
  const float *chunks = pm_pixart_conditions_get (prepared, in->B, prepared->network->info.n_layers); /* [B, 2, D] */

  return (PmModulation) { chunks, chunks + D, NULL, 2 * D, FINAL_EPS };
}

gboolean
pm_pixart_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error)
{
  PmTrunkNetwork network = { .embed = &prepared->ends[PM_PIXART_EMBED], .final = &prepared->ends[PM_PIXART_FINAL],
                             .block = run_block, .modulate_final = modulate_final, .prepared = prepared };

  return pm_pixart_conditions_set (prepared, in, error) && pm_pixart_texts_begin (prepared, in, &network.key, error)
         && pm_trunk_denoise (&prepared->trunk, in, &network, out, error);
}
