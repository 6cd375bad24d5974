/* The files that `pentimento generate` makes of all maps together: comparison sheet, animation, NumPy arrays. */
#include "cli/generate.h"

#include <inttypes.h>
#include <string.h>

#define TITLE_CHARACTERS 60 /* of a prompt */

static gboolean
write_bytes (const char *path, const char *shown, GBytes *bytes, GError **error)
{
  g_autoptr (GError) local = NULL;
  gsize n;
  const char *data = g_bytes_get_data (bytes, &n);

  if (g_file_set_contents (path, data, (gssize) n, &local))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write “%s” (%s); look for a full disk."), shown, local->message);
  return FALSE;
}

/* "starter-pixel: fox, seed 7"; of a prompt its beginning. */
static char *
make_title (const PmRequest *request)
{
  g_autofree char *model = g_path_get_basename (request->model);

  const char *whole = *request->prompt ? request->prompt : request->class_name;
  gboolean is_long = g_utf8_strlen (whole, -1) > TITLE_CHARACTERS;
  g_autofree char *begin = g_utf8_substring (whole, 0, is_long ? TITLE_CHARACTERS : -1);
  g_autofree char *what = g_strconcat (g_strdelimit (begin, "\r\n\t", ' '), is_long ? "..." : NULL, NULL);

  if (*what)
    return g_strdup_printf (_("%s: %s, seed %" PRIu64), model, what, request->seed);
  return g_strdup_printf (_("%s, seed %" PRIu64), model, request->seed);
}

static gboolean
write_sheet (const char *path, PmSheetOptions *sheet, const PmRequest *request, const PmResult *result, PmJob *job,
             GError **error)
{
  g_autofree char *title = make_title (request);

  sheet->title = title;
  sheet->picture = result->picture;
  sheet->picture_width = result->width;
  sheet->picture_height = result->height;
  g_autoptr (PmBitmap) bitmap = pm_sheet_draw (result->maps, sheet, job, error);
  return bitmap && pm_png_write_rgb (path, bitmap->rgb, bitmap->width, bitmap->height, error);
}

static gboolean
write_arrays (PmGenerateFiles *files, const char *folder, const PmResult *result, PmJob *job, GError **error)
{
  for (guint i = 0; i < result->maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (result->maps, i);
      g_autofree char *name = g_strconcat (map->id, ".npy", NULL);
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autoptr (GBytes) bytes = pm_map_to_npy (map);
      const char *temporary = pm_cli_outputs_add (files->outputs, path, error);
      if (! temporary || ! pm_job_check (job, error) || ! write_bytes (temporary, path, bytes, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
pm_generate_exports_reserve (PmGenerateFiles *files, const PmGenerateOptions *options, GError **error)
{
  if (options->npy && ! pm_cli_outputs_add_folder (files->outputs, options->npy, error))
    return FALSE;
  if (options->sheet && ! (files->sheet = pm_cli_outputs_add (files->outputs, options->sheet, error)))
    return FALSE;
  return ! options->gif || (files->gif = pm_cli_outputs_add (files->outputs, options->gif, error)) != NULL;
}

gboolean
pm_generate_exports_write (PmGenerateFiles *files, const PmGenerateOptions *options, const PmRequest *request,
                           const PmResult *result, PmJob *job, GError **error)
{
  PmSheetOptions sheet = { .by = options->sheet_by ? pm_sheet_by_from_id (options->sheet_by) : PM_SHEET_AUTO,
                           .palette = options->palette ? pm_palette_from_id (options->palette) : PM_PALETTE_VIRIDIS };

  if (files->gif)
    {
      g_autoptr (GBytes) bytes = pm_maps_to_gif (result->maps, &sheet, job, error);
      if (! bytes || ! write_bytes (files->gif, options->gif, bytes, error))
        return FALSE;
    }
  if (files->sheet && ! write_sheet (files->sheet, &sheet, request, result, job, error))
    return FALSE;
  return ! options->npy || write_arrays (files, options->npy, result, job, error);
}
