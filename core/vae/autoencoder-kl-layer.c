/* The layers of an AutoencoderKL: diffusers, models/resnet.py (ResnetBlock2D, Upsample2D, Downsample2D) and
 * models/attention_processor.py. Weights are put in the order of PmConv just before a layer runs. On the processor they are given
 * back behind it: that costs a hundredth of the time, and never more than the largest layer's memory. On a device they stay
 * until the end, so that nothing has to wait: while it computes a layer, the processor has the next one's in hand. */
#include <math.h>

#include "backend/features.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/pool.h"
#include "base/spill.h"
#include "nn/attention.h"
#include "nn/layer.h"
#include "vae/autoencoder-kl.h"

#define NORM_EPS 1e-6f

/* Of one item of an attention, and items of a call, which tells how far it is. Backends may turn the values round anew in every
 * call, so that calls are not small. */
#define QUERIES 128
#define MOST_ITEMS 32

/* As many operations are queued on a device at most: what a small one does in a sixth of a second, because what is queued cannot
 * be cancelled. */
#define MOST_QUEUED 5e11

/* One convolution's weights on their way into PmConv's order. */
typedef struct
{
  const PmTensor *from;  /* [N, C, side, side] */
  gboolean        is_doubled;
  gsize           C, area; /* channels in; side * side */
  float          *rows;  /* [n_workers, C * area] */
  float          *to;    /* [N, area, C] or [N, 16, C] */
} PmPacking;

static void
free_data (PmKlWalk *walk, const PmFeatures *features)
{
  if (features->band > 0)
    pm_spill_unmap (features->data, pm_features_bytes (features, features->height));
  else
    pm_backend_free (walk->backend, features->data);
}

void
pm_kl_walk_clear (PmKlWalk *walk)
{
  for (guint i = 0; walk->live && i < walk->live->len; i++)
    free_data (walk, &g_array_index (walk->live, PmFeatures, i));
  g_clear_pointer (&walk->live, g_array_unref);
  for (guint i = 0; walk->weights && i < walk->weights->len; i++)
    pm_backend_release (walk->backend, &g_array_index (walk->weights, PmWeight, i));
  g_clear_pointer (&walk->weights, g_array_unref);
  if (walk->affine)
    pm_backend_free (walk->backend, walk->affine);
  walk->affine = NULL;
}

static void
count_bytes (PmKlWalk *walk, gsize n)
{
  walk->n_bytes += n;
  walk->most_bytes = MAX (walk->most_bytes, walk->n_bytes);
}

/* Only what lies in the host's memory can be mapped. */
static gboolean
is_mapped (const PmKlWalk *walk, gsize n_bytes)
{
  return ! walk->is_device && ! walk->is_kept && walk->n_bytes + n_bytes > walk->limit - MIN (walk->band, walk->limit);
}

static gpointer
alloc_data (PmKlWalk *walk, gsize n_bytes, GError **error)
{
  return walk->is_far && ! walk->is_kept && ! walk->is_exact ? pm_backend_alloc_far (walk->backend, n_bytes, error)
                                                            : pm_backend_alloc (walk->backend, n_bytes, error);
}

gboolean
pm_kl_features_new (PmKlWalk *walk, int height, int width, int channels, PmFeatures *features, GError **error)
{
  gboolean is_large = (gsize) height * width > walk->latent_area;

  *features = (PmFeatures) { .height = height, .width = width, .channels = channels, .stride = channels,
                             .dtype = walk->is_exact ? PM_DTYPE_F32 : is_large ? walk->large : walk->small };
  gsize n_bytes = pm_features_bytes (features, height);
  features->band = is_mapped (walk, n_bytes) ? walk->band : 0;
  walk->n_file_bytes += features->band ? n_bytes : 0;
  walk->most_file_bytes = MAX (walk->most_file_bytes, walk->n_file_bytes);
  count_bytes (walk, features->band ? 0 : n_bytes);
  if (! walk->backend)
    return TRUE;
  features->data = features->band ? pm_spill_map (n_bytes, error) : alloc_data (walk, n_bytes, error);
  if (! features->data)
    return FALSE;
  if (! walk->live)
    walk->live = g_array_new (FALSE, FALSE, sizeof (PmFeatures));
  g_array_append_val (walk->live, *features);
  return TRUE;
}

void
pm_kl_features_clear (PmKlWalk *walk, PmFeatures *features)
{
  gsize n_bytes = pm_features_bytes (features, features->height);

  walk->n_file_bytes -= features->band ? n_bytes : 0;
  walk->n_bytes -= features->band ? 0 : n_bytes;
  for (guint i = 0; features->data && i < walk->live->len; i++)
    if (g_array_index (walk->live, PmFeatures, i).data == features->data)
      {
        free_data (walk, features);
        g_array_remove_index_fast (walk->live, i);
        break;
      }
  *features = (PmFeatures) { 0 };
}

/* The kernel that each quarter of a doubled picture meets: rows 0 | 1 + 2 above, 0 + 1 | 2 below, columns likewise. */
static void
fold_row (const PmPacking *packing, const float *row /* [C, 3, 3] */, float *to /* [2, 2, 2, 2, C] */)
{
  static const int firsts[2][2] = { { 0, 1 }, { 0, 2 } }, counts[2][2] = { { 1, 2 }, { 2, 1 } }; /* [phase][k] */

  for (int i = 0; i < 16; i++)
    {
      int py = i >> 3, px = i >> 2 & 1, ky = i >> 1 & 1, kx = i & 1;
      for (gsize c = 0; c < packing->C; c++)
        {
          double sum = 0;
          for (int y = firsts[py][ky]; y < firsts[py][ky] + counts[py][ky]; y++)
            for (int x = firsts[px][kx]; x < firsts[px][kx] + counts[px][kx]; x++)
              sum += row[c * 9 + y * 3 + x];
          to[i * packing->C + c] = (float) sum;
        }
    }
}

static void
pack_task_cb (int n, int worker, gpointer data)
{
  const PmPacking *packing = data;
  gsize            size = packing->C * packing->area;
  float           *row = packing->rows + worker * size;
  float           *to = packing->to + (gsize) n * (packing->is_doubled ? 16 : packing->area) * packing->C;

  pm_convert_to_f32 ((const char *) packing->from->data + n * size * pm_dtype_size (packing->from->dtype), packing->from->dtype,
                     size, row);
  if (packing->is_doubled)
    {
      fold_row (packing, row, to);
      return;
    }
  for (gsize k = 0; k < packing->area; k++)
    for (gsize c = 0; c < packing->C; c++)
      to[k * packing->C + c] = row[c * packing->area + k];
}

static gboolean
pack (PmKlWalk *walk, const PmTensor *from, const PmConv *op, float **to, GError **error)
{
  PmPool   *pool = pm_backend_get_pool (walk->backend);
  gsize     N = op->y.channels, C = op->x.channels, area = (gsize) op->side * op->side;
  PmPacking packing = { .from = from, .is_doubled = op->is_doubled, .C = C, .area = area };

  packing.rows = g_try_new (float, (gsize) pm_pool_get_n_workers (pool) * C * area);
  packing.to = g_try_new (float, N * C * (op->is_doubled ? 16 : area));
  if (packing.rows && packing.to)
    pm_pool_run (pool, (int) N, pack_task_cb, &packing);
  else
    g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                         _("There is not enough memory to run the decoder; close other programs and try again."));
  gboolean done = packing.rows && packing.to;
  g_free (packing.rows);
  if (! done)
    g_clear_pointer (&packing.to, g_free);
  *to = packing.to;
  return done;
}

/* Keeps the names that are asked for while a file is checked. */
static void
note_names (const PmKlWalk *walk, const char *weight, const char *bias)
{
  if (! walk->network->names)
    return;
  g_hash_table_add (walk->network->names, g_strdup (weight));
  g_hash_table_add (walk->network->names, g_strdup (bias));
}

/* The convolution's weight [N, C, side, side], or [N, C] for a point; N 0: as many as it has. */
static const PmTensor *
require_weight (PmKlWalk *walk, const char *key, const PmConv *op, int N, GError **error)
{
  PmCheckpoint    *checkpoint = walk->network->checkpoint;
  g_autofree char *name = g_strconcat (key, ".weight", NULL);
  g_autofree char *bias = g_strconcat (key, ".bias", NULL);
  const PmTensor  *found = pm_checkpoint_find (checkpoint, name);
  gsize            rows = N > 0                         ? (gsize) N
                          : found && found->rank > 0 ? CLAMP (found->shape[0], 1, PM_KL_MAX_CHANNELS)
                                                     : 1;
  gsize            C = op->x.channels, side = op->side;

  note_names (walk, name, bias);
  const PmTensor  *tensor = op->side == 1 && found && found->rank == 2
                                ? pm_nn_require (checkpoint, error, name, 2, rows, C)
                                : pm_nn_require (checkpoint, error, name, 4, rows, C, side, side);
  return tensor && pm_nn_require (checkpoint, error, bias, 1, rows) ? tensor : NULL;
}

/* What was queued took so many operations. Waits for it, unless there is a device that may have more to do. */
static gboolean
go_on (PmKlWalk *walk, double flops, GError **error)
{
  walk->flops += flops;
  walk->queued += flops;
  if (! walk->backend)
    return TRUE;
  pm_job_report (walk->job, _("Decoding"), 0, 0, MIN (walk->flops / MAX (walk->all_flops, 1), 1));
  if (! walk->is_device || walk->queued > MOST_QUEUED)
    {
      walk->queued = 0;
      if (! pm_backend_finish (walk->backend, error))
        return FALSE;
    }
  return pm_job_check (walk->job, error);
}

static void
let_go (PmKlWalk *walk, PmWeight *weight)
{
  if (! walk->is_device)
    pm_backend_release (walk->backend, weight);
  else if (weight->owned)
    {
      if (! walk->weights)
        walk->weights = g_array_new (FALSE, FALSE, sizeof (PmWeight));
      g_array_append_val (walk->weights, *weight);
    }
}

/* Runs op, whose x and y are there. */
static gboolean
run_conv (PmKlWalk *walk, const char *key, const PmTensor *tensor, PmConv op, GError **error)
{
  g_autofree char  *bias_name = g_strconcat (key, ".bias", NULL);
  g_autofree float *packed = NULL;
  gsize             C = op.x.channels, N = op.y.channels, taps = op.is_doubled ? 16 : (gsize) op.side * op.side;
  PmTensor          ordered = { .name = tensor->name, .dtype = PM_DTYPE_F32, .rank = 2, .shape = { N, taps * C },
                                .n_elements = N * taps * C };
  PmWeight          weight = { 0 }, bias = { 0 };

  gsize  places = op.is_doubled ? (gsize) op.x.height * op.x.width : (gsize) op.y.height * op.y.width;
  double flops = 2.0 * places * N * C * taps;
  walk->n_elements += ordered.n_elements + N;
  count_bytes (walk, walk->is_device ? 0 : ordered.n_elements * sizeof (float));
  walk->n_bytes -= walk->is_device ? 0 : ordered.n_elements * sizeof (float);
  if (! walk->backend)
    return go_on (walk, flops, error);
  if (! pm_job_check (walk->job, error) || ! pack (walk, tensor, &op, &packed, error))
    return FALSE;
  ordered.data = packed;
  gboolean done = pm_backend_prepare (walk->backend, &ordered, &weight, error)
                  && pm_backend_prepare (walk->backend, pm_checkpoint_find (walk->network->checkpoint, bias_name), &bias, error);
  if (done)
    {
      op.w = &weight;
      op.bias = &bias;
      pm_backend_conv (walk->backend, &op);
      done = go_on (walk, flops, error); /* before the weights go */
    }
  let_go (walk, &weight);
  let_go (walk, &bias);
  return done;
}

/* A new y of the size that op makes of x. */
static gboolean
conv_new (PmKlWalk *walk, const char *key, PmConv op, int N, const PmFeatures *x, PmFeatures *y, GError **error)
{
  int height = op.is_doubled ? 2 * x->height : (x->height + op.stride - 1) / op.stride;
  int width = op.is_doubled ? 2 * x->width : (x->width + op.stride - 1) / op.stride;

  op.x = *x;
  const PmTensor *tensor = require_weight (walk, key, &op, N, error);
  if (! tensor || ! pm_kl_features_new (walk, height, width, (int) tensor->shape[0], y, error))
    return FALSE;
  op.y = *y;
  return run_conv (walk, key, tensor, op, error);
}

/* Into a y that is there. */
static gboolean
conv_into (PmKlWalk *walk, const char *key, PmConv op, const PmFeatures *x, const PmFeatures *y, GError **error)
{
  op.x = *x;
  op.y = *y;
  const PmTensor *tensor = require_weight (walk, key, &op, y->channels, error);
  return tensor && run_conv (walk, key, tensor, op, error);
}

gboolean
pm_kl_conv (PmKlWalk *walk, const char *key, PmConv op, int N, PmFeatures *x, GError **error)
{
  PmFeatures y;
  if (! conv_new (walk, key, op, N, x, &y, error))
    return FALSE;
  pm_kl_features_clear (walk, x);
  *x = y;
  return TRUE;
}

gboolean
pm_kl_norm (PmKlWalk *walk, const char *key, const PmFeatures *x, PmConv *op, GError **error)
{
  PmCheckpoint    *checkpoint = walk->network->checkpoint;
  g_autofree char *weight_name = g_strconcat (key, ".weight", NULL), *bias_name = g_strconcat (key, ".bias", NULL);
  const PmTensor  *weight = pm_nn_require (checkpoint, error, weight_name, 1, (gsize) x->channels);
  const PmTensor  *bias = weight ? pm_nn_require (checkpoint, error, bias_name, 1, (gsize) x->channels) : NULL;
  int              n_groups = walk->network->config.n_groups;
  PmWeight         prepared[2] = { { 0 } };

  note_names (walk, weight_name, bias_name);
  walk->n_elements += 2 * (gsize) x->channels;
  if (! bias)
    return FALSE;
  if (x->channels % n_groups != 0 || x->channels > PM_KL_MAX_CHANNELS)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("In “%s” the %d channels of “%s” cannot be divided into %d groups; correct \"norm_num_groups\" in the "
                     "decoder's config.json."),
                   pm_checkpoint_get_path (checkpoint), x->channels, weight_name, n_groups);
      return FALSE;
    }
  if (! walk->backend)
    return TRUE;
  op->scale = walk->affine;
  op->shift = walk->affine + PM_KL_MAX_CHANNELS;
  gboolean done = pm_backend_prepare (walk->backend, weight, &prepared[0], error)
                  && pm_backend_prepare (walk->backend, bias, &prepared[1], error);
  if (done)
    pm_backend_group_norm (walk->backend, &(PmGroupNorm) { .x = *x, .n_groups = n_groups, .eps = NORM_EPS,
                                                           .weight = &prepared[0], .bias = &prepared[1],
                                                           .scale = walk->affine,
                                                           .shift = walk->affine + PM_KL_MAX_CHANNELS });
  done = done && go_on (walk, 0, error);
  let_go (walk, &prepared[0]);
  let_go (walk, &prepared[1]);
  return done;
}

/* Where the number of channels changes, a convolution of points makes the input fit: in its own memory when it becomes
 * narrower. */
static gboolean
walk_shortcut (PmKlWalk *walk, const char *key, int N, PmFeatures *x, GError **error)
{
  const PmConv     point = { .side = 1, .stride = 1 };
  g_autofree char *name = g_strconcat (key, ".", walk->network->dialect->shortcut, NULL);
  PmFeatures       narrow = *x;

  if (N > x->channels)
    return pm_kl_conv (walk, name, point, N, x, error);
  narrow.channels = N;
  if (! conv_into (walk, name, point, x, &narrow, error))
    return FALSE;
  *x = narrow;
  return TRUE;
}

gboolean
pm_kl_resnet (PmKlWalk *walk, const char *key, PmFeatures *x, GError **error)
{
  PmConv           first = { .side = 3, .stride = 1, .pad = 1, .activation = PM_ACTIVATION_SILU }, second = first;
  g_autofree char *norm1 = g_strconcat (key, ".norm1", NULL), *norm2 = g_strconcat (key, ".norm2", NULL);
  g_autofree char *conv1 = g_strconcat (key, ".conv1", NULL), *conv2 = g_strconcat (key, ".conv2", NULL);
  g_autofree char *shortcut = g_strconcat (key, ".", walk->network->dialect->shortcut, ".weight", NULL);
  PmFeatures       h;

  if (! pm_kl_norm (walk, norm1, x, &first, error) || ! conv_new (walk, conv1, first, 0, x, &h, error))
    return FALSE;
  if ((h.channels != x->channels || pm_checkpoint_find (walk->network->checkpoint, shortcut))
      && ! walk_shortcut (walk, key, h.channels, x, error))
    return FALSE;
  second.adds = TRUE;
  if (! pm_kl_norm (walk, norm2, &h, &second, error) || ! conv_into (walk, conv2, second, &h, x, error))
    return FALSE;
  pm_kl_features_clear (walk, &h);
  return TRUE;
}

/* Features as an attention's operand: what was stored, whatever unit it has. */
static PmActs
acts (const PmFeatures *features)
{
  return (PmActs) { .data = features->data, .dtype = features->dtype };
}

/* Queries from `first` on, as many items as make a call. Returns how many queries they are. */
static int
attend_some (PmKlWalk *walk, int first, const PmFeatures *q, const PmFeatures *k, const PmFeatures *v, const PmFeatures *out)
{
  int         T = q->height * q->width, d = q->channels, left = T - first;
  int         n = MIN (left, QUERIES), B = MIN (left / n, MOST_ITEMS);
  gsize       offset = (gsize) first * d;
  float       unit = q->dtype == PM_DTYPE_F16 ? PM_FEATURES_UNIT : 1; /* of all four alike */
  PmAttention op = { .B = B, .H = 1, .d = d, .Tq = n, .Tk = T, .q = pm_acts_at (acts (q), offset), .k = acts (k), .v = acts (v),
                     .q_item = (gsize) n * d, .q_row = d, .kv_item = 0, .kv_row = d, .scale = unit * unit / sqrtf (d),
                     .out = pm_acts_at (acts (out), offset), .out_item = (gsize) n * d, .out_row = d };

  pm_nn_attention (walk->backend, NULL, NULL, &op);
  pm_features_release (q, first / q->width, (gint64) B * n / q->width + 2);
  pm_features_release (out, first / q->width, (gint64) B * n / q->width + 2);
  return B * n;
}

/* One head over all pixels. Keys and values are the same for every item: items are runs of queries. */
static gboolean
run_attention (PmKlWalk *walk, const PmFeatures *q, const PmFeatures *k, const PmFeatures *v, const PmFeatures *out,
               GError **error)
{
  int   T = q->height * q->width, d = q->channels;
  gsize turned = (gsize) T * d * sizeof (float); /* the values, which the backend turns round */

  count_bytes (walk, walk->is_device ? 0 : turned);
  walk->n_bytes -= walk->is_device ? 0 : turned;
  if (! walk->backend)
    return go_on (walk, 4.0 * T * T * d, error);
  for (int first = 0, n; first < T; first += n)
    {
      n = attend_some (walk, first, q, k, v, out);
      if (! go_on (walk, 4.0 * n * T * d, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
pm_kl_attention (PmKlWalk *walk, const char *key, PmFeatures *x, GError **error)
{
  const char *const *names = walk->network->dialect->attention;
  g_autofree char   *norm = g_strconcat (key, ".", names[0], NULL), *out = g_strconcat (key, ".", names[4], NULL);
  PmConv             read = { .side = 1, .stride = 1 }, write = { .side = 1, .stride = 1, .adds = TRUE };
  PmFeatures         parts[4]; /* q, k, v, out */

  if (! pm_kl_norm (walk, norm, x, &read, error))
    return FALSE;
  for (int i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strconcat (key, ".", names[1 + i], NULL);
      walk->is_kept = i > 0; /* every query meets all keys and values */
      gboolean done = conv_new (walk, name, read, x->channels, x, &parts[i], error);
      walk->is_kept = FALSE;
      if (! done)
        return FALSE;
    }
  if (! pm_kl_features_new (walk, x->height, x->width, x->channels, &parts[3], error)
      || ! run_attention (walk, &parts[0], &parts[1], &parts[2], &parts[3], error))
    return FALSE;
  if (! conv_into (walk, out, write, &parts[3], x, error))
    return FALSE;
  for (int i = 0; i < 4; i++)
    pm_kl_features_clear (walk, &parts[i]);
  return TRUE;
}
