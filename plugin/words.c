/* See words.h. A word that has both a weight and a region becomes one steer. */
#include "plugin/words.h"

#include "plugin/i18n.h"
#include "ui/pairs.h"

typedef struct
{
  const PmPlace   *place;
  const PmRequest *recorded;
  PmModel         *model;
  PmRequest       *request;
  GString         *added; /* phrases that the prompt had not */
} Words;

static gboolean
prompt_has (Words *words, const char *phrase, gboolean *has, GError **error)
{
  g_autoptr (PmPrompt) prompt = pm_model_read_prompt (words->model, words->request->prompt, error);
  g_autofree gboolean *tokens = prompt ? g_new0 (gboolean, MAX (prompt->n_tokens, 1)) : NULL;

  if (! prompt)
    return FALSE;
  *has = pm_prompt_find (prompt, phrase, tokens, NULL);
  return TRUE;
}

static gboolean
add_to_prompt (Words *words, const char *phrase, GError **error)
{
  g_autofree char *longer = NULL;
  gboolean has;

  if (! prompt_has (words, phrase, &has, error))
    return FALSE;
  if (has)
    return TRUE;
  longer = *words->request->prompt ? g_strconcat (words->request->prompt, ", ", phrase, NULL) : g_strdup (phrase);
  g_set_str (&words->request->prompt, longer);
  g_string_append_printf (words->added, "%s“%s”", words->added->len ? ", " : "", phrase);
  return TRUE;
}

static gboolean
read_weight (const PmPair *pair, double *weight, GError **error)
{
  char *end = NULL;

  *weight = 1.0;
  if (! pair)
    return TRUE;
  if (pair->value && *pair->value)
    *weight = g_ascii_strtod (pair->value, &end);
  if (end && *end == '\0')
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The weight of “%s” is no number; write it like %s=1.5."), pair->name,
               pair->name);
  return FALSE;
}

/* The region of a phrase in the record, as bytes. */
static guint8 *
recorded_region (Words *words, const char *phrase, int *width, int *height)
{
  for (int i = 0; words->recorded && i < words->recorded->n_steers; i++)
    {
      const PmSteer *steer = &words->recorded->steers[i];
      gsize   n = (gsize) steer->region_width * steer->region_height;
      guint8 *mask;

      if (! steer->region || g_strcmp0 (steer->words, phrase) != 0)
        continue;
      mask = g_try_malloc (n);
      for (gsize k = 0; mask && k < n; k++)
        mask[k] = (guint8) (CLAMP (steer->region[k], 0.0f, 1.0f) * 255.0f + 0.5f);
      *width = steer->region_width;
      *height = steer->region_height;
      return mask;
    }
  return NULL;
}

static guint8 *
find_region (Words *words, const PmPair *pair, int *width, int *height, GError **error)
{
  const char *source = pair->value ? pair->value : pair->name;
  GimpImage  *image = words->place->image;
  GimpLayer  *layer = NULL;
  guint8     *mask;

  *width = words->request->width;
  *height = words->request->height;
  if (g_strcmp0 (source, PM_REGION_RECORD) == 0)
    {
      mask = recorded_region (words, pair->name, width, height);
      if (! mask)
        g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The record has no region for “%s”; name a layer instead."), pair->name);
      return mask;
    }
  if (g_strcmp0 (source, PM_REGION_SELECTION) != 0)
    {
      layer = image ? gimp_image_get_layer_by_name (image, source) : NULL;
      if (! layer)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("There is no layer “%s” for the region of “%s”; name a layer of the image, or write %s=%s."), source,
                       pair->name, pair->name, PM_REGION_SELECTION);
          return NULL;
        }
    }
  return pm_placement_read_coverage (words->place, layer, words->request, error);
}

static gboolean
add_placed (Words *words, const PmPair *pair, GPtrArray *weights, GError **error)
{
  double weight;
  int    width, height;
  g_autofree guint8 *mask = NULL;

  if (! add_to_prompt (words, pair->name, error) || ! read_weight (pm_pairs_find (weights, pair->name), &weight, error))
    return FALSE;
  mask = find_region (words, pair, &width, &height, error);
  return mask && pm_request_add_steer (words->request, pair->name, weight, mask, width, height, error);
}

static gboolean
add_weighed (Words *words, const PmPair *pair, GError **error)
{
  double weight;

  return read_weight (pair, &weight, error) && pm_request_add_steer (words->request, pair->name, weight, NULL, 0, 0, error);
}

gboolean
pm_words_apply (GimpProcedureConfig *config, const PmPlace *place, const PmRequest *recorded, PmModel *model, PmRequest *request,
                char **told, GError **error)
{
  g_autofree char *weight_text = NULL, *region_text = NULL;
  g_autoptr (GPtrArray) weights = NULL, regions = NULL;
  g_autoptr (GString) added = g_string_new (NULL);
  Words    words = { place, recorded, model, request, added };
  gboolean done = TRUE;

  if (! pm_model_get_info (model)->takes_prompt)
    return TRUE;
  g_object_get (config, "word-weights", &weight_text, "word-regions", &region_text, NULL);
  weights = pm_pairs_parse (weight_text);
  regions = pm_pairs_parse (region_text);
  pm_request_clear_steers (request);
  for (guint i = 0; i < regions->len && done; i++)
    done = add_placed (&words, regions->pdata[i], weights, error);
  for (guint i = 0; i < weights->len && done; i++)
    if (! pm_pairs_find (regions, ((PmPair *) weights->pdata[i])->name))
      done = add_weighed (&words, weights->pdata[i], error);
  if (done && added->len && told)
    *told = g_strdup_printf (_("Added to the prompt: %s."), added->str);
  return done;
}
