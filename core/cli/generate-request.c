/* What was given to `pentimento generate` becomes a request: the options over that of a record, or over the model's defaults. */
#include "cli/generate.h"

#include <math.h>
#include <string.h>

PmRequest *
pm_generate_options_load_record (const char *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;

  if (g_file_get_contents (path, &text, NULL, &local) && ! pm_record_check (text, NULL))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("“%s” is damaged, or no record at all; give a file that --record wrote."), path);
      return NULL;
    }
  if (! text || ! json_parser_load_from_data (parser, text, -1, &local))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("“%s” cannot be read as a record (%s); give a file that --record wrote."), path, local->message);
      return NULL;
    }
  JsonNode *root = json_parser_get_root (parser);
  JsonObject *object = root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  JsonNode *request = object ? json_object_get_member (object, "request") : NULL;
  if (! request || ! JSON_NODE_HOLDS_OBJECT (request))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("“%s” holds no request; give a file that --record wrote."), path);
      return NULL;
    }
  g_autofree char *json = json_to_string (request, FALSE);
  return pm_request_from_json (json, error);
}

static gboolean
apply_region (const PmGenerateOptions *options, PmRequest *request, GError **error)
{
  g_autofree guint8 *mask = NULL;
  int width = request->width, height = request->height;

  if (options->region_mask)
    {
      mask = pm_png_read_grey (options->region_mask, &width, &height, error);
      if (! mask)
        return FALSE;
    }
  else
    {
      int edges[4];
      if (! pm_cli_parse_rectangle (options->region, edges, error))
        return FALSE;
      if (edges[2] > width || edges[3] > height)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("The region %s lies outside the picture of %d x %d pixels; make it smaller."), options->region, width,
                       height);
          return FALSE;
        }
      mask = g_try_malloc0_n (width, height);
      for (int y = edges[1]; mask && y < edges[3]; y++)
        memset (mask + (gsize) y * width + edges[0], 255, edges[2] - edges[0]);
    }
  if (mask && pm_request_set_region (request, mask, width, height))
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY, _("There is too little memory for the region; choose a smaller size."));
  return FALSE;
}

static gboolean
apply_start (const PmGenerateOptions *options, PmRequest *request, GError **error)
{
  int width, height;
  gboolean has_memory = TRUE;

  if (options->start)
    {
      g_autofree guint8 *rgb = pm_png_read_rgb (options->start, &width, &height, error);
      gsize n = rgb ? (gsize) width * height * 3 : 0;
      g_autofree float *picture = rgb ? g_try_new (float, n) : NULL;
      if (! rgb)
        return FALSE;
      for (gsize i = 0; picture && i < n; i++)
        picture[i] = rgb[i] / 255.0f;
      has_memory = picture && pm_request_set_start (request, picture, width, height);
    }
  if (options->mask)
    {
      g_autofree guint8 *mask = pm_png_read_grey (options->mask, &width, &height, error);
      if (! mask)
        return FALSE;
      has_memory = has_memory && pm_request_set_mask (request, mask, width, height);
    }
  if (! has_memory)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is too little memory for the picture to begin with; close other programs."));
      return FALSE;
    }
  if (! isnan (options->strength))
    request->strength = options->strength;
  request->preview_every = options->preview_every;
  return TRUE;
}

/* "WORDS=VALUE" at the last "="; NULL with an error. Free words with g_free; value is borrowed. */
static const char *
split_words (const char *text, const char *form, char **words, GError **error)
{
  const char *equals = strrchr (text, '=');

  if (equals && equals > text && equals[1])
    {
      *words = g_strndup (text, equals - text);
      return equals + 1;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("“%s” does not say which words and how; write it like %s, with words of the prompt."), text, form);
  return NULL;
}

static gboolean
add_weight (PmRequest *request, const char *text, GError **error)
{
  g_autofree char *words = NULL;
  const char *value = split_words (text, "--weight cat=1.5", &words, error);
  char *end = NULL;
  double weight = value ? g_ascii_strtod (value, &end) : 0;

  if (value && *end)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is no weight for “%s”; give a number such as --weight cat=1.5."), value,
                 words);
  return value && ! *end && pm_request_add_steer (request, words, weight, NULL, 0, 0, error);
}

static gboolean
add_place (PmRequest *request, const char *text, GError **error)
{
  g_autofree char *words = NULL;
  const char *path = split_words (text, "--where cat=mask.png", &words, error);
  int width, height;
  g_autofree guint8 *mask = path ? pm_png_read_grey (path, &width, &height, error) : NULL;

  return mask && pm_request_add_steer (request, words, 1, mask, width, height, error);
}

/* What is given replaces what a record had. */
static gboolean
apply_steers (const PmGenerateOptions *options, PmRequest *request, GError **error)
{
  if (options->weights || options->places)
    pm_request_clear_steers (request);
  for (int i = 0; options->weights && options->weights[i]; i++)
    if (! add_weight (request, options->weights[i], error))
      return FALSE;
  for (int i = 0; options->places && options->places[i]; i++)
    if (! add_place (request, options->places[i], error))
      return FALSE;
  return TRUE;
}

/* Maps were asked for, but not which: the readings that tell most. */
static const char *
default_show (const PmGenerateOptions *options, const PmRequest *request)
{
  if (! pm_generate_options_want_maps (options))
    return NULL;
  if (options->from_record || request->show.readings)
    return NULL;
  if (request->region)
    return "layers=mean:recommended;heads=mean;read=from";
  if (! *request->prompt)
    return "read=subject";
  return options->gif ? "layers=mean:recommended;heads=mean;read=word-share"
                      : "layers=mean:recommended;heads=mean;steps=mean;read=word-share";
}

static void
set_text (char **text, const char *given)
{
  if (! given)
    return;
  g_free (*text);
  *text = g_strdup (given);
}

static gboolean
apply_device (const PmGenerateOptions *options, PmRequest *request, GError **error)
{
  int shortage = options->shortage ? pm_shortage_from_id (options->shortage) : (int) request->shortage;

  set_text (&request->device, options->device);
  if (options->precision && ! pm_cli_parse_precision (options->precision, &request->precision, error))
    return FALSE;
  if (shortage < 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("--on-out-of-memory is stream, cpu or stop, not “%s”; give one of these."),
                 options->shortage);
  else if (! options->vram_limit || pm_cli_parse_bytes (options->vram_limit, &request->vram_limit, error))
    {
      request->shortage = (PmShortage) shortage;
      return TRUE;
    }
  return FALSE;
}

gboolean
pm_generate_options_apply (const PmGenerateOptions *options, PmRequest *request, GError **error)
{
  set_text (&request->class_name, options->class_name);
  set_text (&request->prompt, options->prompt);
  set_text (&request->negative_prompt, options->negative);
  set_text (&request->sampler, options->sampler);
  if (! apply_device (options, request, error))
    return FALSE;
  if (options->num_steps != G_MININT && options->num_steps != 0) /* 0: the model's own */
    request->num_steps = options->num_steps;
  if (options->n_threads != G_MININT)
    request->n_threads = options->n_threads;
  if (options->map_budget_mib != G_MININT)
    request->map_budget = (gsize) options->map_budget_mib << 20;
  if (! isnan (options->guidance))
    request->guidance = options->guidance;
  if (options->guidance_interval && ! pm_cli_parse_interval (options->guidance_interval, request->guidance_interval, error))
    return FALSE;
  if (options->cache && ! pm_request_set_cache (request, options->cache, error))
    return FALSE;
  if (options->size && ! pm_cli_parse_size (options->size, &request->width, &request->height, error))
    return FALSE;
  if (options->seed ? ! pm_cli_parse_seed (options->seed, &request->seed, error) : FALSE)
    return FALSE;
  if (! options->seed && ! options->from_record)
    request->seed = g_random_int ();
  if ((options->region || options->region_mask) && ! apply_region (options, request, error))
    return FALSE;
  if (! apply_start (options, request, error) || ! apply_steers (options, request, error))
    return FALSE;

  const char *show = options->show ? options->show : default_show (options, request);
  return ! show || pm_request_set_show (request, show, error);
}
