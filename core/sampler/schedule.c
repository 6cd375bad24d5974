/* Noise schedules: what alpha and sigma are at a time. */
#include "sampler/schedule.h"

#include <math.h>

double *
pm_schedule_alpha_bar (const PmSchedule *schedule)
{
  if (schedule->type != PM_SCHEDULE_LINEAR)
    return NULL;

  double  start = schedule->is_scaled ? sqrt (schedule->beta_start) : schedule->beta_start;
  double  end = schedule->is_scaled ? sqrt (schedule->beta_end) : schedule->beta_end;
  int     n = schedule->n_train_steps;
  double *alpha_bar = g_new (double, n);
  double  product = 1;
  for (int t = 0; t < n; t++)
    {
      double beta = start + (end - start) * t / MAX (n - 1, 1);
      beta = schedule->is_scaled ? beta * beta : beta;
      alpha_bar[t] = product *= 1 - beta;
    }
  return alpha_bar;
}

void
pm_schedule_to_x0 (const PmSchedule *schedule, const PmSteps *steps, int i, gsize n, const float *x, const float *prediction,
                   float *x0)
{
  double   alpha = steps->alpha[i], sigma = steps->sigma[i];
  gboolean is_flow = schedule->type == PM_SCHEDULE_FLOW;
  double   a = 0, b = 1; /* x0 = a x + b prediction */

  switch (steps->prediction)
    {
    case PM_PREDICTION_EPS:
    case PM_PREDICTION_EPS_LEARNED_RANGE:
    case PM_PREDICTION_UNKNOWN:
      a = 1 / alpha;
      b = -sigma / alpha;
      break;
    case PM_PREDICTION_V:
      a = is_flow ? 1 : alpha;
      b = is_flow && schedule->noise_at == 0 ? sigma : -sigma;
      break;
    case PM_PREDICTION_X0:
      break;
    }
  float fa = (float) a, fb = (float) b;
  for (gsize j = 0; j < n; j++)
    x0[j] = fa * x[j] + fb * prediction[j];
}
