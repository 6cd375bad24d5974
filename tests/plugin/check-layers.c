/* What the standard run must have laid: the picture, the group, the heat maps with filters and records. */
#include "check.h"

#include <string.h>

/* A copy in the same image would get a number after its name. */
static const char *const standard_names[STANDARD_MAPS] = {
  "Subject, t 750",
  "Subject, t 250",
  "Received, layer 3, head 0, t 750",
  "Received, layer 3, head 2, t 750",
  "Received, layer 5, head 0, t 750",
  "Received, layer 5, head 2, t 750",
  "Received, layer 3, head 0, t 250",
  "Received, layer 3, head 2, t 250",
  "Received, layer 5, head 0, t 250",
  "Received, layer 5, head 2, t 250",
};

static void
check_filter (GimpDrawable *layer, gboolean is_grey)
{
  g_autofree GimpDrawableFilter **filters = gimp_drawable_get_filters (layer);
  GimpDrawableFilterConfig *config;
  g_autofree char *operation = NULL, *palette = NULL;
  double   low, high, gamma;
  gboolean alpha_from_value;

  if (! check (filters && filters[0] && ! filters[1], "the heat map has one filter"))
    return;
  operation = gimp_drawable_filter_get_operation_name (filters[0]);
  check_text (operation, "pentimento:heatmap", "the filter");
  check (gimp_drawable_filter_get_blend_mode (filters[0]) == GIMP_LAYER_MODE_REPLACE, "the filter replaces");
  check_near (gimp_drawable_filter_get_opacity (filters[0]), 1.0, 0.0, "the filter's opacity");
  check (gimp_drawable_filter_get_visible (filters[0]), "the filter is on");

  config = gimp_drawable_filter_get_config (filters[0]);
  g_object_get (config, "palette", &palette, "low", &low, "high", &high, "gamma", &gamma, "alpha-from-value", &alpha_from_value,
                NULL);
  check_text (palette, is_grey ? "grey" : "magma", "the filter's palette");
  check_near (low, 0.0, 0.0, "low");
  check_near (high, 1.0, 0.0, "high");
  check_near (gamma, 1.0, 0.0, "gamma");
  check (! alpha_from_value, "alpha does not come from the value");
}

static void
check_map_record (GimpItem *layer, gboolean is_grey, gboolean is_baked)
{
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *record = record_of (NULL, layer, &parser);
  JsonObject *map, *display, *stats;
  const char *reading;

  if (! check (record && json_object_has_member (record, "map") && json_object_has_member (record, "display"),
               "the heat map has a record"))
    return;
  map = json_object_get_object_member (record, "map");
  display = json_object_get_object_member (record, "display");
  stats = json_object_get_object_member (map, "stats");
  reading = json_object_get_string_member (map, "reading");
  check (strcmp (reading, "subject") == 0 || strcmp (reading, "received") == 0, "the record's reading is %s", reading);
  check (json_object_get_double_member (map, "low") < json_object_get_double_member (map, "high"), "the record holds the range");
  check (json_object_get_int_member (map, "grid_width") == 8, "the record holds the grid");
  check (json_object_get_double_member (stats, "max") >= json_object_get_double_member (stats, "p99"),
         "the record holds statistics");
  check (json_object_has_member (stats, "sinks"), "the record lists sinks");
  check_text (json_object_get_string_member (display, "palette"), is_grey ? "grey" : "magma", "the record's palette");
  check (json_object_get_boolean_member (display, "baked") == is_baked, "the record says whether it is baked");
}

static void
check_layer (GimpItem *layer, int position, gboolean is_grey, gboolean has_filters)
{
  g_autofree char *name = gimp_item_get_name (layer);
  GimpImageType type = gimp_drawable_type (GIMP_DRAWABLE (layer));

  check (g_str_has_prefix (name, standard_names[position]), "layer %d is called “%s” (got “%s”)", position,
         standard_names[position], name);
  check (gimp_layer_get_mode (GIMP_LAYER (layer)) == GIMP_LAYER_MODE_SCREEN, "the heat map's mode is screen");
  check_near (gimp_layer_get_opacity (GIMP_LAYER (layer)), 40.0, 0.5, "the heat map's opacity");
  check (gimp_item_get_visible (layer) == (position == 0), "only the first heat map is visible (%d)", position);
  check (type == (is_grey ? GIMP_GRAYA_IMAGE : GIMP_RGBA_IMAGE), "the heat map has grey values and alpha (%d)", type);
  check_map_record (layer, is_grey, FALSE);
  if (has_filters)
    check_filter (GIMP_DRAWABLE (layer), is_grey);
}

/* Grey values, over the whole range of their group: stored, not coloured. */
static void
check_values (GimpItem **children, int n)
{
  double lowest = 1.0, highest = 0.0, colour = 0.0;

  for (int i = 0; i < n; i++)
    {
      g_autofree float *pixels = pixels_of (GIMP_DRAWABLE (children[i]));
      int n_pixels
          = gimp_drawable_get_width (GIMP_DRAWABLE (children[i])) * gimp_drawable_get_height (GIMP_DRAWABLE (children[i]));

      for (int k = 0; k < n_pixels; k++)
        {
          lowest = MIN (lowest, pixels[4 * k]);
          highest = MAX (highest, pixels[4 * k]);
          colour = MAX (colour, ABS (pixels[4 * k] - pixels[4 * k + 2]));
        }
    }
  check (colour < 1e-3, "the stored values are grey (%g apart)", colour);
  check (lowest >= 0.0 && lowest < 0.1 && highest > 0.9 && highest <= 1.001, "the stored values span 0..1 (%g..%g)", lowest,
         highest);
}

void
check_group (GimpLayer *group, gboolean is_grey, gboolean has_filters)
{
  g_autofree GimpItem **children = NULL;
  g_autofree char *name = NULL;
  g_autoptr (JsonParser) parser = NULL;
  int n = 0;

  if (! check (group && gimp_item_is_group (GIMP_ITEM (group)), "there is a group"))
    return;
  name = gimp_item_get_name (GIMP_ITEM (group));
  check (g_str_has_prefix (name, "Attention"), "the group is called “%s”", name);
  check (gimp_layer_get_mode (group) == GIMP_LAYER_MODE_PASS_THROUGH, "the group passes through");
  check (gimp_item_get_visible (GIMP_ITEM (group)), "the group is visible");
  check (record_of (NULL, GIMP_ITEM (group), &parser) != NULL, "the group has a record");

  children = gimp_item_get_children (GIMP_ITEM (group));
  while (children && children[n])
    n++;
  if (! check (n == STANDARD_MAPS, "the group has %d heat maps (got %d)", STANDARD_MAPS, n))
    return;
  for (int i = 0; i < n; i++)
    check_layer (children[i], i, is_grey, has_filters);
  check_values (children, n);
}

void
check_picture (GimpLayer *picture)
{
  g_autofree char *name = picture ? gimp_item_get_name (GIMP_ITEM (picture)) : NULL;
  g_autofree float *pixels = NULL;
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *record, *request;
  double lowest = 1.0, highest = 0.0;
  int    n;

  if (! check (picture != NULL, "there is a picture"))
    return;
  check (g_str_has_prefix (name, "fox · seed 7"), "the picture is called “%s”", name);
  record = record_of (NULL, GIMP_ITEM (picture), &parser);
  request = record && json_object_has_member (record, "request") ? json_object_get_object_member (record, "request") : NULL;
  check (request != NULL, "the picture has a record of the run");
  check (record && json_object_has_member (record, "look"), "the record holds the look");

  pixels = pixels_of (GIMP_DRAWABLE (picture));
  n = gimp_drawable_get_width (GIMP_DRAWABLE (picture)) * gimp_drawable_get_height (GIMP_DRAWABLE (picture));
  for (int i = 0; i < n; i++)
    {
      lowest = MIN (lowest, pixels[4 * i]);
      highest = MAX (highest, pixels[4 * i]);
    }
  check (highest - lowest > 0.3, "the picture shows something (%g..%g)", lowest, highest);
}
