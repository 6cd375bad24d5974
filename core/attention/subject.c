/* What belongs together: the second eigenvector of attention's own grouping, which parts the picture's object from its
 * ground. A = P averaged over layers and heads, S = (A + A^T) / 2, d its row sums; the eigenvector of the second largest
 * eigenvalue of D^-1/2 S D^-1/2, divided by sqrt d (a normalised cut: Shi and Malik, 2000), low at the grid's border,
 * scaled to a root mean square of 1, so that the zero parts the two groups and steps compare. */
#include "attention/reduction.h"

#include <math.h>

#include "attention/eigen.h"
#include "base/error.h"
#include "base/i18n.h"

/* In place of matrix [n, n]: D^-1/2 S D^-1/2 - 2 u u^T. u = sqrt (d) / |sqrt (d)| is known to have the largest eigenvalue,
 * 1; it is moved to -1, the lower bound of all, and the second becomes the first even when it is 1 too.
 * root: [n] sqrt (d). */
static void
normalise (double *matrix, int n, double *root)
{
  double total = 0.0;

  for (int i = 0; i < n; i++)
    {
      double sum = 0.0;

      for (int j = 0; j < n; j++)
        sum += matrix[(gsize) i * n + j];

      root[i] = sqrt (fmax (sum, 1e-30));
      total += root[i] * root[i];
    }

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      {
        double *at = matrix + (gsize) i * n + j;

        *at = *at / (root[i] * root[j]) - 2.0 * root[i] * root[j] / total;
      }
}

static gboolean
is_border (const PmSpan *span, int token)
{
  int x = token % span->grid_w, y = token / span->grid_w;

  return x == 0 || y == 0 || x == span->grid_w - 1 || y == span->grid_h - 1;
}

/* The border's mean minus that of the rest; in a grid that is all border, minus the largest entry by size. */
static double
compare_border (const PmSpan *span, const double *vector)
{
  double border = 0.0, rest = 0.0, largest = 0.0;
  int    n_border = 0;

  for (int i = 0; i < span->count; i++)
    {
      gboolean at_border = is_border (span, i);

      border += at_border ? vector[i] : 0.0;
      rest += at_border ? 0.0 : vector[i];
      n_border += at_border;
      largest = fabs (vector[i]) > fabs (largest) ? vector[i] : largest;
    }

  return n_border < span->count ? border / n_border - rest / (span->count - n_border) : -largest;
}

static void
finish_vector (const PmSpan *span, const double *root, double *vector, float *out)
{
  double square = 0.0, factor;

  for (int i = 0; i < span->count; i++)
    {
      vector[i] /= root[i];
      square += vector[i] * vector[i];
    }

  factor = square > 0.0 ? sqrt (span->count / square) : 0.0;
  factor = compare_border (span, vector) > 0.0 ? -factor : factor;

  for (int i = 0; i < span->count; i++)
    out[i] = (float) (factor * vector[i]);
}

static gboolean
subject_solve (const PmReductionPlace *place, const float *matrix /* [Tq, Tk] */, float *out, PmJob *job, GError **error)
{
  const PmSpan      *queries = place->queries, *keys = place->keys;
  int                n = queries->count;
  g_autofree double *grouping = g_try_new (double, (gsize) n *n);
  g_autofree double *root = g_new (double, n);
  g_autofree double *vector = g_new0 (double, n);
  double             value;

  g_assert (keys->count == n);

  if (! grouping)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is not enough memory to group %d patches; close other programs or choose a smaller picture."), n);
      return FALSE;
    }

  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++)
      {
        double there = matrix[(gsize) (queries->first + i) * place->site->n_keys + keys->first + j];
        double back = matrix[(gsize) (queries->first + j) * place->site->n_keys + keys->first + i];

        grouping[(gsize) i * n + j] = grouping[(gsize) j * n + i] = 0.5 * (there + back);
      }

  normalise (grouping, n, root);

  if (! pm_job_check (job, error))
    return FALSE;
  if (n > 1 && ! pm_eigen_largest (grouping, n, &value, vector, error))
    return FALSE;

  finish_vector (queries, root, vector, out);

  return pm_job_check (job, error);
}

const PmReduction pm_reduction_subject = {
  .id = "subject",
  .title = N_("Subject"),
  .is_matrix = TRUE,
  .solve = subject_solve,
};
