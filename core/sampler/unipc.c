/* UniPC of order 2 in the clean picture, B(h) = exp (-h) - 1: Zhao et al., arXiv 2302.04867, algorithms 5 and 6, as diffusers'
 * UniPCMultistepScheduler does by default. Every step first corrects the x it came to by the picture predicted there, then
 * predicts the next x. Its memory: the clean pictures of the last two steps, and the corrected x of the last. */
#include <math.h>

#include "base/i18n.h"
#include "sampler/multistep.h"
#include "sampler/schedule.h"

/* The corrected x at i = sums[0] (corrected x before) + sums[1] x0 + sums[2] (x0 before) + sums[3] (x0 before that). */
static void
unipc_correct (const PmSteps *steps, int i, double sums[4])
{
  double h = pm_multistep_length (steps, i), whole = -steps->alpha[i] * expm1 (-h);
  double now = 0.5, before = 0; /* weights of the differences of x0 */

  if (i > 1)
    {
      double ratio = -pm_multistep_length (steps, i - 1) / h; /* -infinity after pure noise: no difference there */
      double phi = -expm1 (-h) / h - 1;                        /* h phi_1, then phi_2, over B (h) */
      double first = phi / expm1 (-h), second = 2 * (phi / -h - 0.5) / expm1 (-h);
      before = (first - second) / (1 - ratio);
      now = first - before;
      before /= ratio;
    }
  sums[0] = steps->sigma[i] / steps->sigma[i - 1];
  sums[1] = whole * now;
  sums[2] = whole * (1 - now - before);
  sums[3] = whole * before;
}

static void
unipc_step (const PmStep *step)
{
  float *before = step->memory, *second = before + step->n, *corrected = second + step->n;
  double p[3], c[4] = { 0 };

  pm_multistep_predict (step->steps, step->i, p);
  if (step->i > 0)
    unipc_correct (step->steps, step->i, c);
  for (gsize j = 0; j < step->n; j++)
    {
      double x0 = step->x0[j];
      double x = step->i == 0 ? step->x[j] : c[0] * corrected[j] + c[1] * x0 + c[2] * before[j] + c[3] * second[j];
      step->x_next[j] = (float) (p[0] * x + p[1] * x0 + p[2] * before[j]);
      second[j] = before[j];
      before[j] = step->x0[j];
      corrected[j] = (float) x;
    }
}

const PmSampler pm_sampler_unipc = {
  .id = "unipc",
  .title = N_("UniPC"),
  .n_memory = 3,
  .supports = pm_schedule_is_any,
  .plan = pm_schedule_plan_even,
  .step = unipc_step,
};
