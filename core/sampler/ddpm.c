/* Ancestral sampling (Ho et al., arXiv 2006.11239, section 3.2) over evenly spaced timesteps, its variance learned between the
 * two bounds (Nichol and Dhariwal, arXiv 2102.09672, section 3.1) or fixed at one of them. Spacing and drawing of noise as
 * facebookresearch/DiT: diffusion/respace.py, "N"; diffusion/gaussian_diffusion.py, p_sample. */
#include <math.h>

#include "base/i18n.h"
#include "sampler/schedule.h"

#define LEAST_VARIANCE 1e-20 /* diffusers' scheduling_ddpm.py, _get_variance */

/* As diffusers' DDPMScheduler, where a model's folder asks for one of its spacings. */
static int
spaced_time (const PmSchedule *schedule, int i, int n_steps)
{
  int n = schedule->n_train_steps;

  if (schedule->spacing == PM_SPACING_LEADING)
    return (n_steps - 1 - i) * (n / n_steps) + schedule->steps_offset;
  if (schedule->spacing == PM_SPACING_TRAILING)
    return pm_schedule_trailing_time (n, n, i, n_steps);
  return (int) rint ((n_steps - 1 - i) * ((double) (n - 1) / MAX (n_steps - 1, 1)));
}

static gboolean
ddpm_plan (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  int      n = schedule->n_train_steps;
  gboolean is_spaced = schedule->spacing >= PM_SPACING_LINSPACE;

  if (! pm_schedule_check_steps (n_steps, is_spaced ? 1 : 2, MIN (n, PM_SAMPLER_MAX_STEPS), error)
      || ! pm_schedule_check_first (schedule, is_spaced ? spaced_time (schedule, 0, n_steps) : 0, n_steps, error))
    return FALSE;
  g_autofree int *times = g_new (int, n_steps);
  double          stride = (double) (n - 1) / MAX (n_steps - 1, 1), position = 0;
  for (int i = n_steps - 1; i >= 0; i--, position += stride) /* a sum, not a product: they round differently */
    times[i] = is_spaced ? spaced_time (schedule, i, n_steps) : (int) rint (position);
  pm_schedule_plan_times (schedule, n_steps, times, steps);
  return TRUE;
}

/* Noise enters the picture too where its step does not begin at timestep 0, as spacings with an offset have it. */
static void
ddpm_step (const PmStep *step)
{
  const PmSteps *steps = step->steps;
  int            i = step->i;
  gboolean       is_noisy = i < steps->n_steps - 1 || steps->time[i] > 0;
  double kept = steps->alpha[i] * steps->alpha[i], kept_next = steps->alpha[i + 1] * steps->alpha[i + 1];
  double lost = steps->sigma[i] * steps->sigma[i], lost_next = steps->sigma[i + 1] * steps->sigma[i + 1];
  double beta = 1 - kept / kept_next;
  float  from_x0 = (float) (beta * steps->alpha[i + 1] / lost), from_x = (float) (lost_next * sqrt (1 - beta) / lost);
  double high = log (beta), low = log (MAX (beta * lost_next / lost, LEAST_VARIANCE)); /* bounds of the variance's logarithm */
  float  deviation = is_noisy ? (float) exp (0.5 * (steps->variance == PM_VARIANCE_SMALL ? low : high)) : 0;
  gboolean is_learned = is_noisy && step->variance && steps->variance == PM_VARIANCE_LEARNED;

  for (gsize j = 0; j < step->n; j++)
    {
      if (is_learned)
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
