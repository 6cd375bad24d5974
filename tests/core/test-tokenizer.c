/* What a tokenizer says besides ids: places in the text, pieces, which file of a folder, and why a file is refused. */
#include <glib/gstdio.h>
#include <string.h>

#include "tokenizer-fixture.h"

/* The text between a token's begin and end. */
static void
assert_token (const PmTokenizer *tokenizer, const PmTokens *tokens, int i, const char *text, const char *piece, const char *part)
{
  g_autofree char *found = NULL;

  g_assert_cmpint (i, <, tokens->n);
  found = g_strndup (text + tokens->begin[i], tokens->end[i] - tokens->begin[i]);
  g_assert_cmpstr (pm_tokenizer_get_piece (tokenizer, tokens->ids[i]), ==, piece);
  g_assert_cmpstr (found, ==, part);
}

static PmTokens *
encode (const PmTokenizer *tokenizer, const char *text)
{
  g_autoptr (GError) error = NULL;
  PmTokens *tokens = pm_tokenizer_encode (tokenizer, text, &error);

  g_assert_no_error (error);
  return tokens;
}

/* All pieces of the text in one string, a bar between them. */
static char *
show (const PmTokenizer *tokenizer, const PmTokens *tokens)
{
  GString *all = g_string_new (NULL);

  for (int i = 0; i < tokens->n; i++)
    {
      g_autofree char *piece = pm_tokenizer_show_piece (tokenizer, tokens->ids[i]);

      g_string_append_printf (all, "%s%s", i > 0 ? "|" : "", piece);
    }
  return g_string_free (all, FALSE);
}

static void
test_words (gconstpointer name)
{
  static const char text[] = "a  Fox\t ﬁne \u200blighthouse";
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load (name);
  g_autoptr (PmTokens) tokens = encode (tokenizer, text);
  const char *const words[] = { "a", "Fox", "ﬁne", "lighthouse" };
  int next = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      const gsize begin = (gsize) (strstr (text, words[i]) - text);
      g_autoptr (GString) joined = g_string_new (NULL);
      int first, count;

      g_assert_true (pm_tokens_find (tokens, begin, begin + strlen (words[i]), &first, &count));
      g_assert_cmpint (first, >=, next);
      for (int j = first; j < first + count; j++)
        {
          g_autofree char *piece = pm_tokenizer_show_piece (tokenizer, tokens->ids[j]);

          g_assert_false (tokens->is_special[j]);
          g_string_append (joined, piece);
        }
      g_strstrip (joined->str);
      g_assert_cmpstr (joined->str, ==, i == 2 ? "fine" : words[i]);
      next = first + count;
    }
  g_assert_cmpint (next, ==, tokens->n - 1);
  g_assert_cmpint (tokens->ids[next], ==, pm_tokenizer_get_end_id (tokenizer));
  g_assert_true (tokens->is_special[next]);
  g_assert_cmpuint (tokens->begin[next], ==, strlen (text));
}

static void
test_find_nothing (void)
{
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("t5.model");
  g_autoptr (PmTokens) tokens = encode (tokenizer, "fox  ");
  g_autoptr (PmTokens) none = encode (tokenizer, "");
  int first, count;

  g_assert_false (pm_tokens_find (tokens, 4, 5, &first, &count));
  g_assert_false (pm_tokens_find (tokens, 1, 1, &first, &count));
  g_assert_cmpint (none->n, ==, 1);
  g_assert_false (pm_tokens_find (none, 0, 100, &first, &count));
}

/* The same characters are a token for one file and text for the other. */
static void
test_special (void)
{
  static const char text[] = "a</s> <extra_id_0>";
  g_autoptr (PmTokenizer) model = tokenizer_fixture_load ("t5.model");
  g_autoptr (PmTokenizer) json = tokenizer_fixture_load ("t5.json");
  g_autoptr (PmTokens) of_model = encode (model, text);
  g_autoptr (PmTokens) of_json = encode (json, text);

  for (int i = 0; i < of_model->n - 1; i++)
    g_assert_false (of_model->is_special[i]);
  g_assert_cmpint (of_json->n, ==, 4);
  assert_token (json, of_json, 1, text, "</s>", "</s>");
  assert_token (json, of_json, 2, text, "<extra_id_0>", "<extra_id_0>");
  g_assert_true (of_json->is_special[1] && of_json->is_special[2]);
  g_assert_false (of_json->is_special[0]);
}

static void
test_bytes (void)
{
  static const char text[] = "a \U00012345";
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("bytes.model");
  g_autoptr (PmTokens) tokens = encode (tokenizer, text);
  g_autofree char *all = show (tokenizer, tokens);

  g_assert_cmpstr (all, ==, " a| |<0xF0>|<0x92>|<0x8D>|<0x85>|</s>");
  for (int i = 2; i < 6; i++)
    assert_token (tokenizer, tokens, i, text, pm_tokenizer_get_piece (tokenizer, tokens->ids[i]), "\U00012345");
}

static void
test_numbers (gconstpointer name)
{
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load (name);
  const int n = pm_tokenizer_get_n_ids (tokenizer);

  g_assert_cmpstr (pm_tokenizer_get_kind (tokenizer), ==, "unigram");
  g_assert_cmpstr (pm_tokenizer_get_format (tokenizer), ==, g_str_has_suffix (name, ".json") ? "tokenizer.json" : "spiece.model");
  g_assert_cmpint (pm_tokenizer_get_pad_id (tokenizer), ==, 0);
  g_assert_cmpint (pm_tokenizer_get_end_id (tokenizer), ==, 1);
  g_assert_cmpint (pm_tokenizer_get_unknown_id (tokenizer), ==, 2);
  g_assert_cmpstr (pm_tokenizer_get_piece (tokenizer, 1), ==, "</s>");
  for (int i = 0; i < n; i++)
    g_assert_nonnull (pm_tokenizer_get_piece (tokenizer, i));
  g_assert_null (pm_tokenizer_get_piece (tokenizer, n));
  g_assert_null (pm_tokenizer_get_piece (tokenizer, -1));
  g_assert_null (pm_tokenizer_show_piece (tokenizer, n));
}

static void
assert_encode_error (const PmTokenizer *tokenizer, const char *text, PmErrorCode code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, text, &error);

  g_assert_error (error, PM_ERROR, (int) code);
  g_assert_true (g_str_has_suffix (error->message, "."));
  g_assert_null (tokens);
}

static void
test_bad_text (void)
{
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("t5.model");
  g_autofree char *longest = g_strnfill (PM_TEXT_MAX_BYTES + 1, 'a');
  g_autoptr (PmTokens) tokens = NULL;

  assert_encode_error (tokenizer, "a\xff", PM_ERROR_USAGE);
  assert_encode_error (tokenizer, "\xed\xa0\x80", PM_ERROR_USAGE);
  assert_encode_error (tokenizer, "\xe2\x96", PM_ERROR_USAGE);
  assert_encode_error (tokenizer, longest, PM_ERROR_USAGE);
  longest[PM_TEXT_MAX_BYTES] = '\0';
  tokens = encode (tokenizer, longest);
  g_assert_cmpint (tokens->n, >, 1000);
}

static void
test_folder (void)
{
  g_autoptr (GBytes) model = tokenizer_fixture ("t5.model", TRUE);
  g_autoptr (GBytes) json = tokenizer_fixture ("t5.json", TRUE);
  g_autoptr (PmTokenizer) none = NULL, both = NULL, only = NULL, file = NULL;
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_autofree char *path = g_build_filename (folder, "spiece.model", NULL);

  none = pm_tokenizer_open (folder, &error);
  g_assert_error (error, PM_ERROR, PM_ERROR_NO_MODEL);
  g_assert_null (none);
  g_clear_error (&error);
  file = tokenizer_fixture_open (folder, "tokenizer.json", json, &error);
  g_assert_no_error (error);
  fixture_write (folder, "spiece.model", g_bytes_get_data (model, NULL), (gssize) g_bytes_get_size (model));
  both = pm_tokenizer_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pm_tokenizer_get_format (both), ==, "spiece.model");
  g_assert_cmpint (g_unlink (path), ==, 0);
  only = pm_tokenizer_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pm_tokenizer_get_format (only), ==, "tokenizer.json");
  fixture_remove (folder);
}

/* A JSON that is whole but for one place of it. */
static void
assert_refused (const char *folder, const char *from, const char *to, PmErrorCode code, const char *says)
{
  g_autoptr (GBytes) json = tokenizer_fixture ("t5.json", FALSE);
  g_auto (GStrv) parts = g_strsplit (g_bytes_get_data (json, NULL), from, 2);
  g_autofree char *text = NULL;
  g_autoptr (GBytes) changed = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokenizer) tokenizer = NULL;

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  text = g_strjoinv (to, parts);
  changed = g_bytes_new (text, strlen (text));
  tokenizer = tokenizer_fixture_open (folder, "tokenizer.json", changed, &error);
  g_assert_null (tokenizer);
  g_assert_error (error, PM_ERROR, (int) code);
  g_assert_true (strstr (error->message, says) && g_str_has_suffix (error->message, "."));
}

static void
test_refused (void)
{
  static const char map[] = "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%s\"}";
  char *folder = fixture_folder ();
  g_autofree char *no_map = g_strdup_printf (map, "");
  g_autofree char *long_trie = g_strdup_printf (map, "/////wAAAAA=");

  assert_refused (folder, "\"type\":\"Unigram\"", "\"type\":\"WordPiece\"", PM_ERROR_UNSUPPORTED, "WordPiece");
  assert_refused (folder, "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}", PM_ERROR_UNSUPPORTED, "NFKC");
  assert_refused (folder, "\"normalizer\":null",
                  "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a|b\"},\"content\":\"\"}", PM_ERROR_UNSUPPORTED,
                  "Replace");
  assert_refused (folder, "\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Nmt\"}]}",
                  PM_ERROR_UNSUPPORTED, "Nmt");
  assert_refused (folder, "\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\"}", PM_ERROR_DAMAGED, "sequence");
  assert_refused (folder, "\"normalizer\":null", "\"normalizer\":{}", PM_ERROR_DAMAGED, "normalizer");
  assert_refused (folder, "\"normalizer\":null", no_map, PM_ERROR_DAMAGED, "map");
  assert_refused (folder, "\"normalizer\":null", long_trie, PM_ERROR_DAMAGED, "map");
  assert_refused (folder, "\"type\":\"Metaspace\"", "\"type\":\"Digits\"", PM_ERROR_UNSUPPORTED, "Digits");
  assert_refused (folder, "\"prepend_scheme\":\"always\"", "\"prepend_scheme\":\"often\"", PM_ERROR_UNSUPPORTED, "Metaspace");
  assert_refused (folder, "\"type\":\"TemplateProcessing\"", "\"type\":\"RobertaProcessing\"", PM_ERROR_UNSUPPORTED, "Roberta");
  assert_refused (folder, "\"Sequence\":{\"id\":\"A\"", "\"Series\":{\"id\":\"A\"", PM_ERROR_DAMAGED, "text");
  assert_refused (folder, "\"ids\":[1]", "\"ids\":[100000]", PM_ERROR_DAMAGED, "vocabulary");
  assert_refused (folder, "\"unk_id\":2", "\"unk_id\":100000", PM_ERROR_DAMAGED, "vocabulary");
  assert_refused (folder, "\"unk_id\":2", "\"unk_id\":-1", PM_ERROR_DAMAGED, "vocabulary");
  assert_refused (folder, "\"vocab\":[[", "\"vocab\":[1,[", PM_ERROR_DAMAGED, "vocabulary");
  assert_refused (folder, "\"model\":", "\"mode\":", PM_ERROR_DAMAGED, "vocabulary");
  assert_refused (folder, "\"added_tokens\":[", "\"added_tokens\":[7,", PM_ERROR_DAMAGED, "added tokens");
  fixture_remove (folder);
}

static void
test_no_unknown (void)
{
  g_autoptr (GBytes) json = tokenizer_fixture ("t5.json", FALSE);
  g_auto (GStrv) parts = g_strsplit (g_bytes_get_data (json, NULL), "\"unk_id\":2", 2);
  g_autofree char *text = g_strjoinv ("\"unk_id\":null", parts);
  g_autoptr (GBytes) changed = g_bytes_new (text, strlen (text));
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokenizer) tokenizer = NULL;
  g_autoptr (PmTokens) tokens = NULL;
  char *folder = fixture_folder ();

  tokenizer = tokenizer_fixture_open (folder, "tokenizer.json", changed, &error);
  g_assert_no_error (error);
  tokens = encode (tokenizer, "fox");
  g_assert_cmpint (tokens->n, >, 1);
  assert_encode_error (tokenizer, "a \u0378", PM_ERROR_UNSUPPORTED);
  fixture_remove (folder);
}

/* Protocol buffers by hand: pieces (text, type) and the fields behind them. */
static PmTokenizer *
open_model (const char *const *pieces, const guint8 *types, gsize n, const char *rest, gsize n_rest, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) whole = NULL;
  char *folder = fixture_folder ();
  PmTokenizer *tokenizer;

  for (gsize i = 0; i < n; i++)
    {
      const guint8 length = (guint8) strlen (pieces[i]);
      const guint8 head[] = { 0x0a, (guint8) (length + 9), 0x0a, length }, tail[] = { 0x15, 0, 0, 0x80, 0xbf, 0x18, types[i] };

      g_byte_array_append (bytes, head, sizeof head);
      g_byte_array_append (bytes, (const guint8 *) pieces[i], length);
      g_byte_array_append (bytes, tail, sizeof tail);
    }
  g_byte_array_append (bytes, (const guint8 *) rest, (guint) n_rest);
  whole = g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
  tokenizer = tokenizer_fixture_open (folder, "x.model", whole, error);
  fixture_remove (folder);
  return tokenizer;
}

#define SPECS "\x12\x00\x1a\x00" /* trainer_spec and normalizer_spec with nothing in them: all defaults */

static void
test_model_refused (void)
{
  static const char *const pieces[] = { "<unk>", "</s>", "a", "a" };
  static const struct
  {
    guint8      types[4];
    gsize       n;
    const char *rest;
    gsize       n_rest;
    PmErrorCode code;
    const char *says;
  } cases[] = {
    { { 2, 3, 1, 1 }, 4, SPECS, 4, PM_ERROR_DAMAGED, "twice" },
    { { 1, 3, 1 }, 3, SPECS, 4, PM_ERROR_DAMAGED, "unknown" },
    { { 2, 1, 1 }, 3, SPECS, 4, PM_ERROR_UNSUPPORTED, "end of a text" },
    { { 2, 3, 6 }, 3, SPECS, 4, PM_ERROR_DAMAGED, "bytes" },
    { { 2, 3, 9 }, 3, SPECS, 4, PM_ERROR_DAMAGED, "damaged" },
    { { 2, 3, 1 }, 3, "", 0, PM_ERROR_DAMAGED, "cut off" },
    { { 2, 3, 1 }, 3, "\x12\x00", 2, PM_ERROR_DAMAGED, "cut off" },
    { { 2, 3, 1 }, 3, "\x12\x02\x18\x02\x1a\x00", 6, PM_ERROR_UNSUPPORTED, "type 2" },
    { { 2, 3, 1 }, 3, "\x12\x03\x98\x02\x01\x1a\x00", 7, PM_ERROR_DAMAGED, "single bytes" },
    { { 2, 3, 1 }, 3, "\x12\x02\x18\x02\x1a\xff\xff\xff\xff\x0f", 10, PM_ERROR_DAMAGED, "damaged" },
    { { 2, 3, 1 }, 3, "\x12\x02\x13\x14\x1a\x00", 6, PM_ERROR_DAMAGED, "damaged" },
    { { 2, 3, 1 }, 3, "\x12\x00\x1a\x04\x12\x02xy", 8, PM_ERROR_DAMAGED, "map" },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokenizer) whole = open_model (pieces, (const guint8[]){ 2, 3, 1 }, 3, SPECS, 4, &error);
  g_autoptr (PmTokens) tokens = NULL;
  g_autofree char *all = NULL;

  g_assert_no_error (error);
  tokens = encode (whole, "ab");
  all = show (whole, tokens);
  g_assert_cmpstr (all, ==, "<unk>|a|<unk>|</s>");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) refused = NULL;
      g_autoptr (PmTokenizer) none = open_model (pieces, cases[i].types, cases[i].n, cases[i].rest, cases[i].n_rest, &refused);

      g_test_message ("%" G_GSIZE_FORMAT ": %s", i, refused ? refused->message : "opened");
      g_assert_null (none);
      g_assert_error (refused, PM_ERROR, (int) cases[i].code);
      g_assert_nonnull (strstr (refused->message, cases[i].says));
    }
}

/* A map whose one rule replaces "a" by 64 KiB: the text is refused before it fills the memory. */
static void
test_growth (void)
{
  static const char *const pieces[] = { "<unk>", "</s>", "a" };
  const gsize n_to = 65536, n_units = 512;
  g_autoptr (GByteArray) rest = g_byte_array_new ();
  g_autofree guint32 *units = g_new0 (guint32, n_units);
  g_autofree char *to = g_strnfill (n_to, 'b'), *text = g_strnfill (1000, 'a');
  const guint32 n_trie = (guint32) (n_units * sizeof *units), n_map = (guint32) (4 + n_trie + n_to);
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokenizer) tokenizer = NULL;
  g_autoptr (PmTokens) tokens = NULL;

  /* The root's children begin at 256 with label xor; "a" has a leaf one unit further. */
  units[0] = 256 << 10;
  units[256 ^ 'a'] = 1 << 10 | 1 << 8 | 'a';
  units[256 ^ 'a' ^ 1] = 1U << 31;
  g_byte_array_append (rest, (const guint8 *) "\x12\x00\x1a", 3);
  for (int i = 0; i < 2; i++)
    {
      const guint32 n = i == 0 ? n_map + 4 : n_map;
      const guint8  varint[] = { (guint8) ((n & 0x7f) | 0x80), (guint8) ((n >> 7 & 0x7f) | 0x80), (guint8) (n >> 14) };

      g_byte_array_append (rest, varint, 3);
      if (i == 0)
        g_byte_array_append (rest, (const guint8 *) "\x12", 1);
    }
  g_byte_array_append (rest, (const guint8 *) &n_trie, 4);
  g_byte_array_append (rest, (const guint8 *) units, n_trie);
  g_byte_array_append (rest, (const guint8 *) to, (guint) n_to);
  tokenizer = open_model (pieces, (const guint8[]){ 2, 3, 1 }, 3, (const char *) rest->data, rest->len, &error);
  g_assert_no_error (error);
  tokens = encode (tokenizer, "a");
  g_assert_cmpuint (tokens->end[0], ==, 1);
  assert_encode_error (tokenizer, text, PM_ERROR_USAGE);
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "bytes.model", "bytes.json", "t5.model", "t5.json" };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *words = g_strconcat ("/tokenizer/words/", names[i], NULL);
      g_autofree char *numbers = g_strconcat ("/tokenizer/numbers/", names[i], NULL);

      g_test_add_data_func (words, names[i], test_words);
      g_test_add_data_func (numbers, names[i], test_numbers);
    }
  g_test_add_func ("/tokenizer/find-nothing", test_find_nothing);
  g_test_add_func ("/tokenizer/special", test_special);
  g_test_add_func ("/tokenizer/bytes", test_bytes);
  g_test_add_func ("/tokenizer/bad-text", test_bad_text);
  g_test_add_func ("/tokenizer/folder", test_folder);
  g_test_add_func ("/tokenizer/refused", test_refused);
  g_test_add_func ("/tokenizer/no-unknown", test_no_unknown);
  g_test_add_func ("/tokenizer/model-refused", test_model_refused);
  g_test_add_func ("/tokenizer/growth", test_growth);
  return g_test_run ();
}
