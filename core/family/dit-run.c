/* One call of a DiT: facebookresearch/DiT, models.py, DiT.forward. Letters as in dit.h. */
#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/dit.h"
#include "nn/attention.h"
#include "nn/layer.h"
#include "nn/position.h"

#define NORM_EPS 1e-6f

/* Floats of each buffer of the workspace, in the order of PmDitWork. */
#define N_BUFFERS 8
static void
work_sizes (const PmNetwork *network, const PmShape *shape, gsize sizes[N_BUFFERS])
{
  const PmNetworkInfo *info = &network->info;
  gsize B = shape->max_items, T = pm_shape_tokens (shape), D = info->width, area = (gsize) info->patch * info->patch;
  const gsize floats[N_BUFFERS] = {
    B * info->in_channels * T * area, B * T * area * MAX (info->in_channels, info->out_channels),
    B * T * D, B * T * D, B * T * 3 * D, B * T * network->F, B * info->out_channels * T * area, T * D
  };
  for (int i = 0; i < N_BUFFERS; i++)
    sizes[i] = (floats[i] + 15) / 16 * 16; /* every buffer on a cache line of its own */
}

gsize
pm_dit_work_bytes (PmNetwork *network, const PmShape *shape)
{
  gsize sizes[N_BUFFERS], total = pm_dit_conditions_size (network, shape->max_items);
  work_sizes (network, shape, sizes);
  for (int i = 0; i < N_BUFFERS; i++)
    total += sizes[i];
  return total * sizeof (float);
}

static gboolean
alloc_work (PmPrepared *prepared, GError **error)
{
  PmDitWork *work = &prepared->work;
  float    **buffers[N_BUFFERS] = { &work->image, &work->patches, &work->x, &work->h, &work->qkv, &work->mlp, &work->output,
                                    &work->position };
  gsize      sizes[N_BUFFERS];

  prepared->memory = pm_backend_alloc (prepared->backend, pm_dit_work_bytes (prepared->network, &prepared->shape), error);
  if (! prepared->memory)
    return FALSE;
  float *next = prepared->memory;
  work_sizes (prepared->network, &prepared->shape, sizes);
  for (int i = 0; i < N_BUFFERS; i++)
    {
      *buffers[i] = next;
      next += sizes[i];
    }
  pm_dit_conditions_init (prepared, next);
  return TRUE;
}

static gboolean
prepare_layers (PmPrepared *prepared, GError **error)
{
  PmBackend          *backend = prepared->backend;
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

/* The table of positions, as stored or as computed. */
static gboolean
prepare_position (PmPrepared *prepared, GError **error)
{
  const PmNetwork     *network = prepared->network;
  const PmNetworkInfo *info = &network->info;
  const PmTensor      *stored = network->dialect->position ? pm_checkpoint_find (network->checkpoint, network->dialect->position)
                                                           : NULL;
  gsize                n = pm_shape_tokens (&prepared->shape) * info->width;
  g_autofree float    *table = g_try_new (float, n);

  if (! table)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to run the model; close other programs and try again."));
      return FALSE;
    }
  if (stored)
    pm_convert_to_f32 (stored->data, stored->dtype, n, table);
  else
    pm_nn_position_sincos (prepared->shape.grid_w, prepared->shape.grid_h, info->width, table);
  pm_backend_upload (prepared->backend, prepared->work.position, table, n * sizeof (float));
  return TRUE;
}

PmPrepared *
pm_dit_prepare (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error)
{
  PmPrepared *prepared = g_new0 (PmPrepared, 1);

  prepared->network = network;
  prepared->backend = backend;
  prepared->shape = *shape;
  prepared->sites = pm_dit_sites (network, shape, NULL);
  prepared->blocks = g_new0 (PmDitBlock, network->info.n_layers);
  if (! alloc_work (prepared, error) || ! prepare_position (prepared, error) || ! prepare_layers (prepared, error))
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
  PmBackend *backend = prepared->backend;
  for (int i = 0; i < PM_DIT_N_ENDS; i++)
    pm_nn_layer_release (&prepared->ends[i], backend);
  for (int i = 0; i < prepared->network->info.n_layers; i++)
    for (int j = 0; j < PM_DIT_N_LAYERS; j++)
      pm_nn_layer_release (&prepared->blocks[i].layers[j], backend);
  if (prepared->memory)
    pm_backend_free (backend, prepared->memory);
  pm_dit_conditions_clear (prepared);
  g_free (prepared->blocks);
  g_free (prepared->sites);
  g_free (prepared);
}

static void
embed_picture (PmPrepared *prepared, const PmDenoise *in)
{
  PmBackend           *backend = prepared->backend;
  const PmNetworkInfo *info = &prepared->network->info;
  PmDitWork           *work = &prepared->work;
  const PmShape       *shape = &prepared->shape;
  int                  T = (int) pm_shape_tokens (shape), height = shape->grid_h * info->patch, width = shape->grid_w * info->patch;

  pm_backend_upload (backend, work->image, in->x, sizeof (float) * in->B * info->in_channels * height * width);
  pm_backend_patchify (backend, &(PmPatches) { .B = in->B, .C = info->in_channels, .height = height, .width = width,
                                               .patch = info->patch, .from = work->image, .to = work->patches });
  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_DIT_EMBED], in->B * T, work->patches, work->x);
  pm_backend_linear (backend, &op);
  pm_backend_add (backend, &(PmAdd) { .n = (gsize) in->B * T * info->width, .n_y = (gsize) T * info->width, .x = work->x,
                                      .y = work->position });
}

/* h = norm (x) * (1 + scale) + shift; modulation [B, n_chunks, D], of which chunk `shift` and the next are taken. */
static void
modulate (PmPrepared *prepared, int B, const float *modulation, int shift, int n_chunks, float eps)
{
  const PmNetworkInfo *info = &prepared->network->info;
  PmDitWork           *work = &prepared->work;
  int                  T = (int) pm_shape_tokens (&prepared->shape), D = info->width;
  pm_backend_norm_modulate (prepared->backend, &(PmNorm) { .M = B * T, .D = D, .rows_per_item = T, .x = work->x,
                                                           .shift = modulation + (gsize) shift * D,
                                                           .scale = modulation + (gsize) (shift + 1) * D,
                                                           .mod_stride = (gsize) n_chunks * D, .eps = eps, .y = work->h });
}

/* x += gate * (from . layer); gate [B, 6, D], the first chunk of each item. */
static void
add_gated (PmPrepared *prepared, const PmLayer *layer, int B, const float *from, const float *gate)
{
  const PmNetworkInfo *info = &prepared->network->info;
  int                  T = (int) pm_shape_tokens (&prepared->shape);
  PmLinear             op = pm_nn_layer_linear (layer, B * T, from, prepared->work.x);
  op.gate = gate;
  op.gate_stride = 6 * (gsize) info->width;
  op.rows_per_item = T;
  op.residual = prepared->work.x;
  pm_backend_linear (prepared->backend, &op);
}

/* Chunks of a block's modulation: shift, scale and gate of the attention, then of the MLP. */
static void
run_block (PmPrepared *prepared, const PmDenoise *in, int layer, const float *modulation /* [B, 6, D] */)
{
  PmBackend           *backend = prepared->backend;
  const PmNetworkInfo *info = &prepared->network->info;
  PmDitBlock          *block = &prepared->blocks[layer];
  PmDitWork           *work = &prepared->work;
  int                  B = in->B, T = (int) pm_shape_tokens (&prepared->shape), D = info->width, d = D / info->n_heads;
  gsize                row = 3 * (gsize) D;

  modulate (prepared, B, modulation, 0, 6, NORM_EPS);
  for (int j = PM_DIT_Q; j <= PM_DIT_V && prepared->network->dialect->layers[j]; j++)
    {
      PmLinear op = pm_nn_layer_linear (&block->layers[j], B * T, work->h, work->qkv + j * D);
      op.y_stride = row;
      pm_backend_linear (backend, &op);
    }
  PmAttention attention = { .B = B, .H = info->n_heads, .d = d, .Tq = T, .Tk = T, .q = work->qkv, .k = work->qkv + D,
                            .v = work->qkv + 2 * D, .q_item = T * row, .q_row = row, .kv_item = T * row, .kv_row = row,
                            .scale = 1.f / sqrtf (d), .out = work->h, .out_item = (gsize) T * D, .out_row = D };
  pm_nn_attention (backend, in->tap, &prepared->sites[layer], &attention);
  add_gated (prepared, &block->layers[PM_DIT_PROJ], B, work->h, modulation + 2 * D);

  modulate (prepared, B, modulation, 3, 6, prepared->network->mlp_eps);
  PmLinear op = pm_nn_layer_linear (&block->layers[PM_DIT_FC1], B * T, work->h, work->mlp);
  op.activation = PM_ACTIVATION_GELU_TANH;
  pm_backend_linear (backend, &op);
  add_gated (prepared, &block->layers[PM_DIT_FC2], B, work->mlp, modulation + 5 * D);
}

static void
run_final (PmPrepared *prepared, int B, const float *modulation /* [B, 2, D] */)
{
  PmBackend           *backend = prepared->backend;
  const PmNetworkInfo *info = &prepared->network->info;
  PmDitWork           *work = &prepared->work;
  int                  T = (int) pm_shape_tokens (&prepared->shape);

  modulate (prepared, B, modulation, 0, 2, NORM_EPS);
  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_DIT_FINAL], B * T, work->h, work->patches);
  pm_backend_linear (backend, &op);
  pm_backend_unpatchify (backend, &(PmPatches) { .B = B, .C = info->out_channels, .height = prepared->shape.grid_h * info->patch,
                                                 .width = prepared->shape.grid_w * info->patch, .patch = info->patch,
                                                 .from = work->patches, .to = work->output });
}

static gboolean
run_blocks (PmPrepared *prepared, const PmDenoise *in, int row, GError **error)
{
  const PmNetworkInfo *info = &prepared->network->info;
  gsize                n = pm_shape_tokens (&prepared->shape) * info->width; /* of one item's stream */
  gboolean             predict = in->cache && in->predict;

  for (int b = 0; b < in->B; b++)
    predict = predict && pm_feature_cache_has (in->cache, in->tags[b]);
  for (int b = 0; b < in->B && in->cache; b++)
    if (predict)
      pm_feature_cache_predict (in->cache, in->tags[b], in->position, prepared->work.x + b * n);
    else
      pm_feature_cache_begin (in->cache, in->tags[b], in->position, prepared->work.x + b * n);
  for (int layer = 0; layer < info->n_layers && ! predict; layer++)
    {
      if (! pm_job_check (in->job, error))
        return FALSE;
      run_block (prepared, in, layer, pm_dit_conditions_get (prepared, layer, row));
    }
  for (int b = 0; b < in->B && in->cache && ! predict; b++)
    pm_feature_cache_end (in->cache, in->tags[b], prepared->work.x + b * n);
  return TRUE;
}

gboolean
pm_dit_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error)
{
  const PmNetworkInfo *info = &prepared->network->info;
  gsize n = info->out_channels * pm_shape_area (&prepared->shape, info);

  g_assert (in->B >= 1 && in->B <= prepared->shape.max_items);
  int row = pm_dit_conditions_find (prepared, in, error);
  if (row < 0)
    return FALSE;
  embed_picture (prepared, in);
  if (! run_blocks (prepared, in, row, error))
    return FALSE;
  run_final (prepared, in->B, pm_dit_conditions_get (prepared, info->n_layers, row));
  if (! pm_backend_finish (prepared->backend, error) || ! pm_job_check (in->job, error))
    return FALSE;
  pm_backend_download (prepared->backend, out, prepared->work.output, sizeof (float) * in->B * n);
  return TRUE;
}
