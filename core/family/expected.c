/* See expected.h. */
#include "family/expected.h"

#include <string.h>

#define WINDOW_FLOATS (16 << 20) /* 64 MiB */
#define WINDOW_ROWS 64

int
pm_expected_room (gsize row_floats, int max_items)
{
  return MAX (max_items, (int) MIN (WINDOW_ROWS, WINDOW_FLOATS / row_floats));
}

void
pm_expected_clear (PmExpected *expected)
{
  g_clear_pointer (&expected->t, g_free);
  g_clear_pointer (&expected->y, g_free);
  expected->n = expected->first = expected->count = 0;
}

static gboolean
compute_window (PmExpected *expected, int first, PmExpectedFunc compute, gpointer prepared, PmJob *job, GError **error)
{
  expected->first = first;
  expected->count = MIN (expected->room, expected->n - first);
  if (compute (prepared, job, error))
    return TRUE;
  expected->count = 0;
  return FALSE;
}

gboolean
pm_expected_tell (PmExpected *expected, int n, const float *t, const int *y, PmExpectedFunc compute, gpointer prepared,
                  PmJob *job, GError **error)
{
  pm_expected_clear (expected);
  expected->n = n;
  expected->t = g_memdup2 (t, sizeof (float) * n);
  expected->y = y ? g_memdup2 (y, sizeof (int) * n) : NULL;
  return compute_window (expected, 0, compute, prepared, job, error);
}

/* The expected row where the batch's conditions stand; -1 when nowhere. */
static int
find_row (const PmExpected *expected, const PmDenoise *in)
{
  gsize t_size = sizeof (float) * in->B, y_size = sizeof (int) * in->B;
  for (int row = 0; row + in->B <= expected->n; row++)
    if (memcmp (expected->t + row, in->t, t_size) == 0 && (! expected->y || memcmp (expected->y + row, in->y, y_size) == 0))
      return row;
  return -1;
}

int
pm_expected_find (PmExpected *expected, const PmDenoise *in, PmExpectedFunc compute, gpointer prepared, GError **error)
{
  int row = find_row (expected, in);

  if (row < 0)
    return pm_expected_tell (expected, in->B, in->t, in->y, compute, prepared, in->job, error) ? 0 : -1;
  if (row < expected->first || row + in->B > expected->first + expected->count)
    {
      if (! compute_window (expected, row, compute, prepared, in->job, error))
        return -1;
    }
  return row - expected->first;
}
