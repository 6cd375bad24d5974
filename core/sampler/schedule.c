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
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("%d steps cannot be had; choose from %d to %d."), n_steps, least, most);
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
  steps->is_small_variance = schedule->is_small_variance;
}

/* i / n in f32, from both ends towards the middle as torch.linspace has it: the times enter sines of large angles. */
static float
unit_fraction (int i, int n)
{
  float step = 1.f / n;
  return i < (n + 1) / 2 ? step * i : 1.f - step * (n - i);
}

static void
plan_flow (const PmSchedule *schedule, int n_steps, PmSteps *steps)
{
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
}

/* The i-th timestep of n_steps, falling. */
static int
even_time (const PmSchedule *schedule, int i, int n_steps)
{
  int n = schedule->n_train_steps;

  if (schedule->spacing == PM_SPACING_LEADING)
    return (n_steps - i) * (n / (n_steps + 1)) + schedule->steps_offset;
  if (schedule->spacing == PM_SPACING_TRAILING)
    return (int) rint (n - i * ((double) n / n_steps)) - 1; /* to even halves, as numpy rounds */
  return (int) rint ((n_steps - i) * ((double) (n - 1) / n_steps));
}

gboolean
pm_schedule_plan_even (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error)
{
  gboolean is_flow = schedule->type == PM_SCHEDULE_FLOW;
  int      most = is_flow ? PM_SAMPLER_MAX_STEPS : MIN (schedule->n_train_steps - 1, PM_SAMPLER_MAX_STEPS);

  if (! pm_schedule_check_steps (n_steps, 1, most, error))
    return FALSE;
  if (! is_flow && even_time (schedule, 0, n_steps) >= schedule->n_train_steps)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("%d steps from an offset of %d, which the model's scheduler has, do not fit into %d; choose fewer steps."),
                   n_steps, schedule->steps_offset, schedule->n_train_steps);
      return FALSE;
    }
  if (is_flow)
    {
      plan_flow (schedule, n_steps, steps);
      return TRUE;
    }
  g_autofree int *times = g_new (int, n_steps);
  for (int i = 0; i < n_steps; i++)
    times[i] = even_time (schedule, i, n_steps);
  pm_schedule_plan_times (schedule, n_steps, times, steps);
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
