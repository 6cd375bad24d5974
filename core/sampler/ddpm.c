/* Ancestral sampling (Ho et al., arXiv 2006.11239, section 3.2) over evenly spaced timesteps, its variance learned between the
 * two bounds (Nichol and Dhariwal, arXiv 2102.09672, section 3.1) or fixed at one of them. Spacing and drawing of noise as
 * facebookresearch/DiT: diffusion/respace.py, "N"; diffusion/gaussian_diffusion.py, p_sample. */
#include <math.h>

#include "base/i18n.h"
#include "sampler/schedule.h"

static gboolean
ddpm_plan (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  int n = schedule->n_train_steps;

  if (! pm_schedule_check_steps (n_steps, 2, MIN (n, PM_SAMPLER_MAX_STEPS), error))
    return FALSE;
  g_autofree int *times = g_new (int, n_steps);
  double          stride = (double) (n - 1) / (n_steps - 1), position = 0;
  for (int i = n_steps - 1; i >= 0; i--, position += stride) /* a sum, not a product: they round differently */
    times[i] = (int) rint (position);
  pm_schedule_plan_times (schedule, n_steps, times, steps);
  return TRUE;
}

static void
ddpm_step (const PmStep *step)
{
  const PmSteps *steps = step->steps;
  int            i = step->i;
  double kept = steps->alpha[i] * steps->alpha[i], kept_next = steps->alpha[i + 1] * steps->alpha[i + 1];
  double lost = steps->sigma[i] * steps->sigma[i], lost_next = steps->sigma[i + 1] * steps->sigma[i + 1];
  double beta = 1 - kept / kept_next;
  float  from_x0 = (float) (beta * steps->alpha[i + 1] / lost), from_x = (float) (lost_next * sqrt (1 - beta) / lost);
  double high = log (beta), low = log (beta * lost_next / lost); /* bounds of the logarithm of the variance */
  float  deviation = (float) exp (0.5 * (steps->is_small_variance ? low : high));

  if (i == steps->n_steps - 1) /* no noise enters the picture, and the lower bound there is log 0 */
    low = high = deviation = 0;
  for (gsize j = 0; j < step->n; j++)
    {
      if (step->variance && i < steps->n_steps - 1)
        {
          float share = (step->variance[j] + 1) / 2;
          deviation = expf (0.5f * (share * (float) high + (1 - share) * (float) low));
        }
      step->x_next[j] = from_x0 * step->x0[j] + from_x * step->x[j] + deviation * step->noise[j];
    }
}

const PmSampler pm_sampler_ddpm = {
  .id = "ddpm",
  .title = N_("DDPM"),
  .draws_noise = TRUE,
  .supports = pm_schedule_is_linear,
  .plan = ddpm_plan,
  .step = ddpm_step,
};
