/* See prompt.h. */
#include "text/prompt.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "model/private.h"
#include "text/caption.h"
#include "text/prompt-private.h"

/* A part of the prompt between spaces, or of it what one token stands for. */
typedef struct
{
  PmPrompt       *prompt;
  const PmTokens *tokens;
  GArray         *words; /* of PmWord */
} PmWordReader;

void
pm_prompt_free (PmPrompt *prompt)
{
  if (! prompt)
    return;
  for (int i = 0; i < prompt->n_words; i++)
    g_free (prompt->words[i].text);
  g_free (prompt->words);
  g_free (prompt->ids);
  g_free (prompt->cleaned);
  g_free (prompt);
}

static gboolean
is_punctuation (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
      return TRUE;
    default:
      return c < 128 && g_ascii_ispunct ((char) c); /* $ + < = > ^ ` | ~; other symbols may well be what is painted */
    }
}

static gboolean
writes_no_spaces (gunichar c)
{
  switch (g_unichar_get_script (c))
    {
    case G_UNICODE_SCRIPT_HAN:
    case G_UNICODE_SCRIPT_HIRAGANA:
    case G_UNICODE_SCRIPT_KATAKANA:
    case G_UNICODE_SCRIPT_BOPOMOFO:
    case G_UNICODE_SCRIPT_THAI:
    case G_UNICODE_SCRIPT_LAO:
    case G_UNICODE_SCRIPT_KHMER:
    case G_UNICODE_SCRIPT_MYANMAR:
      return TRUE;
    default:
      return FALSE;
    }
}

/* Leaves out white space and punctuation at both ends of begin .. end. */
static void
trim (const char *text, gsize *begin, gsize *end)
{
  while (*begin < *end)
    {
      gunichar c = g_utf8_get_char (text + *begin);
      if (! g_unichar_isspace (c) && ! is_punctuation (c))
        break;
      *begin = g_utf8_next_char (text + *begin) - text;
    }
  while (*begin < *end)
    {
      const char *last = g_utf8_prev_char (text + *end);
      gunichar    c = g_utf8_get_char (last);
      if (! g_unichar_isspace (c) && ! is_punctuation (c))
        break;
      *end = last - text;
    }
}

/* Whether a token stands for nothing but a space, written or put in front of the text. */
static gboolean
is_space (const PmWordReader *reader, int token)
{
  const char *text = reader->prompt->cleaned;
  gsize       begin = reader->tokens->begin[token], end = reader->tokens->end[token];

  while (begin < end && g_unichar_isspace (g_utf8_get_char (text + begin)))
    begin = g_utf8_next_char (text + begin) - text;
  return begin >= end && ! reader->tokens->is_special[token];
}

/* The space before a word is its first piece where the vocabulary has none of that space and the word's beginning. */
static void
add_word (PmWordReader *reader, gsize begin, gsize end)
{
  const char *text = reader->prompt->cleaned;
  PmWord      word = { 0 };

  trim (text, &begin, &end);
  if (begin == end || ! pm_tokens_find (reader->tokens, begin, end, &word.first, &word.n))
    return;
  for (; word.first > 0 && is_space (reader, word.first - 1); word.n++)
    word.first--;
  word.text = g_strndup (text + begin, end - begin);
  word.begin = begin;
  word.end = end;
  g_array_append_val (reader->words, word);
}

/* What lies between two spaces: a word, or as many as it has tokens. */
static void
add_chunk (PmWordReader *reader, gsize begin, gsize end)
{
  const char *text = reader->prompt->cleaned;
  gboolean    is_pieces = FALSE;
  int         first, n;

  for (gsize i = begin; i < end && ! is_pieces; i = g_utf8_next_char (text + i) - text)
    is_pieces = writes_no_spaces (g_utf8_get_char (text + i));
  if (! is_pieces || ! pm_tokens_find (reader->tokens, begin, end, &first, &n))
    {
      add_word (reader, begin, end);
      return;
    }
  for (int i = first; i < first + n; i++)
    add_word (reader, MAX (reader->tokens->begin[i], begin), MIN (reader->tokens->end[i], end));
}

static void
read_words (PmPrompt *prompt, const PmTokens *tokens)
{
  const char  *text = prompt->cleaned;
  gsize        begin = 0, n = strlen (text);
  PmWordReader reader = { prompt, tokens, g_array_new (FALSE, FALSE, sizeof (PmWord)) };

  for (gsize i = 0; i <= n; i = i < n ? (gsize) (g_utf8_next_char (text + i) - text) : n + 1)
    if (i == n || g_unichar_isspace (g_utf8_get_char (text + i)))
      {
        if (i > begin)
          add_chunk (&reader, begin, i);
        begin = i < n ? (gsize) (g_utf8_next_char (text + i) - text) : n;
      }
  prompt->n_words = (int) reader.words->len;
  prompt->words = (PmWord *) g_array_free (reader.words, FALSE);
}

PmPrompt *
pm_prompt_new (const PmTokenizer *tokenizer, const char *cleaned, int max_tokens, GError **error)
{
  g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, cleaned, error);
  PmPrompt            *prompt;

  if (! tokens)
    return NULL;
  prompt = g_new0 (PmPrompt, 1);
  prompt->cleaned = g_strdup (cleaned);
  prompt->n_tokens = tokens->n;
  prompt->ids = g_memdup2 (tokens->ids, sizeof (int) * tokens->n);
  prompt->max_tokens = max_tokens;
  prompt->is_too_long = prompt->n_tokens > prompt->max_tokens;
  read_words (prompt, tokens);
  return prompt;
}

PmPrompt *
pm_model_read_prompt (PmModel *model, const char *text, GError **error)
{
  g_autofree char *cleaned = NULL;

  text = text ? text : "";
  if (! pm_model_check_prompts (model, FALSE, error))
    return NULL;
  cleaned = model->network_info.cleans_text ? pm_caption_clean (text, error) : g_strdup (text);
  return cleaned ? pm_prompt_new (model->tokenizer, cleaned, model->network_info.max_text, error) : NULL;
}

/* In folded case, its white space made single spaces, nothing around it. Free with g_free. */
static char *
fold (const char *text, gsize n)
{
  g_autoptr (GString) plain = g_string_new (NULL);
  gsize               begin = 0, end = n;

  trim (text, &begin, &end);
  for (const char *at = text + begin; at < text + end; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      if (! g_unichar_isspace (c))
        g_string_append_unichar (plain, c);
      else if (plain->str[plain->len - 1] != ' ')
        g_string_append_c (plain, ' ');
    }
  return g_utf8_casefold (plain->str, plain->len);
}

/* Marks the tokens of the occurrence of that number, from 1, or with 0 of all. Returns how many were marked. */
static int
mark (const PmPrompt *prompt, const char *wanted, gint64 number, gboolean *tokens)
{
  gsize limit = 4 * strlen (wanted) + 16; /* folding shortens no text as far as that */
  int   n_found = 0, n_marked = 0;

  for (int i = 0; *wanted && i < prompt->n_words; i++)
    for (int j = i; j < prompt->n_words && prompt->words[j].end - prompt->words[i].begin <= limit; j++)
      {
        gsize            begin = prompt->words[i].begin;
        g_autofree char *there = fold (prompt->cleaned + begin, prompt->words[j].end - begin);
        if (! g_str_equal (there, wanted) || (++n_found != number && number > 0))
          continue;
        n_marked++;
        for (int k = i; k <= j; k++)
          for (int t = prompt->words[k].first; t < prompt->words[k].first + prompt->words[k].n; t++)
            tokens[t] = TRUE;
      }
  return n_marked;
}

static void
set_no_word (const PmPrompt *prompt, const char *words, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (int i = 0; i < prompt->n_words; i++)
    g_string_append_printf (list, "%s“%s”", i ? ", " : "", prompt->words[i].text);
  if (prompt->n_words > 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The prompt does not say “%s”; its words are: %s."), words, list->str);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The prompt does not say “%s”; it has no words at all."), words);
}

gboolean
pm_prompt_find (const PmPrompt *prompt, const char *words, gboolean *tokens, GError **error)
{
  gboolean    is_text = words && g_utf8_validate (words, -1, NULL);
  const char *hash = is_text ? strrchr (words, '#') : NULL;
  char       *end = NULL;

  memset (tokens, 0, sizeof (gboolean) * prompt->n_tokens);
  g_autofree char *whole = is_text ? fold (words, strlen (words)) : NULL;
  if (whole && mark (prompt, whole, 0, tokens) > 0)
    return TRUE;
  gint64 number = hash ? g_ascii_strtoll (hash + 1, &end, 10) : 0;
  if (number > 0 && *end == '\0')
    {
      g_autofree char *word = fold (words, hash - words);
      if (mark (prompt, word, number, tokens) > 0)
        return TRUE;
    }
  set_no_word (prompt, is_text ? words : "", error);
  return FALSE;
}
