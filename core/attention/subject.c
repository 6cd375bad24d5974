/* What belongs together: the second eigenvector of attention's own grouping, which parts the picture's object from its
 * ground. A = P averaged over layers and heads, S = (A + A^T) / 2, d its row sums; the eigenvector of the second largest
 * eigenvalue of D^-1/2 S D^-1/2, divided by sqrt d (a normalised cut: Shi and Malik, 2000), low at the grid's border,
 * scaled to a root mean square of 1, so that the zero parts the two groups and steps compare. */
#include "attention/reduction.h"

#include <math.h>

#include "attention/eigen.h"
#include "attention/product.h"
#include "base/error.h"
#include "base/i18n.h"

typedef struct
{
  PmProduct product;
  PmJob    *job;
  double   *root;   /* [n] sqrt (d) */
  double   *first;  /* [n] root / |root|: of all eigenvectors the one with the largest eigenvalue, 1 */
  double   *scaled; /* [n] to work on */
} Grouping;

static gboolean
measure_degrees (Grouping *grouping, GError **error)
{
  int    n = grouping->product.n;
  double total = 0.0;

  for (int i = 0; i < n; i++)
    grouping->scaled[i] = 1.0;
  if (! pm_product_run (&grouping->product, grouping->scaled, grouping->root, grouping->job, error))
    return FALSE;

  for (int i = 0; i < n; i++)
    {
      double sum = fmax (grouping->root[i], 1e-30);

      grouping->root[i] = sqrt (sum);
      total += sum;
    }
  for (int i = 0; i < n; i++)
    grouping->first[i] = grouping->root[i] / sqrt (total);

  return TRUE;
}

/* y = D^-1/2 S D^-1/2 x */
static gboolean
multiply_cb (const double *x, double *y, gpointer data, GError **error)
{
  Grouping *grouping = data;
  int       n = grouping->product.n;

  for (int i = 0; i < n; i++)
    grouping->scaled[i] = x[i] / grouping->root[i];
  if (! pm_product_run (&grouping->product, grouping->scaled, y, grouping->job, error))
    return FALSE;
  for (int i = 0; i < n; i++)
    y[i] /= grouping->root[i];

  return TRUE;
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
  gsize              stride = (gsize) place->site->n_keys, n_partials = (gsize) pm_product_count_tasks (n) * n;
  g_autofree double *memory = g_try_new0 (double, n_partials + 4 * (gsize) n);
  double            *vector = memory, value;
  Grouping           grouping = { { matrix + queries->first * stride + keys->first, stride, n, place->pool, NULL }, job };

  g_assert (keys->count == n);

  if (! memory)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is not enough memory to group %d patches; close other programs or choose a smaller picture."), n);
      return FALSE;
    }

  grouping.root = memory + n;
  grouping.first = grouping.root + n;
  grouping.scaled = grouping.first + n;
  grouping.product.partials = grouping.scaled + n;

  if (! measure_degrees (&grouping, error))
    return FALSE;
  if (n > 1 && ! pm_eigen_largest (n, multiply_cb, &grouping, grouping.first, &value, vector, error))
    return FALSE;

  finish_vector (queries, grouping.root, vector, out);

  return TRUE;
}

const PmReduction pm_reduction_subject = {
  .id = "subject",
  .title = N_("Subject"),
  .is_matrix = TRUE,
  .solve = subject_solve,
};
