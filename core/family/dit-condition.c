/* From times and classes to modulations: c = mlp (embed (t)) + table[y]; a layer's shifts, scales and gates are a linear map
 * of SiLU (c). facebookresearch/DiT, models.py, TimestepEmbedder, LabelEmbedder and adaLN_modulation. Letters as in dit.h. */
#include <string.h>

#include "family/dit.h"
#include "nn/timestep.h"

#define WINDOW_FLOATS (16 << 20) /* 64 MiB */
#define WINDOW_ROWS 64

static gsize
row_floats (const PmNetwork *network)
{
  return PM_TIMESTEP_DIM + (gsize) network->info.width * (2 + 6 * (gsize) network->info.n_layers + 2);
}

static int
window_rows (const PmNetwork *network, int max_items)
{
  return MAX (max_items, (int) MIN (WINDOW_ROWS, WINDOW_FLOATS / row_floats (network)));
}

gsize
pm_dit_conditions_size (const PmNetwork *network, int max_items)
{
  return row_floats (network) * window_rows (network, max_items);
}

void
pm_dit_conditions_init (PmPrepared *prepared, float *memory)
{
  gsize D = prepared->network->info.width;
  int   R = window_rows (prepared->network, prepared->shape.max_items);

  prepared->conditions = (PmDitConditions) { .R = R,
                                             .time = memory,
                                             .hidden = memory + R * (gsize) PM_TIMESTEP_DIM,
                                             .c = memory + R * (PM_TIMESTEP_DIM + D),
                                             .modulation = memory + R * (PM_TIMESTEP_DIM + 2 * D) };
}

static void
forget_expected (PmDitConditions *conditions)
{
  g_clear_pointer (&conditions->expected_t, g_free);
  g_clear_pointer (&conditions->expected_y, g_free);
  conditions->n_expected = conditions->first = conditions->n = 0;
}

void
pm_dit_conditions_clear (PmPrepared *prepared)
{
  forget_expected (&prepared->conditions);
}

const float *
pm_dit_conditions_get (PmPrepared *prepared, int layer, int row)
{
  const PmDitConditions *conditions = &prepared->conditions;
  gsize                  D = prepared->network->info.width;
  int                    n_chunks = layer == prepared->network->info.n_layers ? 2 : 6;
  return conditions->modulation + (gsize) layer * conditions->R * 6 * D + (gsize) row * n_chunks * D;
}

/* SiLU (c), with which every use of c begins, for the window's rows. */
static void
embed_rows (PmPrepared *prepared)
{
  PmBackend        *backend = prepared->backend;
  PmDitConditions  *conditions = &prepared->conditions;
  gsize             D = prepared->network->info.width, n = conditions->n;
  const PmTensor   *table = pm_checkpoint_find (prepared->network->checkpoint, prepared->network->dialect->classes);
  g_autofree float *times = g_new (float, n * PM_TIMESTEP_DIM);
  g_autofree float *rows = g_new (float, n * D);

  for (gsize i = 0; i < n; i++)
    {
      gsize y = conditions->expected_y[conditions->first + i];
      pm_nn_timestep_embed (conditions->expected_t[conditions->first + i], prepared->network->dialect->period,
                            times + i * PM_TIMESTEP_DIM);
      pm_convert_to_f32 ((const char *) table->data + pm_dtype_size (table->dtype) * D * y, table->dtype, D, rows + i * D);
    }
  pm_backend_upload (backend, conditions->time, times, sizeof (float) * n * PM_TIMESTEP_DIM);
  pm_backend_upload (backend, conditions->c, rows, sizeof (float) * n * D);

  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_DIT_TIME0], (int) n, conditions->time, conditions->hidden);
  op.activation = PM_ACTIVATION_SILU;
  pm_backend_linear (backend, &op);
  op = pm_nn_layer_linear (&prepared->ends[PM_DIT_TIME2], (int) n, conditions->hidden, conditions->c);
  op.residual = conditions->c;
  pm_backend_linear (backend, &op);
  pm_backend_activate (backend, &(PmActivate) { .n = n * D, .activation = PM_ACTIVATION_SILU, .x = conditions->c,
                                                .y = conditions->c });
}

/* Computes the window that begins at an expected row. */
static gboolean
compute_window (PmPrepared *prepared, int first, PmJob *job, GError **error)
{
  PmDitConditions *conditions = &prepared->conditions;
  int              L = prepared->network->info.n_layers, n = MIN (conditions->R, conditions->n_expected - first);

  conditions->first = first;
  conditions->n = n;
  embed_rows (prepared);
  for (int layer = 0; layer <= L; layer++)
    {
      const PmLayer *map = layer < L ? &prepared->blocks[layer].layers[PM_DIT_MODULATION]
                                     : &prepared->ends[PM_DIT_FINAL_MODULATION];
      PmLinear       op = pm_nn_layer_linear (map, n, conditions->c, (float *) pm_dit_conditions_get (prepared, layer, 0));
      if (! pm_job_check (job, error))
        {
          conditions->n = 0;
          return FALSE;
        }
      pm_backend_linear (prepared->backend, &op);
    }
  return TRUE;
}

gboolean
pm_dit_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error)
{
  PmDitConditions *conditions = &prepared->conditions;

  forget_expected (conditions);
  conditions->n_expected = n;
  conditions->expected_t = g_memdup2 (t, sizeof (float) * n);
  conditions->expected_y = g_memdup2 (y, sizeof (int) * n);
  return compute_window (prepared, 0, job, error);
}

/* The expected row where the batch's conditions stand; -1 when nowhere. */
static int
find_expected (const PmDitConditions *conditions, const PmDenoise *in)
{
  gsize t_size = sizeof (float) * in->B, y_size = sizeof (int) * in->B;
  for (int row = 0; row + in->B <= conditions->n_expected; row++)
    if (memcmp (conditions->expected_t + row, in->t, t_size) == 0 && memcmp (conditions->expected_y + row, in->y, y_size) == 0)
      return row;
  return -1;
}

int
pm_dit_conditions_find (PmPrepared *prepared, const PmDenoise *in, GError **error)
{
  PmDitConditions *conditions = &prepared->conditions;
  int              row = find_expected (conditions, in);

  if (row < 0)
    return pm_dit_expect (prepared, in->B, in->t, in->y, in->job, error) ? 0 : -1;
  if (row < conditions->first || row + in->B > conditions->first + conditions->n)
    {
      if (! compute_window (prepared, row, in->job, error))
        return -1;
    }
  return row - conditions->first;
}
