/* The registry of samplers, and the arrays of a run's steps. */
#include "sampler/sampler.h"

#include <string.h>

#include "base/i18n.h"
#include "request/request.h"

const PmSampler *
pm_sampler_find (const char *id)
{
  for (int i = 0; pm_samplers[i]; i++)
    if (g_strcmp0 (pm_samplers[i]->id, id) == 0)
      return pm_samplers[i];
  return NULL;
}

const char *const *
pm_sampler_ids (void)
{
  static const char *ids[32];
  static gsize       once = 0;
  if (g_once_init_enter (&once))
    {
      for (guint i = 0; i < G_N_ELEMENTS (ids) - 1 && pm_samplers[i]; i++)
        ids[i] = pm_samplers[i]->id;
      g_once_init_leave (&once, 1);
    }
  return ids;
}

const char *
pm_sampler_title (const char *id)
{
  const PmSampler *sampler = pm_sampler_find (id);
  return sampler ? _(sampler->title) : NULL;
}

void
pm_steps_init (PmSteps *steps, int n_steps)
{
  *steps = (PmSteps) { .n_steps = n_steps,
                       .alpha = g_new0 (double, n_steps + 1),
                       .sigma = g_new0 (double, n_steps + 1),
                       .time = g_new0 (double, n_steps),
                       .unit_time = g_new0 (double, n_steps),
                       .shown_time = g_new0 (double, n_steps + 1) };
}

void
pm_steps_clear (PmSteps *steps)
{
  g_clear_pointer (&steps->alpha, g_free);
  g_clear_pointer (&steps->sigma, g_free);
  g_clear_pointer (&steps->end_alpha, g_free);
  g_clear_pointer (&steps->end_sigma, g_free);
  g_clear_pointer (&steps->time, g_free);
  g_clear_pointer (&steps->unit_time, g_free);
  g_clear_pointer (&steps->shown_time, g_free);
}

void
pm_steps_skip (PmSteps *steps, int n)
{
  g_assert (n >= 0 && n < steps->n_steps);
  gsize   left = steps->n_steps - n, size = sizeof (double);
  double *points[] = { steps->alpha, steps->sigma, steps->shown_time };
  double *intervals[] = { steps->time, steps->unit_time, steps->end_alpha, steps->end_sigma };

  for (guint i = 0; i < G_N_ELEMENTS (points); i++)
    memmove (points[i], points[i] + n, (left + 1) * size);
  for (guint i = 0; i < G_N_ELEMENTS (intervals); i++)
    if (intervals[i])
      memmove (intervals[i], intervals[i] + n, left * size);
  steps->n_steps = (int) left;
}
