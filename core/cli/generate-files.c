/* What `pentimento generate` leaves behind: the picture, a coloured PNG a map, raw values, the record.
 * Raw arrays: those of pm_maps_to_bundle(), and latent [1, C, h, w] f32, what the sampler ended with. */
#include "cli/generate.h"

#include <math.h>
#include <string.h>

static guint8
to_byte (float value)
{
  return value >= 1 ? 255 : value > 0 ? (guint8) (value * 255.0f + 0.5f) : 0;
}

char *
pm_generate_map_path (const PmGenerateOptions *options, const PmMap *map)
{
  g_autofree char *name = g_strconcat (map->id, ".png", NULL);

  return options->maps ? g_build_filename (options->maps, name, NULL) : NULL;
}

gboolean
pm_generate_files_reserve (PmGenerateFiles *files, const PmGenerateOptions *options, GError **error)
{
  if (options->maps && ! pm_cli_outputs_add_folder (files->outputs, options->maps, error))
    return FALSE;
  if (options->preview_dir && ! pm_cli_outputs_add_folder (files->outputs, options->preview_dir, error))
    return FALSE;
  if (options->out && ! (files->picture = pm_cli_outputs_add (files->outputs, options->out, error)))
    return FALSE;
  if (options->raw && ! (files->raw = pm_cli_outputs_add (files->outputs, options->raw, error)))
    return FALSE;
  if (! pm_generate_exports_reserve (files, options, error))
    return FALSE;
  return ! options->record || (files->record = pm_cli_outputs_add (files->outputs, options->record, error)) != NULL;
}

static gboolean
write_picture (const char *path, const PmResult *result, GError **error)
{
  gsize n = (gsize) result->width * result->height * 3;
  g_autofree guint8 *rgb = g_try_malloc (n);

  if (! rgb)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is too little memory to write the picture; close other programs."));
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    rgb[i] = to_byte (result->picture[i]);
  return pm_png_write_rgb (path, rgb, result->width, result->height, error);
}

static gboolean
write_map (const char *path, const PmMap *map, PmPalette palette, int width, int height, GError **error)
{
  gsize n = (gsize) width * height;
  g_autofree float *values = g_try_new (float, n);
  g_autofree guint8 *rgb = g_try_malloc (n * 3);

  gboolean plain = width == map->grid_w && height == map->grid_h;

  if (values && plain)
    memcpy (values, map->values, n * sizeof (float));
  if (! values || ! rgb || (! plain && ! pm_map_upsample (map->values, map->grid_w, map->grid_h, width, height, values)))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is too little memory to write maps; choose a smaller --map-scale."));
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    {
      float colour[3];
      pm_palette_lookup (palette, pm_map_normalise (map, values[i]), colour);
      for (int c = 0; c < 3; c++)
        rgb[3 * i + c] = to_byte (colour[c]);
    }
  return pm_png_write_rgb (path, rgb, width, height, error);
}

static gboolean
write_maps (PmGenerateFiles *files, const PmGenerateOptions *options, const PmResult *result, PmJob *job, GError **error)
{
  PmPalette palette = options->palette ? pm_palette_from_id (options->palette) : PM_PALETTE_VIRIDIS;

  for (guint i = 0; i < result->maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (result->maps, i);
      gboolean plain = options->map_scale <= 0;
      int width = plain ? map->grid_w : MAX (1, (int) lround (result->width * options->map_scale));
      int height = plain ? map->grid_h : MAX (1, (int) lround (result->height * options->map_scale));
      g_autofree char *path = pm_generate_map_path (options, map);
      const char *temporary = pm_cli_outputs_add (files->outputs, path, error);
      if (! temporary || ! pm_job_check (job, error) || ! write_map (temporary, map, palette, width, height, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
write_raw (const char *path, const PmResult *result, GError **error)
{
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  gsize n_latent = (gsize) result->channels * result->latent_width * result->latent_height;
  const gsize latent_shape[] = { 1, (gsize) result->channels, (gsize) result->latent_height, (gsize) result->latent_width };

  if (! pm_maps_to_bundle (result->maps, bundle, error))
    return FALSE;
  float *latent = pm_bundle_add (bundle, "latent", PM_DTYPE_F32, 4, latent_shape, error);
  if (! latent)
    return FALSE;
  memcpy (latent, result->trajectory + result->n_steps * n_latent, n_latent * sizeof (float));
  return pm_bundle_save (bundle, path, error);
}

gboolean
pm_generate_files_write (PmGenerateFiles *files, const PmGenerateOptions *options, const PmRequest *request,
                         const PmResult *result, PmJob *job, GError **error)
{
  if (files->picture && ! write_picture (files->picture, result, error))
    return FALSE;
  if (options->maps && ! write_maps (files, options, result, job, error))
    return FALSE;
  if (! pm_generate_exports_write (files, options, request, result, job, error))
    return FALSE;
  if (files->raw && ! write_raw (files->raw, result, error))
    return FALSE;
  if (files->record)
    {
      g_autoptr (GError) local = NULL;
      if (! g_file_set_contents (files->record, result->record, -1, &local))
        {
          g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write the record “%s” (%s); look for a full disk."),
                       options->record, local->message);
          return FALSE;
        }
    }
  return pm_job_check (job, error) && pm_cli_outputs_commit (files->outputs, error);
}
