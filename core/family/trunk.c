/* See trunk.h. Sources of truth: facebookresearch/DiT, models.py, DiT.forward and DiTBlock; PixArt-alpha/PixArt-alpha,
 * diffusion/model/nets/PixArtMS.py, PixArtMSBlock. */
#include "family/trunk.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "nn/attention.h"
#include "nn/position.h"

/* Numbers of each buffer, in the order of PmTrunkWork, and their bytes. */
#define N_BUFFERS 8
static gsize
work_sizes (const PmNetworkInfo *info, int F, const PmShape *shape, PmDtype acts, gsize sizes[N_BUFFERS])
{
  gsize B = shape->max_items, T = pm_shape_tokens (shape), D = info->width, area = (gsize) info->patch * info->patch, sum = 0;
  const gsize numbers[N_BUFFERS] = {
    B * info->in_channels * T * area, B * T * area * MAX (info->in_channels, info->out_channels),
    B * T * D, (B * T + PM_ACTS_ROWS) * D, B * T * 3 * D, (B * T + PM_ACTS_ROWS) * F, B * info->out_channels * T * area, T * D
  };
  for (int i = 0; i < N_BUFFERS; i++)
    sum += sizes[i] = pm_trunk_room (numbers[i], i >= 3 && i <= 5 ? acts : PM_DTYPE_F32);
  return sum;
}

gsize
pm_trunk_bytes (const PmNetworkInfo *info, int F, const PmShape *shape, PmDtype acts)
{
  gsize sizes[N_BUFFERS];
  return work_sizes (info, F, shape, acts, sizes);
}

gpointer
pm_trunk_init (PmTrunk *trunk, PmBackend *backend, const PmNetworkInfo *info, int F, const PmShape *shape, PmSite *sites,
               gsize more, GError **error)
{
  PmDtype acts = pm_backend_get_activation_dtype (backend);
  bool    panels = pm_backend_likes_panels (backend);
  gsize   sizes[N_BUFFERS], n_bytes = work_sizes (info, F, shape, acts, sizes);
  char   *parts[N_BUFFERS];

  *trunk = (PmTrunk) { .backend = backend, .info = info, .shape = *shape, .sites = sites };
  trunk->memory = pm_backend_alloc (backend, n_bytes + more, error);
  if (! trunk->memory)
    return NULL;
  parts[0] = trunk->memory;
  for (int i = 1; i < N_BUFFERS; i++)
    parts[i] = parts[i - 1] + sizes[i - 1];
  trunk->work = (PmTrunkWork) { .image = (float *) parts[0], .patches = (float *) parts[1], .x = (float *) parts[2],
                                .h = { parts[3], acts, panels }, .qkv = { parts[4], acts, false },
                                .mlp = { parts[5], acts, panels },
                                .output = (float *) parts[6], .position = (float *) parts[7] };
  return (char *) trunk->memory + n_bytes;
}

void
pm_trunk_clear (PmTrunk *trunk)
{
  if (trunk->memory)
    pm_backend_free (trunk->backend, trunk->memory);
  g_free (trunk->sites);
  *trunk = (PmTrunk) { 0 };
}

gboolean
pm_trunk_set_position (PmTrunk *trunk, const PmTensor *stored, double base, double scale, GError **error)
{
  gsize             n = pm_shape_tokens (&trunk->shape) * trunk->info->width;
  g_autofree float *table = g_try_new (float, n);

  if (! table)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to run the model; close other programs and try again."));
      return FALSE;
    }
  if (stored)
    pm_convert_to_f32 (stored->data, stored->dtype, n, table);
  else
    pm_nn_position_sincos (trunk->shape.grid_w, trunk->shape.grid_h, base, scale, trunk->info->width, table);
  pm_backend_upload (trunk->backend, trunk->work.position, table, n * sizeof (float));
  return TRUE;
}

static int
count_tokens (const PmTrunk *trunk)
{
  return (int) pm_shape_tokens (&trunk->shape);
}

static PmPatches
describe_patches (const PmTrunk *trunk, int B, int C, const float *from, float *to)
{
  const PmShape *shape = &trunk->shape;
  int            patch = trunk->info->patch;
  return (PmPatches) { .B = B, .C = C, .height = shape->grid_h * patch, .width = shape->grid_w * patch, .patch = patch,
                       .from = from, .to = to };
}

/* x = the picture's patches through the layer, and their positions. */
static void
embed_patches (PmTrunk *trunk, const PmDenoise *in, const PmLayer *embed)
{
  const PmNetworkInfo *info = trunk->info;
  PmTrunkWork         *work = &trunk->work;
  gsize                T = pm_shape_tokens (&trunk->shape);
  PmPatches            patches = describe_patches (trunk, in->B, info->in_channels, work->image, work->patches);

  pm_backend_patchify (trunk->backend, &patches);
  PmLinear op = pm_nn_layer_linear (embed, in->B * (int) T, pm_acts_f32 (work->patches), pm_acts_f32 (work->x));
  pm_backend_linear (trunk->backend, &op);
  pm_backend_add (trunk->backend, &(PmAdd) { .n = in->B * T * info->width, .n_y = T * info->width, .x = work->x,
                                             .y = work->position });
}

static void
modulate (PmTrunk *trunk, int B, const PmModulation *modulation)
{
  int T = count_tokens (trunk);
  pm_backend_norm_modulate (trunk->backend, &(PmNorm) { .M = B * T, .D = trunk->info->width, .rows_per_item = T,
                                                        .x = trunk->work.x, .shift = modulation->shift,
                                                        .scale = modulation->scale, .mod_stride = modulation->stride,
                                                        .eps = modulation->eps, .y = trunk->work.h });
}

void
pm_trunk_add (PmTrunk *trunk, const PmLayer *layer, int B, PmActs from, const float *gate, gsize gate_stride)
{
  int      T = count_tokens (trunk);
  PmActs   x = pm_acts_f32 (trunk->work.x);
  PmLinear op = pm_nn_layer_linear (layer, B * T, from, x);
  op.gate = pm_acts_f32 (gate);
  op.gate_stride = gate_stride;
  op.rows_per_item = T;
  op.residual = x;
  pm_backend_linear (trunk->backend, &op);
}

void
pm_trunk_attend (PmTrunk *trunk, const PmDenoise *in, int layer, const PmLayer *qkv, const PmLayer *proj,
                 const PmModulation *modulation)
{
  const PmNetworkInfo *info = trunk->info;
  PmTrunkWork         *work = &trunk->work;
  int                  B = in->B, T = count_tokens (trunk), D = info->width, d = D / info->n_heads;
  gsize                row = 3 * (gsize) D;

  modulate (trunk, B, modulation);
  for (int j = 0; j < 3 && qkv[j].weight.rows > 0; j++)
    {
      PmLinear op = pm_nn_layer_linear (&qkv[j], B * T, work->h, pm_acts_at (work->qkv, j * D));
      op.y_stride = row;
      pm_backend_linear (trunk->backend, &op);
    }
  PmAttention attention = { .B = B, .H = info->n_heads, .d = d, .Tq = T, .Tk = T, .q = work->qkv,
                            .k = pm_acts_at (work->qkv, D), .v = pm_acts_at (work->qkv, 2 * D), .q_item = T * row, .q_row = row,
                            .kv_item = T * row, .kv_row = row, .scale = 1.f / sqrtf (d), .out = work->h,
                            .out_item = (gsize) T * D, .out_row = D };
  pm_nn_attention (trunk->backend, in->tap, &trunk->sites[layer], &attention);
  pm_trunk_add (trunk, proj, B, work->h, modulation->gate, modulation->stride);
}

void
pm_trunk_feed (PmTrunk *trunk, int B, const PmLayer *fc1, const PmLayer *fc2, const PmModulation *modulation)
{
  modulate (trunk, B, modulation);
  PmLinear op = pm_nn_layer_linear (fc1, B * count_tokens (trunk), trunk->work.h, trunk->work.mlp);
  op.activation = PM_ACTIVATION_GELU_TANH;
  pm_backend_linear (trunk->backend, &op);
  pm_trunk_add (trunk, fc2, B, trunk->work.mlp, modulation->gate, modulation->stride);
}

static gboolean
run_blocks (PmTrunk *trunk, const PmDenoise *in, const PmTrunkNetwork *network, GError **error)
{
  gsize    n = pm_shape_tokens (&trunk->shape) * trunk->info->width; /* of one item's stream */
  gboolean predict = in->cache && in->predict;

  for (int b = 0; b < in->B; b++)
    predict = predict && pm_feature_cache_has (in->cache, in->tags[b]);
  for (int b = 0; b < in->B && in->cache; b++)
    if (predict)
      pm_feature_cache_predict (in->cache, in->tags[b], in->position, trunk->work.x + b * n);
    else
      pm_feature_cache_begin (in->cache, in->tags[b], in->position, trunk->work.x + b * n);
  for (int layer = 0; layer < trunk->info->n_layers && ! predict; layer++)
    {
      if (! pm_job_check (in->job, error))
        return FALSE;
      network->block (network->prepared, in, layer);
    }
  for (int b = 0; b < in->B && in->cache && ! predict; b++)
    pm_feature_cache_end (in->cache, in->tags[b], trunk->work.x + b * n);
  return TRUE;
}

static void
put_patches (PmTrunk *trunk, const PmDenoise *in, const PmTrunkNetwork *network)
{
  PmTrunkWork *work = &trunk->work;
  PmPatches    patches = describe_patches (trunk, in->B, trunk->info->out_channels, work->patches, work->output);
  PmModulation modulation = network->modulate_final (network->prepared, in);

  modulate (trunk, in->B, &modulation);
  PmLinear op = pm_nn_layer_linear (network->final, in->B * count_tokens (trunk), work->h, pm_acts_f32 (work->patches));
  pm_backend_linear (trunk->backend, &op);
  pm_backend_unpatchify (trunk->backend, &patches);
}

static gboolean
run_network (PmTrunk *trunk, const PmDenoise *in, const PmTrunkNetwork *network, GError **error)
{
  embed_patches (trunk, in, network->embed);
  if (! run_blocks (trunk, in, network, error))
    return FALSE;
  put_patches (trunk, in, network);
  return TRUE;
}

#define RECORDING 128 /* beside the size of a batch, in a key */

/* Whether a call does the same as the last one with the key: features that are kept are weighed by the step's position, and
 * some of what is recorded passes through the host's memory on the way. */
static gboolean
is_repeated (const PmDenoise *in, gboolean is_recording)
{
  return ! in->cache && in->B < RECORDING && (! is_recording || pm_tap_can_wait (in->tap));
}

gboolean
pm_trunk_denoise (PmTrunk *trunk, const PmDenoise *in, const PmTrunkNetwork *network, float *out, GError **error)
{
  const PmNetworkInfo *info = trunk->info;
  PmBackend           *backend = trunk->backend;
  gsize                area = pm_shape_area (&trunk->shape, info), item = sizeof (float) * area;
  gboolean             is_recording = in->tap && pm_tap_is_recording (in->tap), done = TRUE;
  gboolean             is_remembered = is_repeated (in, is_recording);
  guint64              key = network->key * 2 * RECORDING + (is_recording ? RECORDING : 0) + in->B;

  g_assert (in->B >= 1 && in->B <= trunk->shape.max_items);
  pm_backend_upload (backend, trunk->work.image, in->x, in->B * info->in_channels * item);
  if (! is_remembered || pm_backend_begin_step (backend, key))
    {
      done = run_network (trunk, in, network, error);
      if (is_remembered)
        pm_backend_end_step (backend);
    }
  else if (is_recording)
    pm_tap_repeat (in->tap);
  if (in->tap)
    pm_tap_catch_up (in->tap);
  if (! done || ! pm_backend_finish (backend, error) || ! pm_job_check (in->job, error))
    {
      pm_backend_forget_steps (backend); /* a step that was cancelled halfway is none */
      return FALSE;
    }
  pm_backend_download (backend, out, trunk->work.output, in->B * info->out_channels * item);
  return TRUE;
}

double
pm_trunk_flops (const PmNetworkInfo *info, int F, const PmShape *shape)
{
  double D = info->width, T = (double) pm_shape_tokens (shape), area = info->patch * info->patch;
  double block = T * (4 * D * D + 2 * D * F) + 2 * T * T * D;

  return 2.0 * (info->n_layers * block + T * D * area * (info->in_channels + info->out_channels));
}
