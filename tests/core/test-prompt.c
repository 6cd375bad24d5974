/* The words of a prompt and the tokens that stand for them; embeddings kept on disk. */
#include <string.h>

#include <glib/gstdio.h>
#include <unistd.h>
#include <utime.h>

#include "text/cache.h"
#include "text/prompt-private.h"
#include "tokenizer-fixture.h"

static PmPrompt *
read_prompt (const char *text, int max_tokens)
{
  g_autoptr (GError)      error = NULL;
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("t5.model");
  PmPrompt               *prompt = pm_prompt_new (tokenizer, text, max_tokens, &error);
  g_assert_no_error (error);
  return prompt;
}

/* words: what is expected, joined by "|". */
static void
assert_words (const char *text, const char *words)
{
  g_autoptr (PmPrompt) prompt = read_prompt (text, 300);
  g_autoptr (GString)  joined = g_string_new (NULL);
  int                  end = 0;

  for (int i = 0; i < prompt->n_words; i++)
    {
      const PmWord *word = &prompt->words[i];
      g_string_append_printf (joined, "%s%s", i ? "|" : "", word->text);
      g_assert_cmpint (word->n, >=, 1);
      g_assert_cmpint (word->first, >=, end > 0 ? end - 1 : 0); /* in order; a token of two words is the first one's last */
      end = word->first + word->n;
      g_assert_cmpint (end, <, prompt->n_tokens); /* the last token is the end's */
      g_assert_cmpmem (word->text, strlen (word->text), text + word->begin, word->end - word->begin);
    }
  g_assert_cmpstr (joined->str, ==, words);
}

static void
test_words (void)
{
  assert_words ("a red fox", "a|red|fox");
  assert_words ("  A red,  \"fox\" (sitting)\n in the snow...", "A|red|fox|sitting|in|the|snow");
  assert_words ("well-known cat's whiskers", "well-known|cat's|whiskers");
  assert_words ("one - two | three", "one|two|three");
  assert_words ("50% of 3.14", "50|of|3.14");
  assert_words ("", "");
  assert_words ("... !", "");
  assert_words ("¿dónde está?", "dónde|está");
}

/* A piece that is a space alone belongs to the word behind it: without signs no token is left to none. */
static void
test_space_pieces (void)
{
  static const char *const texts[] = { "blue", "red blue  xylophone", "r\u00f6tlicher \u0436\u0443\u043a blue fox" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError)      error = NULL;
      g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("t5.model");
      g_autoptr (PmPrompt)    prompt = read_prompt (texts[i], 300);
      int                     n = 0, n_spaces = 0;

      for (int j = 0; j < prompt->n_words; n += prompt->words[j++].n)
        g_assert_cmpint (prompt->words[j].first, ==, n);
      g_assert_cmpint (n, ==, prompt->n_tokens - 1);
      for (int j = 0; j < n; j++)
        n_spaces += strcmp (pm_tokenizer_get_piece (tokenizer, prompt->ids[j]), "\u2581") == 0;
      g_assert_cmpint (n_spaces, >, 0);
    }
}

/* Where no spaces are written a word is a piece of the tokenizer; together they are the whole text. */
static void
test_no_spaces (void)
{
  const char          *text = "红色的狐狸 fox";
  g_autoptr (PmPrompt) prompt = read_prompt (text, 300);
  gsize                end = 0;

  g_assert_cmpint (prompt->n_words, >=, 2);
  for (int i = 0; i < prompt->n_words - 1; i++)
    {
      g_assert_cmpuint (prompt->words[i].begin, ==, end);
      g_assert_cmpint (prompt->words[i].n, >=, 1);
      end = prompt->words[i].end;
    }
  g_assert_cmpuint (end, ==, strlen ("红色的狐狸"));
  g_assert_cmpstr (prompt->words[prompt->n_words - 1].text, ==, "fox");
}

/* The words whose tokens are marked, joined by "|". Fails where a marked token is none of a word. */
static char *
find (const PmPrompt *prompt, const char *words)
{
  g_autoptr (GError)   error = NULL;
  g_autofree gboolean *tokens = g_new (gboolean, prompt->n_tokens);
  g_autoptr (GString)  joined = g_string_new (NULL);
  int                  n_marked = 0, n_expected = 0;

  if (! pm_prompt_find (prompt, words, tokens, &error))
    {
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_true (g_str_has_suffix (error->message, "."));
      return g_strdup (error->message);
    }
  for (int i = 0; i < prompt->n_tokens; i++)
    n_marked += tokens[i];
  for (int i = 0; i < prompt->n_words; i++)
    if (tokens[prompt->words[i].first])
      {
        g_string_append_printf (joined, "%s%d", joined->len ? "|" : "", i);
        for (int j = 0; j < prompt->words[i].n; j++)
          g_assert_true (tokens[prompt->words[i].first + j]);
        n_expected += prompt->words[i].n;
      }
  g_assert_cmpint (n_marked, ==, n_expected);
  g_assert_cmpint (n_marked, >, 0);
  return g_string_free (g_steal_pointer (&joined), FALSE);
}

static void
assert_found (const PmPrompt *prompt, const char *words, const char *expected)
{
  g_autofree char *found = find (prompt, words);
  g_assert_cmpstr (found, ==, expected);
}

static void
test_find (void)
{
  g_autoptr (PmPrompt) prompt = read_prompt ("A red fox, a Blue fox and the red  hat of the fox. No. C#2", 300);

  assert_found (prompt, "fox", "2|5|12");
  assert_found (prompt, "FOX", "2|5|12");
  assert_found (prompt, "fox#1", "2");
  assert_found (prompt, "fox#3", "12");
  assert_found (prompt, "blue", "4");
  assert_found (prompt, "red hat", "8|9"); /* two spaces in the prompt */
  assert_found (prompt, " Red   fox. ", "1|2");
  assert_found (prompt, "red fox, a blue", "1|2|3|4");
  assert_found (prompt, "a#2", "3");
  assert_found (prompt, "c#2", "14"); /* a word of the prompt itself */
  static const char *const missing[] = { "fo", "fox#4", "fox#0", "fox#x", "cat", "", ",", "fox a", "\xff", "fox, a hat", "#" };
  for (gsize i = 0; i < G_N_ELEMENTS (missing); i++)
    {
      g_autofree char *message = find (prompt, missing[i]);
      g_assert_nonnull (strstr (message, "“hat”"));
    }
  g_autofree gboolean *tokens = g_new (gboolean, prompt->n_tokens);
  g_assert_false (pm_prompt_find (prompt, NULL, tokens, NULL));

  g_autoptr (PmPrompt) nothing = read_prompt ("", 300);
  g_autofree char     *message = find (nothing, "fox");
  g_assert_nonnull (strstr (message, "no words"));
  g_assert_cmpint (nothing->n_tokens, ==, 1);
}

static void
test_length (void)
{
  g_autoptr (PmPrompt) first = read_prompt ("a red fox", 300);
  g_autoptr (PmPrompt) fits = read_prompt ("a red fox", first->n_tokens), not = read_prompt ("a red fox", first->n_tokens - 1);

  g_assert_false (first->is_too_long);
  g_assert_false (fits->is_too_long);
  g_assert_true (not->is_too_long); /* and whole all the same */
  g_assert_cmpint (not->n_tokens, ==, first->n_tokens);
  g_assert_cmpmem (first->ids, sizeof (int) * first->n_tokens, not->ids, sizeof (int) * not->n_tokens);
}

/* What comes back is what was stored, or nothing. */
static void
test_cache (void)
{
  static const int ids[] = { 5, 6, 1 }, other_ids[] = { 5, 6 };
  float            embedding[3 * 4], back[3 * 4];
  g_autofree char *path = pm_text_cache_path ("t5 abc", ids, 3), *other = pm_text_cache_path ("t5 abd", ids, 3);
  g_autofree char *shorter = pm_text_cache_path ("t5 abc", other_ids, 2), *bytes = NULL;
  g_autofree char *folder = g_path_get_dirname (path), *name = g_path_get_basename (path);
  gsize            n;

  g_assert_cmpstr (path, !=, other);
  g_assert_cmpstr (path, !=, shorter);
  g_assert_true (g_str_has_prefix (path, g_get_user_cache_dir ()));
  for (int i = 0; i < 12; i++)
    embedding[i] = i * 0.37f;
  g_assert_false (pm_text_cache_load (path, 3, 4, back));
  pm_text_cache_store (path, 3, 4, embedding);
  g_assert_true (pm_text_cache_load (path, 3, 4, back));
  g_assert_cmpmem (embedding, sizeof embedding, back, sizeof back);
  g_assert_false (pm_text_cache_load (path, 4, 3, back));
  g_assert_false (pm_text_cache_load (other, 3, 4, back));

  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  for (gsize i = 0; i < n; i++) /* any byte changed, or the end missing: not what was stored, so nothing */
    {
      bytes[i] ^= 0x55;
      fixture_write (folder, name, bytes, n);
      memset (back, 0, sizeof back);
      if (pm_text_cache_load (path, 3, 4, back))
        g_assert_cmpmem (embedding, sizeof embedding, back, sizeof back);
      bytes[i] ^= 0x55;
      fixture_write (folder, name, bytes, i);
      g_assert_false (pm_text_cache_load (path, 3, 4, back));
    }
  pm_text_cache_store (path, 3, 4, embedding);
  g_assert_true (pm_text_cache_load (path, 3, 4, back));
}

/* 256 MiB in all: what was unused for longest goes. */
static void
test_cache_limit (void)
{
  const float embedding[4] = { 1, 2, 3, 4 };
  float       back[4];
  int         used = 2;
  char       *paths[15];

  for (int i = 0; i < 15; i++)
    {
      struct utimbuf times = { i, i };
      paths[i] = pm_text_cache_path ("limit", &i, 1);
      pm_text_cache_store (paths[i], 1, 4, embedding);
      if (i < 14 && i != used) /* what it holds is not looked at */
        g_assert_cmpint (truncate (paths[i], 20 << 20), ==, 0);
      g_assert_cmpint (g_utime (paths[i], &times), ==, 0);
    }
  g_assert_true (pm_text_cache_load (paths[used], 1, 4, back)); /* is used again just now */
  g_assert_true (pm_text_cache_load (paths[14], 1, 4, back));
  pm_text_cache_store (paths[14], 1, 4, embedding);
  for (int i = 0; i < 15; i++)
    {
      g_assert_cmpint (g_file_test (paths[i], G_FILE_TEST_EXISTS), ==, i > 0);
      g_unlink (paths[i]);
      g_free (paths[i]);
    }
}

int
main (int argc, char **argv)
{
  char *cache = fixture_folder ();

  g_assert_true (g_setenv ("XDG_CACHE_HOME", cache, TRUE)); /* before GLib reads it */
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/prompt/words", test_words);
  g_test_add_func ("/prompt/space-pieces", test_space_pieces);
  g_test_add_func ("/prompt/no-spaces", test_no_spaces);
  g_test_add_func ("/prompt/find", test_find);
  g_test_add_func ("/prompt/length", test_length);
  g_test_add_func ("/prompt/cache", test_cache);
  g_test_add_func ("/prompt/cache-limit", test_cache_limit);
  int code = g_test_run ();
  fixture_remove (cache);
  return code;
}
