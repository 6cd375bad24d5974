/* Requests: defaults, copies, regions. Steers are in request/steer.c, JSON in request/json.c. */
#include "request/private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

static const char *const cache_ids[] = { "none", "static", "taylor" };

const char *
pm_cache_id (PmCache cache)
{
  return cache_ids[cache];
}

int
pm_cache_from_id (const char *id)
{
  for (guint i = 0; i < G_N_ELEMENTS (cache_ids); i++)
    if (g_strcmp0 (cache_ids[i], id) == 0)
      return i;
  return -1;
}

const char *
pm_request_get_unused (const PmRequest *request)
{
  if (request->guidance == 1 && request->negative_prompt && *request->negative_prompt)
    return _("The negative prompt changes nothing at guidance 1; choose a guidance above 1, or leave the negative prompt out.");
  return NULL;
}

gboolean
pm_request_set_cache (PmRequest *request, const char *text, GError **error)
{
  const char      *colon = strchr (text, ':');
  g_autofree char *id = colon ? g_strndup (text, colon - text) : g_strdup (text);
  int              cache = pm_cache_from_id (id);
  gint64           interval = PM_CACHE_DEFAULT_INTERVAL;
  char            *end = NULL;

  if (colon)
    interval = g_ascii_strtoll (colon + 1, &end, 10);
  if (cache < 0 || (colon && (cache == PM_CACHE_NONE || end == colon + 1 || *end || interval < 2 || interval > 1000)))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("“%s” is no kind of cache; give none, static or taylor, the last two with an interval from 2 on, such as "
                     "taylor:3."),
                   text);
      return FALSE;
    }
  request->cache = cache;
  request->cache_interval = (int) interval;
  return TRUE;
}

PmRequest *
pm_request_new (void)
{
  PmRequest *request = g_new0 (PmRequest, 1);
  request->model = g_strdup ("");
  request->device = g_strdup ("cpu");
  request->class_name = g_strdup ("");
  request->prompt = g_strdup ("");
  request->negative_prompt = g_strdup ("");
  request->sampler = g_strdup ("");
  request->guidance = 1;
  request->guidance_interval[1] = 1;
  request->strength = 1;
  request->cache_interval = PM_CACHE_DEFAULT_INTERVAL;
  pm_show_init (&request->show);
  return request;
}

PmRequest *
pm_request_new_for_model (PmModel *model)
{
  const PmModelInfo *info = pm_model_get_info (model);
  PmRequest         *request = pm_request_new ();

  g_free (request->model);
  request->model = g_strdup (info->name);
  g_free (request->sampler);
  request->sampler = g_strdup (info->default_sampler);
  request->num_steps = info->default_steps;
  request->guidance = info->default_guidance;
  memcpy (request->guidance_interval, info->guidance_interval, sizeof request->guidance_interval);
  request->width = request->height = info->default_size;
  return request;
}

gpointer
pm_request_try_copy (gconstpointer from, gsize size)
{
  gpointer copy = from ? g_try_malloc (size) : NULL;
  return copy ? memcpy (copy, from, size) : NULL;
}

PmRequest *
pm_request_copy (const PmRequest *request)
{
  PmRequest *copy = g_new (PmRequest, 1);
  gsize      n = (gsize) request->region_width * request->region_height;

  *copy = *request;
  copy->model = g_strdup (request->model);
  copy->device = g_strdup (request->device);
  copy->class_name = g_strdup (request->class_name);
  copy->prompt = g_strdup (request->prompt);
  copy->negative_prompt = g_strdup (request->negative_prompt);
  copy->sampler = g_strdup (request->sampler);
  copy->region = pm_request_try_copy (request->region, n * sizeof (float));
  copy->start = pm_request_try_copy (request->start, pm_request_start_size (request) * sizeof (float));
  copy->mask = pm_request_try_copy (request->mask, (gsize) request->mask_width * request->mask_height);
  copy->start_sum = g_strdup (request->start_sum);
  copy->mask_sum = g_strdup (request->mask_sum);
  pm_show_init (&copy->show);
  pm_show_copy (&request->show, &copy->show);
  copy->steers = NULL;
  copy->n_steers = 0;
  if (! pm_request_copy_steers (request, copy) || ! copy->region != ! request->region || ! copy->start != ! request->start
      || ! copy->mask != ! request->mask)
    g_clear_pointer (&copy, pm_request_free);
  return copy;
}

void
pm_request_free (PmRequest *request)
{
  if (! request)
    return;
  g_free (request->model);
  g_free (request->device);
  g_free (request->class_name);
  g_free (request->prompt);
  g_free (request->negative_prompt);
  pm_request_clear_steers (request);
  g_free (request->sampler);
  g_free (request->region);
  g_free (request->start);
  g_free (request->mask);
  g_free (request->start_sum);
  g_free (request->mask_sum);
  pm_show_clear (&request->show);
  g_free (request);
}

gboolean
pm_request_set_show (PmRequest *request, const char *text, GError **error)
{
  return pm_show_parse (&request->show, text, error);
}

gboolean
pm_request_set_region (PmRequest *request, const guint8 *mask, int width, int height)
{
  gsize n = (gsize) width * height;

  g_clear_pointer (&request->region, g_free);
  request->region_width = request->region_height = 0;
  if (! mask || width < 1 || height < 1)
    return TRUE;
  request->region = g_try_new (float, n);
  if (! request->region)
    return FALSE;
  request->region_width = width;
  request->region_height = height;
  for (gsize i = 0; i < n; i++)
    request->region[i] = mask[i] / 255.f;
  return TRUE;
}

gsize
pm_request_start_size (const PmRequest *request)
{
  return (gsize) request->start_width * request->start_height * (request->start_channels ? request->start_channels : 3);
}

/* channels: 0 for a picture, as start_channels. */
static gboolean
set_start (PmRequest *request, const float *start, int channels, int width, int height)
{
  g_clear_pointer (&request->start, g_free);
  g_clear_pointer (&request->start_sum, g_free);
  request->start_channels = request->start_width = request->start_height = 0;
  if (! start || channels < 0 || width < 1 || height < 1)
    return TRUE;
  request->start_channels = channels;
  request->start_width = width;
  request->start_height = height;
  request->start = pm_request_try_copy (start, pm_request_start_size (request) * sizeof (float));
  return request->start != NULL;
}

gboolean
pm_request_set_start (PmRequest *request, const float *picture, int width, int height)
{
  return set_start (request, picture, 0, width, height);
}

gboolean
pm_request_set_start_latent (PmRequest *request, const float *latent, int channels, int width, int height)
{
  return set_start (request, latent, channels, width, height);
}

gboolean
pm_request_set_mask (PmRequest *request, const guint8 *mask, int width, int height)
{
  g_clear_pointer (&request->mask, g_free);
  g_clear_pointer (&request->mask_sum, g_free);
  request->mask_width = request->mask_height = 0;
  if (! mask || width < 1 || height < 1)
    return TRUE;
  request->mask_width = width;
  request->mask_height = height;
  request->mask = pm_request_try_copy (mask, (gsize) width * height);
  return request->mask != NULL;
}
