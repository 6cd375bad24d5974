/* The filter pentimento:heatmap over layers, and its colours in pixels where the operation is missing.
 * Whether GIMP knows the operation is found by making the filter: our own process has its own GEGL. */
#include "plugin/heatmap.h"

#include "plugin/i18n.h"

GimpDrawableFilter *
pm_heatmap_find (GimpDrawable *layer)
{
  GimpDrawableFilter **filters = gimp_drawable_get_filters (layer);
  GimpDrawableFilter  *found = NULL;

  for (int i = 0; filters && filters[i] && ! found; i++)
    {
      g_autofree char *operation = gimp_drawable_filter_get_operation_name (filters[i]);

      if (g_strcmp0 (operation, PM_HEATMAP_OPERATION) == 0)
        found = filters[i];
    }
  g_free (filters);
  return found;
}

GimpChannel *
pm_selection_put_aside (GimpImage *image)
{
  GimpChannel *saved = gimp_selection_is_empty (image) ? NULL : gimp_selection_save (image);

  if (saved)
    gimp_selection_none (image);
  return saved;
}

void
pm_selection_put_back (GimpImage *image, GimpChannel *saved)
{
  if (! saved)
    return;
  gimp_image_select_item (image, GIMP_CHANNEL_OP_REPLACE, GIMP_ITEM (saved));
  gimp_image_remove_channel (image, saved);
}

gboolean
pm_heatmap_append (GimpDrawable *layer, const PmHeatmapLook *look)
{
  GimpDrawableFilter *filter = gimp_drawable_filter_new (layer, PM_HEATMAP_OPERATION, _("Heat map"));

  if (! filter)
    return FALSE;
  g_object_set (gimp_drawable_filter_get_config (filter),
                "palette", pm_palette_id (look->palette),
                "low", look->low,
                "high", look->high,
                "gamma", look->gamma,
                "alpha-from-value", look->alpha_from_value,
                "alpha-strength", look->alpha_strength,
                NULL);
  gimp_drawable_filter_set_blend_mode (filter, GIMP_LAYER_MODE_REPLACE);
  gimp_drawable_filter_set_opacity (filter, 1.0);
  gimp_drawable_filter_update (filter);
  gimp_drawable_append_filter (layer, filter);
  return TRUE;
}

void
pm_heatmap_get_look (GimpDrawableFilter *filter, PmHeatmapLook *look)
{
  g_autofree char *palette = NULL;
  int id;

  g_object_get (gimp_drawable_filter_get_config (filter),
                "palette", &palette,
                "low", &look->low,
                "high", &look->high,
                "gamma", &look->gamma,
                "alpha-from-value", &look->alpha_from_value,
                "alpha-strength", &look->alpha_strength,
                NULL);
  id = pm_palette_from_id (palette);
  look->palette = id >= 0 ? id : PM_PALETTE_VIRIDIS;
}

void
pm_heatmap_colour (const PmHeatmapLook *look, gsize n, float *pixels)
{
  float strength = look->alpha_from_value ? (float) look->alpha_strength : 0.0f;

  for (gsize i = 0; i < n; i++, pixels += 4)
    {
      float value = pm_palette_scale (pixels[0], (float) look->low, (float) look->high, (float) look->gamma);

      pm_palette_lookup (look->palette, value, pixels);
      pixels[3] *= 1.0f - strength * (1.0f - value);
    }
}

/* Grey values of buffer as [n, 4] R'G'B'A in its own space, coloured, written as sRGB to target. */
static gboolean
colour_buffer (GeglBuffer *buffer, GeglBuffer *target, const PmHeatmapLook *look, GError **error)
{
  const GeglRectangle *extent = gegl_buffer_get_extent (buffer);
  const Babl *grey = babl_format_with_space ("Y'A float", gegl_buffer_get_format (buffer));
  gsize       n = (gsize) extent->width * extent->height;
  g_autofree float *pixels = g_try_malloc_n (n, 4 * sizeof (float));

  if (! pixels)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is too little memory to bake the layer; close other images and try again."));
      return FALSE;
    }
  /* The grey values fill the second half and are spread from the front, never overtaken. */
  gegl_buffer_get (buffer, NULL, 1.0, grey, pixels + 2 * n, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
  for (gsize i = 0; i < n; i++)
    {
      float value = pixels[2 * n + 2 * i], alpha = pixels[2 * n + 2 * i + 1];

      pixels[4 * i] = value;
      pixels[4 * i + 3] = alpha;
    }
  pm_heatmap_colour (look, n, pixels);
  gegl_buffer_set (target, extent, 0, babl_format ("R'G'B'A float"), pixels, GEGL_AUTO_ROWSTRIDE);
  gegl_buffer_flush (target);
  return TRUE;
}

static gboolean
bake_pixels (GimpDrawable *layer, const PmHeatmapLook *look, GError **error)
{
  GimpImage   *image = gimp_item_get_image (GIMP_ITEM (layer));
  GimpChannel *saved = pm_selection_put_aside (image);
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (layer);
  g_autoptr (GeglBuffer) shadow = gimp_drawable_get_shadow_buffer (layer);
  gboolean done;

  done = colour_buffer (buffer, shadow, look, error);
  g_clear_object (&shadow);
  if (done && ! gimp_drawable_merge_shadow (layer, TRUE))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_FAILED, _("GIMP did not accept the baked pixels: %s"),
                   gimp_pdb_get_last_error (gimp_get_pdb ()));
      done = FALSE;
    }
  if (done)
    gimp_drawable_update (layer, 0, 0, gimp_drawable_get_width (layer), gimp_drawable_get_height (layer));
  pm_selection_put_back (image, saved);
  return done;
}

gboolean
pm_heatmap_bake (GimpDrawable *layer, const PmHeatmapLook *look, GError **error)
{
  if (! pm_heatmap_find (layer))
    return bake_pixels (layer, look, error);

  if (! gimp_drawable_merge_filters (layer))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_FAILED, _("GIMP could not merge the heat map's filter: %s"),
                   gimp_pdb_get_last_error (gimp_get_pdb ()));
      return FALSE;
    }
  return TRUE;
}

static GList *
add_layers (GList *list, GimpItem **items)
{
  for (int i = 0; items && items[i]; i++)
    {
      PmHeatmapLook look;
      gboolean      baked;

      if (gimp_item_is_group (items[i]))
        {
          g_autofree GimpItem **children = gimp_item_get_children (items[i]);

          list = add_layers (list, children);
        }
      else if (pm_record_get_map (items[i], &look, &baked))
        list = g_list_append (list, items[i]);
    }
  return list;
}

GList *
pm_heatmap_list_items (GimpItem **items)
{
  return add_layers (NULL, items);
}

GList *
pm_heatmap_list_layers (GimpImage *image)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);

  return add_layers (NULL, (GimpItem **) layers);
}
