/* The words of a plan: what maps of them are called, and which readings of a text there can be. */
#include <string.h>

#include "attention/tap-plan.h"
#include "base/error.h"
#include "base/i18n.h"

#define ID_CHARACTERS 24

/* A word for file names: its letters and digits in lower case, a dash for all between. */
static char *
make_slug (const char *word)
{
  g_autofree char *valid = g_utf8_make_valid (word, -1);
  g_autofree char *folded = g_utf8_casefold (valid, -1);
  GString         *slug = g_string_new (NULL);
  int              n = 0;

  for (const char *c = folded; *c && n < ID_CHARACTERS; c = g_utf8_next_char (c))
    {
      gunichar letter = g_utf8_get_char (c);

      if (! g_unichar_isalnum (letter) && ! g_unichar_ismark (letter))
        letter = '-';
      if (letter == '-' && (slug->len == 0 || slug->str[slug->len - 1] == '-'))
        continue;
      g_string_append_unichar (slug, letter);
      n++;
    }
  while (slug->len && slug->str[slug->len - 1] == '-')
    g_string_truncate (slug, slug->len - 1);

  return g_string_free (slug, FALSE);
}

/* The same made different from all before it by a number: "cat", "cat-2". */
static char *
make_id (const char *word, GHashTable *taken)
{
  g_autofree char *slug = make_slug (word);
  const char      *base = *slug ? slug : "sign";

  for (int n = 1;; n++)
    {
      g_autofree char *id = n == 1 ? g_strdup (base) : g_strdup_printf ("%s-%d", base, n);

      if (g_hash_table_add (taken, g_strdup (id)))
        return g_steal_pointer (&id);
    }
}

void
pm_tap_plan_name_words (PmTapPlan *plan, const PmTapOptions *options)
{
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  plan->words = g_new0 (char *, options->n_words + 1);
  plan->word_ids = g_new0 (char *, options->n_words + 1);
  for (int w = 0; w < options->n_words; w++)
    {
      plan->words[w] = g_strdup (options->words[w].name);
      plan->word_ids[w] = make_id (options->words[w].name, taken);
    }
}

/* Whether an attention of the layer looks at a text. */
static gboolean
reads_text (const PmTapOptions *options, int layer)
{
  for (int i = 0; i < options->n_sites; i++)
    if (options->sites[i].layer == layer && options->sites[i].kind != PM_SITE_SELF
        && pm_site_find_key_span (&options->sites[i], PM_ROLE_TEXT))
      return TRUE;

  return FALSE;
}

/* What keeps a reading of a text from being taken; NULL: nothing. */
static char *
find_obstacle (const PmTapPlan *plan, const PmReduction *reduction, const PmTapOptions *options)
{
  gboolean reads = FALSE;

  for (int i = 0; i < plan->layers.n; i++)
    reads |= reads_text (options, plan->layers.numbers[i]);

  if (! reads || ! options->content)
    return g_strdup_printf (_("The reading “%s” is of the words of a prompt, and there is none; choose a model that reads "
                              "prompts, or another reading."),
                            reduction->id);
  if (plan->which != PM_WHICH_CONDITION)
    return g_strdup_printf (_("The reading “%s” is of the half that is told the prompt; show which=condition, or choose another "
                              "reading."),
                            reduction->id);
  if (reduction->needs_words && options->n_words < 1)
    return g_strdup_printf (_("The reading “%s” is of single words, and the prompt has none; write some, or choose another "
                              "reading."),
                            reduction->id);
  for (int i = 0; i < plan->layers.n; i++)
    if (! reads_text (options, plan->layers.numbers[i]))
      return g_strdup_printf (_("Layer %d does not look at the prompt; leave it out, or choose another reading than “%s”."),
                              plan->layers.numbers[i], reduction->id);

  return NULL;
}

gboolean
pm_tap_plan_check_words (const PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error)
{
  for (int i = 0; show->readings && show->readings[i]; i++)
    {
      const PmReduction *reduction = pm_reduction_find (show->readings[i]);
      g_autofree char   *obstacle = NULL;

      if (reduction->kind == PM_SITE_CROSS && (obstacle = find_obstacle (plan, reduction, options)))
        {
          g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, obstacle);
          return FALSE;
        }
    }

  return TRUE;
}
