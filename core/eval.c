/* Single stages on given tensors. */
#include "eval.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "attention/reduction.h"
#include "run.h"

/* What `capture` asks for. */
typedef struct
{
  PmShow show;
  int    probe_layer; /* -1: none */
} PmCapture;

static gboolean
parse_capture (const char *text, int n_layers, PmCapture *capture, GError **error)
{
  g_auto (GStrv)           words = g_strsplit (text ? text : "", ",", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv)           readings = NULL;
  g_autofree char         *list = NULL, *show = NULL;

  capture->probe_layer = -1;
  pm_show_init (&capture->show);
  for (int i = 0; words[i]; i++)
    {
      char *end = NULL;
      if (! g_str_has_prefix (words[i], "probs:"))
        {
          if (*words[i])
            g_strv_builder_add (builder, words[i]);
          continue;
        }
      gint64 layer = g_ascii_strtoll (words[i] + strlen ("probs:"), &end, 10);
      if (*end || end == words[i] + strlen ("probs:") || layer < 0 || layer >= n_layers)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” names no layer of this model; give probs:0 to probs:%d."),
                       words[i], n_layers - 1);
          return FALSE;
        }
      capture->probe_layer = (int) layer;
    }
  readings = g_strv_builder_end (builder);
  if (! *readings)
    return TRUE;
  list = g_strjoinv (",", readings);
  show = g_strdup_printf ("layers=all;heads=all;steps=all;read=%s", list);
  return pm_show_parse (&capture->show, show, error);
}

/* What a denoise stage reads: [B, ...] each, borrowed from the bundle but for y. */
typedef struct
{
  int          B;
  const float *x, *t, *region;
  const gint32 *y;
} PmEvalInput;

static gboolean
read_input (PmModel *model, PmBundle *in, PmEvalInput *input, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  const PmTensor      *x = pm_bundle_find (in, "x");
  gssize               B = x && x->rank > 0 && x->shape[0] < 65536 ? (gssize) x->shape[0] : 1;
  int                  n_rows = info->n_classes + (info->null_class >= 0 ? 1 : 0);

  input->B = (int) MAX (B, 1);
  input->x = pm_bundle_get_f32 (in, "x", 4, (gssize[]) { input->B, info->in_channels, info->grid_h * info->patch,
                                                         info->grid_w * info->patch }, error);
  if (! input->x)
    return FALSE;
  input->t = pm_bundle_get_f32 (in, "t", 1, (gssize[]) { input->B }, error);
  if (! input->t)
    return FALSE;
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
  if (! pm_bundle_find (in, "region"))
    return TRUE;
  input->region = pm_bundle_get_f32 (in, "region", 2, (gssize[]) { input->B, info->grid_w * info->grid_h }, error);
  return input->region != NULL;
}

static gboolean
store_captures (PmModel *model, const PmCapture *capture, int B, PmTap *tap, PmBundle *out, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  gsize                N = (gsize) info->grid_w * info->grid_h, H = info->n_heads, L = info->n_layers;

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
  if (capture->probe_layer < 0)
    return TRUE;
  float *probs = pm_bundle_add (out, "probs", PM_DTYPE_F32, 4, (gsize[]) { B, H, N, N }, error);
  return probs && pm_tap_read_probs (tap, FALSE, probs, error);
}

static PmTap *
make_tap (PmModel *model, PmBackend *backend, const PmCapture *capture, const PmEvalInput *input, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  double               time = 0;
  PmTapOptions         options = { .backend = backend,
                                   .sites = info->sites,
                                   .n_sites = info->n_layers,
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
  if (! tap || (capture->probe_layer >= 0 && ! pm_tap_set_probe_layer (tap, FALSE, capture->probe_layer, error)))
    return NULL;
  return g_steal_pointer (&tap);
}

static gboolean
run_denoise (PmModel *model, PmBackend *backend, const PmEvalInput *input, PmTap *tap, PmBundle *out, PmJob *job, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  g_autofree PmItemTag *tags = g_new0 (PmItemTag, input->B);
  PmDenoise             in = { .B = input->B, .x = input->x, .t = input->t, .y = input->y, .tags = tags, .tap = tap, .job = job };
  float *result
      = pm_bundle_add (out, "out", PM_DTYPE_F32, 4,
                       (gsize[]){ input->B, info->out_channels, info->grid_h * info->patch, info->grid_w * info->patch }, error);

  if (! result || ! pm_checkpoint_verify (model->checkpoint, error))
    return FALSE;
  PmPrepared *prepared = model->family->prepare (model->network, backend, input->B, error);
  if (! prepared)
    return FALSE;
  if (tap)
    pm_tap_begin_step (tap, 0, tags, input->B);
  gboolean done = model->family->denoise (prepared, &in, result, error);
  model->family->release (prepared);
  return done;
}

PmBundle *
pm_eval_denoise (PmModel *model, const char *device, PmBundle *in, const char *capture_text, int n_threads, PmJob *job,
                 GError **error)
{
  PmCapture             capture;
  PmEvalInput           input = { 0 };
  g_autoptr (PmBackend) backend = NULL;
  g_autoptr (PmTap)     tap = NULL;
  g_autoptr (PmBundle)  out = pm_bundle_new ();

  gboolean done
      = parse_capture (capture_text, model->network_info.n_layers, &capture, error) && read_input (model, in, &input, error);
  done = done && (backend = pm_backend_open (device, n_threads, error));
  if (done)
    pm_backend_set_job (backend, job);
  if (done && (capture.show.readings || capture.probe_layer >= 0))
    done = (tap = make_tap (model, backend, &capture, &input, error)) != NULL;
  done = done && run_denoise (model, backend, &input, tap, out, job, error);
  done = done && (! tap || store_captures (model, &capture, input.B, tap, out, error));
  pm_show_clear (&capture.show);
  return done ? g_steal_pointer (&out) : NULL;
}

PmBundle *
pm_eval_sample (PmModel *model, const PmRequest *request, PmBundle *in, PmJob *job, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  gsize                height = (gsize) info->grid_h * info->patch, width = (gsize) info->grid_w * info->patch;
  const float         *noise = NULL;

  if (in && pm_bundle_find (in, "noise"))
    {
      noise = pm_bundle_get_f32 (in, "noise", 4, (gssize[]) { 1, info->in_channels, (gssize) height, (gssize) width }, error);
      if (! noise)
        return NULL;
    }
  g_autoptr (PmResult) result = pm_generate_from (model, request, noise, job, error);
  g_autoptr (PmBundle) out = pm_bundle_new ();
  if (! result)
    return NULL;
  float *latent = pm_bundle_add (out, "latent", PM_DTYPE_F32, 4, (gsize[]) { 1, info->in_channels, height, width }, error);
  if (! latent)
    return NULL;
  gsize n = info->in_channels * height * width;
  memcpy (latent, result->trajectory + result->n_steps * n, n * sizeof (float));
  return g_steal_pointer (&out);
}

char **
pm_device_fallbacks (PmModel *model, const char *device, GError **error)
{
  const PmNetworkInfo  *info = &model->network_info;
  g_autoptr (PmBackend) backend = pm_backend_open (device, 0, error);
  g_autoptr (PmBundle)  in = pm_bundle_new ();
  g_autoptr (PmBundle)  out = pm_bundle_new ();
  PmEvalInput           input = { 0 };
  gsize                 side[] = { 1, info->in_channels, info->grid_h * info->patch, info->grid_w * info->patch };

  if (! backend || ! pm_bundle_add (in, "x", PM_DTYPE_F32, 4, side, error)
      || ! pm_bundle_add (in, "t", PM_DTYPE_F32, 1, (gsize[]) { 1 }, error)
      || ! pm_bundle_add (in, "y", PM_DTYPE_I32, 1, (gsize[]) { 1 }, error) || ! read_input (model, in, &input, error)
      || ! run_denoise (model, backend, &input, NULL, out, NULL, error))
    return NULL;
  return pm_backend_get_fallbacks (backend);
}
