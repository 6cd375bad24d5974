/* What a run is told in advance (PmFamily.expect): times, and class rows where there are classes; and the window of them whose
 * conditions are computed. Looking ahead reads the weights of all conditions once a window instead of once a step. */
#ifndef PM_FAMILY_EXPECTED_H
#define PM_FAMILY_EXPECTED_H

#include "family/family.h"

typedef struct
{
  int    n;
  float *t;            /* [n] */
  int   *y;            /* [n]; NULL without classes */
  int    room;         /* rows of the window */
  int    first, count; /* rows first .. first + count - 1 are computed, or to be computed */
} PmExpected;

/* Computes the conditions of the window's rows; FALSE with an error when cancelled. */
typedef gboolean (*PmExpectedFunc) (gpointer prepared, PmJob *job, GError **error);

/* Rows for max_items items at least, and no more than make sense. */
int  pm_expected_room (gsize row_floats, int max_items);
void pm_expected_clear (PmExpected *expected);

/* Remembers what comes, and computes the first window. */
gboolean pm_expected_tell (PmExpected *expected, int n, const float *t, const int *y, PmExpectedFunc compute, gpointer prepared,
                           PmJob *job, GError **error);

/* The row of the window where the conditions of the batch begin, one behind the other; computed when they are not there.
 * -1 with an error when cancelled. */
int pm_expected_find (PmExpected *expected, const PmDenoise *in, PmExpectedFunc compute, gpointer prepared, GError **error);

#endif
