/* The tokenizers of tests/reference/tokenizer: packed, and without the character maps that they share. */
#include "tokenizer-fixture.h"

#include <gio/gio.h>
#include <string.h>

#define HOLE "@MAP@"

GBytes *
reference_unpack (const char *folder, const char *name)
{
  g_autofree char *packed = g_strconcat (name, ".gz", NULL);
  g_autofree char *path = g_build_filename (PM_TEST_REFERENCE, folder, packed, NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GConverter) converter = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autoptr (GInputStream) raw = G_INPUT_STREAM (g_file_read (file, NULL, &error));
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GOutputStream) all = g_memory_output_stream_new_resizable ();
  gsize n;

  g_assert_no_error (error);
  stream = g_converter_input_stream_new (raw, converter);
  g_output_stream_splice (all, stream, G_OUTPUT_STREAM_SPLICE_NONE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (all, "", 1, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (all, NULL, NULL));
  n = g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (all));
  return g_bytes_new_with_free_func (g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (all)), n - 1, g_object_unref,
                                     g_object_ref (all));
}

static void
append_varint (GByteArray *bytes, gsize value)
{
  for (; value >= 0x80; value >>= 7)
    g_byte_array_append (bytes, &(guint8){ (guint8) (value | 0x80) }, 1);
  g_byte_array_append (bytes, &(guint8){ (guint8) value }, 1);
}

/* A second normalizer_spec, which protocol buffers merge with the first: field 3 of the file, field 2 in it. */
static GBytes *
add_map_to_model (GBytes *model, GBytes *map)
{
  g_autoptr (GByteArray) inner = g_byte_array_new ();
  GByteArray *whole = g_byte_array_new ();

  g_byte_array_append (inner, &(guint8){ 2 << 3 | 2 }, 1);
  append_varint (inner, g_bytes_get_size (map));
  g_byte_array_append (inner, g_bytes_get_data (map, NULL), (guint) g_bytes_get_size (map));
  g_byte_array_append (whole, g_bytes_get_data (model, NULL), (guint) g_bytes_get_size (model));
  g_byte_array_append (whole, &(guint8){ 3 << 3 | 2 }, 1);
  append_varint (whole, inner->len);
  g_byte_array_append (whole, inner->data, inner->len);
  return g_byte_array_free_to_bytes (whole);
}

static GBytes *
add_map_to_json (GBytes *json, GBytes *map)
{
  g_autofree char *text = g_base64_encode (g_bytes_get_data (map, NULL), g_bytes_get_size (map));
  g_auto (GStrv) parts = g_strsplit (g_bytes_get_data (json, NULL), HOLE, -1);
  char *whole;

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  whole = g_strjoinv (text, parts);
  return g_bytes_new_take (whole, strlen (whole));
}

/* The rule-less JSON is one whose only normalizer is null. */
static GBytes *
drop_map_from_json (GBytes *json)
{
  const char *text = g_bytes_get_data (json, NULL);
  const char *first = strstr (text, "\"normalizer\":"), *last = strstr (text, ",\"pre_tokenizer\":");
  GString    *out = g_string_new_len (text, first - text);

  g_assert_true (first && last);
  g_string_append (out, "\"normalizer\":null");
  g_string_append (out, last);
  return g_string_free_to_bytes (out);
}

GBytes *
tokenizer_fixture (const char *name, gboolean with_map)
{
  g_autoptr (GBytes) file = reference_unpack ("tokenizer", name);
  g_autoptr (GBytes) map = reference_unpack ("tokenizer", g_str_has_prefix (name, "symbols") ? "own.map" : "nmt_nfkc.map");

  if (g_str_has_suffix (name, ".json"))
    return with_map ? add_map_to_json (file, map) : drop_map_from_json (file);
  return with_map ? add_map_to_model (file, map) : g_steal_pointer (&file);
}

PmTokenizer *
tokenizer_fixture_open (const char *folder, const char *name, GBytes *bytes, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  fixture_write (folder, name, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
  return pm_tokenizer_open (path, error);
}

PmTokenizer *
tokenizer_fixture_load (const char *name)
{
  g_autoptr (GBytes) bytes = tokenizer_fixture (name, TRUE);
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  PmTokenizer *tokenizer = tokenizer_fixture_open (folder, name, bytes, &error);

  g_assert_no_error (error);
  g_assert_nonnull (tokenizer);
  fixture_remove (folder);
  return tokenizer;
}
