/* Euler steps of equal length along a straight flow from noise to picture: x_t = (1 - s) x0 + s e, s from 1 to 0
 * (Liu et al., Rectified Flow, arXiv 2209.03003, section 2.2). */
#include "base/error.h"
#include "base/i18n.h"
#include "sampler/sampler.h"

#define MAX_STEPS 1000

/* Models that predict the clean picture are trained with the loss's weight bounded where little noise is left, so their
 * direction (x0 - x) / s is not trusted below this s. */
#define LEAST_SIGMA 0.05

static gboolean
euler_supports (const PmSchedule *schedule)
{
  return schedule->type == PM_SCHEDULE_FLOW;
}

/* i / n in f32, from both ends towards the middle as torch.linspace has it: the times enter sines of large angles. */
static float
unit_fraction (int i, int n)
{
  float step = 1.f / n;
  return i < (n + 1) / 2 ? step * i : 1.f - step * (n - i);
}

static gboolean
euler_plan (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  if (n_steps < 1 || n_steps > MAX_STEPS)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("%d steps cannot be had; choose from 1 to %d."), n_steps, MAX_STEPS);
      return FALSE;
    }
  pm_steps_init (steps, n_steps);
  for (int i = 0; i <= n_steps; i++)
    {
      float done = unit_fraction (i, n_steps);
      steps->alpha[i] = done;
      steps->sigma[i] = 1.0 - done;
      steps->shown_time[i] = 1000 * steps->sigma[i];
      if (i < n_steps)
        {
          steps->unit_time[i] = schedule->noise_at == 0 ? done : 1.f - done;
          steps->time[i] = (float) steps->unit_time[i] * (float) schedule->time_scale;
        }
    }
  return TRUE;
}

static void
euler_step (const PmSteps *steps, int i, gsize n, const float *x, const float *x0, float *x_next)
{
  double sigma = steps->prediction == PM_PREDICTION_X0 ? MAX (steps->sigma[i], LEAST_SIGMA) : steps->sigma[i];
  float  rate = (float) ((steps->sigma[i] - steps->sigma[i + 1]) / sigma);
  for (gsize j = 0; j < n; j++)
    x_next[j] = x[j] + (x0[j] - x[j]) * rate;
}

const PmSampler pm_sampler_euler = {
  .id = "euler",
  .title = N_("Euler"),
  .supports = euler_supports,
  .plan = euler_plan,
  .step = euler_step,
};
