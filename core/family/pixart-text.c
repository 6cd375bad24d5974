/* What items are told in words: embeddings through the caption projection, and from there the keys and values of every layer,
 * once a run; the cross attentions over them; and how they are steered. diffusers, models/embeddings.py,
 * PixArtAlphaTextProjection. Letters as in pixart.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/pixart.h"
#include "nn/attention.h"

/* Bytes of each buffer that is taken with the workspace. */
#define N_BUFFERS 6
static gsize
buffer_sizes (const PmNetwork *network, const PmShape *shape, PmDtype acts, gsize sizes[N_BUFFERS])
{
  gsize       S = shape->max_text, D = network->info.width, B = shape->max_items, sum = 0;
  const gsize numbers[N_BUFFERS] = { S * network->info.text_width, S * D, S * D, network->info.n_layers * B * S * 2 * D, B * S,
                                     B * S };
  for (int i = 0; i < N_BUFFERS; i++)
    sum += sizes[i] = pm_trunk_room (numbers[i], i >= 1 && i <= 3 ? acts : PM_DTYPE_F32);
  return sum;
}

gsize
pm_pixart_texts_size (const PmNetwork *network, const PmShape *shape, PmDtype acts)
{
  gsize sizes[N_BUFFERS];
  return buffer_sizes (network, shape, acts, sizes);
}

void
pm_pixart_texts_init (PmPrepared *prepared, gpointer memory)
{
  PmPixartTexts *texts = &prepared->texts;
  const PmShape *shape = &prepared->trunk.shape;
  PmDtype        acts = pm_backend_get_activation_dtype (prepared->trunk.backend);
  gsize          sizes[N_BUFFERS];
  char          *parts[N_BUFFERS] = { memory };

  buffer_sizes (prepared->network, shape, acts, sizes);
  for (int i = 1; i < N_BUFFERS; i++)
    parts[i] = parts[i - 1] + sizes[i - 1];
  texts->text = (float *) parts[0];
  texts->hidden = (PmActs) { parts[1], acts };
  texts->caption = (PmActs) { parts[2], acts };
  texts->kv = (PmActs) { parts[3], acts };
  texts->key_bias = (float *) parts[4];
  texts->key_region = (int *) parts[5];
  texts->told = g_new0 (PmPixartTold, shape->max_items);
  texts->counts = g_new0 (int, shape->max_items);
}

static void
told_clear (PmPixartTold *told)
{
  g_free (told->key_bias);
  g_free (told->key_region);
  g_free (told->region_bias);
  *told = (PmPixartTold) { 0 };
}

void
pm_pixart_texts_clear (PmPrepared *prepared)
{
  PmPixartTexts *texts = &prepared->texts;

  for (int i = 0; i < texts->n_told; i++)
    told_clear (&texts->told[i]);
  if (texts->region_bias)
    pm_backend_free (prepared->trunk.backend, texts->region_bias);
  g_free (texts->told);
  g_free (texts->counts);
  *texts = (PmPixartTexts) { 0 };
}

static int
find_slot (const PmPixartTexts *texts, PmItemTag tag)
{
  for (int i = 0; i < texts->n_told; i++)
    if (texts->told[i].tag == tag)
      return i;
  return -1;
}

/* Tokens beyond the text's own have bias 0 and no region: they are no keys. */
static gboolean
keep_edit (PmPrepared *prepared, PmPixartTold *told, const PmTextEdit *edit, GError **error)
{
  gsize S = prepared->trunk.shape.max_text, n_bias = edit->n_regions * pm_shape_tokens (&prepared->trunk.shape);

  told->is_edited = TRUE;
  told->n_regions = edit->n_regions;
  told->key_bias = g_new0 (float, S);
  told->key_region = g_new (int, S);
  told->region_bias = g_try_new (float, MAX (n_bias, 1));
  if (! told->region_bias)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the regions of the words; close other programs."));
      return FALSE;
    }
  for (gsize i = 0; i < S; i++)
    told->key_region[i] = edit->key_region && (int) i < told->n ? edit->key_region[i] : -1;
  if (edit->key_bias)
    memcpy (told->key_bias, edit->key_bias, sizeof (float) * told->n);
  if (n_bias)
    memcpy (told->region_bias, edit->region_bias, sizeof (float) * n_bias);
  return TRUE;
}

/* Room for the regions of a batch, as many for every item. */
static gboolean
make_regions (PmPrepared *prepared, GError **error)
{
  PmPixartTexts *texts = &prepared->texts;
  PmBackend     *backend = prepared->trunk.backend;
  gsize          n;

  if (texts->region_bias)
    pm_backend_free (backend, texts->region_bias);
  texts->region_bias = NULL;
  texts->n_regions = 0;
  for (int i = 0; i < texts->n_told; i++)
    texts->n_regions = MAX (texts->n_regions, texts->told[i].n_regions);
  n = prepared->trunk.shape.max_items * (gsize) texts->n_regions * pm_shape_tokens (&prepared->trunk.shape);
  return n == 0 || (texts->region_bias = pm_backend_alloc (backend, sizeof (float) * n, error)) != NULL;
}

/* The embedding, or the stored one of no text, in the backend's memory. */
static void
upload_embedding (PmPrepared *prepared, const float *embedding, int n)
{
  const PmNetwork  *network = prepared->network;
  gsize             size = (gsize) n * network->info.text_width;
  g_autofree float *stored = NULL;

  if (! embedding)
    {
      const PmTensor *tensor = pm_checkpoint_find (network->checkpoint, network->dialect->null_text);
      gsize           n_there = MIN (size, tensor->n_elements);
      embedding = stored = g_new0 (float, size);
      pm_convert_to_f32 (tensor->data, tensor->dtype, n_there, stored);
    }
  pm_backend_upload (prepared->trunk.backend, prepared->texts.text, embedding, sizeof (float) * size);
}

/* Keys and values of a slot: [max_text, 2, D]. */
static PmActs
get_kv (PmPrepared *prepared, int layer, gsize slot)
{
  const PmShape *shape = &prepared->trunk.shape;
  gsize          size = 2 * (gsize) shape->max_text * prepared->network->info.width;
  return pm_acts_at (prepared->texts.kv, (layer * (gsize) shape->max_items + slot) * size);
}

static gboolean
project (PmPrepared *prepared, int slot, PmJob *job, GError **error)
{
  PmPixartTexts *texts = &prepared->texts;
  PmBackend     *backend = prepared->trunk.backend;
  gsize          D = prepared->network->info.width;
  int            n = texts->told[slot].n;

  PmLinear op = pm_nn_layer_linear (&prepared->ends[PM_PIXART_CAPTION1], n, pm_acts_f32 (texts->text), texts->hidden);
  op.activation = PM_ACTIVATION_GELU_TANH;
  pm_backend_linear (backend, &op);
  op = pm_nn_layer_linear (&prepared->ends[PM_PIXART_CAPTION2], n, texts->hidden, texts->caption);
  pm_backend_linear (backend, &op);
  for (int layer = 0; layer < prepared->network->info.n_layers; layer++)
    {
      const PmLayer *layers = prepared->blocks[layer].layers;
      if (! pm_job_check (job, error))
        return FALSE;
      for (int j = PM_PIXART_CROSS_K; j <= PM_PIXART_CROSS_V && layers[j].weight.rows > 0; j++)
        {
          PmActs kv = pm_acts_at (get_kv (prepared, layer, slot), (j - PM_PIXART_CROSS_K) * D);
          op = pm_nn_layer_linear (&layers[j], n, texts->caption, kv);
          op.y_stride = 2 * D;
          pm_backend_linear (backend, &op);
        }
    }
  return pm_backend_finish (backend, error);
}

gboolean
pm_pixart_set_text (PmPrepared *prepared, PmItemTag tag, const float *embedding, int n, const PmTextEdit *edit, PmJob *job,
                    GError **error)
{
  PmPixartTexts *texts = &prepared->texts;
  const PmShape *shape = &prepared->trunk.shape;
  int            slot = find_slot (texts, tag);

  g_assert (n >= 1 && n <= shape->max_text && (slot >= 0 || texts->n_told < shape->max_items));
  if (slot < 0)
    slot = texts->n_told++;
  told_clear (&texts->told[slot]);
  texts->n_changes++;
  texts->told[slot].tag = tag;
  texts->told[slot].n = n;
  if (edit && ! keep_edit (prepared, &texts->told[slot], edit, error))
    return FALSE;
  upload_embedding (prepared, embedding, n);
  return make_regions (prepared, error) && project (prepared, slot, job, error);
}

/* The edits of the batch's items beside one another; of items without one: nothing is added. */
static gboolean
gather_edits (PmPrepared *prepared, int B, GError **error)
{
  PmPixartTexts    *texts = &prepared->texts;
  PmBackend        *backend = prepared->trunk.backend;
  gsize             S = prepared->trunk.shape.max_text, T = pm_shape_tokens (&prepared->trunk.shape);
  g_autofree float *zeros = g_new0 (float, S);
  g_autofree int   *nowhere = g_new (int, S);

  for (gsize i = 0; i < S; i++)
    nowhere[i] = -1;
  for (int b = 0; b < B; b++)
    {
      const PmPixartTold *told = &texts->told[texts->first + b * texts->step];
      pm_backend_upload (backend, texts->key_bias + b * S, told->is_edited ? told->key_bias : zeros, sizeof (float) * S);
      pm_backend_upload (backend, texts->key_region + b * S, told->is_edited ? told->key_region : nowhere, sizeof (int) * S);
      if (told->n_regions)
        pm_backend_upload (backend, texts->region_bias + b * texts->n_regions * T, told->region_bias,
                           sizeof (float) * told->n_regions * T);
    }
  texts->edit = (PmLogitEdit) { .key_bias = texts->key_bias, .key_region = texts->key_region, .n_regions = texts->n_regions,
                                .region_bias = texts->region_bias };
  return TRUE;
}

gboolean
pm_pixart_texts_begin (PmPrepared *prepared, const PmDenoise *in, guint64 *key, GError **error)
{
  PmPixartTexts *texts = &prepared->texts;

  texts->has_edit = FALSE;
  for (int b = 0; b < in->B; b++)
    {
      int slot = find_slot (texts, in->tags[b]);
      g_assert (slot >= 0);
      if (b == 0)
        texts->first = slot;
      if (b == 1)
        texts->step = slot - texts->first;
      g_assert ((gsize) slot == texts->first + b * texts->step);
      texts->counts[b] = texts->told[slot].n;
      texts->has_edit |= texts->told[slot].is_edited;
    }
  *key = ((guint64) texts->n_changes * texts->n_told + texts->first) * texts->n_told;
  *key += (texts->first + texts->step) % texts->n_told;
  return ! texts->has_edit || gather_edits (prepared, in->B, error);
}

void
pm_pixart_texts_attend (PmPrepared *prepared, const PmDenoise *in, int layer)
{
  const PmNetworkInfo *info = &prepared->network->info;
  const PmLayer       *layers = prepared->blocks[layer].layers;
  PmPixartTexts       *texts = &prepared->texts;
  PmTrunk             *trunk = &prepared->trunk;
  PmTrunkWork         *work = &trunk->work;
  int                  B = in->B, T = (int) pm_shape_tokens (&trunk->shape), D = info->width, S = trunk->shape.max_text;
  PmActs               kv = get_kv (prepared, layer, texts->first);

  PmLinear op = pm_nn_layer_linear (&layers[PM_PIXART_CROSS_Q], B * T, pm_acts_f32 (work->x), work->qkv);
  pm_backend_linear (trunk->backend, &op);
  PmAttention attention = { .B = B, .H = info->n_heads, .d = D / info->n_heads, .Tq = T, .Tk = S, .q = work->qkv, .k = kv,
                            .v = pm_acts_at (kv, D), .q_item = (gsize) T * D, .q_row = D, .kv_item = texts->step * 2 * S * D,
                            .kv_row = 2 * (gsize) D, .scale = 1.f / sqrtf (D / info->n_heads), .out = work->h,
                            .out_item = (gsize) T * D, .out_row = D, .key_counts = texts->counts,
                            .edit = texts->has_edit ? &texts->edit : NULL };
  pm_nn_attention (trunk->backend, in->tap, &trunk->sites[info->n_layers + layer], &attention);
  pm_trunk_add (trunk, &layers[PM_PIXART_CROSS_PROJ], B, work->h, NULL, 0);
}
