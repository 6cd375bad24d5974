/* The search for an eigenvector against Jacobi's method and against what is known of chains and groups; and the reading that
 * rests on it: the same for any number of threads, quick, and stopped within a second. */
#include <math.h>
#include <string.h>

#include <gio/gio.h>

#include "attention/eigen.h"
#include "attention/product.h"
#include "attention/reduction.h"
#include "backend/backend.h"

typedef struct
{
  const double *matrix; /* [n, n] */
  int           n;
} Dense;

static gboolean
multiply_cb (const double *x, double *y, gpointer data, GError **error)
{
  const Dense *dense = data;

  for (int i = 0; i < dense->n; i++)
    {
      y[i] = 0.0;
      for (int j = 0; j < dense->n; j++)
        y[i] += dense->matrix[i * dense->n + j] * x[j];
    }

  return TRUE;
}

/* Cyclic Jacobi rotations; the columns of vectors are the eigenvectors. */
static void
solve_jacobi (double *matrix, int n, double *vectors, double *values)
{
  for (int i = 0; i < n * n; i++)
    vectors[i] = i % (n + 1) == 0;

  for (int sweep = 0; sweep < 40; sweep++)
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        {
          double apq = matrix[p * n + q], theta, t, c, s;

          if (fabs (apq) < 1e-300)
            continue;
          theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * apq);
          t = (theta >= 0 ? 1 : -1) / (fabs (theta) + sqrt (theta * theta + 1));
          c = 1 / sqrt (t * t + 1);
          s = t * c;
          for (int k = 0; k < n; k++)
            {
              double a = matrix[k * n + p], b = matrix[k * n + q], v = vectors[k * n + p], w = vectors[k * n + q];

              matrix[k * n + p] = c * a - s * b;
              matrix[k * n + q] = s * a + c * b;
              vectors[k * n + p] = c * v - s * w;
              vectors[k * n + q] = s * v + c * w;
            }
          for (int k = 0; k < n; k++)
            {
              double a = matrix[p * n + k], b = matrix[q * n + k];

              matrix[p * n + k] = c * a - s * b;
              matrix[q * n + k] = s * a + c * b;
            }
        }

  for (int i = 0; i < n; i++)
    values[i] = matrix[i * (n + 1)];
}

/* The search must find the largest value, and a vector of it: M v = value v, of length 1 and at right angles to known. */
static void
check_vector (const double *matrix, int n, const double *known, double expected, double *vector)
{
  g_autoptr (GError) error = NULL;
  Dense  dense = { matrix, n };
  double value, length = 0.0, along = 0.0;

  g_assert_true (pm_eigen_largest (n, multiply_cb, &dense, known, &value, vector, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (fabs (value - expected), <, 1e-11 * n);

  for (int i = 0; i < n; i++)
    {
      double image = 0.0;

      for (int j = 0; j < n; j++)
        image += matrix[i * n + j] * vector[j];
      g_assert_cmpfloat (fabs (image - value * vector[i]), <, 1e-11 * n);
      length += vector[i] * vector[i];
      along += known ? known[i] * vector[i] : 0.0;
    }
  g_assert_cmpfloat (fabs (length - 1.0), <, 1e-12);
  g_assert_cmpfloat (fabs (along), <, 1e-12);
}

/* Largest and second largest vector of random matrices, on both sides of the size at which the search restarts. */
static void
test_jacobi (void)
{
  const int sizes[] = { 2, 3, 4, 8, 9, 31, 64, 96, 97, 98, 150 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      int                n = sizes[s], first = 0, second = -1;
      g_autofree double *matrix = g_new (double, n *n), *kept = g_new (double, n *n), *vectors = g_new (double, n *n);
      g_autofree double *values = g_new (double, n), *known = g_new (double, n), *vector = g_new (double, n);

      for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
          matrix[i * n + j] = matrix[j * n + i] = g_rand_double_range (rand, -1.0, 1.0);
      memcpy (kept, matrix, sizeof (double) * n * n);
      solve_jacobi (matrix, n, vectors, values);
      for (int i = 1; i < n; i++)
        first = values[i] > values[first] ? i : first;
      for (int i = 0; i < n; i++)
        second = i != first && (second < 0 || values[i] > values[second]) ? i : second;
      for (int i = 0; i < n; i++)
        known[i] = vectors[i * n + first];

      check_vector (kept, n, NULL, values[first], vector);
      check_vector (kept, n, known, values[second], vector);
      for (int sign = vector[0] * vectors[second] < 0.0 ? -1 : 1, i = 0; i < n; i++)
        g_assert_cmpfloat (fabs (vector[i] - sign * vectors[i * n + second]), <, 1e-8);
    }
}

/* Eigenvalues 1, 1 and many of 0: two groups that do not see each other; and a matrix of zeros. */
static void
test_equal (void)
{
  enum { n = 40 };
  double matrix[n * n] = { 0 }, known[n], vector[n];

  for (int i = 0; i < n; i++)
    {
      for (int j = 0; j < n; j++)
        matrix[i * n + j] = (i < 10) == (j < 10) ? 1.0 / (i < 10 ? 10 : 30) : 0.0;
      known[i] = 1.0 / sqrt (n);
    }
  check_vector (matrix, n, NULL, 1.0, vector);
  check_vector (matrix, n, known, 1.0, vector);
  for (int i = 0; i < n; i++) /* the only vector that is constant on both and adds up to 0 */
    g_assert_cmpfloat (fabs (vector[i] * (vector[0] > 0 ? 1 : -1) - (i < 10 ? 3.0 : -1.0) / sqrt (120.0)), <, 1e-10);

  memset (matrix, 0, sizeof matrix);
  check_vector (matrix, n, known, 0.0, vector);
  for (int i = 0; i < n; i++)
    matrix[i * (n + 1)] = -1.0;
  check_vector (matrix, n, known, -1.0, vector);
}

/* A chain whose largest eigenvalues, 2 cos (k pi / (n + 1)), lie close together: many restarts. */
static void
test_chain (void)
{
  enum { n = 300 };
  g_autofree double *matrix = g_new0 (double, n * n), *vector = g_new (double, n);

  for (int i = 0; i + 1 < n; i++)
    matrix[i * n + i + 1] = matrix[(i + 1) * n + i] = 1.0;
  check_vector (matrix, n, NULL, 2.0 * cos (G_PI / (n + 1)), vector);
  for (int i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (fabs (vector[i]) - sqrt (2.0 / (n + 1)) * sin (G_PI * (i + 1) / (n + 1))), <, 1e-6);
}

static void
test_not_a_number (void)
{
  g_autoptr (GError) error = NULL;
  double matrix[9] = { 1, 0, 0, 0, NAN, 0, 0, 0, 1 }, value, vector[3];
  Dense  dense = { matrix, 3 };

  g_assert_false (pm_eigen_largest (3, multiply_cb, &dense, NULL, &value, vector, &error));
  g_assert_nonnull (error);
}

/* Sizes that are no multiple of anything, of a part of a larger matrix. */
static void
test_product (void)
{
  const int sizes[] = { 1, 2, 7, 64, 65, 130, 301 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      int                n = sizes[s], stride = n + 3;
      g_autofree float  *matrix = g_new (float, n *stride);
      g_autofree double *x = g_new (double, n), *y = g_new (double, n), *again = g_new (double, n);
      g_autofree double *partials = g_new (double, pm_product_count_tasks (n) * n);
      g_autoptr (PmPool) pool = pm_pool_new (3, NULL);
      PmProduct product = { matrix, stride, n, NULL, partials };

      for (int i = 0; i < n * stride; i++)
        matrix[i] = (float) g_rand_double_range (rand, -1.0, 1.0);
      for (int i = 0; i < n; i++)
        x[i] = g_rand_double_range (rand, -1.0, 1.0);

      g_assert_true (pm_product_run (&product, x, y, NULL, NULL));
      product.pool = pool;
      g_assert_true (pm_product_run (&product, x, again, NULL, NULL));
      g_assert_cmpmem (y, n * sizeof (double), again, n * sizeof (double));
      for (int i = 0; i < n; i++)
        {
          double sum = 0.0;

          for (int j = 0; j < n; j++)
            sum += 0.5 * ((double) matrix[i * stride + j] + matrix[j * stride + i]) * x[j];
          g_assert_cmpfloat (fabs (y[i] - sum), <, 1e-12);
        }
    }
}

typedef struct
{
  PmSite site;
  PmSpan span;
  float *matrix;
} Picture;

static void
picture_init (Picture *picture, int size)
{
  int n = size * size;

  picture->site = (PmSite) { .n_queries = n, .n_keys = n };
  picture->span = (PmSpan) { .role = PM_ROLE_PICTURE, .count = n, .grid_w = size, .grid_h = size };
  picture->matrix = g_new0 (float, (gsize) n *n);
}

static PmReductionPlace
get_place (const Picture *picture, PmPool *pool)
{
  return (PmReductionPlace) { .site = &picture->site, .queries = &picture->span, .keys = &picture->span, .pool = pool };
}

/* What attention looks like: near patches see each other, a disc in the middle sees itself more, and there is noise. */
static void
paint_disc (Picture *picture, int size)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  int n = size * size;

  picture_init (picture, size);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      {
        double dx = (i % size - j % size) * 8.0 / size, dy = (i / size - j / size) * 8.0 / size;
        double xi = i % size - size / 2.0, yi = i / size - size / 2.0, xj = j % size - size / 2.0, yj = j / size - size / 2.0;
        int    apart = (xi * xi + yi * yi < size * size / 12.0) != (xj * xj + yj * yj < size * size / 12.0);

        picture->matrix[(gsize) i * n + j]
            = (float) ((exp (-(dx * dx + dy * dy)) * (apart ? 0.2 : 1.0) + 0.01 + 0.02 * g_rand_double (rand)) / n);
      }
}

static void
test_time (void)
{
  const int sizes[] = { 16, 32, 64 };

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      int               n = sizes[s] * sizes[s];
      g_autofree float *one = g_new (float, n), *many = g_new (float, n);
      g_autoptr (PmPool) alone = pm_pool_new (1, NULL), pool = pm_pool_new (3, NULL);
      Picture          picture;
      PmReductionPlace place;
      gint64           start;
      double           square = 0.0;

      paint_disc (&picture, sizes[s]);
      place = get_place (&picture, pool);
      start = g_get_monotonic_time ();
      g_assert_true (pm_reduction_find ("subject")->solve (&place, picture.matrix, many, NULL, NULL));
      g_test_message ("subject of %d patches: %.3f s", n, (double) (g_get_monotonic_time () - start) / 1e6);

      place.pool = alone;
      g_assert_true (pm_reduction_find ("subject")->solve (&place, picture.matrix, one, NULL, NULL));
      g_assert_cmpmem (one, n * sizeof (float), many, n * sizeof (float));
      for (int i = 0; i < n; i++)
        square += one[i] * one[i];
      g_assert_cmpfloat (fabs (square / n - 1.0), <, 1e-5);
      g_assert_cmpfloat (one[sizes[s] / 2 * sizes[s] + sizes[s] / 2], >, 0.5);
      g_assert_cmpfloat (one[0], <, -0.1);
      g_free (picture.matrix);
    }
}

static gpointer
cancel_thread (gpointer data)
{
  gint64 *when;

  g_usleep (100000);
  when = g_new (gint64, 1);
  *when = g_get_monotonic_time ();
  pm_job_cancel (data);

  return when;
}

/* Patches in a chain that see their neighbours alone take thousands of products; a thread cancels in the middle. */
static void
test_cancelled (void)
{
  for (int with_pool = 0; with_pool < 2; with_pool++)
    {
      enum { SIZE = 48, N = SIZE * SIZE };
      g_autoptr (PmJob) job = pm_job_new (NULL, NULL);
      g_autoptr (PmPool) pool = with_pool ? pm_pool_new (2, NULL) : NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float  *map = g_new (float, N);
      g_autofree gint64 *when = NULL;
      Picture            picture;
      PmReductionPlace   place;
      GThread           *thread;
      double             seconds;

      picture_init (&picture, SIZE);
      for (int i = 0; i + 1 < N; i++)
        picture.matrix[(gsize) i * N + i + 1] = picture.matrix[(gsize) (i + 1) * N + i] = 0.5f;
      place = get_place (&picture, pool);
      if (pool)
        pm_pool_set_cancel_flag (pool, pm_job_get_flag (job));

      thread = g_thread_new ("cancel", cancel_thread, job);
      g_assert_false (pm_reduction_find ("subject")->solve (&place, picture.matrix, map, job, &error));
      seconds = (double) g_get_monotonic_time ();
      when = g_thread_join (thread);
      seconds = (seconds - (double) *when) / 1e6;
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_test_message ("%d patches: %.3f s from the cancellation to the end", N, seconds);
      g_assert_cmpfloat (seconds, <, 1.0);
      g_free (picture.matrix);
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/eigen/jacobi", test_jacobi);
  g_test_add_func ("/eigen/equal", test_equal);
  g_test_add_func ("/eigen/chain", test_chain);
  g_test_add_func ("/eigen/not-a-number", test_not_a_number);
  g_test_add_func ("/eigen/product", test_product);
  g_test_add_func ("/eigen/time", test_time);
  g_test_add_func ("/eigen/cancelled", test_cancelled);

  return g_test_run ();
}
