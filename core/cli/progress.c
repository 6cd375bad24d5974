/* Progress for people (a bar on a terminal's stderr) and for programs (JSON lines on stdout). */
#include "cli/cli.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_COLUMNS 24

void
pm_cli_progress_init (PmCliProgress *progress, gboolean is_json, gboolean is_quiet)
{
  *progress = (PmCliProgress) { .is_json = is_json, .is_quiet = is_quiet, .last_step = -1 };
}

static void
print_bar (PmCliProgress *progress, const PmProgress *report)
{
  int full = (int) (CLAMP (report->fraction, 0, 1) * BAR_COLUMNS);
  char bar[BAR_COLUMNS + 1];
  g_autofree char *left = NULL;
  g_autofree char *step = NULL;

  for (int i = 0; i < BAR_COLUMNS; i++)
    bar[i] = i < full ? '#' : '.';
  bar[BAR_COLUMNS] = '\0';

  if (report->n_steps > 0)
    step = g_strdup_printf (_("step %d of %d"), report->step, report->n_steps);
  if (report->seconds_left >= 0)
    left = g_strdup_printf (_("%.0f s left"), report->seconds_left);
  fprintf (stderr, "\r\033[K[%s] %3.0f %%  %s  %s  %s", bar, 100 * CLAMP (report->fraction, 0, 1),
           report->stage ? report->stage : "", step ? step : "", left ? left : "");
  fflush (stderr);
  progress->has_bar = TRUE;
}

/* preview-007.png: the picture foreseen after seven steps. Renamed into place, for whoever watches the folder. */
static gboolean
write_preview (PmCliProgress *progress, const PmProgress *report)
{
  gsize n = (gsize) report->preview_width * report->preview_height * 3;
  g_autofree guint8 *rgb = g_malloc (n);
  g_autofree char *name = g_strdup_printf ("preview-%03d.png", report->step);
  g_autofree char *path = g_build_filename (progress->preview_dir, name, NULL);
  g_autofree char *temporary = g_strconcat (path, ".part", NULL);

  for (gsize i = 0; i < n; i++)
    rgb[i] = (guint8) (report->preview[i] * 255.0f + 0.5f);
  if (! pm_png_write_rgb (temporary, rgb, report->preview_width, report->preview_height, &progress->error))
    {
      g_unlink (temporary);
      return FALSE;
    }
  if (g_rename (temporary, path) != 0)
    {
      g_set_error (&progress->error, PM_ERROR, PM_ERROR_IO, _("Cannot write “%s” (%s); choose another place."), path,
                   g_strerror (errno));
      g_unlink (temporary);
      return FALSE;
    }
  g_free (progress->preview);
  progress->preview = g_steal_pointer (&path);
  return TRUE;
}

void
pm_cli_progress_cb (const PmProgress *report, gpointer data)
{
  PmCliProgress *progress = data;
  gboolean has_preview = report->preview && progress->preview_dir && ! progress->error && write_preview (progress, report);

  if (progress->is_json)
    {
      if (report->step == 0 || report->step == progress->last_step)
        return;
      progress->last_step = report->step;
      JsonBuilder *line = pm_cli_json_begin ("progress");
      pm_cli_json_string (line, "stage", report->stage);
      pm_cli_json_int (line, "step", report->step);
      pm_cli_json_int (line, "n_steps", report->n_steps);
      pm_cli_json_number (line, "fraction", report->fraction);
      pm_cli_json_number (line, "seconds_left", report->seconds_left < 0 ? NAN : report->seconds_left);
      if (has_preview)
        pm_cli_json_string (line, "preview", progress->preview);
      pm_cli_json_end (line);
    }
  else if (! progress->is_quiet && isatty (STDERR_FILENO))
    print_bar (progress, report);
}

void
pm_cli_progress_wipe (PmCliProgress *progress)
{
  if (progress->has_bar)
    fprintf (stderr, "\r\033[K");
  fflush (stderr);
  progress->has_bar = FALSE;
}

void
pm_cli_progress_clear (PmCliProgress *progress)
{
  g_clear_pointer (&progress->preview, g_free);
  g_clear_error (&progress->error);
}
