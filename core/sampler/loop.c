/* Classifier-free guidance (Ho and Salimans, arXiv 2207.12598) inside an interval (Kynkaanniemi et al., arXiv 2404.07724):
 * outside it the null half is not computed at all. */
#include "sampler/loop.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "sampler/schedule.h"

gboolean
pm_sampling_is_guided (const PmSampling *sampling, int i)
{
  double time = sampling->steps->unit_time[i], low = sampling->interval[0], high = sampling->interval[1];
  return sampling->guidance != 1 && sampling->class_row != sampling->info->null_class && sampling->info->null_class >= 0
         && (low <= 0 || time > low) && (high >= 1 || time < high);
}

#define CACHE_WARM_UP 3

gboolean
pm_sampling_is_predicted (const PmSampling *sampling, int i)
{
  return sampling->cache && i > CACHE_WARM_UP && (i - CACHE_WARM_UP) % sampling->cache_interval != 0
         && ! (sampling->tap && pm_tap_records_step (sampling->tap, i));
}

/* The first guidance_channels of condition become null + guidance * (condition - null). */
static void
guide (const PmSampling *sampling, gsize area, float *condition, const float *null)
{
  float scale = (float) sampling->guidance;
  gsize n = area * sampling->info->guidance_channels;
  for (gsize i = 0; i < n; i++)
    condition[i] = null[i] + scale * (condition[i] - null[i]);
}

/* Predicts at step i from batch[0] (x is copied for both halves); the guided prediction is out's first item. */
static gboolean
predict (const PmSampling *sampling, int i, const float *x, float *batch, float *out, GError **error)
{
  const PmNetworkInfo *info = sampling->info;
  gsize     area = (gsize) info->grid_w * info->grid_h * info->patch * info->patch, n = info->in_channels * area;
  gboolean  guided = pm_sampling_is_guided (sampling, i);
  float     times[2] = { (float) sampling->steps->time[i], (float) sampling->steps->time[i] };
  int       rows[2] = { sampling->class_row, info->null_class };
  PmItemTag tags[2] = { PM_ITEM_CONDITION, PM_ITEM_NULL };
  PmDenoise in
      = { .B = guided ? 2 : 1, .x = batch, .t = times, .y = rows, .tags = tags, .tap = sampling->tap, .cache = sampling->cache,
          .position = i, .predict = pm_sampling_is_predicted (sampling, i), .job = sampling->job };

  memcpy (batch, x, sizeof (float) * n);
  if (guided)
    memcpy (batch + n, x, sizeof (float) * n);
  if (sampling->tap)
    pm_tap_begin_step (sampling->tap, i, tags, in.B);
  if (! sampling->family->denoise (sampling->prepared, &in, out, error))
    return FALSE;
  if (guided)
    guide (sampling, area, out, out + info->out_channels * area);
  return TRUE;
}

/* Tells the network every condition of the run. */
static gboolean
expect_conditions (const PmSampling *sampling, GError **error)
{
  const PmSteps    *steps = sampling->steps;
  g_autofree float *t = g_new (float, 2 * steps->n_steps);
  g_autofree int   *y = g_new (int, 2 * steps->n_steps);
  int               n = 0;

  for (int i = 0; i < steps->n_steps; i++)
    for (int half = 0; half <= pm_sampling_is_guided (sampling, i); half++, n++)
      {
        t[n] = (float) steps->time[i];
        y[n] = half ? sampling->info->null_class : sampling->class_row;
      }
  return sampling->family->expect (sampling->prepared, n, t, y, sampling->job, error);
}

static gboolean
check_finite (const float *x, gsize n, int step, GError **error)
{
  for (gsize i = 0; i < n; i++)
    if (! isfinite (x[i]))
      {
        g_set_error (error, PM_ERROR, PM_ERROR_FAILED,
                     _("At step %d the model gave values that are no numbers; its weights are damaged, or its configuration "
                       "(schedule, prediction) is not theirs. Download it again, or correct the configuration."),
                     step);
        return FALSE;
      }
  return TRUE;
}

gboolean
pm_sampling_run (const PmSampling *sampling, float *trajectory, GError **error)
{
  const PmNetworkInfo *info = sampling->info;
  const PmSteps       *steps = sampling->steps;
  gsize                area = (gsize) info->grid_w * info->grid_h * info->patch * info->patch, n = info->in_channels * area;
  g_autofree float    *batch = g_try_new (float, 2 * n);
  g_autofree float    *out = g_try_new (float, 2 * info->out_channels * area);

  if (! batch || ! out)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to run the model; close other programs and try again."));
      return FALSE;
    }
  pm_job_report (sampling->job, _("Painting"), 0, steps->n_steps, 0);
  if (! expect_conditions (sampling, error))
    return FALSE;
  for (int i = 0; i < steps->n_steps; i++)
    {
      const float *x = trajectory + i * n;
      pm_job_report (sampling->job, _("Painting"), i, steps->n_steps, (double) i / steps->n_steps);
      if (! predict (sampling, i, x, batch, out, error))
        return FALSE;
      pm_schedule_to_x0 (&info->schedule, steps, i, n, x, out, batch);
      sampling->sampler->step (steps, i, n, x, batch, trajectory + (i + 1) * n);
      if (! check_finite (trajectory + (i + 1) * n, n, i, error))
        return FALSE;
    }
  pm_job_report (sampling->job, _("Painting"), steps->n_steps, steps->n_steps, 1);
  return TRUE;
}
