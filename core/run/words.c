/* See words.h. Letters: n tokens of the prompt, its end included; T patches of the picture. */
#include "run/words.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "request/cells.h"
#include "run/run.h"

/* Whether anything shown is of single words. */
static gboolean
shows_words (const PmShow *show)
{
  for (int i = 0; show->readings && show->readings[i]; i++)
    if (pm_reading_needs_words (show->readings[i]))
      return TRUE;

  return FALSE;
}

/* Nothing for a word that is there already. */
static gboolean
add_word (PmRunWords *words, const PmPrompt *prompt, const char *name, GHashTable *taken, GError **error)
{
  g_autofree gboolean *tokens = g_new0 (gboolean, prompt->n_tokens);
  float               *weights;

  if (! pm_prompt_find (prompt, name, tokens, error))
    return FALSE;
  if (! g_hash_table_add (taken, g_utf8_casefold (name, -1)))
    return TRUE;

  weights = g_new0 (float, prompt->n_tokens);
  for (int j = 0; j < prompt->n_tokens; j++)
    weights[j] = tokens[j] ? 1.0f : 0.0f;
  words->words[words->n_words++] = (PmTapWord) { g_strdup (name), weights };

  return TRUE;
}

static gboolean
choose_words (PmRunWords *words, const PmPrompt *prompt, const PmShow *show, GError **error)
{
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  int                    n_named = show->words ? (int) g_strv_length (show->words) : prompt->n_words;

  words->words = g_new0 (PmTapWord, n_named + 1);
  for (int i = 0; i < n_named; i++)
    if (! add_word (words, prompt, show->words ? show->words[i] : prompt->words[i].text, taken, error))
      return FALSE;

  return TRUE;
}

static gboolean
check_steers (const PmRequest *request, GError **error)
{
  if (request->n_steers > PM_MAX_STEERS)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("At most %d words and phrases can be steered at once; leave “%s” out."),
                   PM_MAX_STEERS, request->steers[PM_MAX_STEERS].words);
      return FALSE;
    }
  for (int i = 0; i < request->n_steers; i++)
    if (! (request->steers[i].weight >= 0 && request->steers[i].weight <= PM_MAX_STEER_WEIGHT))
      {
        g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                     _("The weight of “%s” is out of range; choose from 0 (hidden) to %g, 1 is as it is."),
                     request->steers[i].words, PM_MAX_STEER_WEIGHT);
        return FALSE;
      }

  return TRUE;
}

/* ln of what the steer's region covers of each patch, [T]; NULL with an error. */
static float *
log_coverage (const PmSteer *steer, const PmShape *shape, GError **error)
{
  gsize             n = pm_shape_tokens (shape);
  g_autofree float *bias = g_try_new (float, n);

  if (! bias)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is too little memory for the region of “%s”; choose a smaller size."), steer->words);
      return NULL;
    }
  if (! (pm_cells_average (steer->region, FALSE, steer->region_width, steer->region_height, shape->grid_w, shape->grid_h,
                               bias)
         > 0))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The region for “%s” is empty; say where in the picture the words may count."), steer->words);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    bias[i] = logf (bias[i]); /* 0: -INFINITY */

  return g_steal_pointer (&bias);
}

/* Adds the steer's weight to its tokens, and notes in places that its region, if it has one, is theirs. */
static gboolean
apply_steer (const PmSteer *steer, int number, const PmPrompt *prompt, float *key_bias /* [n] */, guint64 *places /* [n] */,
             gboolean *has_effect, GError **error)
{
  g_autofree gboolean *tokens = g_new0 (gboolean, prompt->n_tokens);
  float                bias = (float) log (steer->weight);

  if (! pm_prompt_find (prompt, steer->words, tokens, error))
    return FALSE;
  for (int j = 0; j < prompt->n_tokens - 1; j++) /* the end is steered by nobody: something is left to look at */
    if (tokens[j])
      {
        key_bias[j] += bias;
        places[j] |= steer->region ? G_GUINT64_CONSTANT (1) << number : 0;
      }
  *has_effect |= bias != 0 || steer->region;

  return TRUE;
}

/* Tokens with the same regions share one: numbers them, and returns how many there are. sets [n]: the regions of each. */
static int
number_places (const guint64 *places, int n, int *key_region, guint64 *sets)
{
  int n_sets = 0;

  for (int j = 0; j < n; j++)
    {
      int at = 0;

      key_region[j] = -1;
      if (! places[j])
        continue;
      while (at < n_sets && sets[at] != places[j])
        at++;
      sets[at] = places[j];
      n_sets = MAX (n_sets, at + 1);
      key_region[j] = at;
    }

  return n_sets;
}

/* [n_sets, T]: the sum over the regions of each set. */
static float *
add_regions (const PmRequest *request, const PmShape *shape, const guint64 *sets, int n_sets, GError **error)
{
  gsize             T = pm_shape_tokens (shape);
  g_autofree float *sums = g_try_new0 (float, MAX (n_sets * T, 1));

  if (! sums)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is too little memory for the regions of words; choose a smaller size."));
      return NULL;
    }
  for (int s = 0; s < request->n_steers; s++)
    {
      g_autofree float *bias = NULL;

      if (! request->steers[s].region)
        continue;
      if (! (bias = log_coverage (&request->steers[s], shape, error)))
        return NULL;
      for (int set = 0; set < n_sets; set++)
        for (gsize i = 0; (sets[set] >> s & 1) && i < T; i++)
          sums[set * T + i] += bias[i];
    }

  return g_steal_pointer (&sums);
}

static gboolean
make_edit (PmRunWords *words, const PmPrompt *prompt, const PmRequest *request, const PmShape *shape, GError **error)
{
  int                 n = prompt->n_tokens, n_sets;
  g_autofree float   *key_bias = g_new0 (float, n), *region_bias = NULL;
  g_autofree int     *key_region = g_new (int, n);
  g_autofree guint64 *places = g_new0 (guint64, n), *sets = g_new0 (guint64, n);
  gboolean            has_effect = FALSE;

  if (! check_steers (request, error))
    return FALSE;
  for (int s = 0; s < request->n_steers; s++)
    if (! apply_steer (&request->steers[s], s, prompt, key_bias, places, &has_effect, error))
      return FALSE;
  n_sets = number_places (places, n, key_region, sets);
  if (! (region_bias = add_regions (request, shape, sets, n_sets, error)))
    return FALSE;
  if (! has_effect)
    return TRUE;

  words->edit = g_new (PmTextEdit, 1);
  *words->edit = (PmTextEdit) { .n_regions = n_sets,
                                .key_bias = g_steal_pointer (&key_bias),
                                .key_region = g_steal_pointer (&key_region),
                                .region_bias = g_steal_pointer (&region_bias) };

  return TRUE;
}

gboolean
pm_run_words_init (PmRunWords *words, const PmPrompt *prompt, const PmRequest *request, const PmShape *shape, GError **error)
{
  *words = (PmRunWords) { .n_text = prompt->n_tokens, .content = g_new0 (float, prompt->n_tokens) };
  for (int j = 0; j < prompt->n_tokens - 1; j++)
    words->content[j] = 1.0f;

  return (! shows_words (&request->show) || choose_words (words, prompt, &request->show, error))
         && make_edit (words, prompt, request, shape, error);
}

gboolean
pm_run_read_words (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;

  if (! run->prompts[0] && request->n_steers > 0)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("Words are steered, but there is no prompt that says them; write one."));
      return FALSE;
    }
  if (! run->prompts[0])
    return TRUE;
  if (! pm_run_words_init (&run->words, run->prompts[0], request, &run->shape, error))
    return FALSE;
  run->told[0].edit = run->words.edit;

  return TRUE;
}

void
pm_run_words_clear (PmRunWords *words)
{
  for (int i = 0; i < words->n_words; i++)
    {
      g_free ((char *) words->words[i].name);
      g_free ((float *) words->words[i].weights);
    }
  g_free (words->words);
  g_free (words->content);
  if (words->edit)
    {
      g_free ((float *) words->edit->key_bias);
      g_free ((int *) words->edit->key_region);
      g_free ((float *) words->edit->region_bias);
      g_free (words->edit);
    }
  *words = (PmRunWords) { 0 };
}
