/* `pentimento`: the whole core from a shell. This file knows the names of the subcommands and nothing else. */
#include "cli/cli.h"

#include <locale.h>
#include <string.h>

typedef struct
{
  const char *name;
  const char *summary;
  int (*run) (int argc, char **argv);
} PmCommand;

static const PmCommand commands[] = {
  { "generate", N_("paint a picture and show the attention behind it"), pm_cli_generate },
  { "info", N_("what a model is, and what this program can do with it"), pm_cli_info },
  { "who-named", N_("which words of a prompt a place in a picture looks at"), pm_cli_who_named },
  { "models", N_("list the models found on this machine"), pm_cli_models },
  { "eval", N_("run one stage on given tensors"), pm_cli_eval },
  { "bench", N_("measure the speed of this machine"), pm_cli_bench },
};

static void
print_help (void)
{
  g_print ("%s\n\n%s\n", _("Usage: pentimento COMMAND [OPTION...]"), _("Commands:"));
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_print ("  %-10s %s\n", commands[i].name, _ (commands[i].summary));
  g_print ("\n%s\n",
           _("`pentimento COMMAND --help` lists the options of a command; `pentimento --version` prints the version."));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, PM_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");

  const char *name = argc > 1 ? argv[1] : NULL;
  if (name && (strcmp (name, "--help") == 0 || strcmp (name, "-h") == 0 || strcmp (name, "help") == 0))
    {
      print_help ();
      return PM_EXIT_DONE;
    }
  if (name && strcmp (name, "--version") == 0)
    {
      g_print ("pentimento %s\n", pm_version ());
      return PM_EXIT_DONE;
    }

  for (gsize i = 0; name && i < G_N_ELEMENTS (commands); i++)
    if (strcmp (name, commands[i].name) == 0)
      {
        g_autofree char *program = g_strdup_printf ("pentimento %s", name);
        g_set_prgname (program);
        return commands[i].run (argc - 1, argv + 1);
      }

  g_autoptr (GError) error = NULL;
  if (name)
    g_set_error (&error, PM_ERROR, PM_ERROR_USAGE,
                 _("There is no command “%s”; the commands are generate, info, who-named, models, eval and bench."), name);
  else
    g_set_error (&error, PM_ERROR, PM_ERROR_USAGE, _("No command was given; `pentimento --help` lists the commands."));
  return pm_cli_report (error);
}
