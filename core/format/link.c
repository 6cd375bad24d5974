/* See link.h. */
#include "format/link.h"

#include "base/error.h"
#include "base/i18n.h"

gboolean
pm_link_check (const char *path, GError **error)
{
  if (! g_file_test (path, G_FILE_TEST_IS_SYMLINK) || g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *shown = g_filename_display_name (path);
  g_autofree char *target = g_file_read_link (path, NULL);
  g_autofree char *shown_target = target ? g_filename_display_name (target) : NULL;
  g_set_error (error, PM_ERROR, PM_ERROR_IO,
               _("%s is a link to %s, which is not there. Download the model again, or repair the link."), shown,
               shown_target ? shown_target : "?");
  return FALSE;
}
