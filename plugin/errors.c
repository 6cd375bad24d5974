/* The log, the report, and the end of a procedure that failed. */
#include "plugin/errors.h"

#include <glib/gstdio.h>
#include <libgimp/gimpui.h>
#include <string.h>

#include "plugin/i18n.h"
#include "ui/error-dialog.h"

#define LOG_MAX_BYTES (1 << 20)
#define LOG_TAIL_BYTES 4096

char *
pm_log_path (void)
{
  return g_build_filename (g_get_user_state_dir (), "pentimento", "pentimento.log", NULL);
}

void
pm_log (const char *format, ...)
{
  g_autofree char *path = pm_log_path ();
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *text = NULL, *time = NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  GStatBuf info;
  va_list  args;
  FILE    *file;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  time = g_date_time_format_iso8601 (now);

  g_mkdir_with_parents (folder, 0700);
  if (g_stat (path, &info) == 0 && info.st_size > LOG_MAX_BYTES)
    {
      g_autofree char *older = g_strconcat (path, ".1", NULL);

      g_rename (path, older);
    }
  file = g_fopen (path, "a");
  if (! file)
    return;
  fprintf (file, "%s %s\n", time, text);
  fclose (file);
}

char *
pm_log_tail (void)
{
  g_autofree char *path = pm_log_path ();
  g_autofree char *content = NULL;
  const char *tail;
  gsize       length = 0;

  if (! g_file_get_contents (path, &content, &length, NULL))
    return g_strdup ("");
  tail = content;
  if (length > LOG_TAIL_BYTES)
    {
      const char *end = memchr (content + length - LOG_TAIL_BYTES, '\n', LOG_TAIL_BYTES);

      tail = end ? end + 1 : content + length;
    }
  return g_utf8_make_valid (tail, content + length - tail);
}

char *
pm_report_new (const char *procedure_name, const char *message)
{
  g_autofree char *path = pm_log_path ();
  g_autofree char *tail = pm_log_tail ();
  g_autofree char *gimp = gimp_version ();
  g_autofree char *system = g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME);
  g_auto (GStrv) models = pm_model_list ();
  g_auto (GStrv) devices = pm_device_list ();
  g_autofree char *model_names = g_strjoinv (", ", models);
  g_autofree char *device_names = g_strjoinv (", ", devices);
  int major, minor, micro;

  gegl_get_version (&major, &minor, &micro);
  return g_strdup_printf ("%s\n\nprocedure: %s\npentimento: %s\nGIMP: %s\nGEGL: %d.%d.%d\nGLib: %u.%u.%u\nsystem: %s\n"
                          "processors: %u\nmodels: %s\ndevices: %s\nlog: %s\n\n%s",
                          message, procedure_name, pm_version (), gimp, major, minor, micro, glib_major_version,
                          glib_minor_version, glib_micro_version, system ? system : "?", g_get_num_processors (), model_names,
                          device_names, path, tail);
}

GimpPDBStatusType
pm_error_status (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return GIMP_PDB_CANCEL;
  if (error->domain == PM_ERROR
      && (error->code == PM_ERROR_USAGE || error->code == PM_ERROR_NO_CLASS || error->code == PM_ERROR_NO_MODEL))
    return GIMP_PDB_CALLING_ERROR;
  return GIMP_PDB_EXECUTION_ERROR;
}

static void
show (GimpProcedure *procedure, const GError *error)
{
  g_autofree char *report = pm_report_new (gimp_procedure_get_name (procedure), error->message);
  g_autofree char *path = pm_log_path ();
  GtkWidget *dialog;

  gimp_ui_init ("pentimento");
  dialog = pm_error_dialog_new (NULL, _("Pentimento"), error->message, report, path);
  gimp_window_set_transient (GTK_WINDOW (dialog));
  pm_error_dialog_run (dialog);
}

GimpValueArray *
pm_procedure_fail (GimpProcedure *procedure, GimpRunMode run_mode, GError *error)
{
  GimpPDBStatusType status = pm_error_status (error);

  if (status == GIMP_PDB_CANCEL)
    {
      pm_log ("%s: cancelled", gimp_procedure_get_name (procedure));
      g_error_free (error);
      return gimp_procedure_new_return_values (procedure, GIMP_PDB_CANCEL, NULL);
    }

  pm_log ("%s: %s", gimp_procedure_get_name (procedure), error->message);
  if (run_mode == GIMP_RUN_NONINTERACTIVE)
    return gimp_procedure_new_return_values (procedure, status, error);

  show (procedure, error);
  g_error_free (error);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_CANCEL, NULL);
}
