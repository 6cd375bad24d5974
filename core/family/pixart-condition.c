/* From times to modulations: c = mlp (embed (t)) + what the picture's size adds; a linear map of SiLU (c) gives one set of
 * shifts, scales and gates, to which every block adds a table of its own; the final layer adds its table to c itself
 * (Chen et al., arXiv 2310.00426, section 2.3, adaLN-single). diffusers, models/normalization.py, AdaLayerNormSingle.
 * Letters as in pixart.h; R rows of the window. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/pixart.h"
#include "nn/timestep.h"

#define PERIOD 128  /* of the timestep embedding, in both dialects */
#define VAE_SCALE 8 /* pixels of a latent's number, in all published networks that are told a size */

static gsize
row_floats (const PmNetwork *network)
{
  return PM_TIMESTEP_DIM + 9 * (gsize) network->info.width;
}

static gsize
table_floats (const PmNetwork *network)
{
  return (gsize) network->info.width * (6 * (gsize) network->info.n_layers + 2);
}

gsize
pm_pixart_conditions_size (const PmNetwork *network, const PmShape *shape)
{
  gsize row = row_floats (network), blocks = shape->max_items * 13 * (gsize) network->info.width;
  return pm_trunk_room (row * pm_expected_room (row, shape->max_items) + table_floats (network) + blocks, PM_DTYPE_F32);
}

void
pm_pixart_conditions_init (PmPrepared *prepared, gpointer memory)
{
  PmPixartConditions *conditions = &prepared->conditions;
  const PmNetwork    *network = prepared->network;
  gsize               D = network->info.width;
  gsize               R = pm_expected_room (row_floats (network), prepared->trunk.shape.max_items);

  conditions->expected.room = (int) R;
  conditions->time = memory;
  conditions->hidden = conditions->time + R * PM_TIMESTEP_DIM;
  conditions->c = conditions->hidden + R * D;
  conditions->active = conditions->c + R * D;
  conditions->chunks = conditions->active + R * D;
  conditions->tables = conditions->chunks + R * 6 * D;
  conditions->current = conditions->tables + table_floats (network);
  conditions->block = conditions->current + prepared->trunk.shape.max_items * 7 * D;
}

void
pm_pixart_conditions_clear (PmPrepared *prepared)
{
  pm_expected_clear (&prepared->conditions.expected);
  g_clear_pointer (&prepared->conditions.size, g_free);
}

/* y [n, N] = linear (SiLU (linear (sinusoids of values [n]))); residual: y is added to what it holds. */
static void
embed_values (PmPrepared *prepared, int n, const float *values, PmPixartEnd first, PmPixartEnd second, gboolean residual,
              float *y)
{
  PmBackend          *backend = prepared->trunk.backend;
  PmPixartConditions *conditions = &prepared->conditions;
  g_autofree float   *waves = g_new (float, (gsize) n * PM_TIMESTEP_DIM);

  for (int i = 0; i < n; i++)
    pm_nn_timestep_embed (values[i], PERIOD, waves + (gsize) i * PM_TIMESTEP_DIM);
  pm_backend_upload (backend, conditions->time, waves, sizeof (float) * n * PM_TIMESTEP_DIM);
  PmActs   hidden = pm_acts_f32 (conditions->hidden), to = pm_acts_f32 (y);
  PmLinear op = pm_nn_layer_linear (&prepared->ends[first], n, pm_acts_f32 (conditions->time), hidden);
  op.activation = PM_ACTIVATION_SILU;
  pm_backend_linear (backend, &op);
  op = pm_nn_layer_linear (&prepared->ends[second], n, hidden, to);
  op.residual = residual ? to : op.residual;
  pm_backend_linear (backend, &op);
}

/* Height, width and their ratio, a third of the width each: PixArtAlphaCombinedTimestepSizeEmbeddings. */
static gboolean
embed_size (PmPrepared *prepared, GError **error)
{
  const PmShape *shape = &prepared->trunk.shape;
  PmBackend     *backend = prepared->trunk.backend;
  gsize          D = prepared->network->info.width;
  float          scale = (float) prepared->network->info.patch * VAE_SCALE;
  float         *made = prepared->conditions.c;

  prepared->conditions.size = g_new (float, D);
  for (int i = 0; i < 3; i++)
    {
      float value = i == 0 ? shape->grid_h * scale : i == 1 ? shape->grid_w * scale : (float) shape->grid_h / shape->grid_w;
      embed_values (prepared, 1, &value, i < 2 ? PM_PIXART_SIZE0 : PM_PIXART_ASPECT0,
                    i < 2 ? PM_PIXART_SIZE2 : PM_PIXART_ASPECT2, FALSE, made);
      if (! pm_backend_finish (backend, error))
        return FALSE;
      pm_backend_download (backend, prepared->conditions.size + i * (D / 3), made, sizeof (float) * (D / 3));
    }
  return TRUE;
}

gboolean
pm_pixart_conditions_fill (PmPrepared *prepared, GError **error)
{
  const PmNetwork  *network = prepared->network;
  gsize             D = network->info.width, L = network->info.n_layers;
  g_autofree float *tables = g_try_new (float, table_floats (network));

  if (! tables)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to run the model; close other programs and try again."));
      return FALSE;
    }
  for (gsize i = 0; i <= L; i++)
    {
      g_autofree char *name
          = i < L ? pm_pixart_dialect_table (network->dialect, (int) i) : g_strdup (network->dialect->final_table);
      const PmTensor  *table = pm_checkpoint_find (network->checkpoint, name);
      pm_convert_to_f32 (table->data, table->dtype, table->n_elements, tables + i * 6 * D);
    }
  pm_backend_upload (prepared->trunk.backend, prepared->conditions.tables, tables, sizeof (float) * table_floats (network));
  return ! network->has_size || embed_size (prepared, error);
}

/* See PmExpectedFunc. */
static gboolean
compute_cb (gpointer data, PmJob *job, GError **error)
{
  PmPrepared         *prepared = data;
  PmBackend          *backend = prepared->trunk.backend;
  PmPixartConditions *conditions = &prepared->conditions;
  const PmExpected   *expected = &conditions->expected;
  gsize               D = prepared->network->info.width;
  int                 n = expected->count;

  for (int i = 0; i < n && conditions->size; i++)
    pm_backend_upload (backend, conditions->c + i * D, conditions->size, sizeof (float) * D);
  embed_values (prepared, n, expected->t + expected->first, PM_PIXART_TIME0, PM_PIXART_TIME2, conditions->size != NULL,
                conditions->c);
  pm_backend_activate (backend, &(PmActivate) { .n = n * D, .activation = PM_ACTIVATION_SILU, .x = conditions->c,
                                                .y = conditions->active });
  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_PIXART_MODULATION], n, pm_acts_f32 (conditions->active),
                                    pm_acts_f32 (conditions->chunks));
  pm_backend_linear (backend, &op);
  return pm_job_check (job, error);
}

gboolean
pm_pixart_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error)
{
  return pm_expected_tell (&prepared->conditions.expected, n, t, NULL, compute_cb, prepared, job, error);
}

gboolean
pm_pixart_conditions_set (PmPrepared *prepared, const PmDenoise *in, GError **error)
{
  PmPixartConditions *conditions = &prepared->conditions;
  gsize               D = prepared->network->info.width, n = 6 * D * in->B;
  int                 row = pm_expected_find (&conditions->expected, in, compute_cb, prepared, error);

  if (row < 0)
    return FALSE;
  pm_backend_combine (prepared->trunk.backend, &(PmCombine) { .n = n, .n_terms = 1, .x = { conditions->chunks + row * 6 * D },
                                                              .weights = { 1.f }, .y = conditions->current });
  pm_backend_combine (prepared->trunk.backend, &(PmCombine) { .n = D * in->B, .n_terms = 1, .x = { conditions->c + row * D },
                                                              .weights = { 1.f }, .y = conditions->current + n });
  return TRUE;
}

const float *
pm_pixart_conditions_get (PmPrepared *prepared, int B, int layer)
{
  PmPixartConditions *conditions = &prepared->conditions;
  gsize               D = prepared->network->info.width;
  gboolean            is_final = layer == prepared->network->info.n_layers;
  const float        *table = conditions->tables + (gsize) layer * 6 * D;
  int                 n_parts = is_final ? 2 : 1; /* c goes with shift and scale alike */
  gsize               n = is_final ? D : 6 * D;

  for (int b = 0; b < B; b++)
    for (int i = 0; i < n_parts; i++)
      {
        const float *made = conditions->current + (is_final ? (6 * B + b) * D : b * n);
        PmCombine    op = { .n = n, .n_terms = 2, .x = { made, table + i * n }, .weights = { 1.f, 1.f },
                            .y = conditions->block + (b * n_parts + i) * n };
        pm_backend_combine (prepared->trunk.backend, &op);
      }
  return conditions->block;
}
