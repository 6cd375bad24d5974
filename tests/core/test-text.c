/* Encoders of text: against the twin (tests/reference/text_make.py), on the reference loops and on the CPU; the ways in which
 * files hold the same weights; threads, cancelling, and files that are not as they should be. */
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "compare.h"
#include "fixture.h"
#include "pentimento.h"
#include "text/t5.h"

#define LIMIT 5e-6 /* of embeddings against the twin's, which are computed in f64 */

static const struct
{
  const char *name;
  int         lengths[4];
} cases[] = { { "t5-gated", { 1, 7, 120, 300 } }, { "t5-plain", { 1, 2, 77 } } };

static PmTextEncoder *
open_encoder (const char *path)
{
  g_autoptr (GError) error = NULL;
  PmTextEncoder     *encoder = pm_text_encoder_open (path, &error);
  g_assert_no_error (error);
  return encoder;
}

/* The fixture's ids of that length; *n: theirs. */
static const gint32 *
get_ids (PmBundle *expected, int length)
{
  g_autofree char *name = g_strdup_printf ("ids.%d", length);
  const gint32    *ids = pm_bundle_get_i32 (expected, name, 1, (gssize[]) { length }, NULL);
  g_assert_nonnull (ids);
  return ids;
}

static float *
encode (PmTextEncoder *encoder, const char *device, int n_threads, const gint32 *ids, int n)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmBackend) backend = pm_backend_open (device, n_threads, &error);
  float                *out = g_new (float, (gsize) n * pm_text_encoder_get_info (encoder)->width);

  g_assert_true (pm_text_encoder_run (encoder, backend, ids, n, out, NULL, &error));
  g_assert_no_error (error);
  g_auto (GStrv) fallbacks = pm_backend_get_fallbacks (backend);
  g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
  return out;
}

static PmBundle *
load_expected (const char *name)
{
  g_autofree char *path = pm_test_reference (name, "expected.safetensors");
  PmBundle        *bundle = pm_bundle_load (path, NULL);
  g_assert_nonnull (bundle);
  return bundle;
}

/* data: the device. */
static void
test_parity (gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char          *path = pm_test_reference (cases[i].name, "text_encoder");
      g_autoptr (PmTextEncoder) encoder = open_encoder (path);
      g_autoptr (PmBundle)      expected = load_expected (cases[i].name);
      gsize                     width = pm_text_encoder_get_info (encoder)->width;

      for (int j = 0; j < 4 && cases[i].lengths[j] > 0; j++)
        {
          int               n = cases[i].lengths[j];
          g_autofree char  *name = g_strdup_printf ("embedding.%d", n);
          g_autofree float *out = encode (encoder, data, 2, get_ids (expected, n), n);
          g_test_message ("%s, %d tokens", cases[i].name, n);
          pm_test_compare_relative (name, out, pm_test_array_of (expected, name, n * width), n * width, LIMIT);
        }
    }
}

/* The stage of the program's door, which also takes a model's folder. */
static void
test_eval (void)
{
  g_autoptr (GError)   error = NULL;
  g_autofree char     *folder = pm_test_reference ("t5-gated", ""), *inside = pm_test_reference ("t5-gated", "text_encoder");
  g_autoptr (PmBundle) expected = load_expected ("t5-gated"), in = pm_bundle_new ();
  const char *const    paths[] = { folder, inside };

  pm_test_add (in, "ids", PM_DTYPE_I32, 7, get_ids (expected, 7));
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (PmBundle) out = pm_eval_text_encode (paths[i], in, &(PmEvalOptions) { 0 }, NULL, &error);
      gsize                n;
      g_assert_no_error (error);
      const float *truth = pm_test_array (expected, "embedding.7", &n);
      pm_test_compare_relative ("embedding", pm_test_array_of (out, "embedding", n), truth, n, LIMIT);
    }
  g_autoptr (PmBundle) nothing = pm_bundle_new ();
  g_assert_null (pm_eval_text_encode (inside, nothing, &(PmEvalOptions) { 0 }, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_clear_error (&error);
  pm_test_add (in, "ids", PM_DTYPE_I32, 2, (gint32[]) { 3, 600 });
  g_assert_null (pm_eval_text_encode (inside, in, &(PmEvalOptions) { 0 }, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "600"));
}

/* transformers' _relative_position_bucket at the places where logarithms are whole, and next to them. */
static void
test_buckets (void)
{
  static const int distances[] = { -300, -129, -128, -127, -64, -63, -32, -31, -16, -15, -8, -1, 0, 1, 7, 8, 16, 32, 64, 128 };
  static const struct
  {
    int K, max_distance;
    int buckets[G_N_ELEMENTS (distances)];
  } tables[] = {
    { 32, 128, { 15, 15, 15, 15, 14, 13, 12, 11, 10, 9, 8, 1, 0, 17, 23, 24, 26, 28, 30, 31 } },
    { 16, 40, { 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 5, 1, 0, 9, 12, 13, 14, 15, 15, 15 } },
    { 32, 20, { 15, 15, 15, 15, 15, 15, 15, 15, 14, 13, 8, 1, 0, 17, 23, 24, 30, 31, 31, 31 } },
    { 64, 256, { 31, 28, 28, 27, 24, 23, 20, 19, 16, 15, 8, 1, 0, 33, 39, 40, 48, 52, 56, 60 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (distances); j++)
      g_assert_cmpint (pm_t5_bucket (distances[j], tables[i].K, tables[i].max_distance), ==, tables[i].buckets[j]);
}

/* Writes tensors first .. end of a checkpoint as a safetensors file, as f32 or with its values as that type. */
static void
write_part (const char *folder, const char *name, PmCheckpoint *checkpoint, guint first, guint end, PmDtype dtype)
{
  g_autoptr (GString)    header = g_string_new ("{");
  g_autoptr (GByteArray) data = g_byte_array_new ();

  for (guint i = first; i < end; i++)
    {
      const PmTensor  *tensor = pm_checkpoint_get_tensor (checkpoint, i);
      g_autofree char *shape = pm_tensor_shape_to_string (tensor);
      gsize            begin = data->len;
      for (gsize j = 0; j < tensor->n_elements; j++)
        {
          const float *value = (const float *) tensor->data + j;
          guint32      bits;
          guint16      half;
          memcpy (&bits, value, sizeof bits);
          half = bits >> 16;
          if (dtype == PM_DTYPE_F16)
            pm_convert_f32_to_f16 (value, 1, &half);
          g_byte_array_append (data, dtype == PM_DTYPE_F32 ? (const guint8 *) value : (const guint8 *) &half,
                               pm_dtype_size (dtype));
        }
      g_string_append_printf (header, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": %s, \"data_offsets\": [%zu, %u]}",
                              i > first ? ", " : "", tensor->name,
                              dtype == PM_DTYPE_F16    ? "F16"
                              : dtype == PM_DTYPE_BF16 ? "BF16"
                                                       : "F32",
                              shape, begin, data->len);
    }
  g_string_append_c (header, '}');
  while (header->len % 8)
    g_string_append_c (header, ' ');
  fixture_write_safetensors (folder, name, header->str, data->data, data->len);
}

static void
copy_config (const char *folder)
{
  g_autofree char *source = g_build_filename (PM_TEST_REFERENCE, "t5-gated", "text_encoder", "config.json", NULL);
  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
  fixture_write (folder, "config.json", text, -1);
}

/* Half the size costs half the precision of the weights and no more: the same as f32 weights of these values. */
static void
test_half (void)
{
  static const PmDtype      dtypes[] = { PM_DTYPE_F16, PM_DTYPE_BF16 };
  g_autofree char          *path = pm_test_reference ("t5-gated", "text_encoder");
  g_autoptr (PmTextEncoder) exact = open_encoder (path);
  g_autoptr (PmBundle)      expected = load_expected ("t5-gated");
  PmCheckpoint             *checkpoint = pm_text_encoder_get_checkpoint (exact);

  for (gsize i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      char                     *folder = fixture_folder ();
      g_autofree char          *file = g_build_filename (folder, "x.safetensors", NULL);
      copy_config (folder);
      write_part (folder, "x.safetensors", checkpoint, 0, pm_checkpoint_get_n_tensors (checkpoint), dtypes[i]);
      g_autoptr (PmTextEncoder) half = open_encoder (folder);
      g_assert_cmpuint (pm_text_encoder_get_info (half)->n_bytes * 2, ==, pm_text_encoder_get_info (exact)->n_bytes);
      g_autofree float *on_ref = encode (half, "ref", 1, get_ids (expected, 120), 120);
      g_autofree float *out = encode (half, "cpu", 2, get_ids (expected, 120), 120);
      gsize             n = 120 * (gsize) pm_text_encoder_get_info (half)->width;
      pm_test_compare_relative ("half weights, cpu against ref", out, on_ref, n, 5e-6);
      pm_test_compare_relative ("half weights against whole", out, pm_test_array_of (expected, "embedding.120", n), n,
                                i ? 0.2 : 0.02);
      fixture_remove (folder);
    }
}

/* transformers' shards, and the folder without one of them. */
static void
test_shards (void)
{
  g_autoptr (GError)        error = NULL;
  g_autofree char          *path = pm_test_reference ("t5-gated", "text_encoder");
  g_autoptr (PmTextEncoder) whole = open_encoder (path);
  g_autoptr (PmBundle)      expected = load_expected ("t5-gated");
  PmCheckpoint             *checkpoint = pm_text_encoder_get_checkpoint (whole);
  guint                     n = pm_checkpoint_get_n_tensors (checkpoint);
  g_autoptr (GString)       index = g_string_new ("{\"metadata\": {}, \"weight_map\": {");
  char                     *folder = fixture_folder ();
  g_autofree char          *second = g_build_filename (folder, "model-00002-of-00002.safetensors", NULL);

  copy_config (folder);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (index, "%s\"%s\": \"model-0000%d-of-00002.safetensors\"", i ? ", " : "",
                            pm_checkpoint_get_tensor (checkpoint, i)->name, i < n / 2 ? 1 : 2);
  g_string_append (index, "}}");
  fixture_write (folder, "model.safetensors.index.json", index->str, -1);
  write_part (folder, "model-00001-of-00002.safetensors", checkpoint, 0, n / 2, PM_DTYPE_F32);
  write_part (folder, "model-00002-of-00002.safetensors", checkpoint, n / 2, n, PM_DTYPE_F32);
  g_autoptr (PmTextEncoder) parts = open_encoder (folder);
  g_autofree float         *a = encode (whole, "cpu", 2, get_ids (expected, 120), 120);
  g_autofree float         *b = encode (parts, "cpu", 2, get_ids (expected, 120), 120);
  g_autofree float         *again = encode (parts, "cpu", 2, get_ids (expected, 120), 120); /* pages let go come back */
  gsize                     size = 120 * sizeof (float) * pm_text_encoder_get_info (whole)->width;
  g_assert_cmpmem (a, size, b, size);
  g_assert_cmpmem (a, size, again, size);

  g_assert_cmpint (g_unlink (second), ==, 0);
  g_assert_null (pm_text_encoder_open (folder, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
  g_assert_nonnull (strstr (error->message, "model-00002-of-00002.safetensors"));
  fixture_remove (folder);
}

static void
test_threads (void)
{
  g_autofree char          *path = pm_test_reference ("t5-gated", "text_encoder");
  g_autoptr (PmTextEncoder) encoder = open_encoder (path);
  g_autoptr (PmBundle)      expected = load_expected ("t5-gated");
  g_autofree float         *first = encode (encoder, "cpu", 1, get_ids (expected, 300), 300);
  gsize                     size = 300 * sizeof (float) * pm_text_encoder_get_info (encoder)->width;

  for (int n = 2; n <= 4; n++)
    {
      g_autofree float *out = encode (encoder, "cpu", n, get_ids (expected, 300), 300);
      g_assert_cmpmem (first, size, out, size);
    }
}

typedef struct
{
  PmJob *job;
  double last;
} Cancel;

static void
cancel_cb (const PmProgress *progress, gpointer data)
{
  Cancel *self = data;
  g_assert_cmpfloat (progress->fraction, >=, self->last);
  self->last = progress->fraction;
  if (progress->fraction > 0.3)
    pm_job_cancel (self->job);
}

static void
test_cancel (void)
{
  g_autoptr (GError)        error = NULL;
  g_autofree char          *path = pm_test_reference ("t5-gated", "text_encoder");
  g_autoptr (PmTextEncoder) encoder = open_encoder (path);
  g_autoptr (PmBundle)      expected = load_expected ("t5-gated");
  g_autoptr (PmBackend)     backend = pm_backend_open ("cpu", 2, &error);
  g_autofree float         *out = g_new (float, 300 * 48);
  Cancel                    cancel = { 0 };
  g_autoptr (PmJob)         job = pm_job_new (cancel_cb, &cancel);

  cancel.job = job;
  g_assert_false (pm_text_encoder_run (encoder, backend, get_ids (expected, 300), 300, out, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpfloat (cancel.last, <, 0.5);
}

/* The fixture with one text replaced, in the configuration or in the list of tensors. */
static void
assert_refused (const char *file, const char *from, const char *to, PmErrorCode code, const char *says)
{
  static const char *const files[] = { "config.json", "model.hash.json" };
  char                    *folder = fixture_folder ();
  g_autoptr (GError)       error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    fixture_copy_changed ("t5-gated/text_encoder", folder, files[i], strcmp (file, files[i]) == 0 ? from : NULL, to);
  g_autoptr (PmTextEncoder) encoder = pm_text_encoder_open (folder, &error);
  g_assert_null (encoder);
  fixture_assert_error (error, code, says);
  fixture_remove (folder);
}

static void
test_damaged (void)
{
  const char *config = "config.json", *tensors = "model.hash.json";

  assert_refused (config, "gated-gelu", "gated-selu", PM_ERROR_UNSUPPORTED, "gated-selu");
  assert_refused (config, "gated-gelu", "relu", PM_ERROR_UNSUPPORTED, "relu");
  assert_refused (config, "\"gated-gelu\"", "7", PM_ERROR_DAMAGED, "feed_forward_proj");
  assert_refused (config, "_distance\": 128", "_distance\": 8", PM_ERROR_DAMAGED, "max_distance");
  assert_refused (config, "_distance\": 128", "_distance\": -3", PM_ERROR_DAMAGED, "max_distance");
  assert_refused (config, "_epsilon\": 1e-06", "_epsilon\": 0", PM_ERROR_DAMAGED, "epsilon");
  assert_refused (config, "{", "[", PM_ERROR_DAMAGED, "config.json");
  assert_refused (config, "\n}", "", PM_ERROR_DAMAGED, "config.json");
  assert_refused (tensors, "encoder.block.2.layer.1.DenseReluDense.wo.weight", "x", PM_ERROR_DAMAGED, "block.2.layer.1");
  assert_refused (tensors, "encoder.block.1.layer.1.DenseReluDense.wi_1.weight", "x", PM_ERROR_DAMAGED, "wi_1");
  assert_refused (tensors, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "x", PM_ERROR_UNSUPPORTED,
                  "T5");
  assert_refused (tensors, "\"shared.weight\"", "\"x\"", PM_ERROR_DAMAGED, "table of words");
  assert_refused (tensors, "encoder.final_layer_norm.weight", "x", PM_ERROR_DAMAGED, "final_layer_norm");
  assert_refused (tensors, "relative_attention_bias.weight\": {\"shape\": [32, 3]",
                  "relative_attention_bias.weight\": {\"shape\": [32, 7]", PM_ERROR_DAMAGED, "distances");
  assert_refused (tensors, "relative_attention_bias.weight\": {\"shape\": [32, 3]",
                  "relative_attention_bias.weight\": {\"shape\": [0, 3]", PM_ERROR_DAMAGED, "distances");
  assert_refused (tensors, "encoder.block.0.layer.0.layer_norm.weight",
                  "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight", PM_ERROR_UNSUPPORTED, "UMT5");
}

/* A config.json that ends anywhere is refused, never read in part. */
static void
test_truncated (void)
{
  static const char *const files[] = { "config.json", "model.hash.json" };
  char                    *folder = fixture_folder ();
  g_autofree char         *text = NULL;
  gsize                    n;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *source = g_build_filename (PM_TEST_REFERENCE, "t5-plain", "text_encoder", files[i], NULL);
      g_clear_pointer (&text, g_free);
      g_assert_true (g_file_get_contents (source, &text, &n, NULL));
      fixture_write (folder, files[i], text, n);
    }
  g_clear_pointer (&text, g_free);
  g_autofree char *config = g_build_filename (folder, "config.json", NULL);
  g_assert_true (g_file_get_contents (config, &text, &n, NULL));
  for (gsize i = 0; i < n - 2; i++) /* the last two are } and a line's end */
    {
      g_autoptr (GError) error = NULL;
      fixture_write (folder, "config.json", text, i);
      g_assert_null (pm_text_encoder_open (folder, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
    }
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/text/parity/ref", "ref", test_parity);
  g_test_add_data_func ("/text/parity/cpu", "cpu", test_parity);
  g_test_add_func ("/text/eval", test_eval);
  g_test_add_func ("/text/buckets", test_buckets);
  g_test_add_func ("/text/half", test_half);
  g_test_add_func ("/text/shards", test_shards);
  g_test_add_func ("/text/threads", test_threads);
  g_test_add_func ("/text/cancel", test_cancel);
  g_test_add_func ("/text/damaged", test_damaged);
  g_test_add_func ("/text/truncated", test_truncated);
  return g_test_run ();
}
