/* Layers from a result. Settled by the project's contracts: a pass-through group "Attention" (children of a normal group
 * blend only among themselves), the first map visible, the filter over every map with mode REPLACE, masks from the
 * selection, one undo group. Maps hold (value - low) / (high - low) of their group's range, so the filter spans 0..1. */
#include "plugin/layers.h"

#include <math.h>
#include <string.h>

#include "plugin/errors.h"
#include "plugin/heatmap.h"
#include "plugin/i18n.h"
#include "plugin/record.h"
#include "plugin/start.h"

#define STRIP_PIXELS (1 << 18)

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

/* Of one channel, as GIMP stores it. */
static guint64
channel_bytes (GimpPrecision precision)
{
  const Babl *format = NULL;

  switch (precision)
    {
    case GIMP_PRECISION_U8_LINEAR:
    case GIMP_PRECISION_U8_NON_LINEAR:
    case GIMP_PRECISION_U8_PERCEPTUAL:
      format = babl_format ("Y u8");
      break;
    case GIMP_PRECISION_U16_LINEAR:
    case GIMP_PRECISION_U16_NON_LINEAR:
    case GIMP_PRECISION_U16_PERCEPTUAL:
    case GIMP_PRECISION_HALF_LINEAR:
    case GIMP_PRECISION_HALF_NON_LINEAR:
    case GIMP_PRECISION_HALF_PERCEPTUAL:
      format = babl_format ("Y u16");
      break;
    case GIMP_PRECISION_DOUBLE_LINEAR:
    case GIMP_PRECISION_DOUBLE_NON_LINEAR:
    case GIMP_PRECISION_DOUBLE_PERCEPTUAL:
      format = babl_format ("Y double");
      break;
    default:
      format = babl_format ("Y float");
      break;
    }
  return babl_format_get_bytes_per_pixel (format);
}

guint64
pm_layers_estimate (GimpImage *image, PmTarget target, const PmPlacement *placement, int n_maps)
{
  gboolean is_new = target == PM_TARGET_NEW_IMAGE;
  gboolean is_grey = ! is_new && gimp_image_get_base_type (image) == GIMP_GRAY;
  guint64  n_channels = (is_grey ? 2 : 4) * (1 + (guint64) n_maps) - (is_new ? 1 : 0); /* a new image's picture has no alpha */

  if (pm_target_has_mask (target))
    n_channels += n_maps > 0 ? 2 : 1; /* masks */
  return channel_bytes (is_new ? GIMP_PRECISION_U16_NON_LINEAR : gimp_image_get_precision (image)) * n_channels
         * placement->width * placement->height;
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

/* Large canvases are written in strips, so that besides the layers themselves nothing grows with the canvas but a strip. */
static int
strip_rows (const PmPlacement *at)
{
  return CLAMP (STRIP_PIXELS / at->width, 1, at->height);
}

/* Writes the picture, enlarged and cropped, into the layer's buffer. Only the pixels that are asked for are computed, though
 * they are those of the whole picture enlarged. */
static gboolean
write_picture (const Laying *laying, GimpLayer *layer, GError **error)
{
  const PmPlacement *at = &laying->placement;
  const PmResult    *result = laying->result;
  const Babl *format = babl_format ("R'G'B' float");
  int         n_rows = strip_rows (at);
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer));
  g_autoptr (GeglBuffer) picture = gegl_buffer_linear_new_from_data (
      result->picture, format, GEGL_RECTANGLE (0, 0, result->width, result->height), GEGL_AUTO_ROWSTRIDE, NULL, NULL);
  g_autoptr (GeglNode) graph = gegl_node_new ();
  g_autofree float    *strip = g_try_malloc_n ((gsize) n_rows * at->width, 3 * sizeof (float)); /* [n_rows, width, 3] */
  GeglNode *source = gegl_node_new_child (graph, "operation", "gegl:buffer-source", "buffer", picture, NULL);
  GeglNode *end = source;

  if (! strip)
    return fail_memory (error);
  if (at->scaled_width != result->width || at->scaled_height != result->height)
    {
      end = gegl_node_new_child (graph, "operation", "gegl:scale-ratio", "x", (double) at->scaled_width / result->width, "y",
                                 (double) at->scaled_height / result->height, "sampler", GEGL_SAMPLER_CUBIC, "abyss-policy",
                                 GEGL_ABYSS_CLAMP, NULL);
      gegl_node_link (source, end);
    }

  for (int y = 0; y < at->height; y += n_rows)
    {
      int count = MIN (n_rows, at->height - y);

      gegl_node_blit (end, 1.0, GEGL_RECTANGLE (at->crop_x, at->crop_y + y, at->width, count), format, strip,
                      GEGL_AUTO_ROWSTRIDE, GEGL_BLIT_DEFAULT);
      gegl_buffer_set (buffer, GEGL_RECTANGLE (0, y, at->width, count), 0, format, strip, GEGL_AUTO_ROWSTRIDE);
    }
  gegl_buffer_flush (buffer);
  return TRUE;
}

static gboolean
add_selection_mask (const Laying *laying, GimpLayer *layer)
{
  if (! pm_target_has_mask (laying->look->target))
    return TRUE;
  return gimp_layer_add_mask (layer, gimp_layer_create_mask (layer, GIMP_ADD_MASK_SELECTION));
}

static GimpLayer *
add_picture (Laying *laying, GError **error)
{
  const PmPlacement *at = &laying->placement;
  g_autofree char   *name = picture_name (laying);
  GimpLayer *layer = new_layer (laying, name, ! laying->is_new, at->width, at->height, 100.0, GIMP_LAYER_MODE_NORMAL);

  if (! layer)
    {
      fail_gimp (error);
      return NULL;
    }
  if (! write_picture (laying, layer, error))
    return NULL;
  if (! gimp_image_insert_layer (laying->image, layer, laying->parent, laying->position))
    {
      fail_gimp (error);
      return NULL;
    }
  laying->inserted[0] = layer;
  gimp_drawable_update (GIMP_DRAWABLE (layer), 0, 0, at->width, at->height);

  if (! gimp_layer_set_offsets (layer, at->x, at->y) || ! add_selection_mask (laying, layer)
      || ! pm_record_set_item (GIMP_ITEM (layer), laying->record))
    {
      fail_gimp (error);
      return NULL;
    }
  return layer;
}

/* Values [n] of map as [n, 2] grey, or [n, 4] coloured when baked. */
static void
show_values (const PmMap *map, const PmHeatmapLook *baked_look, const float *values, gsize n, float *pixels)
{
  int channels = baked_look ? 4 : 2;

  for (gsize i = 0; i < n; i++)
    {
      pixels[channels * i] = pm_map_normalise (map, values[i]);
      pixels[channels * i + channels - 1] = 1.0f;
    }
  if (baked_look)
    pm_heatmap_colour (baked_look, n, pixels);
}

/* Writes the map's normalised values, enlarged and cropped, into the layer's buffer; coloured when baked. */
static gboolean
write_map (const Laying *laying, const PmMap *map, GimpLayer *layer, const PmHeatmapLook *baked_look, GError **error)
{
  const PmPlacement *at = &laying->placement;
  int     n_rows = strip_rows (at);
  gsize   n = (gsize) n_rows * at->width;
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer));
  g_autofree float *values = g_try_malloc_n (n, sizeof (float));     /* [n_rows, width] */
  g_autofree float *pixels = g_try_malloc_n (n, 4 * sizeof (float)); /* as show_values() fills it */
  const Babl *format = baked_look ? babl_format ("R'G'B'A float")
                                  : babl_format_with_space ("Y'A float", gegl_buffer_get_format (buffer));

  if (! values || ! pixels)
    return fail_memory (error);

  for (int y = 0; y < at->height; y += n_rows)
    {
      int count = MIN (n_rows, at->height - y);

      if (! pm_map_upsample_window (map->values, map->grid_w, map->grid_h, at->scaled_width, at->scaled_height, at->crop_x,
                                    at->crop_y + y, at->width, count, values))
        return fail_memory (error);
      show_values (map, baked_look, values, (gsize) count * at->width, pixels);
      gegl_buffer_set (buffer, GEGL_RECTANGLE (0, y, at->width, count), 0, format, pixels, GEGL_AUTO_ROWSTRIDE);
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
add_map (Laying *laying, const PmMap *map, GimpLayer *group, int position, gboolean is_visible, GError **error)
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
      || ! pm_record_set_values (GIMP_ITEM (layer), map) || ! gimp_item_set_visible (GIMP_ITEM (layer), is_visible))
    return fail_gimp (error);
  return TRUE;
}

/* Several maps of one word lie in a group of their own inside the group of all; one alone needs none. */
static gboolean
shares_word (const GPtrArray *maps, const char *word)
{
  int n = 0;

  for (guint i = 0; i < maps->len && word; i++)
    n += g_strcmp0 (((PmMap *) maps->pdata[i])->word, word) == 0;
  return n > 1;
}

/* The group that the map of that word belongs into: inner while it is this word's, a new one at the end of group, or group. */
static GimpLayer *
group_of_word (Laying *laying, const char *word, GimpLayer *group, GimpLayer *inner, int position, GError **error)
{
  g_autofree char *name = NULL, *inner_name = inner ? gimp_item_get_name (GIMP_ITEM (inner)) : NULL;
  GimpLayer *added;

  if (! shares_word (laying->result->maps, word))
    return group;
  /* Translators: name of a group of layers: a word of the prompt. */
  name = g_strdup_printf (_("“%s”"), word);
  if (inner_name && g_str_has_prefix (inner_name, name))
    return inner;
  added = GIMP_LAYER (gimp_group_layer_new (laying->image, name));
  if (added && gimp_image_insert_layer (laying->image, added, group, position)
      && gimp_layer_set_mode (added, GIMP_LAYER_MODE_PASS_THROUGH))
    return added;
  fail_gimp (error);
  return NULL;
}

static int
count_children (GimpLayer *group)
{
  g_autofree GimpItem **children = gimp_item_get_children (GIMP_ITEM (group));
  int n = 0;

  while (children && children[n])
    n++;
  return n;
}

/* Below each other in the order of the result; the first is visible. */
static gboolean
add_maps (Laying *laying, GimpLayer *group, GError **error)
{
  const GPtrArray *maps = laying->result->maps;
  GimpLayer *inner = NULL;

  for (guint i = 0; i < maps->len; i++)
    {
      PmMap *map = maps->pdata[i];

      inner = group_of_word (laying, map->word, group, inner, count_children (group), error);
      if (! inner || ! add_map (laying, map, inner, count_children (inner), i == 0, error))
        return FALSE;
    }
  return TRUE;
}

static GimpLayer *
add_group (Laying *laying, GError **error)
{
  GimpLayer *group = GIMP_LAYER (gimp_group_layer_new (laying->image, _("Attention")));
  GimpChannel *saved;
  gboolean     done;

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
  done = add_maps (laying, group, error);
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
  if (! pm_start_keep (laying->image, laying->request))
    pm_log ("what the run began with is not in the image; it cannot be run again from there");
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
               GimpDrawable **drawables, const PmPlacement *placement, PmLaid *laid, GError **error)
{
  g_autofree char *record = pm_record_of_run (result->record, look);
  Laying laying = { result, request, class_label, look, image, *placement, .record = record };
  const PmPlace place = { image, drawables, look->target };

  memset (laid, 0, sizeof (*laid));
  if (! result->picture)
    {
      g_set_error_literal (
          error, PM_ERROR, PM_ERROR_UNSUPPORTED,
          _("The model paints latents and has no decoder, so there is no picture; add its VAE to the model's folder."));
      return FALSE;
    }
  if (! pm_placement_check (&place, error))
    return FALSE;

  laying.is_new = look->target == PM_TARGET_NEW_IMAGE;
  laying.is_grey = ! laying.is_new && gimp_image_get_base_type (image) == GIMP_GRAY;
  if (laying.is_new)
    return add_to_new_image (&laying, laid, error);

  find_position (&laying, drawables);
  return add_to_image (&laying, laid, error);
}
