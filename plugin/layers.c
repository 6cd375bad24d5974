/* Layers from a result. Settled by the project's contracts: a pass-through group "Attention" (children of a normal group
 * blend only among themselves), the first map visible, the filter over every map with mode REPLACE, masks from the
 * selection, one undo group. Maps hold (value - low) / (high - low) of their group's range, so the filter spans 0..1. */
#include "plugin/layers.h"

#include <math.h>
#include <string.h>

#include "plugin/heatmap.h"
#include "plugin/i18n.h"
#include "plugin/record.h"

/* What every step of laying a result into an image needs. */
typedef struct
{
  const PmResult  *result;
  const PmRequest *request;
  const char      *class_label;
  const PmLook    *look;
  GimpImage       *image;
  PmPlacement      placement;
  gboolean         is_new, is_grey;
  gboolean         operation_missing;
  GimpLayer       *parent;   /* group to insert into; NULL: the image itself */
  int              position;
  char            *record;
  GimpLayer       *inserted[2]; /* picture and group, once they are in the image */
} Laying;

static gboolean
fail_memory (GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("There is too little memory for the layers; close other images, or show fewer heat maps."));
  return FALSE;
}

static gboolean
fail_gimp (GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_FAILED, _("GIMP did not accept the layers: %s"),
               gimp_pdb_get_last_error (gimp_get_pdb ()));
  return FALSE;
}

guint64
pm_layers_estimate (GimpImage *image, const PmPlacement *placement, int n_maps)
{
  guint64 pixel_bytes = 8; /* R'G'B'A u16 of a new image */

  if (image)
    {
      const Babl *format
          = gimp_image_get_base_type (image) == GIMP_GRAY ? babl_format ("Y'A float") : babl_format ("R'G'B'A float");

      pixel_bytes = babl_format_get_bytes_per_pixel (format);
    }
  return pixel_bytes * placement->width * placement->height * (1 + (guint64) n_maps);
}

static GimpLayer *
new_layer (const Laying *laying, const char *name, gboolean has_alpha, int width, int height, double opacity, GimpLayerMode mode)
{
  GimpImageType type = laying->is_grey ? (has_alpha ? GIMP_GRAYA_IMAGE : GIMP_GRAY_IMAGE)
                                       : (has_alpha ? GIMP_RGBA_IMAGE : GIMP_RGB_IMAGE);

  return gimp_layer_new (laying->image, name, width, height, type, opacity, mode);
}

static char *
picture_name (const Laying *laying)
{
  g_autofree char *seed = g_strdup_printf ("%" G_GUINT64_FORMAT, laying->request->seed);

  /* Translators: name of a layer: what was painted, and the seed of its random numbers. */
  return g_strdup_printf (_("%s · seed %s"), laying->class_label, seed);
}

/* Scales and crops a freshly inserted layer of the picture's size to the placement. */
static gboolean
place_layer (const Laying *laying, GimpLayer *layer)
{
  const PmPlacement *at = &laying->placement;
  gboolean done = TRUE;

  if (at->scaled_width != laying->result->width || at->scaled_height != laying->result->height)
    {
      gimp_context_push ();
      gimp_context_set_interpolation (GIMP_INTERPOLATION_CUBIC);
      done = gimp_layer_scale (layer, at->scaled_width, at->scaled_height, FALSE);
      gimp_context_pop ();
    }
  if (done && (at->width != at->scaled_width || at->height != at->scaled_height))
    done = gimp_layer_resize (layer, at->width, at->height, -at->crop_x, -at->crop_y);
  return done && gimp_layer_set_offsets (layer, at->x, at->y);
}

static gboolean
add_selection_mask (const Laying *laying, GimpLayer *layer)
{
  if (laying->look->target != PM_TARGET_SELECTION)
    return TRUE;
  return gimp_layer_add_mask (layer, gimp_layer_create_mask (layer, GIMP_ADD_MASK_SELECTION));
}

static GimpLayer *
add_picture (Laying *laying, GError **error)
{
  const PmResult *result = laying->result;
  g_autofree char *name = picture_name (laying);
  GimpLayer *layer = new_layer (laying, name, ! laying->is_new, result->width, result->height, 100.0, GIMP_LAYER_MODE_NORMAL);
  g_autoptr (GeglBuffer) buffer = NULL;

  if (! layer || ! gimp_image_insert_layer (laying->image, layer, laying->parent, laying->position))
    {
      fail_gimp (error);
      return NULL;
    }
  laying->inserted[0] = layer;
  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer));
  gegl_buffer_set (buffer, GEGL_RECTANGLE (0, 0, result->width, result->height), 0, babl_format ("R'G'B' float"),
                   result->picture, GEGL_AUTO_ROWSTRIDE);
  gegl_buffer_flush (buffer);
  g_clear_object (&buffer);
  gimp_drawable_update (GIMP_DRAWABLE (layer), 0, 0, result->width, result->height);

  if (! place_layer (laying, layer) || ! add_selection_mask (laying, layer)
      || ! pm_record_set_item (GIMP_ITEM (layer), laying->record))
    {
      fail_gimp (error);
      return NULL;
    }
  return layer;
}

/* Writes the map's normalised values, enlarged and cropped, into the layer's buffer; coloured when baked. */
static gboolean
write_map (const Laying *laying, const PmMap *map, GimpLayer *layer, const PmHeatmapLook *baked_look, GError **error)
{
  const PmPlacement *at = &laying->placement;
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer));
  g_autofree float *values = g_try_malloc_n ((gsize) at->scaled_width * at->scaled_height, sizeof (float));
  g_autofree float *row = g_try_malloc_n (at->width, 4 * sizeof (float)); /* [width, 2] grey, or [width, 4] baked */
  const Babl *format = baked_look ? babl_format ("R'G'B'A float")
                                  : babl_format_with_space ("Y'A float", gegl_buffer_get_format (buffer));
  int channels = baked_look ? 4 : 2;

  if (! values || ! row)
    return fail_memory (error);
  pm_map_upsample (map->values, map->grid_w, map->grid_h, at->scaled_width, at->scaled_height, values);

  for (int y = 0; y < at->height; y++)
    {
      const float *from = values + (gsize) (y + at->crop_y) * at->scaled_width + at->crop_x;

      for (int x = 0; x < at->width; x++)
        {
          row[channels * x] = pm_map_normalise (map, from[x]);
          row[channels * x + channels - 1] = 1.0f;
        }
      if (baked_look)
        pm_heatmap_colour (baked_look, at->width, row);
      gegl_buffer_set (buffer, GEGL_RECTANGLE (0, y, at->width, 1), 0, format, row, GEGL_AUTO_ROWSTRIDE);
    }
  gegl_buffer_flush (buffer);
  return TRUE;
}

/* In a grey image only lightness can show, so values stay what they are. */
static void
set_map_look (const Laying *laying, PmHeatmapLook *look)
{
  *look = (PmHeatmapLook) { laying->is_grey ? PM_PALETTE_GREY : laying->look->palette, 0.0, 1.0, 1.0, FALSE, 1.0 };
}

static gboolean
add_map (Laying *laying, const PmMap *map, GimpLayer *group, int position, GError **error)
{
  const PmPlacement *at = &laying->placement;
  g_autofree char *record = NULL;
  PmHeatmapLook look;
  GimpLayer *layer = new_layer (laying, map->title, TRUE, at->width, at->height, laying->look->opacity, laying->look->blend_mode);

  set_map_look (laying, &look);
  if (! layer)
    return fail_gimp (error);
  if (! write_map (laying, map, layer, laying->operation_missing ? &look : NULL, error))
    return FALSE;
  if (! gimp_image_insert_layer (laying->image, layer, group, position))
    return fail_gimp (error);
  if (! laying->operation_missing && ! pm_heatmap_append (GIMP_DRAWABLE (layer), &look))
    {
      laying->operation_missing = TRUE;
      if (! write_map (laying, map, layer, &look, error))
        return FALSE;
    }

  gimp_drawable_update (GIMP_DRAWABLE (layer), 0, 0, at->width, at->height);
  record = pm_record_of_map (map, &look, laying->operation_missing);
  if (! gimp_layer_set_offsets (layer, at->x, at->y) || ! pm_record_set_item (GIMP_ITEM (layer), record)
      || ! gimp_item_set_visible (GIMP_ITEM (layer), position == 0))
    return fail_gimp (error);
  return TRUE;
}

static GimpLayer *
add_group (Laying *laying, GError **error)
{
  const GPtrArray *maps = laying->result->maps;
  GimpLayer *group = GIMP_LAYER (gimp_group_layer_new (laying->image, _("Attention")));
  GimpChannel *saved;
  gboolean     done = TRUE;

  if (! group || ! gimp_image_insert_layer (laying->image, group, laying->parent, laying->position))
    {
      fail_gimp (error);
      return NULL;
    }
  laying->inserted[1] = group;
  if (! gimp_layer_set_mode (group, GIMP_LAYER_MODE_PASS_THROUGH))
    {
      fail_gimp (error);
      return NULL;
    }
  saved = pm_selection_put_aside (laying->image);
  for (guint i = 0; i < maps->len && done; i++)
    done = add_map (laying, g_ptr_array_index (maps, i), group, i, error);
  pm_selection_put_back (laying->image, saved);
  if (! done)
    return NULL;

  if (! add_selection_mask (laying, group) || ! pm_record_set_item (GIMP_ITEM (group), laying->record))
    {
      fail_gimp (error);
      return NULL;
    }
  gimp_item_set_expanded (GIMP_ITEM (group), TRUE);
  return group;
}

/* Above the first selected layer, in its group; at the top when none is selected. */
static void
find_position (Laying *laying, GimpDrawable **drawables)
{
  GimpItem *item = drawables && drawables[0] ? GIMP_ITEM (drawables[0]) : NULL;

  if (! item || ! gimp_item_is_valid (item) || ! gimp_item_is_layer (item))
    return;
  laying->parent = GIMP_LAYER (gimp_item_get_parent (item));
  laying->position = MAX (gimp_image_get_item_position (laying->image, item), 0);
}

static gboolean
add_all (Laying *laying, PmLaid *laid, GError **error)
{
  GimpLayer *selected[2] = { NULL, NULL };

  laid->picture = add_picture (laying, error);
  if (! laid->picture)
    return FALSE;
  if (laying->result->maps->len > 0 && ! (laid->group = add_group (laying, error)))
    return FALSE;

  selected[0] = laid->picture;
  gimp_image_set_selected_layers (laying->image, (const GimpLayer **) selected);
  laid->baked = laying->operation_missing && laying->result->maps->len > 0;
  return pm_record_set_image (laying->image, laying->record) || fail_gimp (error);
}

static gboolean
add_to_new_image (Laying *laying, PmLaid *laid, GError **error)
{
  const PmResult *result = laying->result;

  laying->image = gimp_image_new_with_precision (result->width, result->height, GIMP_RGB, GIMP_PRECISION_U16_NON_LINEAR);
  if (! laying->image)
    return fail_gimp (error);

  gimp_image_undo_disable (laying->image);
  if (! add_all (laying, laid, error))
    {
      gimp_image_delete (laying->image);
      return FALSE;
    }
  gimp_image_undo_enable (laying->image);
  gimp_image_clean_all (laying->image);
  laid->image = laying->image;
  return TRUE;
}

static gboolean
add_to_image (Laying *laying, PmLaid *laid, GError **error)
{
  gboolean done;

  gimp_image_undo_group_start (laying->image);
  done = add_all (laying, laid, error);
  for (int i = 1; i >= 0 && ! done; i--)
    if (laying->inserted[i])
      gimp_image_remove_layer (laying->image, laying->inserted[i]);
  gimp_image_undo_group_end (laying->image);
  laid->image = laying->image;
  return done;
}

gboolean
pm_layers_add (const PmResult *result, const PmRequest *request, const char *class_label, const PmLook *look, GimpImage *image,
               GimpDrawable **drawables, PmLaid *laid, GError **error)
{
  g_autofree char *record = pm_record_of_run (result->record, look);
  Laying laying = { result, request, class_label, look, image, .record = record };

  memset (laid, 0, sizeof (*laid));
  if (! result->picture)
    {
      g_set_error_literal (
          error, PM_ERROR, PM_ERROR_UNSUPPORTED,
          _("The model paints latents and has no decoder, so there is no picture; add its VAE to the model's folder."));
      return FALSE;
    }
  if (! pm_placement_check (image, look->target, error))
    return FALSE;

  laying.is_new = look->target == PM_TARGET_NEW_IMAGE;
  laying.is_grey = ! laying.is_new && gimp_image_get_base_type (image) == GIMP_GRAY;
  pm_placement_compute (image, look->target, result->width, result->height, &laying.placement);
  if (laying.is_new)
    return add_to_new_image (&laying, laid, error);

  find_position (&laying, drawables);
  return add_to_image (&laying, laid, error);
}
