/* The parts of `pentimento generate`: its options, the request made of them, and the files written in the end. */
#ifndef PM_CLI_GENERATE_H
#define PM_CLI_GENERATE_H

#include "cli/cli.h"

/* As given on the command line; NULL, G_MININT and NAN where not given. */
typedef struct
{
  char *model, *class_name, *prompt, *negative, *sampler, *guidance_interval, *cache, *seed, *size;
  char *device, *precision, *vram_limit, *shortage;
  char *show, *region, *region_mask;
  char *out, *maps, *palette, *raw, *record, *from_record;
  char *start, *mask, *preview_dir, *sheet, *sheet_by, *gif, *npy;
  char **weights, **places; /* "WORDS=W", "WORDS=FILE" */
  double guidance, map_scale, strength;
  int num_steps, n_threads, map_budget_mib, preview_every;
  gboolean is_json, is_quiet, estimate;
} PmGenerateOptions;

/* Where the files of this run go; temporary names, borrowed from outputs. NULL where not asked for. */
typedef struct
{
  PmCliOutputs *outputs;
  const char *picture, *raw, *record, *sheet, *gif;
} PmGenerateFiles;

void pm_generate_options_init (PmGenerateOptions *options);
void pm_generate_options_clear (PmGenerateOptions *options);
gboolean pm_generate_options_parse (PmGenerateOptions *options, int argc, char **argv, GError **error);

/* Whether files of maps were asked for. */
gboolean pm_generate_options_want_maps (const PmGenerateOptions *options);

/* The request of a record file; NULL with an error when it is none. */
PmRequest *pm_generate_options_load_record (const char *path, GError **error);

/* Puts what was given over the request. */
gboolean pm_generate_options_apply (const PmGenerateOptions *options, PmRequest *request, GError **error);

/* Makes the temporary files, so that an unwritable place is known before the run. */
gboolean pm_generate_files_reserve (PmGenerateFiles *files, const PmGenerateOptions *options, GError **error);

/* Writes picture, maps, exports, raw arrays and record, then renames them all into place. */
gboolean pm_generate_files_write (PmGenerateFiles *files, const PmGenerateOptions *options, const PmRequest *request,
                                  const PmResult *result, PmJob *job, GError **error);

/* The same for comparison sheet, animation and NumPy arrays, but for the renaming. */
gboolean pm_generate_exports_reserve (PmGenerateFiles *files, const PmGenerateOptions *options, GError **error);
gboolean pm_generate_exports_write (PmGenerateFiles *files, const PmGenerateOptions *options, const PmRequest *request,
                                    const PmResult *result, PmJob *job, GError **error);

/* The file of a map in the folder of --maps; NULL without one. Free with g_free. */
char *pm_generate_map_path (const PmGenerateOptions *options, const PmMap *map);

#endif
