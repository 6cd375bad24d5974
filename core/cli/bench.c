/* `pentimento bench`: the core's own measurements as a table. A ratio compares with a floor measured in the same run. */
#include "cli/cli.h"

#include <stdio.h>

typedef struct
{
  const char *what;
  gboolean is_json;
  char *device, *precision, *weights;
  PmBenchOptions options;
  PmCliProgress progress;
} Bench;

static void
print_row_cb (const PmBenchRow *row, gpointer data)
{
  Bench *self = data;

  if (self->is_json)
    {
      JsonBuilder *line = pm_cli_json_begin ("row");
      pm_cli_json_string (line, "name", row->name);
      pm_cli_json_number (line, "value", row->value);
      pm_cli_json_string (line, "unit", row->unit);
      if (row->ratio >= 0)
        {
          pm_cli_json_number (line, "ratio", row->ratio);
          pm_cli_json_string (line, "ratio_of", row->ratio_of);
        }
      pm_cli_json_end (line);
      return;
    }
  pm_cli_progress_wipe (&self->progress);
  g_print ("%-58s %10.4g %-9s", row->name, row->value, row->unit);
  if (row->ratio >= 0)
    g_print (_(" %6.3f of %s"), row->ratio, row->ratio_of);
  g_print ("\n");
  fflush (stdout);
}

static gboolean
bench_work (PmJob *job, gpointer data, GError **error)
{
  Bench *self = data;

  return pm_bench (self->what, &self->options, print_row_cb, self, job, error);
}

int
pm_cli_bench (int argc, char **argv)
{
  Bench self = { 0 };
  const GOptionEntry entries[] = {
    { "quick", 0, 0, G_OPTION_ARG_NONE, &self.options.is_quick, N_("Fewer repeats"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.is_json, N_("JSON lines"), NULL },
    { "threads", 0, 0, G_OPTION_ARG_INT, &self.options.n_threads, N_("Threads; 0 is one a processor"), "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &self.device, N_("For `device`: which one; the first GPU"), N_("NAME") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &self.precision, N_("For `device`: auto, f32, bf16 or f16"), N_("TYPE") },
    { "weights", 0, 0, G_OPTION_ARG_FILENAME, &self.weights, N_("For `device`: a checkpoint of DiT-XL/2 at 256 px"), N_("FILE") },
    { "tiny", 0, 0, G_OPTION_ARG_NONE, &self.options.is_tiny, N_("For `device`: toy networks, to try the bench itself"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;
  g_autofree char *names = g_strjoinv (", ", (char **) pm_bench_list ());
  g_autofree char *summary = g_strdup_printf (_("Measures the speed of this machine. Names: %s; all without a name."), names);

  if (! pm_cli_parse (argc, argv, entries, _("[NAME]"), summary, &rest, &error))
    return pm_cli_report (error);
  if (rest[0] && (rest[1] || ! g_strv_contains (pm_bench_list (), rest[0])))
    {
      g_set_error (&error, PM_ERROR, PM_ERROR_USAGE, _("There is no such measurement; choose one of: %s."), names);
      return pm_cli_report (error);
    }
  if (self.precision && ! pm_cli_parse_precision (self.precision, &self.options.precision, &error))
    return pm_cli_report (error);
  self.what = rest[0];
  self.options.device = self.device;
  self.options.weights = self.weights;
  pm_cli_progress_init (&self.progress, FALSE, self.is_json);
  int code = pm_cli_run (bench_work, &self, &self.progress, NULL);
  g_free (self.device);
  g_free (self.precision);
  g_free (self.weights);
  return code;
}
