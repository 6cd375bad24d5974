/* From times and classes to modulations: c = mlp (embed (t)) + table[y]; a layer's shifts, scales and gates are a linear map
 * of SiLU (c). facebookresearch/DiT, models.py, TimestepEmbedder, LabelEmbedder and adaLN_modulation. Letters as in dit.h. */
#include "family/dit.h"
#include "nn/timestep.h"

static gsize
row_floats (const PmNetwork *network)
{
  return PM_TIMESTEP_DIM + (gsize) network->info.width * (2 + 6 * (gsize) network->info.n_layers + 2);
}

gsize
pm_dit_conditions_size (const PmNetwork *network, int max_items)
{
  return sizeof (float) * row_floats (network) * pm_expected_room (row_floats (network), max_items);
}

void
pm_dit_conditions_init (PmPrepared *prepared, gpointer memory)
{
  gsize  D = prepared->network->info.width;
  float *time = memory;
  int    R = pm_expected_room (row_floats (prepared->network), prepared->trunk.shape.max_items);

  prepared->conditions = (PmDitConditions) { .expected = { .room = R },
                                             .time = time,
                                             .hidden = time + R * (gsize) PM_TIMESTEP_DIM,
                                             .c = time + R * (PM_TIMESTEP_DIM + D),
                                             .modulation = time + R * (PM_TIMESTEP_DIM + 2 * D) };
}

const float *
pm_dit_conditions_get (PmPrepared *prepared, int layer, int row)
{
  const PmDitConditions *conditions = &prepared->conditions;
  gsize                  D = prepared->network->info.width;
  int                    n_chunks = layer == prepared->network->info.n_layers ? 2 : 6;
  return conditions->modulation + (gsize) layer * conditions->expected.room * 6 * D + (gsize) row * n_chunks * D;
}

/* SiLU (c), with which every use of c begins, for the window's rows. */
static void
embed_rows (PmPrepared *prepared)
{
  PmBackend        *backend = prepared->trunk.backend;
  PmDitConditions  *conditions = &prepared->conditions;
  const PmExpected *expected = &conditions->expected;
  gsize             D = prepared->network->info.width, n = expected->count;
  const PmTensor   *table = pm_checkpoint_find (prepared->network->checkpoint, prepared->network->dialect->classes);
  g_autofree float *times = g_new (float, n * PM_TIMESTEP_DIM);
  g_autofree float *rows = g_new (float, n * D);

  for (gsize i = 0; i < n; i++)
    {
      gsize y = expected->y[expected->first + i];
      pm_nn_timestep_embed (expected->t[expected->first + i], prepared->network->dialect->period,
                            times + i * PM_TIMESTEP_DIM);
      pm_convert_to_f32 ((const char *) table->data + pm_dtype_size (table->dtype) * D * y, table->dtype, D, rows + i * D);
    }
  pm_backend_upload (backend, conditions->time, times, sizeof (float) * n * PM_TIMESTEP_DIM);
  pm_backend_upload (backend, conditions->c, rows, sizeof (float) * n * D);

  PmActs hidden = pm_acts_f32 (conditions->hidden), c = pm_acts_f32 (conditions->c);
  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_DIT_TIME0], (int) n, pm_acts_f32 (conditions->time), hidden);
  op.activation = PM_ACTIVATION_SILU;
  pm_backend_linear (backend, &op);
  op = pm_nn_layer_linear (&prepared->ends[PM_DIT_TIME2], (int) n, hidden, c);
  op.residual = c;
  pm_backend_linear (backend, &op);
  pm_backend_activate (backend, &(PmActivate) { .n = n * D, .activation = PM_ACTIVATION_SILU, .x = conditions->c,
                                                .y = conditions->c });
}

/* See PmExpectedFunc. */
static gboolean
compute_cb (gpointer data, PmJob *job, GError **error)
{
  PmPrepared      *prepared = data;
  PmDitConditions *conditions = &prepared->conditions;
  int              L = prepared->network->info.n_layers, n = conditions->expected.count;

  embed_rows (prepared);
  for (int layer = 0; layer <= L; layer++)
    {
      const PmLayer *map = layer < L ? &prepared->blocks[layer].layers[PM_DIT_MODULATION]
                                     : &prepared->ends[PM_DIT_FINAL_MODULATION];
      PmLinear       op = pm_nn_layer_linear (map, n, pm_acts_f32 (conditions->c),
                                              pm_acts_f32 (pm_dit_conditions_get (prepared, layer, 0)));
      if (! pm_job_check (job, error))
        return FALSE;
      pm_backend_linear (prepared->trunk.backend, &op);
    }
  return TRUE;
}

gboolean
pm_dit_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error)
{
  return pm_expected_tell (&prepared->conditions.expected, n, t, y, compute_cb, prepared, job, error);
}

int
pm_dit_conditions_find (PmPrepared *prepared, const PmDenoise *in, GError **error)
{
  return pm_expected_find (&prepared->conditions.expected, in, compute_cb, prepared, error);
}
