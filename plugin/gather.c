/* A run's group, picture and maps have records: the same text for group and picture, which so find each other wherever they
 * were moved to; the maps are what lies in the group. */
#include "plugin/gather.h"

#include <inttypes.h>

#include "plugin/heatmap.h"
#include "plugin/i18n.h"
#include "plugin/record.h"
#include "plugin/window.h"

#define PICTURE_SIDE 512 /* the most that a sheet shows */

void
pm_gathered_clear (PmGathered *gathered)
{
  g_clear_pointer (&gathered->maps, g_ptr_array_unref);
  g_clear_pointer (&gathered->title, g_free);
  g_clear_pointer (&gathered->picture, g_free);
}

/* Whether item is a run's group, which has a record; those of words in it have none. */
static gboolean
is_map_group (GimpItem *item)
{
  g_autofree GimpItem **children = gimp_item_is_group (item) ? gimp_item_get_children (item) : NULL;
  g_autofree char *record = children ? pm_record_get_item (item) : NULL;
  g_autoptr (GList) maps = record ? pm_heatmap_list_items (children) : NULL;

  return maps != NULL;
}

/* The uppermost group of heat maps; with record only one whose record is that text. */
static GimpItem *
find_group (GimpItem **items, const char *record)
{
  GimpItem *found = NULL;

  for (int i = 0; items && items[i] && ! found; i++)
    {
      g_autofree GimpItem **children = gimp_item_is_group (items[i]) ? gimp_item_get_children (items[i]) : NULL;
      g_autofree char *own = record ? pm_record_get_item (items[i]) : NULL;

      if (is_map_group (items[i]) && (! record || g_strcmp0 (own, record) == 0))
        found = items[i];
      else
        found = find_group (children, record);
    }
  return found;
}

/* The layer beside the group, or anywhere, that has the same record and is no group. */
static GimpItem *
find_picture (GimpItem **items, const char *record)
{
  GimpItem *found = NULL;

  for (int i = 0; items && items[i] && ! found; i++)
    {
      g_autofree GimpItem **children = gimp_item_is_group (items[i]) ? gimp_item_get_children (items[i]) : NULL;
      g_autofree char *own = children ? NULL : pm_record_get_item (items[i]);

      if (own && g_strcmp0 (own, record) == 0)
        found = items[i];
      else
        found = find_picture (children, record);
    }
  return found;
}

static GimpItem *
group_of_selected (GimpItem **layers, GimpDrawable **drawables)
{
  GimpItem *selected = drawables && drawables[0] ? GIMP_ITEM (drawables[0]) : NULL;
  g_autofree char *record = NULL;

  for (GimpItem *item = selected; item; item = gimp_item_get_parent (item))
    if (is_map_group (item))
      return item;
  record = selected ? pm_record_get_item (selected) : NULL;
  return record ? find_group (layers, record) : NULL;
}

/* As the layer is coloured now. */
static PmPalette
palette_of (GimpItem *layer)
{
  GimpDrawableFilter *filter = pm_heatmap_find (GIMP_DRAWABLE (layer));
  PmHeatmapLook look = { .palette = PM_PALETTE_VIRIDIS };
  gboolean      baked;

  pm_record_get_map (layer, &look, &baked);
  if (filter)
    pm_heatmap_get_look (filter, &look);
  return look.palette;
}

static gboolean
read_maps (GimpItem *group, PmGathered *gathered, GError **error)
{
  g_autofree GimpItem **children = gimp_item_get_children (group);
  g_autoptr (GList) layers = pm_heatmap_list_items (children);

  gathered->maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  for (GList *at = layers; at; at = at->next)
    {
      PmMap *map = pm_record_read_map (at->data, error);

      if (! map)
        return FALSE;
      g_ptr_array_add (gathered->maps, map);
    }
  gathered->palette = palette_of (layers->data);
  return TRUE;
}

static char *
make_title (GimpImage *image, GimpItem *group)
{
  GimpDrawable *drawables[] = { GIMP_DRAWABLE (group), NULL };
  g_autofree char *text = NULL, *model = NULL;
  PmLook look;
  g_autoptr (PmRequest) request = pm_record_find_run (image, drawables, &look, &text, NULL);

  if (! request || ! request->model)
    return g_strdup ("Pentimento");
  model = g_path_get_basename (request->model);
  if (request->prompt && *request->prompt)
    return g_strdup_printf (_("%s: %s, seed %" PRIu64), model, request->prompt, request->seed);
  if (request->class_name && *request->class_name)
    return g_strdup_printf (_("%s: %s, seed %" PRIu64), model, request->class_name, request->seed);
  return g_strdup_printf (_("%s, seed %" PRIu64), model, request->seed);
}

static gboolean
read_picture (GimpItem *item, PmGathered *gathered, GError **error)
{
  int    width = gimp_drawable_get_width (GIMP_DRAWABLE (item)), height = gimp_drawable_get_height (GIMP_DRAWABLE (item));
  double scale = MIN (1.0, (double) PICTURE_SIDE / MAX (width, height));
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (item));
  PmWindowSource source = { .buffer = buffer, .domain = { 0, 0, width, height }, .format = babl_format ("R'G'B' float"),
                            .n_channels = 3 };

  gathered->width = MAX ((int) (width * scale + 0.5), 1);
  gathered->height = MAX ((int) (height * scale + 0.5), 1);
  gathered->picture = g_try_malloc_n ((gsize) gathered->width * gathered->height, 3 * sizeof (float));
  if (gathered->picture
      && pm_window_read (&source, 0.0, 0.0, width, height, gathered->width, gathered->height, gathered->picture))
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("There is too little memory to read the picture; close other images and try again."));
  return FALSE;
}

gboolean
pm_gather (GimpImage *image, GimpDrawable **drawables, PmGathered *gathered, GError **error)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);
  g_autofree char *record = NULL;
  GimpItem *group = group_of_selected ((GimpItem **) layers, drawables), *picture;

  if (! group)
    group = find_group ((GimpItem **) layers, NULL);
  if (! group)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("This image has no heat maps of Pentimento; open one that was painted with some."));
      return FALSE;
    }
  if (! read_maps (group, gathered, error))
    return FALSE;
  gathered->title = make_title (image, group);
  record = pm_record_get_item (group);
  picture = record ? find_picture ((GimpItem **) layers, record) : NULL;
  return ! picture || read_picture (picture, gathered, error);
}
