/* From times and classes to modulations: c = mlp (embed (t)) + table[y]; a layer's shifts, scales and gates are a linear map
 * of SiLU (c). facebookresearch/DiT, models.py, TimestepEmbedder, LabelEmbedder and adaLN_modulation. Letters as in dit.h. */
#include "family/dit.h"
#include "nn/timestep.h"

static gsize
modulation_floats (const PmNetwork *network)
{
  return (gsize) network->info.width * (6 * (gsize) network->info.n_layers + 2);
}

static gsize
row_floats (const PmNetwork *network)
{
  return PM_TIMESTEP_DIM + 2 * (gsize) network->info.width + modulation_floats (network);
}

gsize
pm_dit_conditions_size (const PmNetwork *network, int max_items)
{
  return sizeof (float) * (row_floats (network) * pm_expected_room (row_floats (network), max_items)
                           + max_items * modulation_floats (network));
}

void
pm_dit_conditions_init (PmPrepared *prepared, gpointer memory)
{
  PmDitConditions *conditions = &prepared->conditions;
  gsize            D = prepared->network->info.width;
  gsize            R = pm_expected_room (row_floats (prepared->network), prepared->trunk.shape.max_items);

  conditions->expected.room = (int) R;
  conditions->time = memory;
  conditions->hidden = conditions->time + R * PM_TIMESTEP_DIM;
  conditions->c = conditions->hidden + R * D;
  conditions->modulation = conditions->c + R * D;
  conditions->current = conditions->modulation + R * modulation_floats (prepared->network);
}

PmModulation
pm_dit_conditions_get (PmPrepared *prepared, int layer, int half, float eps)
{
  gsize        D = prepared->network->info.width;
  const float *shift = prepared->conditions.current + (6 * (gsize) layer + 3 * half) * D;

  return (PmModulation) { .shift = shift, .scale = shift + D,
                          .gate = layer < prepared->network->info.n_layers ? shift + 2 * D : NULL,
                          .stride = modulation_floats (prepared->network), .eps = eps };
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
      float         *y = conditions->modulation + 6 * (gsize) layer * prepared->network->info.width;
      PmLinear       op = pm_nn_layer_linear (map, n, pm_acts_f32 (conditions->c), pm_acts_f32 (y));
      op.y_stride = modulation_floats (prepared->network);
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

gboolean
pm_dit_conditions_set (PmPrepared *prepared, const PmDenoise *in, GError **error)
{
  PmDitConditions *conditions = &prepared->conditions;
  gsize            n = modulation_floats (prepared->network);
  int              row = pm_expected_find (&conditions->expected, in, compute_cb, prepared, error);

  if (row < 0)
    return FALSE;
  pm_backend_combine (prepared->trunk.backend, &(PmCombine) { .n = in->B * n, .n_terms = 1,
                                                              .x = { conditions->modulation + row * n }, .weights = { 1.f },
                                                              .y = conditions->current });
  return TRUE;
}
