/* Every format's small files, cut off after every byte and with every byte changed: opening them gives an error or a
 * checkpoint whose bytes can all be read. Meant to run under AddressSanitizer too. */
#include <string.h>

#include "fixture.h"
#include "format/config.h"
#include "text/tokenizer.h"

#define MAX_BYTES 20480

static char *folder;
static guint n_opened, n_refused;

/* Reads every element, as a model would. */
static void
read_all (PmCheckpoint *checkpoint)
{
  guint sum = 0;

  for (guint i = 0; i < pm_checkpoint_get_n_tensors (checkpoint); i++)
    {
      const PmTensor *tensor = pm_checkpoint_get_tensor (checkpoint, i);
      const guint8   *bytes = tensor->data;

      for (gsize j = 0; j < tensor->n_elements * pm_dtype_size (tensor->dtype); j++)
        sum += bytes[j];
    }
  g_assert_cmpuint (sum, <=, G_MAXUINT);
}

static void
try_checkpoint (const char *name, gconstpointer bytes, gsize n)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PmCheckpoint) checkpoint = NULL;

  fixture_write (folder, name, bytes, (gssize) n);
  checkpoint = pm_checkpoint_open (path, &error);
  g_assert_true ((checkpoint == NULL) == (error != NULL));
  if (checkpoint)
    read_all (checkpoint);
  else
    g_assert_true (g_str_has_suffix (error->message, "."));
  n_opened += checkpoint != NULL;
  n_refused += checkpoint == NULL;
}

static void
try_config (const char *name, gconstpointer bytes, gsize n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmConfig) config = NULL;

  fixture_write (folder, "config.json", bytes, (gssize) n);
  config = pm_config_load (folder, &error);
  g_assert_true ((config == NULL) == (error != NULL));
  n_opened += config != NULL;
  n_refused += config == NULL;
}

/* A tokenizer that opens also cuts a text, or says why not. */
static void
try_tokenizer (const char *name, gconstpointer bytes, gsize n)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) encode_error = NULL;
  g_autoptr (PmTokenizer) tokenizer = NULL;
  g_autoptr (PmTokens) tokens = NULL;

  fixture_write (folder, name, bytes, (gssize) n);
  tokenizer = pm_tokenizer_open (path, &error);
  g_assert_true ((tokenizer == NULL) == (error != NULL));
  n_opened += tokenizer != NULL;
  n_refused += tokenizer == NULL;
  if (! tokenizer)
    return;
  tokens = pm_tokenizer_encode (tokenizer, "A cab [K] be\u0301\u00a0 </s> <PAINT> sky \U0001f600", &encode_error);
  g_assert_true ((tokens == NULL) == (encode_error != NULL));
  for (int i = 0; tokens && i < tokens->n; i++)
    g_assert_nonnull (pm_tokenizer_get_piece (tokenizer, tokens->ids[i]));
}

typedef void (*PmTryFunc) (const char *name, gconstpointer bytes, gsize n);

/* whole: [n]; cut: every shorter length must be refused. */
static void
sweep (PmTryFunc try_bytes, const char *name, const char *whole, gsize n, gboolean needs_end)
{
  static const guint8 flips[] = { 0x01, 0x80, 0xff, 0x20 };
  g_autofree char *bytes = g_memdup2 (whole, n);

  g_assert_cmpuint (n, <=, MAX_BYTES);
  n_opened = n_refused = 0;
  try_bytes (name, whole, n);
  g_assert_cmpuint (n_opened, ==, 1);
  for (gsize length = 0; length < n; length++)
    try_bytes (name, whole, length);
  if (needs_end)
    g_assert_cmpuint (n_refused, ==, n);
  for (gsize i = 0; i < n; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (flips); j++)
      {
        bytes[i] = (char) (whole[i] ^ flips[j]);
        try_bytes (name, bytes, n);
        bytes[i] = whole[i];
      }
  g_test_message ("%s: %u opened, %u refused", name, n_opened, n_refused);
}

static void
test_safetensors (void)
{
  static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":"
                               "[0,24]},\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[24,30]},\"c\":{\"dtype\":"
                               "\"F64\",\"shape\":[2,1,2],\"data_offsets\":[30,62]}}";
  g_autofree char *path = g_build_filename (folder, "x.safetensors", NULL);
  g_autofree char *whole = NULL;
  guint8 data[62] = { 1 };
  gsize  n;

  fixture_write_safetensors (folder, "x.safetensors", header, data, sizeof data);
  g_assert_true (g_file_get_contents (path, &whole, &n, NULL));
  sweep (try_checkpoint, "x.safetensors", whole, n, TRUE);
}

static void
test_torch (gconstpointer name)
{
  g_autofree char *path = fixture_path (name);
  g_autofree char *whole = NULL;
  gsize n;

  folder = fixture_folder ();
  g_assert_true (g_file_get_contents (path, &whole, &n, NULL));
  sweep (try_checkpoint, name, whole, n, TRUE);
  fixture_remove (folder);
}

static void
test_hash (void)
{
  static const char whole[] = "{\"format\":\"pentimento-hash-1\",\"tensors\":{\"x\":{\"shape\":[5,1],\"scale\":0.05,"
                              "\"offset\":0.3},\"y\":{\"shape\":[2]}}}";

  sweep (try_checkpoint, "x.hash.json", whole, strlen (whole), TRUE);
}

static void
test_shards (void)
{
  static const char shard[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  static const char whole[] = "{\"metadata\":{},\"weight_map\":{\"a\":\"one.safetensors\"}}";

  fixture_write_safetensors (folder, "one.safetensors", shard, "12345678", 8);
  sweep (try_checkpoint, "x.safetensors.index.json", whole, strlen (whole), TRUE);
}

static void
test_config (void)
{
  static const char whole[] = "{\"family\":\"dit\",\"num_attention_heads\":6,\"prediction\":\"x0\",\"schedule\":{\"type\":"
                              "\"flow\",\"noise_at\":0,\"time_scale\":1000},\"null_class\":24,\"classes\":[\"a\",\"b\"],"
                              "\"guidance_channels\":\"all\",\"vae\":null,\"recommended_layers\":[3,4],\"defaults\":{\"sampler\":"
                              "\"euler\",\"steps\":24,\"guidance\":2.0,\"guidance_interval\":[0.1,0.95],\"size\":64}}";

  sweep (try_config, "config.json", whole, strlen (whole), TRUE);
}

static void
test_tokenizer (gconstpointer name)
{
  g_autofree char *base = g_path_get_basename (name);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "fuzz", "corpus", name, NULL);
  g_autofree char *whole = NULL;
  gsize n;

  folder = fixture_folder ();
  g_assert_true (g_file_get_contents (path, &whole, &n, NULL));
  sweep (try_tokenizer, base, whole, n, g_str_has_suffix (name, ".json"));
  fixture_remove (folder);
}

static void
in_new_folder (gconstpointer test)
{
  folder = fixture_folder ();
  ((void (*) (void)) test) ();
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/truncation/safetensors", test_safetensors, in_new_folder);
  g_test_add_data_func ("/truncation/torch-plain", "plain.pt", test_torch);
  g_test_add_data_func ("/truncation/torch-train", "train.pt", test_torch);
  g_test_add_data_func ("/truncation/torch-protocol-4", "protocol-4.pt", test_torch);
  g_test_add_data_func ("/truncation/torch-runs", "runs.pt", test_torch);
  g_test_add_data_func ("/truncation/hash", test_hash, in_new_folder);
  g_test_add_data_func ("/truncation/shards", test_shards, in_new_folder);
  g_test_add_data_func ("/truncation/config", test_config, in_new_folder);
  g_test_add_data_func ("/truncation/spiece", "spiece/tiny.model", test_tokenizer);
  g_test_add_data_func ("/truncation/tokenizer", "tokenizer/tiny.json", test_tokenizer);
  g_test_add_data_func ("/truncation/tokenizer-options", "tokenizer/options.json", test_tokenizer);
  return g_test_run ();
}
