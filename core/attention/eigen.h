/* The eigenvector of the largest eigenvalue of a symmetric matrix that is known by its products alone. */
#ifndef PM_EIGEN_H
#define PM_EIGEN_H

#include <glib.h>

/* y = M x, [n] each. FALSE with an error (cancelled) ends the search. */
typedef gboolean (*PmEigenProduct) (const double *x, double *y, gpointer data, GError **error);

/* known: [n] an eigenvector of length 1 that is left out, or NULL. n >= 2. vector: [n], of length 1, sign arbitrary; of
 * several equal eigenvalues, some vector of theirs. PM_ERROR_MEMORY, PM_ERROR_FAILED when it does not converge, or what
 * multiply says. */
gboolean pm_eigen_largest (int n, PmEigenProduct multiply, gpointer data, const double *known, double *value, double *vector,
                           GError **error);

#endif
