/* Ids equal those of sentencepiece (spiece.model) and of `tokenizers` (tokenizer.json), string by string
 * (tests/reference/tokenizer, tokenizer_make.py); a long text is as quick as it should be. */
#include <string.h>
#include <time.h>

#include "format/json.h"
#include "tokenizer-fixture.h"

#define LONG_CHARACTERS 10000

static JsonNode *expected;

static JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonArray *array = json_object_get_array_member (object, name);

  g_assert_nonnull (array);
  return array;
}

static JsonArray *
get_ids (JsonObject *object, const char *ending)
{
  return get_array (object, strcmp (ending, "json") == 0 ? "json" : "spiece");
}

static char *
show_ids (const PmTokens *tokens, JsonArray *ids)
{
  GString *text = g_string_new ("is");

  for (int i = 0; i < tokens->n; i++)
    g_string_append_printf (text, " %d", tokens->ids[i]);
  g_string_append (text, ", should be");
  for (guint i = 0; i < json_array_get_length (ids); i++)
    g_string_append_printf (text, " %d", (int) json_array_get_int_element (ids, i));
  return g_string_free (text, FALSE);
}

static gboolean
is_equal (const PmTokens *tokens, JsonArray *ids)
{
  gboolean equal = tokens->n == (int) json_array_get_length (ids);

  for (int i = 0; equal && i < tokens->n; i++)
    equal = tokens->ids[i] == json_array_get_int_element (ids, (guint) i);
  return equal;
}

/* Ranges lie in the text, on characters' borders, in order, and only what the template adds stands for nothing of it. */
static void
check_ranges (const PmTokens *tokens, const char *text)
{
  const gsize n = strlen (text);

  for (int i = 0; i < tokens->n; i++)
    {
      g_assert_cmpuint (tokens->begin[i], <=, tokens->end[i]);
      g_assert_cmpuint (tokens->end[i], <=, n);
      g_assert_true (((guint8) text[tokens->begin[i]] & 0xc0) != 0x80 && ((guint8) text[tokens->end[i]] & 0xc0) != 0x80);
      if (i > 0)
        g_assert_cmpuint (tokens->begin[i], >=, tokens->begin[i - 1]);
    }
}

static void
test_ids (gconstpointer data)
{
  g_auto (GStrv) parts = g_strsplit (data, ".", 2);
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load (data);
  JsonObject *root = json_node_get_object (expected);
  JsonArray  *strings = get_array (root, "strings");
  JsonArray  *lists = get_ids (json_object_get_object_member (root, parts[0]), parts[1]);
  guint       n_wrong = 0;

  g_assert_cmpuint (json_array_get_length (strings), >=, 500);
  g_assert_cmpuint (json_array_get_length (strings), ==, json_array_get_length (lists));
  for (guint i = 0; i < json_array_get_length (strings); i++)
    {
      const char *text = json_array_get_string_element (strings, i);
      JsonArray  *ids = json_array_get_array_element (lists, i);
      g_autoptr (GError) error = NULL;
      g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, text, &error);

      g_assert_no_error (error);
      check_ranges (tokens, text);
      if (! is_equal (tokens, ids))
        {
          g_autofree char *shown = show_ids (tokens, ids);
          g_autofree char *escaped = g_strescape (text, NULL);

          g_test_message ("%u \"%s\": %s", i, escaped, shown);
          n_wrong++;
        }
    }
  g_assert_cmpuint (n_wrong, ==, 0);
}

/* The same as long_string in tokenizer_text.py. */
static char *
make_long (void)
{
  static const char *const words[] = { "fox", " ", "lighthouse", ",", " painting ", "é", "漢字", "\U0001f600", "  ", "ﬁ",
                                       "e\u0301", "한국", "\n", "Ωm", " 42" };
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 state = 1;
  glong   n = 0;

  while (n < LONG_CHARACTERS)
    {
      const char *word;

      state = (state * 1103515245 + 12345) % (1U << 31);
      word = words[(state >> 16) % G_N_ELEMENTS (words)];
      g_string_append (text, word);
      n += g_utf8_strlen (word, -1);
    }
  return g_utf8_substring (text->str, 0, LONG_CHARACTERS);
}

static guint64
hash_ids (const PmTokens *tokens)
{
  guint64 hash = 0xcbf29ce484222325;

  for (int i = 0; i < tokens->n; i++)
    for (int j = 0; j < 4; j++)
      hash = (hash ^ (guint8) ((guint) tokens->ids[i] >> (8 * j))) * 0x100000001b3;
  return hash;
}

static void
test_long (gconstpointer data)
{
  g_auto (GStrv) parts = g_strsplit (data, ".", 2);
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load (data);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = make_long ();
  g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, text, &error);
  JsonObject *all = json_object_get_object_member (json_node_get_object (expected), "long");
  JsonArray  *pair = get_ids (json_object_get_object_member (all, parts[0]), parts[1]);
  g_autofree char *hash = NULL;

  g_assert_no_error (error);
  hash = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", hash_ids (tokens));
  g_assert_cmpint (tokens->n, ==, json_array_get_int_element (pair, 0));
  g_assert_cmpstr (hash, ==, json_array_get_string_element (pair, 1));
}

/* Milliseconds of this thread, whatever else the machine does. */
static double
read_clock (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now), ==, 0);
  return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static double
time_encode (const PmTokenizer *tokenizer, const char *text)
{
  double best = G_MAXDOUBLE;

  for (int i = 0; i < 3; i++)
    {
      const double before = read_clock ();
      g_autoptr (GError) error = NULL;
      g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, text, &error);

      g_assert_no_error (error);
      best = MIN (best, read_clock () - before);
    }
  return best;
}

/* Ten times the text takes about ten times as long, also where everything matches or nothing does. */
static void
test_speed (gconstpointer data)
{
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load (data);
  g_autofree char *text = make_long ();
  const char *const hard[] = { text, "a", " ", "e\u0301", "\u0301", "\U0001f468\u200d", "\u0958\u094d", "\u0378",
                               "<extra_id_0> " };

  for (gsize i = 0; i < G_N_ELEMENTS (hard); i++)
    {
      const gsize n = i == 0 ? 1 : (gsize) (LONG_CHARACTERS / g_utf8_strlen (hard[i], -1));
      g_autoptr (GString) once = g_string_new (NULL);
      g_autoptr (GString) more = g_string_new (NULL);
      double ms, ms_more;

      for (gsize j = 0; j < n; j++)
        g_string_append (once, hard[i]);
      for (int j = 0; j < 8 && more->len + once->len <= PM_TEXT_MAX_BYTES; j++)
        g_string_append (more, once->str);
      ms = time_encode (tokenizer, once->str);
      ms_more = time_encode (tokenizer, more->str);
      g_test_message ("%" G_GSIZE_FORMAT " bytes in %.2f ms, %" G_GSIZE_FORMAT " in %.2f ms", once->len, ms, more->len, ms_more);
      g_assert_cmpfloat (ms_more, <, 40 + 4 * ms * (double) more->len / (double) once->len);
    }
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "bytes.model", "bytes.json", "t5.model", "t5.json", "symbols.model", "symbols.json" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  bytes = reference_unpack ("tokenizer", "expected.json");
  expected = pm_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "expected.json", &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *ids = g_strconcat ("/tokenizer/ids/", names[i], NULL);
      g_autofree char *whole = g_strconcat ("/tokenizer/long/", names[i], NULL);
      g_autofree char *speed = g_strconcat ("/tokenizer/speed/", names[i], NULL);

      g_test_add_data_func (ids, names[i], test_ids);
      g_test_add_data_func (whole, names[i], test_long);
      g_test_add_data_func (speed, names[i], test_speed);
    }
  result = g_test_run ();
  json_node_unref (expected);
  return result;
}
