/* DPM-Solver++(2M): Lu et al., arXiv 2211.01095, algorithm 2; the midpoint form, with the last step of first order, as
 * diffusers' DPMSolverMultistepScheduler does by default. Its memory: the clean picture of the step before. */
#include <string.h>

#include "base/i18n.h"
#include "sampler/multistep.h"
#include "sampler/schedule.h"

static void
dpmpp2m_step (const PmStep *step)
{
  double sums[3];

  pm_multistep_predict (step->steps, step->i, sums);
  float a = (float) sums[0], b = (float) sums[1], c = (float) sums[2];
  for (gsize j = 0; j < step->n; j++)
    step->x_next[j] = a * step->x[j] + b * step->x0[j] + c * step->memory[j];
  memcpy (step->memory, step->x0, step->n * sizeof (float));
}

const PmSampler pm_sampler_dpmpp2m = {
  .id = "dpmpp2m",
  .title = N_("DPM-Solver++ (2M)"),
  .n_memory = 1,
  .supports = pm_schedule_is_any,
  .plan = pm_schedule_plan_even,
  .step = dpmpp2m_step,
};
