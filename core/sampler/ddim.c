/* DDIM without noise (Song et al., arXiv 2010.02502, equation 12 with eta 0), the timesteps evenly strided: as
 * facebookresearch/DiT spaces "ddimN" (diffusion/respace.py), the first whole stride that gives exactly N of them, or as
 * diffusers does (schedulers/scheduling_ddim.py, set_timesteps). */
#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "sampler/schedule.h"

/* Timesteps kept by a stride of `stride` out of n. */
static int
kept (int n, int stride)
{
  return (n + stride - 1) / stride;
}

/* The stride of a schedule's spacing for n_steps out of n; 0 with an error when there is none. */
static int
find_stride (const PmSchedule *schedule, int n_steps, GError **error)
{
  int n = schedule->n_train_steps, stride = 1, below = 0, above = n;
  int whole = n_steps >= 1 && n_steps <= n ? n / n_steps : 0;

  if (schedule->spacing == PM_SPACING_LEADING && schedule->steps_offset < whole
      && (n_steps - 1) * whole + schedule->steps_offset < n)
    return whole;
  if (schedule->spacing == PM_SPACING_TRAILING && whole * n_steps == n)
    return whole;
  if (schedule->spacing == PM_SPACING_LEADING || schedule->spacing == PM_SPACING_TRAILING)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("DDIM cannot make exactly %d steps of %d as the model's scheduler spaces them; choose a divisor of %d."),
                   n_steps, n, n);
      return 0;
    }
  while (stride < n && kept (n, stride) != n_steps)
    stride++;
  if (stride < n)
    return stride;
  for (int s = 1; s < n; s++)
    {
      below = kept (n, s) < n_steps ? MAX (below, kept (n, s)) : below;
      above = kept (n, s) > n_steps ? MIN (above, kept (n, s)) : above;
    }
  if (pm_schedule_check_steps (n_steps, 2, n, error))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("DDIM cannot make exactly %d steps of %d with an even stride; choose %d or %d steps."), n_steps, n,
                 MAX (below, 2), above);
  return 0;
}

/* Both ends and evenly between, rounded. diffusers goes down by 1000 / n rounded down from each of them all the same, so that a
 * step may end with more noise than the next one begins with (schedulers/scheduling_ddim.py, step). */
static gboolean
plan_linspace (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  int n = schedule->n_train_steps;

  if (! pm_schedule_check_steps (n_steps, 2, n, error))
    return FALSE;
  g_autofree int    *times = g_new (int, n_steps);
  g_autofree double *alpha_bar = pm_schedule_alpha_bar (schedule);
  for (int i = 0; i < n_steps; i++)
    times[i] = i == 0 ? n - 1 : (int) rint ((n_steps - 1 - i) * ((n - 1.0) / (n_steps - 1)));
  pm_schedule_plan_times (schedule, n_steps, times, steps);
  pm_schedule_end (schedule, steps);
  steps->end_alpha = g_new (double, n_steps);
  steps->end_sigma = g_new (double, n_steps);
  for (int i = 0; i < n_steps; i++)
    {
      int end = times[i] - n / n_steps;

      steps->end_alpha[i] = end >= 0 ? sqrt (alpha_bar[end]) : steps->alpha[n_steps];
      steps->end_sigma[i] = end >= 0 ? sqrt (1 - alpha_bar[end]) : steps->sigma[n_steps];
    }
  return TRUE;
}

static gboolean
ddim_plan (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  if (schedule->spacing == PM_SPACING_LINSPACE)
    return plan_linspace (schedule, n_steps, steps, error);

  int stride = find_stride (schedule, n_steps, error);
  int last = schedule->spacing == PM_SPACING_TRAILING ? stride - 1 : schedule->steps_offset;

  if (stride == 0)
    return FALSE;
  g_autofree int *times = g_new (int, n_steps);
  for (int i = 0; i < n_steps; i++)
    times[i] = (n_steps - 1 - i) * stride + last;
  pm_schedule_plan_times (schedule, n_steps, times, steps);
  pm_schedule_end (schedule, steps);
  return TRUE;
}

static void
ddim_step (const PmStep *step)
{
  const PmSteps *steps = step->steps;
  int            i = step->i;
  float inverse_alpha = (float) (1 / steps->alpha[i]), noise = (float) (steps->sigma[i] / steps->alpha[i]);
  float alpha_next = (float) (steps->end_alpha ? steps->end_alpha[i] : steps->alpha[i + 1]);
  float sigma_next = (float) (steps->end_sigma ? steps->end_sigma[i] : steps->sigma[i + 1]);
  for (gsize j = 0; j < step->n; j++)
    {
      float eps = (inverse_alpha * step->x[j] - step->x0[j]) / noise;
      step->x_next[j] = step->x0[j] * alpha_next + sigma_next * eps;
    }
}

const PmSampler pm_sampler_ddim = {
  .id = "ddim",
  .title = N_("DDIM"),
  .supports = pm_schedule_is_linear,
  .plan = ddim_plan,
  .step = ddim_step,
};
