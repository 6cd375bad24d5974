/* Products with the symmetric part of an averaged attention matrix. */
#ifndef PM_PRODUCT_H
#define PM_PRODUCT_H

#include "base/job.h"
#include "base/pool.h"

typedef struct
{
  const float *matrix;   /* [n, n], rows stride apart; borrowed */
  gsize        stride;
  int          n;
  PmPool      *pool;     /* NULL: the calling thread alone */
  double      *partials; /* [pm_product_count_tasks (n), n] to work on */
} PmProduct;

int pm_product_count_tasks (int n);

/* y = (A + A^T) x / 2 with sums in double, [n] each; the same for any number of threads. FALSE when cancelled. */
gboolean pm_product_run (const PmProduct *product, const double *x, double *y, PmJob *job, GError **error);

#endif
