/* Requests as JSON, the member "request" of a record. A record may come from a stranger's picture: everything is checked. */
#include "request/private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"

/* Coverage in 256 levels as [value, count, value, count, ...]: regions are mostly flat. */
void
pm_request_write_region (JsonBuilder *builder, const float *region, int width, int height)
{
  gsize n = (gsize) width * height;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "width");
  json_builder_add_int_value (builder, width);
  json_builder_set_member_name (builder, "height");
  json_builder_add_int_value (builder, height);
  json_builder_set_member_name (builder, "runs");
  json_builder_begin_array (builder);
  for (gsize i = 0, count; i < n; i += count)
    {
      int value = (int) lrintf (region[i] * 255);
      for (count = 1; i + count < n && (int) lrintf (region[i + count] * 255) == value; count++)
        ;
      json_builder_add_int_value (builder, value);
      json_builder_add_int_value (builder, count);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

/* "start": {"sha256": ..., "strength": 0.6, "mask-sha256": ...}: pixels would make a record too large to keep in a picture. */
static void
add_start (JsonBuilder *builder, const PmRequest *request)
{
  gsize n = pm_request_start_size (request) * sizeof (float), n_mask = (gsize) request->mask_width * request->mask_height;
  g_autofree char *start = request->start
                               ? g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) request->start, n)
                               : g_strdup (request->start_sum);
  g_autofree char *mask = request->mask ? g_compute_checksum_for_data (G_CHECKSUM_SHA256, request->mask, n_mask)
                                        : g_strdup (request->mask_sum);

  json_builder_set_member_name (builder, "start");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "sha256");
  json_builder_add_string_value (builder, start ? start : "");
  json_builder_set_member_name (builder, "strength");
  json_builder_add_double_value (builder, request->strength);
  if (mask)
    {
      json_builder_set_member_name (builder, "mask-sha256");
      json_builder_add_string_value (builder, mask);
    }
  json_builder_end_object (builder);
}

/* What is not as it would be anyway. */
static void
add_device (JsonBuilder *builder, const PmRequest *request)
{
  if (request->precision != PM_PRECISION_AUTO)
    {
      json_builder_set_member_name (builder, "precision");
      json_builder_add_string_value (builder, pm_precision_id (request->precision));
    }
  if (request->shortage != PM_SHORTAGE_STREAM)
    {
      json_builder_set_member_name (builder, "on-out-of-memory");
      json_builder_add_string_value (builder, pm_shortage_id (request->shortage));
    }
  if (request->vram_limit > 0)
    {
      json_builder_set_member_name (builder, "vram-limit");
      json_builder_add_int_value (builder, (gint64) request->vram_limit);
    }
}

char *
pm_request_to_json (const PmRequest *request)
{
  g_autoptr (JsonBuilder)   builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char          *show = pm_show_to_string (&request->show);
  const char *const strings[][2] = { { "model", request->model },
                                     { "device", request->device },
                                     { "class", request->class_name },
                                     { "prompt", request->prompt },
                                     { "negative-prompt", request->negative_prompt },
                                     { "sampler", request->sampler },
                                     { "show", show }, { "cache", pm_cache_id (request->cache) } };

  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    {
      json_builder_set_member_name (builder, strings[i][0]);
      json_builder_add_string_value (builder, strings[i][1] ? strings[i][1] : "");
    }
  add_device (builder, request);
  json_builder_set_member_name (builder, "num-steps");
  json_builder_add_int_value (builder, request->num_steps);
  json_builder_set_member_name (builder, "cache-interval");
  json_builder_add_int_value (builder, request->cache_interval);
  json_builder_set_member_name (builder, "guidance");
  json_builder_add_double_value (builder, request->guidance);
  json_builder_set_member_name (builder, "guidance-interval");
  json_builder_begin_array (builder);
  json_builder_add_double_value (builder, request->guidance_interval[0]);
  json_builder_add_double_value (builder, request->guidance_interval[1]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "seed");
  json_builder_add_int_value (builder, (gint64) request->seed);
  json_builder_set_member_name (builder, "width");
  json_builder_add_int_value (builder, request->width);
  json_builder_set_member_name (builder, "height");
  json_builder_add_int_value (builder, request->height);
  if (request->region)
    {
      json_builder_set_member_name (builder, "region");
      pm_request_write_region (builder, request->region, request->region_width, request->region_height);
    }
  pm_request_write_steers (builder, request);
  if (request->start || request->start_sum)
    add_start (builder, request);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}

static gboolean
set_wrong (GError **error, const char *member)
{
  g_set_error (
      error, PM_ERROR, PM_ERROR_DAMAGED,
      _("The record's member “%s” has a wrong value; it was damaged or written by another program. Paint the picture anew."),
      member);
  return FALSE;
}

static gboolean
read_string (JsonObject *object, const char *member, char **value, GError **error)
{
  JsonNode   *node = json_object_get_member (object, member);
  const char *text = pm_json_read_string (node);
  if (! node)
    return TRUE;
  if (! text)
    return set_wrong (error, member);
  g_free (*value);
  *value = g_strdup (text);
  return TRUE;
}

static gboolean
read_int (JsonObject *object, const char *member, int low, int high, int *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);
  gsize     number = 0;
  if (! node)
    return TRUE;
  if (! pm_json_read_size (node, &number) || number < (gsize) low || number > (gsize) high)
    return set_wrong (error, member);
  *value = (int) number;
  return TRUE;
}

static gboolean
read_finite (JsonNode *node, double *value)
{
  return pm_json_read_number (node, value) && isfinite (*value);
}

static gboolean
read_numbers (JsonObject *object, PmRequest *request, GError **error)
{
  JsonNode *guidance = json_object_get_member (object, "guidance");
  JsonNode *interval = json_object_get_member (object, "guidance-interval");
  JsonNode *seed = json_object_get_member (object, "seed");

  if (guidance && ! read_finite (guidance, &request->guidance))
    return set_wrong (error, "guidance");
  if (seed && (! JSON_NODE_HOLDS_VALUE (seed) || json_node_get_value_type (seed) != G_TYPE_INT64))
    return set_wrong (error, "seed");
  if (seed)
    request->seed = (guint64) json_node_get_int (seed);
  if (! interval)
    return TRUE;
  if (! JSON_NODE_HOLDS_ARRAY (interval) || json_array_get_length (json_node_get_array (interval)) != 2)
    return set_wrong (error, "guidance-interval");
  for (guint i = 0; i < 2; i++)
    if (! read_finite (json_array_get_element (json_node_get_array (interval), i), &request->guidance_interval[i]))
      return set_wrong (error, "guidance-interval");
  return TRUE;
}

static gboolean
read_cache (JsonObject *object, PmRequest *request, GError **error)
{
  JsonNode *node = json_object_get_member (object, "cache");
  int       cache = pm_cache_from_id (pm_json_read_string (node));

  if (node && cache < 0)
    return set_wrong (error, "cache");
  if (node)
    request->cache = cache;
  return read_int (object, "cache-interval", 2, 1000, &request->cache_interval, error);
}

/* Where and how it was computed. */
static gboolean
read_device (JsonObject *object, PmRequest *request, GError **error)
{
  JsonNode *precision = json_object_get_member (object, "precision");
  JsonNode *shortage = json_object_get_member (object, "on-out-of-memory");
  JsonNode *limit = json_object_get_member (object, "vram-limit");
  int       id;
  gsize     bytes = 0;

  if (precision && (id = pm_precision_from_id (pm_json_read_string (precision))) < 0)
    return set_wrong (error, "precision");
  request->precision = precision ? id : PM_PRECISION_AUTO;
  if (shortage && (id = pm_shortage_from_id (pm_json_read_string (shortage))) < 0)
    return set_wrong (error, "on-out-of-memory");
  request->shortage = shortage ? id : PM_SHORTAGE_STREAM;
  if (limit && ! pm_json_read_size (limit, &bytes))
    return set_wrong (error, "vram-limit");
  request->vram_limit = bytes;
  return read_string (object, "device", &request->device, error);
}

static gboolean
read_runs (JsonArray *runs, float *region, gsize n)
{
  gsize done = 0;
  for (guint i = 0; i + 1 < json_array_get_length (runs); i += 2)
    {
      gsize value, count;
      if (! pm_json_read_size (json_array_get_element (runs, i), &value) || value > 255
          || ! pm_json_read_size (json_array_get_element (runs, i + 1), &count) || count > n - done)
        return FALSE;
      for (gsize end = done + count; done < end; done++)
        region[done] = value / 255.f;
    }
  return done == n;
}

float *
pm_request_read_region (JsonNode *node, gsize *left, int *width, int *height)
{
  JsonObject       *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode         *runs = object ? json_object_get_member (object, "runs") : NULL;
  g_autofree float *region = NULL;
  gsize             n;

  *width = *height = 0;
  if (! runs || ! JSON_NODE_HOLDS_ARRAY (runs) || ! read_int (object, "width", 1, PM_REQUEST_MAX_SIDE, width, NULL)
      || ! read_int (object, "height", 1, PM_REQUEST_MAX_SIDE, height, NULL) || *width < 1 || *height < 1)
    return NULL;
  n = (gsize) *width * *height;
  if (n > *left || ! (region = g_try_new (float, n)) || ! read_runs (json_node_get_array (runs), region, n))
    return NULL;
  *left -= n;
  return g_steal_pointer (&region);
}

/* That of the readings and those of steered words. */
static gboolean
read_regions (JsonObject *object, PmRequest *request, GError **error)
{
  JsonNode *region = json_object_get_member (object, "region");
  gsize     left = PM_REQUEST_MAX_PIXELS;

  if (region
      && ! (request->region = pm_request_read_region (region, &left, &request->region_width, &request->region_height)))
    return set_wrong (error, "region");
  return pm_request_read_steers (json_object_get_member (object, "steers"), &left, request) || set_wrong (error, "steers");
}

static gboolean
read_start (JsonObject *object, PmRequest *request, GError **error)
{
  JsonNode   *node = json_object_get_member (object, "start");
  JsonObject *start = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode   *strength = start ? json_object_get_member (start, "strength") : NULL;

  if (! node)
    return TRUE;
  if (! start || (strength && ! read_finite (strength, &request->strength)))
    return set_wrong (error, "start");
  return read_string (start, "sha256", &request->start_sum, error)
         && read_string (start, "mask-sha256", &request->mask_sum, error);
}

PmRequest *
pm_request_from_json (const char *json, GError **error)
{
  g_autoptr (JsonNode)  root = pm_json_parse (json, strlen (json), _("the record"), error);
  g_autoptr (PmRequest) request = pm_request_new ();
  g_autofree char      *show = NULL;
  JsonObject           *object;

  if (! root)
    return NULL;
  if (! JSON_NODE_HOLDS_OBJECT (root))
    {
      set_wrong (error, "request");
      return NULL;
    }
  object = json_node_get_object (root);
  if (json_object_has_member (object, "request")) /* a whole record */
    {
      JsonNode *member = json_object_get_member (object, "request");
      if (! JSON_NODE_HOLDS_OBJECT (member))
        {
          set_wrong (error, "request");
          return NULL;
        }
      object = json_node_get_object (member);
    }
  if (! read_string (object, "model", &request->model, error) || ! read_device (object, request, error)
      || ! read_string (object, "class", &request->class_name, error)
      || ! read_string (object, "prompt", &request->prompt, error)
      || ! read_string (object, "negative-prompt", &request->negative_prompt, error)
      || ! read_string (object, "sampler", &request->sampler, error) || ! read_string (object, "show", &show, error)
      || ! read_int (object, "num-steps", 0, G_MAXINT, &request->num_steps, error)
      || ! read_int (object, "width", 0, PM_REQUEST_MAX_SIDE, &request->width, error)
      || ! read_int (object, "height", 0, PM_REQUEST_MAX_SIDE, &request->height, error) || ! read_numbers (object, request, error)
      || ! read_cache (object, request, error) || ! read_regions (object, request, error) || ! read_start (object, request, error)
      || (show && ! pm_request_set_show (request, show, error)))
    return NULL;
  return g_steal_pointer (&request);
}

gboolean
pm_record_check (const char *json, GError **error)
{
  g_autoptr (JsonNode) root = pm_json_parse (json, strlen (json), "", NULL);

  if (! root)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                         _("The record is damaged, or no record at all; paint the picture anew."));
  return root != NULL;
}
