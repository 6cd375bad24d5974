/* Stage "sample": a whole run, of which something may be given. */
#include "eval/eval.h"

#include <string.h>

#include "base/error.h"
#include "run/run.h"

/* The conditional text, and behind it, where there is guidance, the one guided away from. */
static gboolean
read_text (const PmNetworkInfo *info, PmBundle *in, PmGiven *given, GError **error)
{
  const PmTensor *text = pm_bundle_find (in, "text");
  gsize           n = text && text->rank == 3 ? MIN (text->shape[0], G_N_ELEMENTS (given->text)) : 1;
  const float    *values = pm_bundle_get_f32 (in, "text", 3, (gssize[]) { (gssize) n, -1, info->text_width }, error);
  const gint32   *lengths = values ? pm_bundle_get_i32 (in, "text_length", 1, (gssize[]) { (gssize) n }, error) : NULL;

  for (gsize i = 0; lengths && i < n; i++)
    {
      given->text[i] = values + i * text->shape[1] * text->shape[2];
      given->text_length[i] = CLAMP (lengths[i], 0, (int) MIN (text->shape[1], G_MAXINT));
    }
  return lengths != NULL;
}

PmBundle *
pm_eval_sample (PmModel *model, const PmRequest *request, PmBundle *in, PmJob *job, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  int                  multiple = MAX (model->info.size_multiple, 1);
  gssize               height = request->height / multiple * info->patch, width = request->width / multiple * info->patch;
  PmGiven              given = { 0 };

  if (in && pm_bundle_find (in, "noise")
      && ! (given.noise = pm_bundle_get_f32 (in, "noise", 4, (gssize[]) { 1, info->in_channels, height, width }, error)))
    return NULL;
  if (in && info->text_width > 0 && pm_bundle_find (in, "text") && ! read_text (info, in, &given, error))
    return NULL;
  g_autoptr (PmResult) result = pm_generate_from (model, request, &given, job, error);
  g_autoptr (PmBundle) out = pm_bundle_new ();
  if (! result)
    return NULL;
  const gsize shape[] = { 1, result->channels, result->latent_height, result->latent_width };
  float      *latent = pm_bundle_add (out, "latent", PM_DTYPE_F32, 4, shape, error);
  if (! latent)
    return NULL;
  gsize n = shape[1] * shape[2] * shape[3];
  memcpy (latent, result->trajectory + result->n_steps * n, n * sizeof (float));
  return g_steal_pointer (&out);
}
