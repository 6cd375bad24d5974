/* `pentimento models`: what is installed, and where was looked. */
#include "cli/cli.h"

static void
print_model (const char *name, gboolean is_json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmModel) model = pm_model_open (name, &error);
  const PmModelInfo *info = model ? pm_model_get_info (model) : NULL;

  if (is_json)
    {
      JsonBuilder *line = pm_cli_json_begin ("model");
      pm_cli_json_string (line, "name", name);
      pm_cli_json_string (line, "path", info ? info->path : NULL);
      pm_cli_json_string (line, "family", info ? info->family : NULL);
      pm_cli_json_int (line, "parameters", info ? (gint64) info->n_parameters : 0);
      pm_cli_json_string (line, "error", error ? error->message : NULL);
      pm_cli_json_end (line);
    }
  else if (info)
    g_print ("%-20s %-8s %8.1f M  %s\n", name, info->family, info->n_parameters / 1e6, info->path);
  else
    g_print ("%-20s %s\n", name, error->message);
}

int
pm_cli_models (int argc, char **argv)
{
  gboolean is_json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &is_json, N_("JSON lines"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;

  if (! pm_cli_parse (argc, argv, entries, NULL, _("Lists the models found on this machine and the folders searched."), &rest,
                      &error))
    return pm_cli_report (error);

  g_auto (GStrv) names = pm_model_list ();
  g_auto (GStrv) folders = pm_model_folders ();
  for (int i = 0; names[i]; i++)
    print_model (names[i], is_json);
  if (is_json)
    {
      JsonBuilder *line = pm_cli_json_begin ("folders");
      pm_cli_json_strings (line, "folders", (const char *const *) folders);
      pm_cli_json_end (line);
      return PM_EXIT_DONE;
    }
  if (! names[0])
    g_print ("%s\n", _("No model is installed."));
  g_print ("%s\n", _("Folders searched:"));
  for (int i = 0; folders[i]; i++)
    g_print ("  %s\n", folders[i]);
  return PM_EXIT_DONE;
}
