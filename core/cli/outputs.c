/* Output files appear whole or not at all: written under a temporary name in the same folder, renamed at the end. */
#include "cli/cli.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *path, *temporary;
} Output;

struct _PmCliOutputs
{
  GMutex mutex;
  GPtrArray *files;   /* of Output */
  GPtrArray *folders; /* of char *: made by us */
};

static void
output_free (gpointer data)
{
  Output *output = data;

  g_free (output->path);
  g_free (output->temporary);
  g_free (output);
}

PmCliOutputs *
pm_cli_outputs_new (void)
{
  PmCliOutputs *outputs = g_new0 (PmCliOutputs, 1);

  g_mutex_init (&outputs->mutex);
  outputs->files = g_ptr_array_new_with_free_func (output_free);
  outputs->folders = g_ptr_array_new_with_free_func (g_free);
  return outputs;
}

void
pm_cli_outputs_discard (PmCliOutputs *outputs)
{
  g_mutex_lock (&outputs->mutex);
  for (guint i = 0; i < outputs->files->len; i++)
    g_unlink (((Output *) g_ptr_array_index (outputs->files, i))->temporary);
  for (guint i = outputs->folders->len; i > 0; i--)
    g_rmdir (g_ptr_array_index (outputs->folders, i - 1)); /* fails, as it should, where files were kept */
  g_ptr_array_set_size (outputs->files, 0);
  g_ptr_array_set_size (outputs->folders, 0);
  g_mutex_unlock (&outputs->mutex);
}

void
pm_cli_outputs_free (PmCliOutputs *outputs)
{
  pm_cli_outputs_discard (outputs);
  g_ptr_array_unref (outputs->files);
  g_ptr_array_unref (outputs->folders);
  g_mutex_clear (&outputs->mutex);
  g_free (outputs);
}

/* Makes a new empty file beside path; NULL with PM_ERROR_IO. */
static char *
make_temporary (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *hidden = g_strdup_printf (".%s.XXXXXX", name);
  g_autofree char *temporary = g_build_filename (folder, hidden, NULL);

  int fd = g_mkstemp_full (temporary, 0, 0666);
  if (fd < 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write “%s” (%s); choose an existing folder that may be written to."),
                   path, g_strerror (errno));
      return NULL;
    }
  g_close (fd, NULL);
  return g_steal_pointer (&temporary);
}

const char *
pm_cli_outputs_add (PmCliOutputs *outputs, const char *path, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_EXISTS) && ! g_file_test (path, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("“%s” is not an ordinary file; choose another name."), path);
      return NULL;
    }
  char *temporary = make_temporary (path, error);
  if (! temporary)
    return NULL;

  Output *output = g_new0 (Output, 1);
  output->path = g_strdup (path);
  output->temporary = temporary;
  g_mutex_lock (&outputs->mutex);
  g_ptr_array_add (outputs->files, output);
  g_mutex_unlock (&outputs->mutex);
  return temporary;
}

gboolean
pm_cli_outputs_add_folder (PmCliOutputs *outputs, const char *path, GError **error)
{
  if (! g_file_test (path, G_FILE_TEST_EXISTS) && g_mkdir (path, 0777) == 0)
    {
      g_mutex_lock (&outputs->mutex);
      g_ptr_array_add (outputs->folders, g_strdup (path));
      g_mutex_unlock (&outputs->mutex);
    }
  if (! g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("“%s” is no folder and none can be made there; choose another place."), path);
      return FALSE;
    }
  g_autofree char *probe = g_build_filename (path, "probe", NULL);
  g_autofree char *temporary = make_temporary (probe, error);
  if (temporary)
    g_unlink (temporary);
  return temporary != NULL;
}

gboolean
pm_cli_outputs_commit (PmCliOutputs *outputs, GError **error)
{
  g_mutex_lock (&outputs->mutex);
  gboolean ok = TRUE;
  while (ok && outputs->files->len > 0)
    {
      const Output *output = g_ptr_array_index (outputs->files, 0);
      if (g_rename (output->temporary, output->path) != 0)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write “%s” (%s); choose another place."), output->path,
                       g_strerror (errno));
          ok = FALSE;
        }
      else
        g_ptr_array_remove_index (outputs->files, 0);
    }
  if (ok)
    g_ptr_array_set_size (outputs->folders, 0);
  g_mutex_unlock (&outputs->mutex);
  return ok;
}
