/* The arguments' values: read into a request and a look, and written back from those of a record. */
#include "plugin/arguments.h"

#include <math.h>
#include <string.h>

#include "plugin/i18n.h"
#include "ui/pairs.h"

#define MIB ((guint64) 1 << 20)

char *
pm_arguments_auto_steps (int num_steps)
{
  int     last = -1;
  GString *list = g_string_new (NULL);

  for (int quarter = 1; quarter <= 3; quarter++)
    {
      int step = CLAMP ((int) lround (quarter * num_steps / 4.0), 0, MAX (num_steps - 1, 0));

      if (step != last)
        g_string_append_printf (list, "%s%d", list->len ? "," : "", step);
      last = step;
    }
  return g_string_free (list, FALSE);
}

static gboolean
is_nothing (const char *text)
{
  return ! text || ! *text || strcmp (text, "none") == 0;
}

/* As the core counts: a run that begins with a picture leaves its first steps out, and 0.29 of 100 steps are 29. */
static int
steps_run (const PmRequest *request, gboolean has_start)
{
  return has_start ? MAX ((int) floor (request->num_steps * request->strength + 1e-9), 1) : request->num_steps;
}

/* Readings without those of words, for a run that shows no word. */
static char *
without_words (const char *read)
{
  g_auto (GStrv) ids = g_strsplit (read, ",", -1);
  GString *kept = g_string_new (NULL);

  for (int i = 0; ids[i]; i++)
    {
      const char *id = g_strstrip (ids[i]);

      if (! pm_reading_needs_words (id))
        g_string_append_printf (kept, "%s%s", kept->len ? "," : "", id);
    }
  return g_string_free (kept, FALSE);
}

/* show-words as a part of what the core reads: names with what has a meaning there escaped; NULL: every word. */
static char *
words_part (const char *text)
{
  g_autoptr (GPtrArray) pairs = pm_pairs_parse (text);
  GString *part = g_string_new (NULL);

  if (g_strcmp0 (text, "all") == 0)
    return g_string_free (part, TRUE);
  for (guint i = 0; i < pairs->len; i++)
    {
      g_autofree char *word = pm_show_escape_word (((PmPair *) pairs->pdata[i])->name);

      g_string_append_printf (part, "%s%s", i ? "," : "", word);
    }
  return g_string_free (part, FALSE);
}

static gboolean
set_show (GimpProcedureConfig *config, PmRequest *request, gboolean has_start, GError **error)
{
  g_autofree char *layers = NULL, *heads = NULL, *steps = NULL, *read = NULL, *which = NULL, *text = NULL;
  g_autofree char *show_words = NULL, *words = NULL;

  g_object_get (config, "show-layers", &layers, "show-heads", &heads, "show-steps", &steps, "read", &read, "show-which", &which,
                "show-words", &show_words, NULL);
  words = words_part (show_words ? show_words : "all");
  if (words && ! *words && read)
    {
      char *kept = without_words (read);

      g_free (read);
      read = kept;
    }
  if (is_nothing (read))
    return TRUE;

  if (g_strcmp0 (steps, "auto") == 0)
    {
      g_free (steps);
      steps = pm_arguments_auto_steps (steps_run (request, has_start));
    }
  text = g_strdup_printf ("layers=%s;heads=%s;steps=%s;read=%s;which=%s%s%s", layers ? layers : "", heads ? heads : "",
                          steps ? steps : "", read, which, words && *words ? ";words=" : "", words ? words : "");
  return pm_request_set_show (request, text, error);
}

static void
set_advanced (GimpProcedureConfig *config, PmRequest *request)
{
  double from, to;
  int    vram_limit;

  g_object_get (config, "guidance-from", &from, "guidance-to", &to, "cache-interval", &request->cache_interval, "vram-limit",
                &vram_limit, NULL);
  request->vram_limit = (guint64) vram_limit * MIB;
  request->cache = gimp_procedure_config_get_choice_id (config, "cache");
  request->precision = gimp_procedure_config_get_choice_id (config, "precision");
  request->shortage = gimp_procedure_config_get_choice_id (config, "on-out-of-memory");
  if (from >= 0.0)
    request->guidance_interval[0] = from;
  if (to >= 0.0)
    request->guidance_interval[1] = to;
}

/* A model is told what to paint by a class or in words. */
static gboolean
set_what (GimpProcedureConfig *config, PmModel *model, PmRequest *request, GError **error)
{
  g_autofree char *class_name = NULL, *prompt = NULL, *negative = NULL, *weights = NULL, *regions = NULL;
  const char *name = pm_model_get_info (model)->name;
  gboolean    has_class, has_words;

  g_object_get (config, "class", &class_name, "prompt", &prompt, "negative-prompt", &negative, "word-weights", &weights,
                "word-regions", &regions, NULL);
  has_class = class_name && *class_name;
  has_words = (prompt && *prompt) || (negative && *negative) || (weights && *weights) || (regions && *regions);
  if (pm_model_get_info (model)->takes_prompt)
    {
      g_set_str (&request->prompt, prompt ? prompt : "");
      g_set_str (&request->negative_prompt, negative ? negative : "");
      if (! has_class)
        return TRUE;
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The model “%s” has no classes; say what to paint with the prompt and leave the class empty."), name);
      return FALSE;
    }
  g_set_str (&request->class_name, class_name ? class_name : "");
  if (! has_words)
    return pm_model_find_class (model, request->class_name, error) >= 0;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The model “%s” reads no words; choose a class and leave prompts, word weights and word regions empty."), name);
  return FALSE;
}

PmRequest *
pm_arguments_get_request (GimpProcedureConfig *config, PmModel *model, gboolean has_start, GError **error)
{
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autofree char *name = NULL, *device = NULL, *sampler = NULL;
  int    num_steps, seed, width, height;
  double guidance;

  g_object_get (config, "model", &name, "device", &device, "sampler", &sampler, "num-steps", &num_steps,
                "seed", &seed, "width", &width, "height", &height, "guidance", &guidance, "strength", &request->strength, NULL);

  g_set_str (&request->model, name);
  g_set_str (&request->device, device && *device ? device : "cpu");
  if (sampler && *sampler)
    g_set_str (&request->sampler, sampler);
  if (num_steps > 0)
    request->num_steps = num_steps;
  if (guidance >= 0.0)
    request->guidance = guidance;
  if (width > 0)
    request->width = width;
  if (height > 0)
    request->height = height;
  set_advanced (config, request);
  request->seed = seed >= 0 ? (guint64) seed : (guint64) g_random_int_range (0, G_MAXINT);

  if (! set_what (config, model, request, error) || ! set_show (config, request, has_start, error))
    return NULL;
  return g_steal_pointer (&request);
}

void
pm_arguments_get_look (GimpProcedureConfig *config, PmLook *look)
{
  g_autofree char *blend = NULL;

  g_object_get (config, "opacity", &look->opacity, "blend-mode", &blend, NULL);
  look->palette = gimp_procedure_config_get_choice_id (config, "palette");
  look->target = gimp_procedure_config_get_choice_id (config, "target");
  if (! pm_blend_mode_from_id (blend, &look->blend_mode))
    look->blend_mode = GIMP_LAYER_MODE_NORMAL;
}

/* The value of one part ("steps") of "layers=..;heads=..;..", as pm_show_to_string() writes it; free with g_free. */
static char *
show_part (const char *text, const char *part)
{
  g_auto (GStrv) parts = g_strsplit (text, ";", -1);

  for (int i = 0; parts[i]; i++)
    {
      gsize length = strlen (part);

      if (strncmp (parts[i], part, length) == 0 && parts[i][length] == '=')
        return g_strdup (parts[i] + length + 1);
    }
  return g_strdup ("");
}

static void
set_show_arguments (GimpProcedureConfig *config, const PmShow *show)
{
  g_autofree char *text = pm_show_to_string (show);
  g_autofree char *layers = show_part (text, "layers"), *heads = show_part (text, "heads"), *steps = show_part (text, "steps");
  g_autofree char *read = show_part (text, "read");
  g_autoptr (GString) words = g_string_new (NULL);

  g_object_set (config, "read", read, "show-which", pm_which_id (show->which), NULL);
  if (*read)
    g_object_set (config, "show-layers", layers, "show-heads", heads, "show-steps", steps, NULL);
  for (int i = 0; show->words && show->words[i]; i++)
    pm_pairs_append (words, show->words[i], NULL);
  g_object_set (config, "show-words", show->words ? words->str : "all", NULL);
}

/* A recorded region is no layer's: it is named so that pm_words_apply() finds it in the record. */
static void
set_steer_arguments (GimpProcedureConfig *config, const PmRequest *request)
{
  g_autoptr (GString) weights = g_string_new (NULL), regions = g_string_new (NULL);

  for (int i = 0; i < request->n_steers; i++)
    {
      const PmSteer *steer = &request->steers[i];
      char number[G_ASCII_DTOSTR_BUF_SIZE];

      if (steer->weight != 1.0)
        pm_pairs_append (weights, steer->words, g_ascii_formatd (number, sizeof number, "%.6g", steer->weight));
      if (steer->region)
        pm_pairs_append (regions, steer->words, PM_REGION_RECORD);
    }
  g_object_set (config, "prompt", request->prompt ? request->prompt : "", "negative-prompt",
                request->negative_prompt ? request->negative_prompt : "", "word-weights", weights->str, "word-regions",
                regions->str, NULL);
}

void
pm_arguments_set (GimpProcedureConfig *config, const PmRequest *request, const PmLook *look)
{
  g_object_set (config, "model", request->model, "class", request->class_name ? request->class_name : "", "device",
                request->device ? request->device : "cpu", "sampler", request->sampler ? request->sampler : "", "num-steps",
                CLAMP (request->num_steps, 0, 1000), "guidance", CLAMP (request->guidance, -1.0, 50.0), "seed",
                request->seed <= G_MAXINT ? (int) request->seed : -1, "width", CLAMP (request->width, 0, 16384), "height",
                CLAMP (request->height, 0, 16384), NULL);
  g_object_set (config, "strength", CLAMP (request->strength, 0.0, 1.0), "guidance-from",
                CLAMP (request->guidance_interval[0], 0.0, 1.0), "guidance-to", CLAMP (request->guidance_interval[1], 0.0, 1.0),
                "cache", pm_cache_id (request->cache), "cache-interval", CLAMP (request->cache_interval, 2, 10), "precision",
                pm_precision_id (request->precision), "on-out-of-memory", pm_shortage_id (request->shortage), "vram-limit",
                (int) MIN (request->vram_limit / MIB + (request->vram_limit % MIB > 0), PM_VRAM_LIMIT_MAX), NULL);
  g_object_set (config, "palette", pm_palette_id (look->palette), "blend-mode", pm_blend_mode_id (look->blend_mode), "opacity",
                look->opacity, "target", pm_target_id (look->target), NULL);
  set_steer_arguments (config, request);
  set_show_arguments (config, &request->show);
}
