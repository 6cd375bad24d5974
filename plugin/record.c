/* Records in parasites: written with json-glib, read with distrust, because a document may come from anybody.
 * The run's record is the core's (generate.h) with a member "look"; a map's record is described by pm_record_of_map(). */
#include "plugin/record.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "plugin/i18n.h"

#define MAX_RECORD_BYTES (16 << 20)
#define MAX_TITLE_BYTES 4096
#define MAX_GRID 4096.0
#define VALUES_PARASITE "pentimento-values" /* f32, little-endian, [grid_h, grid_w] */

static char *
parasite_text (GimpParasite *parasite)
{
  guint32       size = 0;
  gconstpointer data;
  char         *text = NULL;

  if (! parasite)
    return NULL;
  data = gimp_parasite_get_data (parasite, &size);
  if (data && size > 0 && size <= MAX_RECORD_BYTES && g_utf8_validate (data, strnlen (data, size), NULL))
    text = g_strndup (data, size);
  gimp_parasite_free (parasite);
  return text;
}

char *
pm_record_get_image (GimpImage *image)
{
  return parasite_text (gimp_image_get_parasite (image, PM_RECORD_PARASITE));
}

char *
pm_record_get_item (GimpItem *item)
{
  return parasite_text (gimp_item_get_parasite (item, PM_RECORD_PARASITE));
}

static GimpParasite *
parasite_new (const char *json)
{
  return gimp_parasite_new (PM_RECORD_PARASITE, GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE, strlen (json) + 1, json);
}

gboolean
pm_record_set_image (GimpImage *image, const char *json)
{
  GimpParasite *parasite = parasite_new (json);
  gboolean      done = gimp_image_attach_parasite (image, parasite);

  gimp_parasite_free (parasite);
  return done;
}

gboolean
pm_record_set_item (GimpItem *item, const char *json)
{
  GimpParasite *parasite = parasite_new (json);
  gboolean      done = gimp_item_attach_parasite (item, parasite);

  gimp_parasite_free (parasite);
  return done;
}

static JsonObject *
parse_object (const char *json, JsonParser **keep)
{
  JsonParser *parser = json_parser_new ();
  JsonNode   *root = NULL;

  if (json && pm_record_check (json, NULL) && json_parser_load_from_data (parser, json, -1, NULL))
    root = json_parser_get_root (parser);
  *keep = parser;
  return root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
}

static char *
object_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, TRUE);
}

static double
get_number (JsonObject *object, const char *name, double missing)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;
  GType     type = node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

  return type == G_TYPE_DOUBLE || type == G_TYPE_INT64 ? json_node_get_double (node) : missing;
}

static gboolean
get_boolean (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN
         && json_node_get_boolean (node);
}

static const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

char *
pm_record_of_run (const char *core_record, const PmLook *look)
{
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *record = parse_object (core_record, &parser);
  JsonObject *member;

  if (! record)
    return g_strdup (core_record);

  member = json_object_new ();
  json_object_set_string_member (member, "palette", pm_palette_id (look->palette));
  json_object_set_string_member (member, "blend_mode", pm_blend_mode_id (look->blend_mode));
  json_object_set_double_member (member, "opacity", look->opacity);
  json_object_set_string_member (member, "target", pm_target_id (look->target));
  json_object_set_object_member (record, "look", member);
  return object_text (record);
}

static void
read_look (JsonObject *member, PmLook *look)
{
  int palette = pm_palette_from_id (get_string (member, "palette"));
  int target = pm_target_from_id (get_string (member, "target"));

  look->palette = palette >= 0 ? palette : PM_PALETTE_VIRIDIS;
  look->target = target >= 0 ? target : PM_TARGET_NEW_IMAGE;
  look->opacity = CLAMP (get_number (member, "opacity", 60.0), 0.0, 100.0);
  if (! pm_blend_mode_from_id (get_string (member, "blend_mode"), &look->blend_mode))
    look->blend_mode = GIMP_LAYER_MODE_NORMAL;
}

/* The text of the nearest record that has a request: of the item, of its groups, of the image. */
static char *
find_run_text (GimpImage *image, GimpDrawable **drawables)
{
  for (int i = 0; drawables && drawables[i]; i++)
    for (GimpItem *item = GIMP_ITEM (drawables[i]); item; item = gimp_item_get_parent (item))
      {
        g_autoptr (JsonParser) parser = NULL;
        g_autofree char *text = pm_record_get_item (item);

        if (text && get_object (parse_object (text, &parser), "request"))
          return g_steal_pointer (&text);
      }
  return image ? pm_record_get_image (image) : NULL;
}

PmRequest *
pm_record_find_run (GimpImage *image, GimpDrawable **drawables, PmLook *look, char **record_text, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (PmRequest) found = NULL;
  g_autofree char *text = find_run_text (image, drawables);
  g_autofree char *request_text = NULL;
  JsonObject *record, *request;

  if (! text)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("This image holds no record of a run of Pentimento; open an image that was painted with it."));
      return NULL;
    }
  record = parse_object (text, &parser);
  request = get_object (record, "request");
  if (! request)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                           _("The record of the run in this image cannot be read; paint anew with Generate with Pentimento."));
      return NULL;
    }
  read_look (get_object (record, "look"), look);
  request_text = object_text (request);
  found = pm_request_from_json (request_text, error);
  if (found)
    *record_text = g_steal_pointer (&text);
  return g_steal_pointer (&found);
}

static void
set_display (JsonObject *record, const PmHeatmapLook *look, gboolean baked)
{
  JsonObject *display = json_object_new ();

  json_object_set_string_member (display, "palette", pm_palette_id (look->palette));
  json_object_set_double_member (display, "low", look->low);
  json_object_set_double_member (display, "high", look->high);
  json_object_set_double_member (display, "gamma", look->gamma);
  json_object_set_boolean_member (display, "alpha_from_value", look->alpha_from_value);
  json_object_set_double_member (display, "alpha_strength", look->alpha_strength);
  json_object_set_boolean_member (display, "baked", baked);
  json_object_set_object_member (record, "display", display);
}

static JsonObject *
stats_object (const PmMapStats *stats)
{
  JsonObject *object = json_object_new ();
  JsonArray  *sinks = json_array_new ();

  json_object_set_double_member (object, "min", stats->min);
  json_object_set_double_member (object, "max", stats->max);
  json_object_set_double_member (object, "mean", stats->mean);
  json_object_set_double_member (object, "p01", stats->p01);
  json_object_set_double_member (object, "p50", stats->p50);
  json_object_set_double_member (object, "p99", stats->p99);
  json_object_set_int_member (object, "n_sinks", stats->n_sinks);
  for (int i = 0; i < MIN (stats->n_sinks, PM_MAP_MAX_SINKS); i++)
    {
      JsonObject *sink = json_object_new ();

      json_object_set_int_member (sink, "x", stats->sinks[i].x);
      json_object_set_int_member (sink, "y", stats->sinks[i].y);
      json_object_set_double_member (sink, "value", stats->sinks[i].value);
      json_array_add_object_element (sinks, sink);
    }
  json_object_set_array_member (object, "sinks", sinks);
  return object;
}

char *
pm_record_of_map (const PmMap *map, const PmHeatmapLook *look, gboolean baked)
{
  g_autoptr (JsonObject) record = json_object_new ();
  JsonObject *member = json_object_new ();

  json_object_set_string_member (record, "program", "pentimento");
  json_object_set_string_member (record, "version", pm_version ());
  json_object_set_string_member (member, "id", map->id);
  json_object_set_string_member (member, "title", map->title);
  json_object_set_string_member (member, "what", map->what);
  json_object_set_string_member (member, "reading", map->reading);
  if (map->word)
    json_object_set_string_member (member, "word", map->word);
  json_object_set_int_member (member, "layer", map->layer);
  json_object_set_int_member (member, "head", map->head);
  json_object_set_int_member (member, "step", map->step);
  json_object_set_double_member (member, "time", map->time);
  json_object_set_int_member (member, "grid_width", map->grid_w);
  json_object_set_int_member (member, "grid_height", map->grid_h);
  json_object_set_boolean_member (member, "signed", map->is_signed);
  json_object_set_int_member (member, "group", map->group);
  json_object_set_double_member (member, "low", map->low);
  json_object_set_double_member (member, "high", map->high);
  json_object_set_object_member (member, "stats", stats_object (&map->stats));
  json_object_set_object_member (record, "map", member);
  set_display (record, look, baked);
  return object_text (record);
}

gboolean
pm_record_set_values (GimpItem *item, const PmMap *map)
{
  gsize n = (gsize) map->grid_w * map->grid_h;
  g_autofree guint32 *bits = g_try_new (guint32, n);
  GimpParasite *parasite;
  gboolean      done;

  if (! bits)
    return FALSE;
  memcpy (bits, map->values, n * sizeof (float));
  for (gsize i = 0; i < n; i++)
    bits[i] = GUINT32_TO_LE (bits[i]);
  parasite = gimp_parasite_new (VALUES_PARASITE, GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE,
                                (guint32) (n * sizeof (float)), bits);
  done = gimp_item_attach_parasite (item, parasite);
  gimp_parasite_free (parasite);
  return done;
}

/* [grid_h, grid_w] of map; NULL when they are not there or not so many, or one is not finite. */
static float *
get_values (GimpItem *item, const PmMap *map)
{
  GimpParasite *parasite = gimp_item_get_parasite (item, VALUES_PARASITE);
  gsize         n = (gsize) map->grid_w * map->grid_h;
  guint32       size = 0;
  const void   *data = parasite ? gimp_parasite_get_data (parasite, &size) : NULL;
  g_autofree guint32 *bits = data && size == n * sizeof (float) ? g_try_new (guint32, n) : NULL;
  g_autofree float   *values = bits ? g_try_new (float, n) : NULL;
  gboolean      is_good = values != NULL;

  if (bits)
    memcpy (bits, data, n * sizeof (float));
  g_clear_pointer (&parasite, gimp_parasite_free);
  for (gsize i = 0; i < n && is_good; i++)
    {
      bits[i] = GUINT32_FROM_LE (bits[i]);
      memcpy (&values[i], &bits[i], sizeof (float));
      is_good = isfinite (values[i]);
    }
  return is_good ? g_steal_pointer (&values) : NULL;
}

static gboolean
read_map (JsonObject *member, PmMap *map)
{
  const char *texts[] = { get_string (member, "title"), get_string (member, "what"), get_string (member, "id"),
                          get_string (member, "reading") };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (! texts[i] || strlen (texts[i]) > MAX_TITLE_BYTES)
      return FALSE;
  map->title = g_strdup (texts[0]);
  map->what = g_strdup (texts[1]);
  map->id = g_strdup (texts[2]);
  map->reading = g_strdup (texts[3]);
  map->word = g_strdup (get_string (member, "word"));
  map->layer = (int) CLAMP (get_number (member, "layer", -1.0), -1.0, 10000.0);
  map->head = (int) CLAMP (get_number (member, "head", -1.0), -1.0, 10000.0);
  map->step = (int) CLAMP (get_number (member, "step", -1.0), -1.0, 10000.0);
  map->group = (int) CLAMP (get_number (member, "group", 0.0), 0.0, 1e6);
  map->time = CLAMP (get_number (member, "time", 0.0), 0.0, 1000.0);
  map->grid_w = (int) CLAMP (get_number (member, "grid_width", 0.0), 0.0, MAX_GRID);
  map->grid_h = (int) CLAMP (get_number (member, "grid_height", 0.0), 0.0, MAX_GRID);
  map->is_signed = get_boolean (member, "signed");
  map->low = get_number (member, "low", 0.0);
  map->high = get_number (member, "high", 1.0);
  return map->grid_w > 0 && map->grid_h > 0 && isfinite (map->low) && isfinite (map->high) && map->low < map->high
         && ! strpbrk (map->id, "/\\") && *map->id && *map->id != '.';
}

PmMap *
pm_record_read_map (GimpItem *item, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (PmMap) map = g_new0 (PmMap, 1);
  g_autofree char *text = pm_record_get_item (item);
  JsonObject *member = get_object (parse_object (text, &parser), "map");

  if (member && read_map (member, map))
    map->values = get_values (item, map);
  if (map->values)
    {
      pm_map_compute_stats (map->values, map->grid_w, map->grid_h, &map->stats);
      return g_steal_pointer (&map);
    }
  g_free (text);
  text = gimp_item_get_name (item);
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("The layer “%s” does not hold the values of its heat map; paint it once more with Run again."), text);
  return NULL;
}

gboolean
pm_record_get_map (GimpItem *item, PmHeatmapLook *look, gboolean *baked)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autofree char *text = pm_record_get_item (item);
  JsonObject *display = get_object (parse_object (text, &parser), "display");
  int palette;

  if (! display)
    return FALSE;
  palette = pm_palette_from_id (get_string (display, "palette"));
  look->palette = palette >= 0 ? palette : PM_PALETTE_VIRIDIS;
  look->low = CLAMP (get_number (display, "low", 0.0), -1000.0, 1000.0);
  look->high = CLAMP (get_number (display, "high", 1.0), -1000.0, 1000.0);
  look->gamma = CLAMP (get_number (display, "gamma", 1.0), 0.05, 20.0);
  look->alpha_from_value = get_boolean (display, "alpha_from_value");
  look->alpha_strength = CLAMP (get_number (display, "alpha_strength", 1.0), 0.0, 1.0);
  *baked = get_boolean (display, "baked");
  return TRUE;
}

gboolean
pm_record_update_map (GimpItem *item, const PmHeatmapLook *look, gboolean baked)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autofree char *text = pm_record_get_item (item);
  g_autofree char *changed = NULL;
  JsonObject *record = parse_object (text, &parser);

  if (! record)
    return FALSE;
  set_display (record, look, baked);
  changed = object_text (record);
  return pm_record_set_item (item, changed);
}
