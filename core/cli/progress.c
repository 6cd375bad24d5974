/* Progress for people (a bar on a terminal's stderr) and for programs (JSON lines on stdout). */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_COLUMNS 24

void
pm_cli_progress_init (PmCliProgress *progress, gboolean is_json, gboolean is_quiet)
{
  *progress = (PmCliProgress){ .is_json = is_json, .is_quiet = is_quiet, .last_step = -1 };
}

static void
print_bar (PmCliProgress *progress, const PmProgress *report)
{
  int full = (int)(CLAMP (report->fraction, 0, 1) * BAR_COLUMNS);
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

void
pm_cli_progress_cb (const PmProgress *report, gpointer data)
{
  PmCliProgress *progress = data;

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
      pm_cli_json_end (line);
    }
  else if (!progress->is_quiet && isatty (STDERR_FILENO))
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
