/* Stage "denoise": one call of the network on given tensors, and what its attentions did. */
#include "eval/private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "attention/reduction.h"
#include "run/run.h"

/* What `capture` asks for. */
typedef struct
{
  PmShow show;
  int    probes[2]; /* layers whose attention over the picture, and whose cross attention, is kept whole; -1: none */
} PmCapture;

static const char *const probe_words[] = { "probs:", "cross:" };

static gboolean
parse_capture (const char *text, int n_layers, PmCapture *capture, GError **error)
{
  g_auto (GStrv)           words = g_strsplit (text ? text : "", ",", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv)           readings = NULL;
  g_autofree char         *list = NULL, *show = NULL;

  capture->probes[0] = capture->probes[1] = -1;
  pm_show_init (&capture->show);
  for (int i = 0; words[i]; i++)
    {
      char *end = NULL;
      int   kind = g_str_has_prefix (words[i], probe_words[1]) ? 1 : 0;
      if (! g_str_has_prefix (words[i], probe_words[kind]))
        {
          if (*words[i])
            g_strv_builder_add (builder, words[i]);
          continue;
        }
      const char *number = words[i] + strlen (probe_words[kind]);
      gint64      layer = g_ascii_strtoll (number, &end, 10);
      if (*end || end == number || layer < 0 || layer >= n_layers)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” names no layer of this model; give %s0 to %s%d."), words[i],
                       probe_words[kind], probe_words[kind], n_layers - 1);
          return FALSE;
        }
      capture->probes[kind] = (int) layer;
    }
  readings = g_strv_builder_end (builder);
  if (! *readings)
    return TRUE;
  list = g_strjoinv (",", readings);
  show = g_strdup_printf ("layers=all;heads=all;steps=all;read=%s", list);
  return pm_show_parse (&capture->show, show, error);
}

#define MAX_TEXTS 3 /* one a tag */

/* What a denoise stage reads: [B, ...] each, borrowed from the bundle. */
typedef struct
{
  int           B;
  PmShape       shape;
  const float  *x, *t, *region;
  const gint32 *y;           /* classes, or */
  const float  *text;        /* [B, max_text, E] and */
  const gint32 *text_length; /* [B] */
} PmEvalInput;

static gboolean
read_classes (const PmNetworkInfo *info, PmBundle *in, PmEvalInput *input, GError **error)
{
  int n_rows = info->n_classes + (info->null_class >= 0 ? 1 : 0);

  input->shape.max_text = 0;
  input->y = pm_bundle_get_i32 (in, "y", 1, (gssize[]) { input->B }, error);
  if (! input->y)
    return FALSE;
  for (int b = 0; b < input->B; b++)
    if (input->y[b] < 0 || input->y[b] >= n_rows)
      {
        g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The array “y” holds the class %d; the model has 0 to %d."), input->y[b],
                     n_rows - 1);
        return FALSE;
      }
  return TRUE;
}

static gboolean
read_text (const PmNetworkInfo *info, PmBundle *in, PmEvalInput *input, GError **error)
{
  const PmTensor *text = pm_bundle_find (in, "text");

  if (input->B > MAX_TEXTS)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("At most %d items with texts of their own are evaluated at once; give fewer."), MAX_TEXTS);
      return FALSE;
    }
  if (! (input->text = pm_bundle_get_f32 (in, "text", 3, (gssize[]) { input->B, -1, info->text_width }, error))
      || ! (input->text_length = pm_bundle_get_i32 (in, "text_length", 1, (gssize[]) { input->B }, error)))
    return FALSE;
  input->shape.max_text = (int) MIN (text->shape[1], G_MAXINT);
  for (int b = 0; b < input->B; b++)
    if (input->text_length[b] < 1 || input->text_length[b] > input->shape.max_text)
      {
        g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                     _("The array “text_length” holds %d, but the texts have 1 to %d tokens; correct it."), input->text_length[b],
                     input->shape.max_text);
        return FALSE;
      }
  return TRUE;
}

/* The grid of x where the network takes any, else the only one. */
static gboolean
read_shape (const PmNetworkInfo *info, PmBundle *in, PmEvalInput *input, GError **error)
{
  const PmTensor *x = pm_bundle_find (in, "x");
  gsize           B = x && x->rank > 0 && x->shape[0] < 65536 ? x->shape[0] : 1;
  gsize           height = x && x->rank == 4 ? x->shape[2] : 0, width = x && x->rank == 4 ? x->shape[3] : 0;
  gsize           max_side = (gsize) info->max_side * info->patch;

  input->B = (int) MAX (B, 1);
  input->shape = pm_shape_trained (info, input->B);
  if (! info->any_size || ! x || x->rank != 4)
    return TRUE;
  if (height % info->patch || width % info->patch || height < 1 || width < 1 || height > max_side || width > max_side)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The array “x” has sides that are no multiples of %d up to %d; give it such a size."), info->patch,
                   (int) max_side);
      return FALSE;
    }
  input->shape.grid_w = (int) (width / info->patch);
  input->shape.grid_h = (int) (height / info->patch);
  return TRUE;
}

static gboolean
read_input (PmModel *model, PmBundle *in, PmEvalInput *input, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;

  if (! read_shape (info, in, input, error))
    return FALSE;
  input->x = pm_bundle_get_f32 (in, "x", 4, (gssize[]) { input->B, info->in_channels, input->shape.grid_h * info->patch,
                                                         input->shape.grid_w * info->patch }, error);
  if (! input->x)
    return FALSE;
  input->t = pm_bundle_get_f32 (in, "t", 1, (gssize[]) { input->B }, error);
  if (! input->t || ! (info->text_width > 0 ? read_text (info, in, input, error) : read_classes (info, in, input, error)))
    return FALSE;
  if (! pm_bundle_find (in, "region"))
    return TRUE;
  input->region = pm_bundle_get_f32 (in, "region", 2, (gssize[]) { input->B, (gssize) pm_shape_tokens (&input->shape) }, error);
  return input->region != NULL;
}

static gboolean
store_captures (PmModel *model, const PmCapture *capture, const PmEvalInput *input, PmTap *tap, PmBundle *out, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  gsize                B = input->B, N = pm_shape_tokens (&input->shape), H = info->n_heads, L = info->n_layers;

  for (char **id = capture->show.readings; id && *id; id++)
    {
      const PmReduction *reduction = pm_reduction_find (*id);
      gboolean           is_whole = reduction->is_matrix || reduction->is_carried; /* no heads */
      gsize              n_layers = reduction->is_matrix ? 1 : L, size = B * (is_whole ? 1 : H) * N;
      const gsize        matrix[] = { B, N }, carried[] = { L, B, N }, each[] = { L, B, H, N };
      const gsize       *shape = reduction->is_matrix ? matrix : reduction->is_carried ? carried : each;
      int                rank = reduction->is_matrix ? 2 : reduction->is_carried ? 3 : 4;
      float             *values = pm_bundle_add (out, *id, PM_DTYPE_F32, rank, shape, error);
      if (! values)
        return FALSE;
      for (gsize l = 0; l < n_layers; l++)
        if (! pm_tap_read (tap, *id, 0, (int) l, values + l * size, error))
          return FALSE;
    }
  for (int i = 0; i < 2; i++)
    {
      gsize  n_keys = i ? (gsize) input->shape.max_text : N;
      float *probs = NULL;
      if (capture->probes[i] >= 0
          && (! (probs = pm_bundle_add (out, i ? "cross" : "probs", PM_DTYPE_F32, 4, (gsize[]) { B, H, N, n_keys }, error))
              || ! pm_tap_read_probs (tap, i == 1, probs, error)))
        return FALSE;
    }
  return TRUE;
}

static PmTap *
make_tap (PmModel *model, PmBackend *backend, const PmCapture *capture, const PmEvalInput *input, GError **error)
{
  double               time = 0;
  int                  n_sites = 0;
  g_autofree PmSite   *sites = model->family->sites (model->network, &input->shape, &n_sites);
  PmTapOptions         options = { .backend = backend,
                                   .sites = sites,
                                   .n_sites = n_sites,
                                   .n_items = input->B,
                                   .n_steps = 1,
                                   .times = &time,
                                   .recommended_layers = model->info.recommended_layers,
                                   .n_recommended_layers = model->info.n_recommended_layers,
                                   .region = input->region,
                                   .region_items = input->B,
                                   .budget = G_MAXSIZE / 4,
                                   .keep_all_items = TRUE,
                                   .matrix_recommended = TRUE };
  g_autoptr (PmTap)    tap = pm_tap_new (&capture->show, &options, error);
  for (int i = 0; i < 2; i++)
    if (! tap || (capture->probes[i] >= 0 && ! pm_tap_set_probe_layer (tap, i == 1, capture->probes[i], error)))
      return NULL;
  return g_steal_pointer (&tap);
}

/* Every item has its own text, and so its own tag. */
static gboolean
set_texts (PmModel *model, PmPrepared *prepared, const PmEvalInput *input, PmItemTag *tags, PmJob *job, GError **error)
{
  gsize size = (gsize) input->shape.max_text * model->network_info.text_width;

  for (int b = 0; b < input->B && input->text; b++)
    {
      tags[b] = (PmItemTag) b;
      if (! model->family->set_text (prepared, tags[b], input->text + b * size, input->text_length[b], NULL, job, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
run_denoise (PmModel *model, PmBackend *backend, const PmEvalInput *input, PmTap *tap, PmBundle *out, PmJob *job, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  g_autofree PmItemTag *tags = g_new0 (PmItemTag, input->B);
  PmDenoise             in = { .B = input->B, .x = input->x, .t = input->t, .y = input->y, .tags = tags, .tap = tap, .job = job };
  gsize                 height = (gsize) input->shape.grid_h * info->patch, width = (gsize) input->shape.grid_w * info->patch;
  float *result = pm_bundle_add (out, "out", PM_DTYPE_F32, 4, (gsize[]) { input->B, info->out_channels, height, width }, error);

  if (! result || ! pm_checkpoint_verify (model->checkpoint, error))
    return FALSE;
  PmPrepared *prepared = model->family->prepare (model->network, backend, &input->shape, error);
  if (! prepared)
    return FALSE;
  gboolean done = set_texts (model, prepared, input, tags, job, error);
  if (done && tap)
    pm_tap_begin_step (tap, 0, tags, input->B);
  done = done && model->family->denoise (prepared, &in, result, error);
  model->family->release (prepared);
  return done;
}

PmBackend *
pm_eval_open_backend (const PmEvalOptions *options, GError **error)
{
  const PmBackendOptions own = { .n_threads = options->n_threads, .precision = options->precision,
                                 .memory_limit = options->vram_limit };
  return pm_backend_open_with (options->device, &own, error);
}

PmBundle *
pm_eval_denoise (PmModel *model, const PmEvalOptions *options, PmBundle *in, const char *capture_text, PmJob *job,
                 GError **error)
{
  PmCapture             capture;
  PmEvalInput           input = { 0 };
  g_autoptr (PmBackend) backend = NULL;
  g_autoptr (PmTap)     tap = NULL;
  g_autoptr (PmBundle)  out = pm_bundle_new ();

  gboolean done
      = parse_capture (capture_text, model->network_info.n_layers, &capture, error) && read_input (model, in, &input, error);
  done = done && (backend = pm_eval_open_backend (options, error));
  if (done)
    pm_backend_set_job (backend, job);
  if (done && (capture.show.readings || capture.probes[0] >= 0 || capture.probes[1] >= 0))
    done = (tap = make_tap (model, backend, &capture, &input, error)) != NULL;
  done = done && run_denoise (model, backend, &input, tap, out, job, error);
  done = done && (! tap || store_captures (model, &capture, &input, tap, out, error));
  pm_show_clear (&capture.show);
  return done ? g_steal_pointer (&out) : NULL;
}

/* An input of zeros at the trained size. */
static gboolean
add_zeros (const PmNetworkInfo *info, PmBundle *in, GError **error)
{
  const gsize side[] = { 1, info->in_channels, info->grid_h * info->patch, info->grid_w * info->patch };
  const gsize text[] = { 1, 1, info->text_width }, one[] = { 1 };
  gint32     *length;

  if (! pm_bundle_add (in, "x", PM_DTYPE_F32, 4, side, error) || ! pm_bundle_add (in, "t", PM_DTYPE_F32, 1, one, error))
    return FALSE;
  if (info->text_width == 0)
    return pm_bundle_add (in, "y", PM_DTYPE_I32, 1, one, error) != NULL;
  if (! pm_bundle_add (in, "text", PM_DTYPE_F32, 3, text, error)
      || ! (length = pm_bundle_add (in, "text_length", PM_DTYPE_I32, 1, one, error)))
    return FALSE;
  *length = 1;
  return TRUE;
}

char **
pm_device_fallbacks (PmModel *model, const char *device, GError **error)
{
  g_autoptr (PmBackend) backend = pm_backend_open (device, 0, error);
  g_autoptr (PmBundle)  in = pm_bundle_new ();
  g_autoptr (PmBundle)  out = pm_bundle_new ();
  PmEvalInput           input = { 0 };

  if (! backend || ! add_zeros (&model->network_info, in, error) || ! read_input (model, in, &input, error)
      || ! run_denoise (model, backend, &input, NULL, out, NULL, error))
    return NULL;
  return pm_backend_get_fallbacks (backend);
}
