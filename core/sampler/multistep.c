/* See multistep.h. */
#include "sampler/multistep.h"

#include <math.h>

double
pm_multistep_length (const PmSteps *steps, int i)
{
  return log (steps->alpha[i] / steps->sigma[i]) - log (steps->alpha[i - 1] / steps->sigma[i - 1]);
}

void
pm_multistep_predict (const PmSteps *steps, int i, double sums[3])
{
  double h = pm_multistep_length (steps, i + 1);
  double whole = -steps->alpha[i + 1] * expm1 (-h);
  gboolean is_first_order = i == 0 || isinf (h) || (i == steps->n_steps - 1 && steps->ends_in_first_order);
  double slope = is_first_order ? 0 : 0.5 * h / pm_multistep_length (steps, i);

  sums[0] = steps->sigma[i + 1] / steps->sigma[i];
  sums[1] = whole * (1 + slope);
  sums[2] = -whole * slope;
}
