/* Noise schedules: what alpha and sigma are at a time. */
#include "sampler/schedule.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"

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

gboolean
pm_schedule_is_any (const PmSchedule *schedule)
{
  return schedule->type == PM_SCHEDULE_LINEAR || schedule->type == PM_SCHEDULE_FLOW;
}

gboolean
pm_schedule_is_linear (const PmSchedule *schedule)
{
  return schedule->type == PM_SCHEDULE_LINEAR;
}

gboolean
pm_schedule_check_steps (int n_steps, int least, int most, GError **error)
{
  if (n_steps >= least && n_steps <= most)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The number of steps is %d; choose one from %d to %d."), n_steps, least, most);
  return FALSE;
}

void
pm_schedule_plan_times (const PmSchedule *schedule, int n_steps, const int *times, PmSteps *steps)
{
  g_autofree double *alpha_bar = pm_schedule_alpha_bar (schedule);
  int                n = schedule->n_train_steps;

  pm_steps_init (steps, n_steps);
  for (int i = 0; i < n_steps; i++)
    {
      steps->alpha[i] = sqrt (alpha_bar[times[i]]);
      steps->sigma[i] = sqrt (1 - alpha_bar[times[i]]);
      steps->time[i] = times[i];
      steps->unit_time[i] = (double) times[i] / n;
      steps->shown_time[i] = 1000.0 * times[i] / n;
    }
  steps->alpha[n_steps] = 1;
  steps->variance = schedule->variance;
}

/* i / n in f32, from both ends towards the middle as torch.linspace has it: the times enter sines of large angles. */
static float
unit_fraction (int i, int n)
{
  float step = 1.f / n;
  return i < (n + 1) / 2 ? step * i : 1.f - step * (n - i);
}

/* s / (1 + (shift - 1) s), times shift: more steps where there is much noise (Esser et al., arXiv 2403.03206, section 5.3.2). */
static double
shift_noise (double s, double shift)
{
  return shift * s / (1 + (shift - 1) * s);
}

/* Noise of the i-th of n_steps in f32, from 1 to that of the first timestep, both shifted once more; then 0. */
static float
linspace_noise (const PmSchedule *schedule, int i, int n_steps)
{
  float least = (float) shift_noise (1.0 / schedule->n_train_steps, schedule->shift);

  return i == n_steps ? 0 : (float) shift_noise (1 + (least - 1.0) * i / MAX (n_steps - 1, 1), schedule->shift);
}

static void
plan_flow (const PmSchedule *schedule, int n_steps, PmSteps *steps)
{
  pm_steps_init (steps, n_steps);
  for (int i = 0; i <= n_steps; i++)
    {
      gboolean is_even = schedule->spacing != PM_SPACING_LINSPACE;
      double   done = is_even ? unit_fraction (i, n_steps) : 1.0 - linspace_noise (schedule, i, n_steps);

      steps->alpha[i] = done;
      steps->sigma[i] = 1.0 - done;
      steps->shown_time[i] = 1000 * steps->sigma[i];
      if (i < n_steps)
        {
          steps->unit_time[i] = (float) (schedule->noise_at == 0 ? done : 1.0 - done);
          steps->time[i] = (float) steps->unit_time[i] * (float) schedule->time_scale;
        }
    }
}

int
pm_schedule_trailing_time (int n, int first, int i, int n_steps)
{
  double step = (first - (double) n / n_steps) - first;

  return (int) rint (first + i * step) - 1; /* to even halves, as numpy rounds */
}

/* How many of the timesteps multistep solvers use. */
static int
count_used (const PmSchedule *schedule)
{
  g_autofree double *alpha_bar = schedule->is_clipped ? pm_schedule_alpha_bar (schedule) : NULL;
  int                n = schedule->n_train_steps;

  while (alpha_bar && n > 0 && 0.5 * log (alpha_bar[n - 1] / (1 - alpha_bar[n - 1])) < schedule->least_lambda)
    n--;
  return n;
}

/* The i-th timestep of n_steps, falling, of those below n. */
static int
even_time (const PmSchedule *schedule, int n, int i, int n_steps)
{
  if (schedule->spacing == PM_SPACING_LEADING)
    return (n_steps - i) * (n / (n_steps + 1)) + schedule->steps_offset;
  if (schedule->spacing == PM_SPACING_TRAILING)
    return pm_schedule_trailing_time (schedule->n_train_steps, n, i, n_steps);
  return (int) rint ((n_steps - i) * ((double) (n - 1) / n_steps));
}

gboolean
pm_schedule_check_first (const PmSchedule *schedule, int time, int n_steps, GError **error)
{
  if (time < schedule->n_train_steps)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("%d steps from an offset of %d, which the model's scheduler has, do not fit into %d; choose fewer steps."),
               n_steps, schedule->steps_offset, schedule->n_train_steps);
  return FALSE;
}

void
pm_schedule_end (const PmSchedule *schedule, PmSteps *steps)
{
  g_autofree double *alpha_bar = schedule->ends_noisy ? pm_schedule_alpha_bar (schedule) : NULL;

  if (! alpha_bar)
    return;
  steps->alpha[steps->n_steps] = sqrt (alpha_bar[0]);
  steps->sigma[steps->n_steps] = sqrt (1 - alpha_bar[0]);
}

gboolean
pm_schedule_plan_even (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  gboolean is_flow = schedule->type == PM_SCHEDULE_FLOW;
  int      used = is_flow ? PM_SAMPLER_MAX_STEPS + 1 : count_used (schedule);
  gboolean loses_steps = ! is_flow && schedule->spacing == PM_SPACING_TRAILING; /* those of the noise that is left out */

  if (! pm_schedule_check_steps (n_steps, 1, MIN (used - 1, PM_SAMPLER_MAX_STEPS), error))
    return FALSE;
  if (is_flow)
    {
      plan_flow (schedule, n_steps, steps);
      return TRUE;
    }
  if (! pm_schedule_check_first (schedule, even_time (schedule, used, 0, n_steps), n_steps, error))
    return FALSE;
  int left = n_steps;
  while (loses_steps && left > 1 && even_time (schedule, used, left - 1, n_steps) < 0)
    left--;
  g_autofree int *times = g_new (int, left);
  for (int i = 0; i < left; i++)
    times[i] = even_time (schedule, used, i, n_steps);
  pm_schedule_plan_times (schedule, left, times, steps);
  steps->ends_in_first_order = left < schedule->first_order_below;
  pm_schedule_end (schedule, steps);
  return TRUE;
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
