/* Order among the values of maps, without comparing: a whole run can have a hundred million of them. The bits of a float, with
 * those of negative numbers turned over, order as the numbers do. So one map is sorted byte by byte, and two passes of
 * counting find any rank among all maps in little memory: one over the upper 16 bits, one over the lower 16 within each
 * upper half that a rank fell into. */
#include <math.h>
#include <string.h>

#include "attention/map-private.h"

#define N_HALVES 65536

typedef struct
{
  guint    upper;  /* the upper half of the value at this rank */
  guint64  before; /* values below that upper half */
  guint64 *counts; /* [N_HALVES] of the lower half; shared by ranks of one upper half */
  gboolean is_owner;
} Rank;

static guint32
key_from_float (float value)
{
  guint32 bits;

  value = isfinite (value) ? value : 0.0f;
  memcpy (&bits, &value, sizeof bits);

  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float
float_from_key (guint32 key)
{
  guint32 bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
  float   value;

  memcpy (&value, &bits, sizeof value);

  return value;
}

/* By counting each byte of the keys, the lowest first. */
double *
pm_map_order (const float *values, int n)
{
  double             *sorted = g_new (double, n);
  g_autofree guint32 *keys = g_new (guint32, 2 * (gsize) n);
  guint32            *from = keys, *to = keys + n;

  for (int i = 0; i < n; i++)
    from[i] = key_from_float (values[i]);

  for (int shift = 0; shift < 32; shift += 8)
    {
      int      starts[257] = { 0 };
      guint32 *next = to;

      for (int i = 0; i < n; i++)
        starts[(from[i] >> shift & 0xff) + 1]++;
      for (int i = 0; i < 256; i++)
        starts[i + 1] += starts[i];
      for (int i = 0; i < n; i++)
        to[starts[from[i] >> shift & 0xff]++] = from[i];
      to = from;
      from = next;
    }

  for (int i = 0; i < n; i++)
    sorted[i] = float_from_key (from[i]);

  return sorted;
}

/* Counts upper halves of what is kept and gathers the sinks; returns how many values are kept. */
static guint64
count_upper (GPtrArray *maps, int group, guint64 *counts, GArray *sinks /* of float */)
{
  guint64 total = 0;

  for (guint m = 0; m < maps->len; m++)
    {
      const PmMap       *map = g_ptr_array_index (maps, m);
      int                n = map->grid_w * map->grid_h, n_kept;
      g_autofree double *sorted = map->group == group ? pm_map_sort (map->values, n, &n_kept) : NULL;

      if (! sorted)
        continue;

      for (int i = 0; i < n_kept; i++)
        counts[key_from_float ((float) sorted[i]) >> 16]++;
      for (int i = n_kept; i < n; i++)
        {
          float sink = (float) sorted[i];

          g_array_append_val (sinks, sink);
        }
      total += (guint64) n_kept;
    }

  return total;
}

static void
find_upper (Rank *ranks, int n, const guint64 *at /* [n] */, const guint64 *counts)
{
  for (int r = 0; r < n; r++)
    {
      Rank *rank = &ranks[r];

      while (rank->before + counts[rank->upper] <= at[r])
        rank->before += counts[rank->upper++];

      for (int k = 0; k < r && ! rank->counts; k++)
        rank->counts = ranks[k].upper == rank->upper ? ranks[k].counts : NULL;
      rank->is_owner = rank->counts == NULL;
      if (rank->is_owner)
        rank->counts = g_new0 (guint64, N_HALVES);
    }
}

static void
count_lower (const Rank *ranks, int n, float value, guint64 change)
{
  guint32 key = key_from_float (value);

  for (int r = 0; r < n; r++)
    if (ranks[r].is_owner && ranks[r].upper == key >> 16)
      ranks[r].counts[key & 0xffff] += change;
}

static double
find_lower (const Rank *rank, guint64 at)
{
  guint64 before = rank->before;
  guint32 lower = 0;

  while (before + rank->counts[lower] <= at)
    before += rank->counts[lower++];

  return float_from_key (rank->upper << 16 | lower);
}

void
pm_maps_get_percentiles (GPtrArray *maps, int group, const double *percents, int n_percents, double *out)
{
  g_autoptr (GArray)  sinks = g_array_new (FALSE, FALSE, sizeof (float));
  g_autofree guint64 *counts = g_new0 (guint64, N_HALVES);
  g_autofree guint64 *at = g_new0 (guint64, 2 * n_percents); /* the ranks below and above of each */
  g_autofree Rank    *ranks = g_new0 (Rank, 2 * n_percents);
  guint64             total = count_upper (maps, group, counts, sinks);
  int                 n = total ? 2 * n_percents : 0;

  for (int r = 0; r < n; r++)
    at[r] = MIN ((guint64) (percents[r / 2] / 100.0 * (double) (total - 1)) + r % 2, total - 1);
  find_upper (ranks, n, at, counts);

  for (guint m = 0; m < maps->len; m++)
    {
      const PmMap *map = g_ptr_array_index (maps, m);

      for (int i = 0; map->group == group && i < map->grid_w * map->grid_h; i++)
        count_lower (ranks, n, map->values[i], 1);
    }
  for (guint i = 0; i < sinks->len; i++)
    count_lower (ranks, n, g_array_index (sinks, float, i), (guint64) -1);

  for (int p = 0; p < n_percents; p++)
    {
      double below = n ? find_lower (&ranks[2 * p], at[2 * p]) : 0.0;
      double above = n ? find_lower (&ranks[2 * p + 1], at[2 * p + 1]) : 0.0;
      double place = n ? percents[p] / 100.0 * (double) (total - 1) : 0.0;

      out[p] = below + (place - floor (place)) * (above - below);
    }

  for (int r = 0; r < n; r++)
    if (ranks[r].is_owner)
      g_free (ranks[r].counts);
}
