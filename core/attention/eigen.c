/* The largest eigenvalue of a symmetric matrix and its vector: tridiagonal form, bisection, inverse iteration, and the
 * reflections back. The four steps of LAPACK are called one by one rather than through dsyevr, because dsyevr draws in the
 * run-time library of Fortran, which a statically linked core shall not need. Source of truth: the LAPACK Users' Guide. */
#include "attention/eigen.h"

#include <float.h>

#include "base/error.h"
#include "base/i18n.h"

/* As gfortran compiles them: everything by address, the length of each string behind the arguments. */
void dsytrd_ (const char *uplo, const int *n, double *a, const int *lda, double *d, double *e, double *tau, double *work,
              const int *lwork, int *info, size_t uplo_length);
void dstebz_ (const char *range, const char *order, const int *n, const double *vl, const double *vu, const int *il,
              const int *iu, const double *abstol, const double *d, const double *e, int *m, int *nsplit, double *w, int *iblock,
              int *isplit, double *work, int *iwork, int *info, size_t range_length, size_t order_length);
void dstein_ (const int *n, const double *d, const double *e, const int *m, const double *w, const int *iblock, const int *isplit,
              double *z, const int *ldz, double *work, int *iwork, int *ifail, int *info);
void dorm2r_ (const char *side, const char *trans, const int *m, const int *n, const int *k, double *a, const int *lda,
              const double *tau, double *c, const int *ldc, double *work, int *info, size_t side_length, size_t trans_length);

#define BLOCK 32 /* columns that dsytrd reduces at once */

/* Where the vectors of the workspace lie. */
typedef struct
{
  double *diagonal, *off_diagonal, *tau; /* [n] each */
  double *work;                          /* [max (BLOCK, 5) * n] */
  double *values;                        /* [n] */
  int    *iwork;                         /* [3 * n] */
  int    *iblock, *isplit;               /* [n] each */
} Workspace;

static gboolean
find_largest (double *matrix, int n, const Workspace *space, double *vector)
{
  const double zero = 0.0, tolerance = 2.0 * DBL_MIN; /* the most accurate, as dstebz's page advises */
  const int    one = 1, work_size = BLOCK * n, n_reflections = n - 1;
  int          n_found = 0, n_blocks, n_failed, info;

  dsytrd_ ("L", &n, matrix, &n, space->diagonal, space->off_diagonal, space->tau, space->work, &work_size, &info, 1);
  if (info != 0)
    return FALSE;

  dstebz_ ("I", "B", &n, &zero, &zero, &n, &n, &tolerance, space->diagonal, space->off_diagonal, &n_found, &n_blocks,
           space->values, space->iblock, space->isplit, space->work, space->iwork, &info, 1, 1);
  if (info != 0 || n_found < 1)
    return FALSE;

  dstein_ (&n, space->diagonal, space->off_diagonal, &one, space->values, space->iblock, space->isplit, vector, &n, space->work,
           space->iwork, &n_failed, &info);
  if (info != 0)
    return FALSE;

  /* Reflection i leaves the first i + 1 entries alone: they work on the vector without its first, and lie one row down. */
  dorm2r_ ("L", "N", &n_reflections, &one, &n_reflections, matrix + 1, &n, space->tau, vector + 1, &n, space->work, &info, 1, 1);

  return info == 0;
}

gboolean
pm_eigen_largest (double *matrix, int n, double *value, double *vector, GError **error)
{
  gsize              count = (gsize) n;
  g_autofree double *reals = g_try_new (double, count * (4 + BLOCK));
  g_autofree int    *integers = g_try_new (int, count * 5);
  Workspace          space;

  g_assert (n >= 2);

  if (! reals || ! integers)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is not enough memory to group %d patches; close other programs or choose a smaller picture."), n);
      return FALSE;
    }

  space = (Workspace) { .diagonal = reals,
                        .off_diagonal = reals + count,
                        .tau = reals + 2 * count,
                        .values = reals + 3 * count,
                        .work = reals + 4 * count,
                        .iwork = integers,
                        .iblock = integers + 3 * count,
                        .isplit = integers + 4 * count };

  if (! find_largest (matrix, n, &space, vector))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_FAILED,
                           _("The grouping of the patches did not converge; choose other layers or steps."));
      return FALSE;
    }

  *value = space.values[0];

  return TRUE;
}
