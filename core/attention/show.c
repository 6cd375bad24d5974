/* Which attention to show, from and to its text: "layers=2,8;heads=all;steps=0,5;words=cat,red hat;read=word;which=condition". */
#include "attention/show.h"

#include <string.h>

#include "attention/axis.h"
#include "attention/reduction.h"
#include "base/error.h"
#include "base/i18n.h"

static const char *const which_ids[] = {
  [PM_WHICH_CONDITION] = "condition",
  [PM_WHICH_NULL] = "null",
  [PM_WHICH_DIFFERENCE] = "difference",
};

/* The parts of the text, by the bit that marks them as seen. */
static const char *const part_names[] = { "layers", "heads", "steps", "words", "read", "which" };

enum
{
  PART_LAYERS,
  PART_HEADS,
  PART_STEPS,
  PART_WORDS,
  PART_READ,
  PART_WHICH
};

void
pm_show_init (PmShow *show)
{
  *show = (PmShow) { 0 };
  pm_axis_init (&show->layers);
  pm_axis_init (&show->heads);
  pm_axis_init (&show->steps);
  show->layers.recommended = TRUE;
  show->heads.all = TRUE;
  show->heads.mean = TRUE;
  show->steps.all = TRUE;
}

void
pm_show_clear (PmShow *show)
{
  pm_axis_clear (&show->layers);
  pm_axis_clear (&show->heads);
  pm_axis_clear (&show->steps);
  g_clear_pointer (&show->words, g_strfreev);
  g_clear_pointer (&show->readings, g_strfreev);
  pm_show_init (show);
}

void
pm_show_copy (const PmShow *from, PmShow *to)
{
  char **words = g_strdupv (from->words), **readings = g_strdupv (from->readings);

  pm_axis_copy (&from->layers, &to->layers);
  pm_axis_copy (&from->heads, &to->heads);
  pm_axis_copy (&from->steps, &to->steps);
  g_strfreev (to->words);
  to->words = words;
  g_strfreev (to->readings);
  to->readings = readings;
  to->which = from->which;
}

/* Splits text where c stands without a backslash before it; the backslashes stay. */
static char **
split_outside (const char *text, char c)
{
  g_autoptr (GStrvBuilder) parts = g_strv_builder_new ();
  const char *start = text, *at;

  for (at = text; *at; at++)
    if (*at == '\\' && at[1])
      at++;
    else if (*at == c)
      {
        g_autofree char *part = g_strndup (start, at - start);

        g_strv_builder_add (parts, part);
        start = at + 1;
      }
  g_strv_builder_add (parts, start);

  return g_strv_builder_end (parts);
}

char *
pm_show_escape_word (const char *word)
{
  GString *text = g_string_new (strcmp (word, "all") == 0 ? "\\" : "");

  for (const char *c = word; *c; c++)
    {
      if (*c == ',' || *c == ';' || *c == '\\')
        g_string_append_c (text, '\\');
      g_string_append_c (text, *c);
    }

  return g_string_free (text, FALSE);
}

static char *
unescape_word (const char *text)
{
  GString *word = g_string_new (NULL);

  for (const char *c = text; *c; c++)
    g_string_append_c (word, *c == '\\' && c[1] ? *++c : *c);

  return g_string_free (word, FALSE);
}

static gboolean
parse_words (PmShow *show, const char *text, GError **error)
{
  g_auto (GStrv) parts = split_outside (text, ',');
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  g_clear_pointer (&show->words, g_strfreev);

  if (*text == '\0' || strcmp (text, "all") == 0)
    return TRUE;

  for (int i = 0; parts[i]; i++)
    {
      g_autofree char *word = unescape_word (g_strstrip (parts[i]));

      if (*word == '\0')
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("“%s” is not a list of words; write words or phrases of the prompt with commas between, such as "
                         "words=cat,red hat, or words=all."),
                       text);
          return FALSE;
        }
      g_strv_builder_add (words, word);
    }
  show->words = g_strv_builder_end (words);

  return TRUE;
}

static gboolean
parse_readings (PmShow *show, const char *text, GError **error)
{
  g_auto (GStrv) ids = g_strsplit (text, ",", -1);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();

  g_clear_pointer (&show->readings, g_strfreev);

  if (*text == '\0' || strcmp (text, "none") == 0)
    return TRUE;

  for (int i = 0; ids[i]; i++)
    {
      const PmReduction *reduction = pm_reduction_find (g_strstrip (ids[i]));

      if (! reduction)
        {
          g_autofree char *known = g_strjoinv (", ", (char **) pm_reading_ids ());

          g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no reading called “%s”; choose from: %s."), ids[i], known);
          return FALSE;
        }
      if (! g_ptr_array_find (found, reduction->id, NULL))
        g_ptr_array_add (found, (gpointer) reduction->id);
    }

  g_ptr_array_add (found, NULL);
  show->readings = g_strdupv ((char **) found->pdata);

  return TRUE;
}

static gboolean
parse_which (PmShow *show, const char *text, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (which_ids); i++)
    if (strcmp (which_ids[i], text) == 0)
      {
        show->which = (PmWhich) i;
        return TRUE;
      }

  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("“%s” is not a half of guidance to show; choose from: condition, null, difference."), text);

  return FALSE;
}

static gboolean
parse_value (PmShow *show, int part, const char *value, GError **error)
{
  switch (part)
    {
    case PART_LAYERS:
      return pm_axis_parse (&show->layers, part_names[part], value, error);
    case PART_HEADS:
      return pm_axis_parse (&show->heads, part_names[part], value, error);
    case PART_STEPS:
      return pm_axis_parse (&show->steps, part_names[part], value, error);
    case PART_WORDS:
      return parse_words (show, value, error);
    case PART_READ:
      return parse_readings (show, value, error);
    default:
      return parse_which (show, value, error);
    }
}

/* "name=value"; seen has a bit for each part that was given. */
static gboolean
parse_part (PmShow *show, char *text, guint *seen, GError **error)
{
  char *value = strchr (text, '=');

  if (value)
    *value++ = '\0';
  g_strstrip (text);

  for (guint part = 0; value && part < G_N_ELEMENTS (part_names); part++)
    if (strcmp (part_names[part], text) == 0)
      {
        if (*seen & (1u << part))
          {
            g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is given twice in what to show; give it once."), text);
            return FALSE;
          }
        *seen |= 1u << part;

        return parse_value (show, (int) part, g_strstrip (value), error);
      }

  g_set_error (
      error, PM_ERROR, PM_ERROR_USAGE,
      _("“%s” is not a part of what to show; write it like “layers=2,8;heads=all;steps=0,5;read=received;which=condition”, for a "
        "prompt also “words=cat,red hat;read=word”."),
      text);

  return FALSE;
}

gboolean
pm_show_parse (PmShow *show, const char *text, GError **error)
{
  g_autofree char *stripped = g_strstrip (g_strdup (text ? text : ""));
  g_auto (GStrv) parts = split_outside (stripped, ';');
  gboolean shows_nothing = *stripped == '\0' || strcmp (stripped, "none") == 0;
  gboolean is_good = TRUE;
  guint    seen = 0;
  PmShow   parsed;

  pm_show_init (&parsed);

  for (int i = 0; is_good && ! shows_nothing && parts[i]; i++)
    if (*g_strstrip (parts[i]))
      is_good = parse_part (&parsed, parts[i], &seen, error);

  if (is_good && ! shows_nothing && ! (seen & (1u << PART_READ)))
    is_good = parse_readings (&parsed, parsed.words ? "word" : "subject", error);

  if (is_good)
    pm_show_copy (&parsed, show);
  pm_show_clear (&parsed);

  return is_good;
}

/* ";words=cat,red hat", or "" for all. */
static char *
words_to_string (const PmShow *show)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; show->words && show->words[i]; i++)
    {
      g_autofree char *word = pm_show_escape_word (show->words[i]);

      g_string_append_printf (text, "%s%s", i ? "," : ";words=", word);
    }

  return g_string_free (text, FALSE);
}

char *
pm_show_to_string (const PmShow *show)
{
  g_autofree char *layers = pm_axis_to_string (&show->layers);
  g_autofree char *heads = pm_axis_to_string (&show->heads);
  g_autofree char *steps = pm_axis_to_string (&show->steps);
  g_autofree char *words = words_to_string (show);
  g_autofree char *readings = show->readings && show->readings[0] ? g_strjoinv (",", show->readings) : g_strdup ("none");
  gboolean         has_which = show->which != PM_WHICH_CONDITION;

  return g_strdup_printf ("layers=%s;heads=%s;steps=%s%s;read=%s%s%s", layers, heads, steps, words, readings,
                          has_which ? ";which=" : "", has_which ? which_ids[show->which] : "");
}
