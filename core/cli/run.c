/* Running a command: options in, a job in a thread, signals that cancel it, and one line of error out. */
#include "cli/cli.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  PmCliWorkFunc work;
  gpointer data;
  PmJob *job;
  PmCliOutputs *outputs;
  GMainLoop *loop;
  GThread *thread;
  GError *error;
  int n_signals;
} Run;

int
pm_cli_report (const GError *error)
{
  g_autofree char *message = g_strdelimit (g_strdup (error->message), "\r\n", ' ');
  g_printerr ("pentimento: %s\n", message);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return PM_EXIT_CANCELLED;
  return g_error_matches (error, PM_ERROR, PM_ERROR_USAGE) ? PM_EXIT_USAGE : PM_EXIT_FAILED;
}

gboolean
pm_cli_parse (int argc, char **argv, const GOptionEntry *entries, const char *parameters, const char *summary, char ***arguments,
              GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (parameters);
  g_autoptr (GError) local = NULL;
  g_auto (GStrv) copy = g_new0 (char *, argc + 1);

  for (int i = 0; i < argc; i++)
    copy[i] = g_strdup (argv[i]);

  g_option_context_set_summary (context, summary);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (! g_option_context_parse_strv (context, &copy, &local))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("%s; `%s --help` lists the options."), local->message, g_get_prgname ());
      return FALSE;
    }
  char **rest = copy + 1;
  if (rest[0] && strcmp (rest[0], "--") == 0)
    rest++;
  *arguments = g_strdupv (rest);
  return TRUE;
}

static gboolean
signal_cb (gpointer data)
{
  Run *run = data;

  run->n_signals++;
  pm_job_cancel (run->job);
  if (run->n_signals > 1)
    {
      if (run->outputs)
        pm_cli_outputs_discard (run->outputs);
      _exit (PM_EXIT_CANCELLED);
    }
  return G_SOURCE_CONTINUE;
}

static gpointer
work_thread (gpointer data)
{
  Run *run = data;

  if (! run->work (run->job, run->data, &run->error))
    g_assert (run->error != NULL);
  g_main_loop_quit (run->loop);
  return NULL;
}

static gboolean
start_cb (gpointer data)
{
  Run *run = data;

  run->thread = g_thread_new ("work", work_thread, run);
  return G_SOURCE_REMOVE;
}

int
pm_cli_run (PmCliWorkFunc work, gpointer data, PmCliProgress *progress, PmCliOutputs *outputs)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (PmJob) job = pm_job_new (progress ? pm_cli_progress_cb : NULL, progress);
  Run run = { .work = work, .data = data, .job = job, .outputs = outputs, .loop = loop };

  guint interrupt = g_unix_signal_add (SIGINT, signal_cb, &run);
  guint terminate = g_unix_signal_add (SIGTERM, signal_cb, &run);
  g_idle_add (start_cb, &run); /* the loop runs before the thread can quit it */
  g_main_loop_run (loop);
  g_thread_join (run.thread);
  g_source_remove (interrupt);
  g_source_remove (terminate);

  if (progress)
    pm_cli_progress_wipe (progress);
  g_autoptr (GError) error = run.error;
  return error ? pm_cli_report (error) : PM_EXIT_DONE;
}
