/* What a run begins with besides noise: a picture or latent, the share of the steps that is left to run, a mask. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "request/cells.h"
#include "run/run.h"

static gboolean
can_begin_with_picture (PmModel *model)
{
  if (model->vae)
    return pm_vae_get_info (model->vae)->has_encoder;
  return ! model->network_info.is_latent && model->network_info.in_channels == 3;
}

static gboolean
check_start (PmRun *run, GError **error)
{
  const PmRequest     *request = run->request;
  const PmNetworkInfo *info = &run->model->network_info;
  int                  w = pm_run_width (run), h = pm_run_height (run);
  const char *message = NULL;

  if ((request->start_sum && ! request->start) || (request->mask_sum && ! request->mask))
    message = _("The record tells of a picture or mask to begin with, which it does not hold; give the same files again.");
  else if (request->mask && ! request->start)
    message = _("A mask needs a picture to begin with; give one, or leave the mask out.");
  else if (request->start && ! (request->strength > 0 && request->strength <= 1))
    message = _("The strength is out of range; choose above 0 (hardly changed) to 1 (painted anew).");
  else if (request->preview_every < 0)
    message = _("The number of steps between previews is negative; choose 0 for none.");
  if (message)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, message);
  else if (request->start && request->start_channels == 0 && run->model->vae_error)
    g_propagate_error (error, g_error_copy (run->model->vae_error));
  else if (request->start && request->start_channels == 0 && ! can_begin_with_picture (run->model))
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("The model “%s” paints latents, and nothing here encodes a picture for it; add a VAE with its encoder to the "
                   "model's folder, or choose another model."),
                 run->model->name);
  else if (request->start && request->start_channels != 0
           && (request->start_channels != info->in_channels || request->start_width != w || request->start_height != h))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The latent to begin with is %d × %d × %d where the model “%s” needs %d × %d × %d (channels, height, width)."),
                 request->start_channels, request->start_height, request->start_width, run->model->name, info->in_channels, h, w);
  else if (request->start && request->start_channels == 0
           && (request->start_width != request->width || request->start_height != request->height))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The picture to begin with has %d × %d pixels where %d × %d are painted; scale it to that size."),
                 request->start_width, request->start_height, request->width, request->height);
  else if (request->mask && (request->mask_width != request->width || request->mask_height != request->height))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The mask has %d × %d pixels where %d × %d are painted; scale it to that size."), request->mask_width,
                 request->mask_height, request->width, request->height);
  else
    return TRUE;
  return FALSE;
}

gboolean
pm_run_read_start (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;
  int              w = pm_run_width (run), h = pm_run_height (run), n_steps = run->steps.n_steps;
  gsize            n = pm_run_size (run), area = (gsize) w * h;

  if (! check_start (run, error))
    return FALSE;
  if (! request->start)
    return TRUE;
  run->known = g_try_new (float, n);
  run->known_noise = g_try_new (float, n);
  if (request->mask)
    run->mask = g_try_new (float, area);
  if (! run->known || ! run->known_noise || (request->mask && ! run->mask))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture to begin with; close other programs."));
      return FALSE;
    }
  run->encodes = request->start_channels == 0 && run->model->vae;
  if (! run->encodes)
    for (gsize i = 0; i < n; i++)
      run->known[i] = request->start_channels ? request->start[i] : request->start[i % area * 3 + i / area] * 2 - 1;
  if (request->mask)
    pm_cells_average (request->mask, TRUE, request->mask_width, request->mask_height, w, h, run->mask);
  /* 1e-9: 0.29 of 100 steps are 29. */
  pm_steps_skip (&run->steps, n_steps - MAX (1, (int) floor (n_steps * request->strength + 1e-9)));
  return TRUE;
}

PmVaeCall
pm_run_vae_call (const PmRun *run, PmVaeDirection direction)
{
  return (PmVaeCall) { .direction = direction, .h = pm_run_height (run), .w = pm_run_width (run) };
}

/* The mean of what the picture may be as a latent: the same start whatever the seed. */
static gboolean
encode_start (PmRun *run, PmBackend *backend, PmJob *job, GError **error)
{
  const PmRequest  *request = run->request;
  PmVaeCall         call = pm_run_vae_call (run, PM_VAE_ENCODE);
  gsize             area = (gsize) request->start_width * request->start_height;
  g_autofree float *picture = g_try_new (float, 3 * area);

  if (! picture)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture to begin with; close other programs."));
      return FALSE;
    }
  for (gsize i = 0; i < 3 * area; i++)
    picture[i] = request->start[i % area * 3 + i / area] * 2 - 1;
  return pm_vae_encode (run->model->vae, backend, call.h, call.w, picture, call.memory, NULL, run->known, job, error);
}

gboolean
pm_run_start (PmRun *run, PmBackend *backend, const float *noise, float *x, PmJob *job, GError **error)
{
  gsize n = pm_run_size (run);
  float alpha = (float) run->steps.alpha[0], sigma = (float) run->steps.sigma[0];

  if (noise)
    memcpy (x, noise, n * sizeof (float));
  else
    pm_random_normal (&run->random, n, x);
  if (! run->known)
    return TRUE;
  if (run->encodes && ! encode_start (run, backend, job, error))
    return FALSE;
  memcpy (run->known_noise, x, n * sizeof (float));
  for (gsize i = 0; i < n; i++)
    x[i] = alpha * run->known[i] + sigma * x[i];
  return TRUE;
}
