/* The largest eigenvalue of a symmetric matrix and its vector by Lanczos's method with full orthogonalisation and thick
 * restarts (Wu and Simon, SIAM J. Matrix Anal. Appl. 22, 2000): tens of products instead of a decomposition, and the caller can
 * stop at each. Of LAPACK only dsyev is called, for the small matrix of the search: dsyevr and dsyevd draw in the run-time
 * library of Fortran, which a statically linked core shall not need. */
#include "attention/eigen.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

/* As gfortran compiles them: everything by address, the length of each string behind the arguments. */
void dsyev_ (const char *job, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *info, size_t job_length, size_t uplo_length);
void dgemv_ (const char *trans, const int *m, const int *n, const double *alpha, const double *a, const int *lda,
             const double *x, const int *incx, const double *beta, double *y, const int *incy, size_t trans_length);

#define MAX_BASIS 96       /* vectors before a restart */
#define N_KEPT 32          /* of them after it: the best approximations */
#define CHECK_EVERY 8      /* products between two looks at what is found */
#define MAX_PRODUCTS 1000  /* far from any picture: a chain of 4096 patches that see their neighbours alone */
#define TOLERANCE 1e-12    /* of |M v - value v|, relative to the largest eigenvalue by size */
#define TOLERANCE_END 1e-4 /* what will do after MAX_PRODUCTS: eigenvalues so close that any mixture groups as well */

typedef struct
{
  int     n, n_known, max; /* entries of a vector; 1 when one is left out, else 0; vectors before a restart */
  double *vectors;         /* [n_known + max + 1, n] orthonormal: the known one, the basis, the coming one */
  double *basis;           /* [max + 1, n] behind the known one */
  double *projected;       /* [max, max] the matrix in the basis */
  double *rotation;        /* [max, max] its eigenvectors, one a row */
  double *values;          /* [max] its eigenvalues, ascending */
  double *work;            /* [3 * max] of dsyev, and coefficients [n_known + max] */
  double  residual;        /* |M v - value v| of the best v, relative */
} Search;

static double
measure_length (const double *x, int n)
{
  double square = 0.0;

  for (int i = 0; i < n; i++)
    square += x[i] * x[i];

  return sqrt (square);
}

static void
scale (double *x, int n, double factor)
{
  for (int i = 0; i < n; i++)
    x[i] *= factor;
}

/* Takes from basis[count] its parts along the known vector and the basis before it, twice, since once leaves rounding behind.
 * sums: [count] the parts along the basis, or NULL. */
static double
orthogonalise (Search *search, int count, double *sums)
{
  const int    n_vectors = search->n_known + count, step = 1;
  const double one = 1.0, minus = -1.0, zero = 0.0;
  double      *x = search->basis + (gsize) count * search->n, *parts = search->work;

  for (int pass = 0; pass < 2 && n_vectors > 0; pass++)
    {
      dgemv_ ("T", &search->n, &n_vectors, &one, search->vectors, &search->n, x, &step, &zero, parts, &step, 1);
      dgemv_ ("N", &search->n, &n_vectors, &minus, search->vectors, &search->n, parts, &step, &one, x, &step, 1);
      for (int i = 0; sums && i < count; i++)
        sums[i] += parts[search->n_known + i];
    }

  return measure_length (x, search->n);
}

/* A fixed vector without any structure: it has a part along every eigenvector. */
static void
start (Search *search, const double *known)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  if (known)
    memcpy (search->vectors, known, search->n * sizeof (double));
  for (int i = 0; i < search->n; i++)
    search->basis[i] = g_rand_double_range (rand, -1.0, 1.0);
  scale (search->basis, search->n, 1.0 / orthogonalise (search, 0, NULL));
}

/* Solves the projected matrix of count vectors; length: of the part of the last product outside of the basis. */
static gboolean
look (Search *search, int count, double length)
{
  const int work_size = 3 * search->max;
  double    largest;
  int       info;

  for (int i = 0; i < count; i++)
    memcpy (search->rotation + (gsize) i * count, search->projected + (gsize) i * search->max, count * sizeof (double));
  dsyev_ ("V", "L", &count, search->rotation, &count, search->values, search->work, &work_size, &info, 1, 1);

  largest = MAX (fabs (search->values[0]), fabs (search->values[count - 1]));
  search->residual = length * fabs (search->rotation[(gsize) count * count - 1]) / MAX (largest, 1e-30);

  return info == 0;
}

/* out [n_out, n]: the last n_out eigenvectors of the projected matrix of count vectors, the largest last. out may be the
 * basis: entries are taken one by one. */
static void
combine (const Search *search, int count, int n_out, double *out)
{
  const double *rotation = search->rotation + (gsize) (count - n_out) * count;
  double        entry[MAX_BASIS];

  for (int i = 0; i < search->n; i++)
    {
      for (int k = 0; k < count; k++)
        entry[k] = search->basis[(gsize) k * search->n + i];
      for (int o = 0; o < n_out; o++)
        {
          double sum = 0.0;

          for (int k = 0; k < count; k++)
            sum += rotation[(gsize) o * count + k] * entry[k];
          out[(gsize) o * search->n + i] = sum;
        }
    }
}

/* Keeps the best of a full basis and the vector that was to come; returns how many the basis has then. */
static int
restart (Search *search)
{
  int n_kept = MIN (N_KEPT, search->max / 2);

  combine (search, search->max, n_kept, search->basis);
  memcpy (search->basis + (gsize) n_kept * search->n, search->basis + (gsize) search->max * search->n,
          search->n * sizeof (double));
  memset (search->projected, 0, (gsize) search->max * search->max * sizeof (double));
  for (int i = 0; i < n_kept; i++)
    search->projected[(gsize) i * search->max + i] = search->values[search->max - n_kept + i];

  return n_kept;
}

/* One product: that of the last of count vectors makes the next one, basis[count]. Returns the length of its new part, or
 * -1 with an error. */
static double
extend (Search *search, int count, PmEigenProduct multiply, gpointer data, GError **error)
{
  double *last = search->basis + (gsize) (count - 1) * search->n, *next = last + search->n;
  double  sums[MAX_BASIS] = { 0 }, length;

  if (! multiply (last, next, data, error))
    return -1.0;

  length = orthogonalise (search, count, sums);
  if (! isfinite (length))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_FAILED,
                           _("The grouping of the patches did not converge; choose other layers or steps."));
      return -1.0;
    }
  if (length > 0.0)
    scale (next, search->n, 1.0 / length);
  for (int i = 0; i < count; i++)
    search->projected[(gsize) i * search->max + count - 1] = search->projected[(gsize) (count - 1) * search->max + i] = sums[i];

  return length;
}

/* Returns of how many vectors the basis consists in which the answer was found, or -1 with an error. */
static int
find_largest (Search *search, PmEigenProduct multiply, gpointer data, GError **error)
{
  int count = 1;

  for (int p = 1;; p++, count++)
    {
      double length = extend (search, count, multiply, data, error);

      if (length < 0.0)
        return -1;
      if (p < MAX_PRODUCTS && count < search->max && p % CHECK_EVERY != 0 && length > 1e-14)
        continue;

      if (! look (search, count, length) || (p == MAX_PRODUCTS && search->residual > TOLERANCE_END))
        {
          g_set_error_literal (error, PM_ERROR, PM_ERROR_FAILED,
                               _("The grouping of the patches did not converge; choose other layers or steps."));
          return -1;
        }
      if (search->residual <= TOLERANCE || p == MAX_PRODUCTS || count == search->n - search->n_known)
        return count; /* in the last case the basis is the whole space */
      if (count == search->max)
        count = restart (search);
    }
}

static gsize
count_doubles (int n, int max)
{
  return (gsize) n * (max + 2) + 2 * (gsize) max * max + 4 * (gsize) max + 1;
}

gboolean
pm_eigen_largest (int n, PmEigenProduct multiply, gpointer data, const double *known, double *value, double *vector,
                  GError **error)
{
  int                max = MIN (MAX_BASIS, known ? n - 1 : n), count;
  g_autofree double *memory = g_try_new0 (double, count_doubles (n, max));
  Search             search = { .n = n, .n_known = known ? 1 : 0, .max = max };

  g_assert (n >= 2);

  if (! memory)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is not enough memory to group %d patches; close other programs or choose a smaller picture."), n);
      return FALSE;
    }

  search.vectors = memory;
  search.basis = memory + (gsize) search.n_known * n;
  search.projected = memory + (gsize) (max + 2) * n;
  search.rotation = search.projected + (gsize) max * max;
  search.values = search.rotation + (gsize) max * max;
  search.work = search.values + max;
  start (&search, known);

  count = find_largest (&search, multiply, data, error);
  if (count < 0)
    return FALSE;

  combine (&search, count, 1, vector);
  scale (vector, n, 1.0 / measure_length (vector, n));
  *value = search.values[count - 1];

  return TRUE;
}
