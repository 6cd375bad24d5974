/* The eigenvector of the largest eigenvalue of a symmetric matrix, by LAPACK. */
#ifndef PM_EIGEN_H
#define PM_EIGEN_H

#include <glib.h>

/* matrix: [n, n], symmetric; only its lower triangle (column-major) is read, and all of it is overwritten. n >= 2.
 * vector: [n], of length 1, sign arbitrary. PM_ERROR_MEMORY, or PM_ERROR_FAILED when it does not converge. */
gboolean pm_eigen_largest (double *matrix, int n, double *value, double *vector, GError **error);

#endif
