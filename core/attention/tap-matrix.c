/* The end of a step: its averaged matrix is solved at once, or summed over the steps and solved at the end; sums over layers
 * become means. */
#include "attention/tap-private.h"

/* matrix: [Tq, Tk]. Adds each matrix reading's map, with the sign of the source, to its slot. */
static gboolean
solve (PmTap *tap, const float *matrix, const PmTapSource *source, int step_slot, PmJob *job, GError **error)
{
  const PmTapPlan *plan = &tap->plan;
  const PmSite    *site = &tap->sites[plan->matrix_layers.numbers[0]];

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmReduction *reduction = plan->readings[r].reduction;
      PmReductionPlace   place = pm_tap_get_place (tap, &plan->readings[r], site, source->item);
      float             *values;

      if (! reduction->is_matrix)
        continue;
      if (! reduction->solve (&place, matrix, tap->composed, job, error))
        return FALSE;

      values = pm_tap_get_values (tap, r, step_slot, 0, source->slot, TRUE);
      for (int i = 0; i < plan->N; i++)
        values[i] += source->sign * tap->composed[i];
    }

  return TRUE;
}

/* [Tq, Tk] of an item, until the next one is asked for. */
static const float *
get_matrix (PmTap *tap, int item)
{
  gsize        size = pm_tap_plan_matrix_size (&tap->plan);
  const float *matrix = tap->device.matrix + item * size;

  if (! tap->matrix)
    return matrix;

  pm_backend_download (tap->backend, tap->matrix, matrix, size * sizeof (float));

  return tap->matrix;
}

static void
settle_matrix (PmTap *tap, PmJob *job)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            size = pm_tap_plan_matrix_size (plan);
  GError         **error = tap->failure ? NULL : &tap->failure;
  gboolean         is_good = TRUE;

  if (! tap->is_matrix_fresh)
    return;

  for (int i = 0; is_good && i < tap->waiting.n_sources; i++)
    {
      const PmTapSource *source = &tap->waiting.sources[i];
      const float       *matrix = get_matrix (tap, source->item);

      if (plan->steps.mean)
        for (gsize k = 0; k < size; k++)
          tap->matrix_sums[i][k] += matrix[k];
      else
        is_good = solve (tap, matrix, source, tap->step_slot, job, error);
    }

  tap->is_matrix_fresh = FALSE;
  tap->has_matrix_sums |= plan->steps.mean;
  tap->has_solved[tap->step_slot] = is_good && ! plan->steps.mean;
}

gboolean
pm_tap_solve_sums (PmTap *tap, PmJob *job, GError **error)
{
  if (! tap->has_matrix_sums || tap->has_solved[0])
    return TRUE;

  for (int i = 0; i < tap->plan.n_sources; i++)
    {
      PmTapSource source = { 0, 0, i ? -1.0f : 1.0f };

      if (tap->plan.keep_all_items)
        source = (PmTapSource) { i, i, 1.0f };
      if (! solve (tap, tap->matrix_sums[i], &source, 0, job, error))
        return FALSE;
    }
  tap->has_solved[0] = TRUE;

  return TRUE;
}

void
pm_tap_average (PmTap *tap, int step_slot)
{
  const PmTapPlan *plan = &tap->plan;

  for (int l = 0; l < plan->layers.n_slots; l++)
    {
      for (int r = 0; r < plan->n_readings; r++)
        {
          const PmReduction *reduction = plan->readings[r].reduction;
          int                n_added = *pm_tap_get_count (tap, plan->readings[r].kind, step_slot, l);
          gsize              n = reduction->is_matrix || n_added < 2 ? 0 : pm_tap_plan_slot_size (plan, reduction);
          float             *values = n ? pm_tap_get_values (tap, r, step_slot, l, 0, TRUE) : NULL;

          for (gsize i = 0; i < n; i++)
            values[i] /= (float) n_added;
        }
      for (int kind = 0; kind < PM_TAP_N_KINDS; kind++)
        *pm_tap_get_count (tap, kind, step_slot, l) = MIN (*pm_tap_get_count (tap, kind, step_slot, l), 1);
    }
}

void
pm_tap_settle (PmTap *tap, PmJob *job)
{
  pm_tap_catch_up (tap);
  pm_tap_fetch (tap);
  settle_matrix (tap, job);
  tap->ended_slot = tap->step_slot;
}

void
pm_tap_catch_up (PmTap *tap)
{
  if (tap->ended_slot < 0)
    return;

  pm_tap_keep (tap);
  if (! tap->plan.steps.mean)
    pm_tap_average (tap, tap->ended_slot);
  tap->ended_slot = -1;
}
