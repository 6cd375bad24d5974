/* What the subcommands of `pentimento` share: exit codes, the run of a job in a thread, progress, output files.
 * The command line's contract: exit codes 0, 1, 2, 130; a failure is one line on stderr. */
#ifndef PM_CLI_H
#define PM_CLI_H

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "pentimento.h"

enum
{
  PM_EXIT_DONE = 0,
  PM_EXIT_FAILED = 1,
  PM_EXIT_USAGE = 2,
  PM_EXIT_CANCELLED = 130
};

/* The subcommands: argv[0] is the subcommand's name. Each returns an exit code. */
int pm_cli_generate (int argc, char **argv);
int pm_cli_info (int argc, char **argv);
int pm_cli_eval (int argc, char **argv);
int pm_cli_bench (int argc, char **argv);
int pm_cli_models (int argc, char **argv);
int pm_cli_who_named (int argc, char **argv);

/* Prints "pentimento: message" on one line of stderr; returns the exit code that goes with the error. */
int pm_cli_report (const GError *error);

/* Parses argv by entries; afterwards arguments holds what is no option (NULL-terminated, free with g_strfreev).
 * FALSE with PM_ERROR_USAGE. --help prints and exits inside. */
gboolean pm_cli_parse (int argc, char **argv, const GOptionEntry *entries, const char *parameters, const char *summary,
                       char ***arguments, GError **error);

/* Output files. Every file is written under a temporary name beside its place; commit renames all of them, free removes
 * those never committed, and folders made for them. Safe from several threads. */
typedef struct _PmCliOutputs PmCliOutputs;

PmCliOutputs *pm_cli_outputs_new (void);
void pm_cli_outputs_free (PmCliOutputs *outputs);
void pm_cli_outputs_discard (PmCliOutputs *outputs);
gboolean pm_cli_outputs_commit (PmCliOutputs *outputs, GError **error);

/* Creates the temporary file of path and returns its name (borrowed); PM_ERROR_IO when the place cannot be written. */
const char *pm_cli_outputs_add (PmCliOutputs *outputs, const char *path, GError **error);

/* Makes the folder where it is missing and proves that files can be made in it. */
gboolean pm_cli_outputs_add_folder (PmCliOutputs *outputs, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmCliOutputs, pm_cli_outputs_free)

/* Progress: a bar on a terminal (stderr), or JSON lines (stdout), or nothing. */
typedef struct
{
  gboolean is_json, is_quiet;
  gboolean has_bar; /* a bar stands on the terminal and must be wiped before other output */
  int last_step;    /* already told */
  const char *preview_dir; /* folder for previews, which are written as they come; NULL: none. Borrowed */
  char *preview;           /* the file of the last */
  GError *error;           /* why one could not be written: the run goes on, the command fails in the end */
} PmCliProgress;

void pm_cli_progress_init (PmCliProgress *progress, gboolean is_json, gboolean is_quiet);
void pm_cli_progress_cb (const PmProgress *report, gpointer progress);
void pm_cli_progress_wipe (PmCliProgress *progress);
void pm_cli_progress_clear (PmCliProgress *progress);

/* Runs work in a thread while SIGINT and SIGTERM cancel its job; a second signal ends the program at once, without
 * leaving temporary files. progress and outputs may be NULL. Returns the exit code, having reported an error. */
typedef gboolean (*PmCliWorkFunc) (PmJob *job, gpointer data, GError **error);

int pm_cli_run (PmCliWorkFunc work, gpointer data, PmCliProgress *progress, PmCliOutputs *outputs);

/* JSON lines on stdout. begin opens an object with the member "type"; end closes, prints and frees it. */
JsonBuilder *pm_cli_json_begin (const char *type);
void pm_cli_json_string (JsonBuilder *builder, const char *name, const char *value); /* NULL: null */
void pm_cli_json_int (JsonBuilder *builder, const char *name, gint64 value);
void pm_cli_json_number (JsonBuilder *builder, const char *name, double value); /* not finite: null */
void pm_cli_json_boolean (JsonBuilder *builder, const char *name, gboolean value);
void pm_cli_json_strings (JsonBuilder *builder, const char *name, const char *const *values);
void pm_cli_json_end (JsonBuilder *builder);

/* PNG files, 8 bits a channel, sRGB. rgb: [height, width, 3] bytes. */
gboolean pm_png_write_rgb (const char *path, const guint8 *rgb, int width, int height, GError **error);

/* As grey, transparent parts black: [height, width] bytes; free with g_free. */
guint8 *pm_png_read_grey (const char *path, int *width, int *height, GError **error);

/* As colours, transparent parts black: [height, width, 3] bytes; free with g_free. */
guint8 *pm_png_read_rgb (const char *path, int *width, int *height, GError **error);

/* Text to numbers; PM_ERROR_USAGE names the option and the form. */
gboolean pm_cli_parse_seed (const char *text, guint64 *seed, GError **error);
gboolean pm_cli_parse_size (const char *text, int *width, int *height, GError **error);
gboolean pm_cli_parse_interval (const char *text, double interval[2], GError **error);
gboolean pm_cli_parse_place (const char *text, double place[2], GError **error);
gboolean pm_cli_parse_rectangle (const char *text, int rectangle[4], GError **error);
gboolean pm_cli_parse_precision (const char *text, PmPrecision *precision, GError **error); /* "bf16" */
gboolean pm_cli_parse_bytes (const char *text, guint64 *n_bytes, GError **error); /* "6GiB" */

/* The model that name names; without a name the only installed one, or the bundled one: that of prompts where one is given. */
PmModel *pm_cli_open_model (const char *name, const char *prompt, GError **error);

/* "11.2 MiB"; free with g_free. */
char *pm_cli_format_bytes (guint64 n_bytes);

#endif
