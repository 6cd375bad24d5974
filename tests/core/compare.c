/* Comparing arrays with the reference. The measures are those that the documentation of the fixtures uses. */
#include "compare.h"

#include <math.h>
#include <string.h>

static void
judge (const char *what, const char *measure, double error, double limit)
{
  g_test_message ("%s: %s %.2e, limit %.0e", what, measure, error, limit);
  if (!(error <= limit)) /* NaN fails too */
    g_test_fail_printf ("%s: %s %.3e is above %.0e", what, measure, error, limit);
}

static double
largest_difference (const float *a, const float *b, gsize n)
{
  double largest = 0.0;

  for (gsize i = 0; i < n; i++)
    {
      double difference = fabs ((double)a[i] - b[i]);

      if (!(difference <= largest))
        largest = difference;
      if (isnan (largest))
        return largest;
    }
  return largest;
}

static double
largest_value (const float *b, gsize n)
{
  double largest = 0.0;

  for (gsize i = 0; i < n; i++)
    largest = MAX (largest, fabs ((double)b[i]));
  return largest;
}

void
pm_test_compare_relative (const char *what, const float *a, const float *b, gsize n, double limit)
{
  judge (what, "relative error", largest_difference (a, b, n) / MAX (largest_value (b, n), 1e-30), limit);
}

void
pm_test_compare_absolute (const char *what, const float *a, const float *b, gsize n, double limit)
{
  judge (what, "largest difference", largest_difference (a, b, n), limit);
}

void
pm_test_compare_rms (const char *what, const float *a, const float *b, gsize n, double limit)
{
  double difference = 0.0, size = 0.0;

  for (gsize i = 0; i < n; i++)
    {
      difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
      size += (double)b[i] * b[i];
    }
  judge (what, "relative rms", sqrt (difference / size), limit);
}

const float *
pm_test_array (PmBundle *bundle, const char *name, gsize *n)
{
  const PmTensor *tensor = pm_bundle_find (bundle, name);

  if (!tensor)
    g_error ("there is no array \"%s\"", name);
  g_assert_cmpint (tensor->dtype, ==, PM_DTYPE_F32);
  *n = tensor->n_elements;
  return tensor->data;
}

const float *
pm_test_array_of (PmBundle *bundle, const char *name, gsize n)
{
  gsize found;
  const float *values = pm_test_array (bundle, name, &found);

  if (found != n)
    g_error ("\"%s\" has %" G_GSIZE_FORMAT " elements instead of %" G_GSIZE_FORMAT, name, found, n);
  return values;
}

void
pm_test_add (PmBundle *bundle, const char *name, PmDtype dtype, gsize n, gconstpointer values)
{
  g_autoptr (GError) error = NULL;
  gpointer data = pm_bundle_add (bundle, name, dtype, 1, &n, &error);

  g_assert_no_error (error);
  memcpy (data, values, n * pm_dtype_size (dtype));
}

char *
pm_test_reference (const char *folder, const char *file)
{
  return g_build_filename (PM_TEST_REFERENCE, folder, file, NULL);
}

PmBundle *
pm_test_load (const char *folder, const char *file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = pm_test_reference (folder, file);
  PmBundle          *bundle = pm_bundle_load (path, &error);

  g_assert_no_error (error);
  return bundle;
}
