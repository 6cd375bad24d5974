/* Bundles: what is saved is loaded again, and what is asked for in the wrong shape is refused by name. */
#include <string.h>

#include "fixture.h"
#include "tensor/bundle.h"

static char *folder;

static void
test_round_trip (void)
{
  g_autofree char *path = g_build_filename (folder, "x.safetensors", NULL);
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  g_autoptr (PmBundle) loaded = NULL;
  g_autoptr (GError) error = NULL;
  const gsize   shape[] = { 2, 3 };
  const gssize  any[] = { -1, 3 }, flat[] = { 6 };
  float        *x = pm_bundle_add (bundle, "x \"é\"", PM_DTYPE_F32, 2, shape, &error);
  guint16      *h = pm_bundle_add (bundle, "h", PM_DTYPE_F16, 1, &shape[1], &error);
  gint32       *y = pm_bundle_add (bundle, "y", PM_DTYPE_I32, 1, &shape[0], &error);
  const float  *floats;
  const gint32 *ints;

  g_assert_cmpfloat (x[5], ==, 0);
  for (int i = 0; i < 6; i++)
    x[i] = i + 0.5f;
  h[2] = 0x3c00;
  y[1] = -7;
  g_assert_true (pm_bundle_save (bundle, path, &error));
  g_assert_no_error (error);
  loaded = pm_bundle_load (path, &error);
  g_assert_no_error (error);
  floats = pm_bundle_get_f32 (loaded, "x \"é\"", 2, any, &error);
  g_assert_cmpmem (floats, 24, x, 24);
  floats = pm_bundle_get_f32 (loaded, "h", 1, (const gssize[]){ 3 }, &error);
  g_assert_cmpfloat (floats[2], ==, 1);
  ints = pm_bundle_get_i32 (loaded, "y", 1, (const gssize[]){ 2 }, &error);
  g_assert_cmpint (ints[1], ==, -7);
  ints = pm_bundle_get_i32 (loaded, "h", 1, (const gssize[]){ -1 }, &error);
  g_assert_cmpint (ints[2], ==, 1);
  floats = pm_bundle_get_f32 (loaded, "y", 1, (const gssize[]){ 2 }, &error);
  g_assert_cmpfloat (floats[1], ==, -7);
  g_assert_no_error (error);
  g_assert_null (pm_bundle_get_f32 (loaded, "x \"é\"", 1, flat, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "has the shape [2, 3], but should have [6]"));
  g_clear_error (&error);
  g_assert_null (pm_bundle_get_f32 (loaded, "z", 2, any, &error));
  g_assert_nonnull (strstr (error->message, "\"z\" of shape [*, 3] is missing"));
  g_clear_error (&error);
  g_assert_null (pm_bundle_get_i32 (loaded, "x \"é\"", 2, any, &error));
  g_assert_nonnull (strstr (error->message, "whole numbers"));
}

/* The header is padded so that data begins at a multiple of eight, whatever the names' length. */
static void
test_layout (void)
{
  g_autofree char *path = g_build_filename (folder, "x.safetensors", NULL);
  g_autoptr (GString) name = g_string_new ("n");
  const gsize one = 1;

  for (int i = 0; i < 9; i++, g_string_append_c (name, 'n'))
    {
      g_autoptr (PmBundle) bundle = pm_bundle_new ();
      g_autofree char *bytes = NULL;
      gsize   n;
      guint64 n_header;

      g_assert_nonnull (pm_bundle_add (bundle, "odd", PM_DTYPE_F16, 1, &one, NULL));
      g_assert_nonnull (pm_bundle_add (bundle, name->str, PM_DTYPE_F64, 1, &one, NULL));
      g_assert_true (pm_bundle_save (bundle, path, NULL));
      g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
      memcpy (&n_header, bytes, sizeof n_header);
      g_assert_cmpuint (GUINT64_FROM_LE (n_header) % 8, ==, 0);
      g_assert_cmpuint (n, ==, 8 + GUINT64_FROM_LE (n_header) + 8 + 2);
      g_assert_nonnull (strstr (bytes + 8, "\"data_offsets\":[8,10]"));
    }
}

static void
test_replace (void)
{
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  g_autoptr (GError) error = NULL;
  const gsize small[] = { 2 }, huge[] = { G_MAXSIZE / 2, 3 };

  g_assert_nonnull (pm_bundle_add (bundle, "x", PM_DTYPE_F32, 1, small, &error));
  g_assert_nonnull (pm_bundle_add (bundle, "x", PM_DTYPE_I32, 0, NULL, &error));
  g_assert_cmpint (pm_bundle_find (bundle, "x")->rank, ==, 0);
  g_assert_cmpint (pm_bundle_find (bundle, "x")->dtype, ==, PM_DTYPE_I32);
  g_assert_null (pm_bundle_add (bundle, "x", PM_DTYPE_F32, 2, huge, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_MEMORY);
  g_assert_cmpint (pm_bundle_find (bundle, "x")->dtype, ==, PM_DTYPE_I32);
}

/* A place that cannot be written: the error names it and nothing is left behind. */
static void
test_unwritable (void)
{
  g_autofree char *inside = g_build_filename (folder, "missing", "x.safetensors", NULL);
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;

  g_assert_false (pm_bundle_save (bundle, inside, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "x.safetensors cannot be written"));
  g_clear_error (&error);
  g_assert_false (pm_bundle_save (bundle, folder, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
  dir = g_dir_open (folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
}

static void
in_new_folder (gconstpointer test)
{
  folder = fixture_folder ();
  ((void (*) (void)) test) ();
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/bundle/round-trip", test_round_trip, in_new_folder);
  g_test_add_data_func ("/bundle/layout", test_layout, in_new_folder);
  g_test_add_data_func ("/bundle/replace", test_replace, in_new_folder);
  g_test_add_data_func ("/bundle/unwritable", test_unwritable, in_new_folder);
  return g_test_run ();
}
