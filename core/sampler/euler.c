/* Euler steps of equal length along a straight flow from noise to picture: x_t = (1 - s) x0 + s e, s from 1 to 0
 * (Liu et al., Rectified Flow, arXiv 2209.03003, section 2.2). */
#include "base/i18n.h"
#include "sampler/schedule.h"

/* Models that predict the clean picture are trained with the loss's weight bounded where little noise is left, so their
 * direction (x0 - x) / s is not trusted below this s. */
#define LEAST_SIGMA 0.05

static gboolean
euler_supports (const PmSchedule *schedule)
{
  return schedule->type == PM_SCHEDULE_FLOW;
}

static void
euler_step (const PmStep *step)
{
  const PmSteps *steps = step->steps;
  int            i = step->i;
  double sigma = steps->prediction == PM_PREDICTION_X0 ? MAX (steps->sigma[i], LEAST_SIGMA) : steps->sigma[i];
  float  rate = (float) ((steps->sigma[i] - steps->sigma[i + 1]) / sigma);
  for (gsize j = 0; j < step->n; j++)
    step->x_next[j] = step->x[j] + (step->x0[j] - step->x[j]) * rate;
}

const PmSampler pm_sampler_euler = {
  .id = "euler",
  .title = N_("Euler"),
  .supports = euler_supports,
  .plan = pm_schedule_plan_even,
  .step = euler_step,
};
