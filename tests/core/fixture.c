/* Small files for the tests of formats. */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

char *
fixture_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("pentimento-test-XXXXXX", &error);

  g_assert_no_error (error);
  return folder;
}

void
fixture_remove (char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        fixture_remove (g_steal_pointer (&path));
      else
        g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_free (folder);
}

/* Removed first: file systems flush a file that is replaced, and the sweeps write tens of thousands. */
void
fixture_write (const char *folder, const char *name, gconstpointer bytes, gssize n)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  gsize length = n < 0 ? strlen (bytes) : (gsize) n;
  FILE *file;

  g_unlink (path);
  file = g_fopen (path, "wbe");
  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (bytes, 1, length, file), ==, length);
  g_assert_cmpint (fclose (file), ==, 0);
}

void
fixture_write_safetensors (const char *folder, const char *name, const char *header, gconstpointer data, gsize n)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE ((guint64) strlen (header));

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  g_byte_array_append (bytes, data, n);
  fixture_write (folder, name, bytes->data, bytes->len);
}

char *
fixture_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "files", name, NULL);
}

PmCheckpoint *
fixture_open (const char *path)
{
  g_autoptr (GError) error = NULL;
  PmCheckpoint *checkpoint = pm_checkpoint_open (path, &error);

  g_assert_no_error (error);
  g_assert_nonnull (checkpoint);
  g_assert_cmpstr (pm_checkpoint_get_path (checkpoint), ==, path);
  return checkpoint;
}

void
fixture_assert_refused (const char *path, PmErrorCode code, const char *says)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_open (path, &error);

  g_assert_null (checkpoint);
  fixture_assert_error (error, code, says);
}

void
fixture_assert_error (const GError *error, PmErrorCode code, const char *says)
{
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_error (error, PM_ERROR, (int) code);
  if (! strstr (error->message, says))
    g_error ("\"%s\" does not say \"%s\"", error->message, says);
  g_assert_true (g_str_has_suffix (error->message, "."));
}

void
fixture_copy_changed (const char *source, const char *folder, const char *name, const char *from, const char *to)
{
  g_autofree char *path = g_build_filename (PM_TEST_REFERENCE, source, name, NULL), *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_autoptr (GString) changed = g_string_new (text);
  if (from)
    g_assert_cmpuint (g_string_replace (changed, from, to, 0), >=, 1);
  fixture_write (folder, name, changed->str, -1);
}

void
fixture_assert_tensor (PmCheckpoint *checkpoint, const char *name, PmDtype dtype, const char *shape, const float *values)
{
  const PmTensor *tensor = pm_checkpoint_find (checkpoint, name);
  g_autofree char *found = tensor ? pm_tensor_shape_to_string (tensor) : NULL;
  g_autofree float *elements = NULL;

  g_test_message ("tensor %s", name);
  g_assert_nonnull (tensor);
  g_assert_cmpstr (tensor->name, ==, name);
  g_assert_cmpstr (found, ==, shape);
  g_assert_cmpstr (pm_dtype_name (tensor->dtype), ==, pm_dtype_name (dtype));
  g_assert_cmpuint ((guintptr) tensor->data % MAX (pm_dtype_size (dtype), 1), ==, 0);
  elements = g_new (float, tensor->n_elements + 1);
  pm_convert_to_f32 (tensor->data, dtype, tensor->n_elements, elements);
  for (gsize i = 0; i < tensor->n_elements; i++)
    g_assert_cmpfloat (elements[i], ==, values[i]);
}

gboolean
fixture_has_note (const char *const *notes, const char *says)
{
  for (const char *const *note = notes; *note; note++)
    if (strstr (*note, says))
      return TRUE;
  return FALSE;
}
