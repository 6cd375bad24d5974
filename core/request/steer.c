/* Steers of a request: words of the prompt that count more or less, or only in a part of the picture. */
#include "request/private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "request/cells.h"

void
pm_request_clear_steers (PmRequest *request)
{
  for (int i = 0; i < request->n_steers; i++)
    {
      g_free (request->steers[i].words);
      g_free (request->steers[i].region);
    }
  g_clear_pointer (&request->steers, g_free);
  request->n_steers = 0;
}

/* Takes the region. */
static void
append_steer (PmRequest *request, const char *words, double weight, float *region, int width, int height)
{
  PmSteer steer = { g_strdup (words), weight, region, region ? width : 0, region ? height : 0 };

  request->steers = g_renew (PmSteer, request->steers, request->n_steers + 1);
  request->steers[request->n_steers++] = steer;
}

static gboolean
is_weight (double weight)
{
  return weight >= 0 && weight <= PM_MAX_STEER_WEIGHT;
}

static gboolean
has_words (const char *words)
{
  return words && words[strspn (words, " \t\r\n")] != '\0';
}

static gboolean
is_empty (const guint8 *mask, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (mask[i])
      return FALSE;
  return TRUE;
}

/* The mask as a region, at most PM_MAX_STEER_SIDE a side; NULL when memory is short. *width and *height become its own. */
static float *
make_region (const guint8 *mask, int *width, int *height)
{
  int    longer = MAX (*width, *height), side = MIN (longer, PM_MAX_STEER_SIDE);
  int    w = MAX (1, (int) ((gint64) *width * side / longer)), h = MAX (1, (int) ((gint64) *height * side / longer));
  float *region = g_try_new (float, (gsize) w * h);

  if (! region)
    return NULL;
  pm_cells_average (mask, TRUE, *width, *height, w, h, region);
  for (gsize i = 0; i < (gsize) w * h; i++)
    region[i] = (float) fmax (ceil (region[i] * 255 - 1e-3), 0) / 255.f; /* up: hardly covered is not uncovered; never -0 */
  *width = w;
  *height = h;

  return region;
}

gboolean
pm_request_add_steer (PmRequest *request, const char *words, double weight, const guint8 *mask, int width, int height,
                      GError **error)
{
  gsize  n = mask ? (gsize) width * height : 0;
  float *region = NULL;

  if (! has_words (words))
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                         _("No words were given to steer; name a word or phrase of the prompt."));
  else if (! is_weight (weight))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The weight of “%s” is out of range; choose from 0 (hidden) to %g, 1 is as it is."), words,
                 PM_MAX_STEER_WEIGHT);
  else if (request->n_steers >= PM_MAX_STEERS)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("At most %d words and phrases can be steered at once; leave “%s” out."),
                 PM_MAX_STEERS, words);
  else if (mask && (width < 1 || height < 1 || is_empty (mask, n)))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The region for “%s” is empty; say where in the picture the words may count."), words);
  else if (mask && ! (region = make_region (mask, &width, &height)))
    g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                 _("There is too little memory for the region of “%s”; choose a smaller size."), words);
  else
    {
      append_steer (request, words, weight, region, width, height);
      return TRUE;
    }
  return FALSE;
}

gboolean
pm_request_copy_steers (const PmRequest *from, PmRequest *to)
{
  for (int i = 0; i < from->n_steers; i++)
    {
      const PmSteer *steer = &from->steers[i];
      gsize          n = (gsize) steer->region_width * steer->region_height;
      float         *region = pm_request_try_copy (steer->region, n * sizeof (float));

      if (! region != ! steer->region)
        return FALSE;
      append_steer (to, steer->words, steer->weight, region, steer->region_width, steer->region_height);
    }
  return TRUE;
}

void
pm_request_write_steers (JsonBuilder *builder, const PmRequest *request)
{
  if (! request->n_steers)
    return;
  json_builder_set_member_name (builder, "steers");
  json_builder_begin_array (builder);
  for (int i = 0; i < request->n_steers; i++)
    {
      const PmSteer *steer = &request->steers[i];

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "words");
      json_builder_add_string_value (builder, steer->words);
      json_builder_set_member_name (builder, "weight");
      json_builder_add_double_value (builder, steer->weight);
      if (steer->region)
        {
          json_builder_set_member_name (builder, "region");
          pm_request_write_region (builder, steer->region, steer->region_width, steer->region_height);
        }
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static gboolean
read_steer (JsonNode *node, gsize *left, PmRequest *request)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *words = object ? pm_json_read_string (json_object_get_member (object, "words")) : NULL;
  JsonNode   *weight = object ? json_object_get_member (object, "weight") : NULL;
  JsonNode   *area = object ? json_object_get_member (object, "region") : NULL;
  float      *region = NULL;
  double      number = 1;
  int         width = 0, height = 0;

  if (! has_words (words) || (weight && ! (pm_json_read_number (weight, &number) && is_weight (number)))
      || (area && ! (region = pm_request_read_region (area, left, &width, &height))))
    return FALSE;
  append_steer (request, words, number, region, width, height);
  return TRUE;
}

gboolean
pm_request_read_steers (JsonNode *node, gsize *left, PmRequest *request)
{
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (! node)
    return TRUE;
  if (! array || json_array_get_length (array) > PM_MAX_STEERS)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (! read_steer (json_array_get_element (array, i), left, request))
      return FALSE;
  return TRUE;
}
