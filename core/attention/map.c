/* Maps: their statistics, the sinks among them, and the scale on which a group of them is shown.
 * Source of truth of the definitions: map.h. */
#include "attention/map-private.h"

#include <math.h>
#include <string.h>

#define SINK_SPREADS 12.0 /* so many spreads (p90 - p10) above the median is a sink */
#define SINK_SHARE 0.02   /* of the patches at most */
#define ROUNDING 1e-6     /* of the largest value: a smaller spread is rounding, not picture */

void
pm_map_free (PmMap *map)
{
  if (! map)
    return;

  g_free (map->title);
  g_free (map->what);
  g_free (map->id);
  g_free (map->reading);
  g_free (map->word);
  if (map->owner)
    g_bytes_unref (map->owner);
  else
    g_free (map->values);
  g_free (map);
}

/* Linear between the two nearest of sorted [n]. */
static double
get_percentile (const double *sorted, int n, double percent)
{
  double at = percent / 100.0 * (n - 1);
  int    below = (int) at;

  return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

/* Sinks are the last so many of sorted [n]. */
static int
count_sinks (const double *sorted, int n)
{
  double spread = get_percentile (sorted, n, 90.0) - get_percentile (sorted, n, 10.0);
  double largest = fmax (fabs (sorted[0]), fabs (sorted[n - 1]));
  double limit = get_percentile (sorted, n, 50.0) + SINK_SPREADS * fmax (spread, ROUNDING * largest);
  int    n_allowed = MAX (1, (int) (SINK_SHARE * n));
  int    n_sinks = 0;

  while (n_sinks < n_allowed && n_sinks < n - 1 && sorted[n - 1 - n_sinks] > limit)
    n_sinks++;

  return n_sinks;
}

double *
pm_map_sort (const float *values, int n, int *n_kept)
{
  double *sorted = pm_map_order (values, n);

  *n_kept = n - count_sinks (sorted, n);

  return sorted;
}

/* Lists the first PM_MAP_MAX_SINKS of n_sinks, largest first, the earlier patch first among equals. */
static void
list_sinks (const float *values, int grid_w, int n, PmMapStats *stats)
{
  for (int s = 0; s < MIN (stats->n_sinks, PM_MAP_MAX_SINKS); s++)
    {
      int best = -1;

      for (int i = 0; i < n; i++)
        {
          gboolean is_listed = FALSE;

          for (int k = 0; k < s; k++)
            is_listed |= stats->sinks[k].y * grid_w + stats->sinks[k].x == i;
          if (! is_listed && isfinite (values[i]) && (best < 0 || values[i] > values[best]))
            best = i;
        }

      stats->sinks[s] = (PmSink) { best % grid_w, best / grid_w, values[best] };
    }
}

void
pm_map_compute_stats (const float *values, int grid_w, int grid_h, PmMapStats *stats)
{
  int                n = grid_w * grid_h, n_kept;
  g_autofree double *sorted = pm_map_sort (values, n, &n_kept);
  double             sum = 0.0;

  *stats = (PmMapStats) { 0 };

  for (int i = 0; i < n; i++)
    sum += sorted[i];

  stats->n_sinks = n - n_kept;
  stats->min = sorted[0];
  stats->max = sorted[n - 1];
  stats->mean = sum / n;
  stats->p01 = get_percentile (sorted, n_kept, 1.0);
  stats->p50 = get_percentile (sorted, n_kept, 50.0);
  stats->p99 = get_percentile (sorted, n_kept, 99.0);
  list_sinks (values, grid_w, n, stats);
}

/* Widens a range of nothing, so that a map of one value is shown in the middle. */
static void
ensure_range (double *low, double *high)
{
  double least = fmax (1e-5 * fmax (fabs (*low), fabs (*high)), 1e-12);

  if (! (*high - *low >= least))
    {
      double middle = 0.5 * (*low + *high);

      *low = middle - 0.5 * least;
      *high = middle + 0.5 * least;
    }
}

static void
scale_group (GPtrArray *maps, int group)
{
  const double percents[] = { 1.0, 99.0 };
  double       range[2];
  gboolean     is_signed = FALSE;

  pm_maps_get_percentiles (maps, group, percents, 2, range);
  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (maps, i);

      is_signed |= map->group == group && map->is_signed;
    }

  if (is_signed)
    {
      range[1] = fmax (fabs (range[0]), fabs (range[1]));
      range[0] = -range[1];
    }
  ensure_range (&range[0], &range[1]);

  for (guint i = 0; i < maps->len; i++)
    {
      PmMap *map = g_ptr_array_index (maps, i);

      if (map->group == group)
        {
          map->low = range[0];
          map->high = range[1];
        }
    }
}

void
pm_maps_scale (GPtrArray *maps)
{
  g_autoptr (GHashTable) groups = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < maps->len; i++)
    {
      int group = ((const PmMap *) g_ptr_array_index (maps, i))->group;

      if (g_hash_table_add (groups, GINT_TO_POINTER (group)))
        scale_group (maps, group);
    }
}

float
pm_map_normalise (const PmMap *map, float value)
{
  double part = (value - map->low) / (map->high - map->low);

  return (float) (part > 0.0 ? fmin (part, 1.0) : 0.0); /* NaN becomes 0 */
}
