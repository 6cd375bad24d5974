/* One pass over the rows of A serves both A x and A^T x, so that the matrix is read from memory once a product and no copy of
 * it is made. A task owns a range of rows, which depends on n alone, and sums A^T x of its rows apart; the sums of the
 * tasks are added in their order. */
#include "attention/product.h"

#include <string.h>

#include "base/clones.h"

#define MAX_TASKS 32
#define MIN_ROWS 64 /* of a task */
#define ROWS 4      /* at a time: x and the sums are loaded once for all of them */
#define LANES 8

typedef float  Floats __attribute__ ((vector_size (32)));
typedef double Doubles __attribute__ ((vector_size (64)));

typedef struct
{
  const PmProduct *product;
  const double    *x;
  double          *y; /* [n] A x */
} Run;

static int
count_rows (int n)
{
  int rows = MAX ((n + MAX_TASKS - 1) / MAX_TASKS, MIN_ROWS);

  return (rows + ROWS - 1) / ROWS * ROWS;
}

int
pm_product_count_tasks (int n)
{
  return (n + count_rows (n) - 1) / count_rows (n);
}

/* sums[r] = rows[r] . x and partial += sum_r weights[r] rows[r], over n columns. Rows that are left out repeat with weight 0. */
PM_CLONES static void
pass_rows (const float *const rows[ROWS], const double *weights, int n, const double *x, double *partial, double *sums)
{
  int     whole = n / LANES * LANES;
  Doubles dots[ROWS] = { { 0 } };

  for (int j = 0; j < whole; j += LANES)
    {
      Doubles at, added;

      memcpy (&at, x + j, sizeof at);
      memcpy (&added, partial + j, sizeof added);
      for (int r = 0; r < ROWS; r++)
        {
          Floats  narrow;
          Doubles wide;

          memcpy (&narrow, rows[r] + j, sizeof narrow);
          wide = __builtin_convertvector (narrow, Doubles);
          dots[r] += wide * at;
          added += wide * weights[r];
        }
      memcpy (partial + j, &added, sizeof added);
    }

  for (int r = 0; r < ROWS; r++)
    {
      sums[r] = 0.0;
      for (int i = 0; i < LANES; i++)
        sums[r] += dots[r][i];
      for (int j = whole; j < n; j++)
        {
          sums[r] += rows[r][j] * x[j];
          partial[j] += rows[r][j] * weights[r];
        }
    }
}

static void
rows_task_cb (int task, int worker, gpointer data)
{
  const Run       *run = data;
  const PmProduct *product = run->product;
  int              n = product->n, first = task * count_rows (n), end = MIN (first + count_rows (n), n);
  double          *partial = product->partials + (gsize) task * n;

  memset (partial, 0, n * sizeof (double));

  for (int i = first; i < end; i += ROWS)
    {
      const float *rows[ROWS];
      double       weights[ROWS], sums[ROWS];

      for (int r = 0; r < ROWS; r++)
        {
          rows[r] = product->matrix + MIN (i + r, end - 1) * product->stride;
          weights[r] = i + r < end ? run->x[i + r] : 0.0;
        }
      pass_rows (rows, weights, n, run->x, partial, sums);
      for (int r = 0; r < ROWS && i + r < end; r++)
        run->y[i + r] = sums[r];
    }
}

gboolean
pm_product_run (const PmProduct *product, const double *x, double *y, PmJob *job, GError **error)
{
  int n = product->n, n_tasks = pm_product_count_tasks (n);
  Run run = { product, x, y };

  if (product->pool)
    pm_pool_run (product->pool, n_tasks, rows_task_cb, &run);
  else
    for (int task = 0; task < n_tasks && ! pm_job_is_cancelled (job); task++)
      rows_task_cb (task, 0, &run);

  if (! pm_job_check (job, error)) /* tasks may have been left out */
    return FALSE;

  for (int task = 0; task < n_tasks; task++)
    for (int j = 0; j < n; j++)
      y[j] += product->partials[(gsize) task * n + j];
  for (int j = 0; j < n; j++)
    y[j] *= 0.5;

  return TRUE;
}
