/* Checkpoints: safetensors, shards, folders, hashed weights, and the sentences for files that are not what they seem. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static const float six[] = { 0.5f, -1, 2, 3, 4, 5 };

static char *folder;

static char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* Writes header and 24 bytes of data as x.safetensors and asserts what opening it says. */
static void
refuse (const char *header, PmErrorCode code, const char *says)
{
  g_autofree char *path = in_folder ("x.safetensors");

  fixture_write_safetensors (folder, "x.safetensors", header, six, sizeof six);
  fixture_assert_refused (path, code, says);
}

static void
test_safetensors (void)
{
  static const guint16 halves[] = { 0x3800, 0xbc00, 0x4000 };
  static const float   three[] = { 0.5f, -1, 2 };
  guint8 data[64] = { 0 };
  g_autofree char *path = in_folder ("good.safetensors");
  g_autoptr (PmCheckpoint) checkpoint = NULL;

  memcpy (data, six, 24);
  memcpy (data + 24, halves, 6);
  memcpy (data + 30, six, 24); /* aligned to 2 only: copied */
  data[54] = 7;
  fixture_write_safetensors (
    folder, "good.safetensors",
    "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[24,30]},\"c\":{\"dtype\":\"F32\",\"shape\":[6,1,1],"
    "\"data_offsets\":[30,54]},\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},\"e\":{\"dtype\":\"I64\","
    "\"shape\":[0,5],\"data_offsets\":[9,9]},\"o\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[54,55]}}  ",
    data, 55);
  checkpoint = fixture_open (path);
  g_assert_cmpstr (pm_checkpoint_get_format (checkpoint), ==, "safetensors");
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 6);
  g_assert_cmpstr (pm_checkpoint_get_tensor (checkpoint, 1)->name, ==, "a");
  g_assert_cmpuint (pm_checkpoint_get_bytes (checkpoint), ==, 24 + 6 + 24 + 4 + 1);
  fixture_assert_tensor (checkpoint, "b", PM_DTYPE_F32, "[2, 3]", six);
  fixture_assert_tensor (checkpoint, "a", PM_DTYPE_F16, "[3]", three);
  fixture_assert_tensor (checkpoint, "c", PM_DTYPE_F32, "[6, 1, 1]", six);
  fixture_assert_tensor (checkpoint, "s", PM_DTYPE_F32, "[]", six);
  fixture_assert_tensor (checkpoint, "e", PM_DTYPE_I64, "[0, 5]", NULL);
  g_assert_cmpint (pm_checkpoint_find (checkpoint, "o")->dtype, ==, PM_DTYPE_OTHER);
  g_assert_null (pm_checkpoint_find (checkpoint, "__metadata__"));
}

#define ENTRY(dtype, shape, offsets) "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void
test_safetensors_refused (void)
{
  static const struct
  {
    const char *header;
    const char *says;
  } cases[] = {
    { ENTRY ("F32", "[7]", "[0,28]"), "ends before the tensor \"x\"" },
    { ENTRY ("F32", "[6]", "[0,20]"), "of shape [6] and type f32 cannot be 20 bytes" },
    { ENTRY ("F32", "[6]", "[24,0]"), "\"x\" in its header makes no sense" },
    { ENTRY ("F32", "[-6]", "[0,24]"), "makes no sense" },
    { ENTRY ("F32", "[6.0]", "[0,24]"), "makes no sense" },
    { ENTRY ("F32", "6", "[0,24]"), "makes no sense" },
    { ENTRY ("F32", "[6]", "[0]"), "makes no sense" },
    { ENTRY ("F32", "[6]", "[0,18446744073709551640]"), "ends before the tensor" },
    { ENTRY ("F32", "[4611686018427387905,4]", "[0,16]"), "cannot be 16 bytes" },
    { ENTRY ("F32", "[6]", "[0,24],\"shape\":[6]"), "a key occurs twice" },
    { "{\"x\":{\"shape\":[6],\"data_offsets\":[0,24]}}", "makes no sense" },
    { "{\"x\":3}", "makes no sense" },
    { "{\"x\":", "damaged JSON" },
    { "{\"x\":1}}", "damaged JSON" },
    { "{\"x\":1 /* [ */}", "damaged JSON" },
    { "{\"\xff\":1}", "damaged JSON" },
    { "{}", "no tensors" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]},\"a\":{\"dtype\":\"F32\",\"shape\":[6],"
      "\"data_offsets\":[0,24]}}",
      "twice" },
  };
  g_autofree char *deep = g_strnfill (70, '[');
  g_autofree char *nested = g_strdup_printf ("{\"x\":%s", deep);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    refuse (cases[i].header, PM_ERROR_DAMAGED, cases[i].says);
  refuse (nested, PM_ERROR_DAMAGED, "nested too deeply");
  refuse (ENTRY ("F32", "[1,1,1,1,1,1,1,1,6]", "[0,24]"), PM_ERROR_UNSUPPORTED, "9 dimensions");
}

static void
test_strangers (void)
{
  static const struct
  {
    const char *content;
    PmErrorCode code;
    const char *says;
  } cases[] = {
    { "", PM_ERROR_DAMAGED, "is empty" },
    { "version https://git-lfs.github.com/spec/v1\n", PM_ERROR_UNSUPPORTED, "git lfs pull" },
    { "<!DOCTYPE html><html>", PM_ERROR_UNSUPPORTED, "web page" },
    { "GGUF\3", PM_ERROR_UNSUPPORTED, "GGUF" },
    { "hello", PM_ERROR_UNSUPPORTED, "no checkpoint" },
    { "{\"a\": 1}", PM_ERROR_UNSUPPORTED, "no checkpoint" },
  };
  g_autofree char *path = in_folder ("stranger");
  g_autofree char *missing = in_folder ("missing.pt");
  guint64 huge = GUINT64_TO_LE (G_GUINT64_CONSTANT (1) << 62);
  guint8  bytes[16] = "........{}";

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      fixture_write (folder, "stranger", cases[i].content, -1);
      fixture_assert_refused (path, cases[i].code, cases[i].says);
    }
  memcpy (bytes, &huge, 8);
  fixture_write (folder, "stranger", bytes, 16);
  fixture_assert_refused (path, PM_ERROR_UNSUPPORTED, "no checkpoint");
  huge = GUINT64_TO_LE (G_GUINT64_CONSTANT (1000));
  memcpy (bytes, &huge, 8);
  fixture_write (folder, "stranger", bytes, 16);
  fixture_assert_refused (path, PM_ERROR_DAMAGED, "within its own header");
  fixture_assert_refused (missing, PM_ERROR_IO, "missing.pt cannot be read");
}

#define SHARD(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}"

static void
write_index (const char *map)
{
  g_autofree char *text = g_strdup_printf ("{\"metadata\":{\"total_size\":48},\"weight_map\":%s}", map);

  fixture_write (folder, "model.safetensors.index.json", text, -1);
}

static void
test_shards (void)
{
  g_autofree char *index = in_folder ("model.safetensors.index.json");
  g_autoptr (PmCheckpoint) checkpoint = NULL;
  g_autoptr (PmCheckpoint) again = NULL;

  fixture_write_safetensors (folder, "one.safetensors", SHARD ("a"), six, sizeof six);
  fixture_write_safetensors (folder, "two.safetensors", SHARD ("b"), six, sizeof six);
  write_index ("{\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}");
  checkpoint = fixture_open (index);
  g_assert_cmpstr (pm_checkpoint_get_format (checkpoint), ==, "safetensors");
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 2);
  fixture_assert_tensor (checkpoint, "a", PM_DTYPE_F32, "[6]", six);
  fixture_assert_tensor (checkpoint, "b", PM_DTYPE_F32, "[6]", six);
  again = fixture_open (folder);
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (again), ==, 2);

  write_index ("{\"c\":\"two.safetensors\"}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "two.safetensors holds the tensor \"c\"");
  write_index ("{\"a\":\"three.safetensors\"}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "three.safetensors beside it, which is missing");
  write_index ("{\"a\":\"../one.safetensors\"}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "not a plain name");
  write_index ("{\"a\":\"..\"}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "not a plain name");
  write_index ("[]");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "no \"weight_map\"");
  write_index ("{}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "no tensors");
  write_index ("{\"a\":\"model.safetensors.index.json\"}");
  fixture_assert_refused (index, PM_ERROR_UNSUPPORTED, "no checkpoint");
  fixture_write_safetensors (folder, "two.safetensors", SHARD ("a"), six, sizeof six);
  write_index ("{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}");
  fixture_assert_refused (index, PM_ERROR_DAMAGED, "names the tensor \"a\" twice");
}

static void
test_folders (void)
{
  g_autofree char *inner = in_folder ("transformer");
  g_autofree char *fifo = in_folder ("model.safetensors");
  g_autoptr (PmCheckpoint) only = NULL;
  g_autoptr (PmCheckpoint) named = NULL;
  g_autoptr (PmCheckpoint) nested = NULL;

  fixture_assert_refused (folder, PM_ERROR_NO_MODEL, "holds no checkpoint");
  g_assert_cmpint (g_mkdir (inner, 0700), ==, 0);
  fixture_write_safetensors (inner, "diffusion_pytorch_model.safetensors", SHARD ("n"), six, sizeof six);
  nested = fixture_open (folder);
  g_assert_nonnull (pm_checkpoint_find (nested, "n"));
  fixture_write_safetensors (folder, "zebra.safetensors", SHARD ("z"), six, sizeof six);
  only = fixture_open (folder);
  g_assert_nonnull (pm_checkpoint_find (only, "z"));
  fixture_write (folder, "other.pth", "", 0);
  fixture_assert_refused (folder, PM_ERROR_NO_MODEL, "other.pth and zebra.safetensors");
  fixture_write_safetensors (folder, "model.safetensors", SHARD ("m"), six, sizeof six);
  named = fixture_open (folder);
  g_assert_nonnull (pm_checkpoint_find (named, "m"));
  g_assert_cmpint (g_unlink (fifo), ==, 0);
}

static void
test_hash (void)
{
  /* printed by make-fixtures.py */
  static const struct
  {
    const char *name;
    gsize       i;
    float       value;
  } expected[] = {
    { "x", 0, 0x1.149a8ep-2f },
    { "x", 1, 0x1.52cb0cp-2f },
    { "x", 2, 0x1.41e058p-2f },
    { "x", 4095, 0x1.6150e6p-2f },
    { "x", 4096, 0x1.18b304p-2f },
    { "x", 5000, 0x1.2ca9acp-2f },
    { "blocks.0.attn.qkv.weight", 0, 0x1.4b2068p-2f },
    { "blocks.0.attn.qkv.weight", 1, 0x1.290d7ep-2f },
    { "blocks.0.attn.qkv.weight", 2, 0x1.5485f0p-2f },
    { "blocks.0.attn.qkv.weight", 4095, 0x1.09312ap-2f },
    { "blocks.0.attn.qkv.weight", 4096, 0x1.639486p-2f },
    { "blocks.0.attn.qkv.weight", 5000, 0x1.00a64ep-2f },
  };
  static const char json[] = "{\"format\":\"pentimento-hash-1\",\"tensors\":{\"x\":{\"shape\":[5001],\"scale\":0.05,"
                             "\"offset\":0.3},\"blocks.0.attn.qkv.weight\":{\"shape\":[3,1667],\"scale\":0.05,\"offset\":0.3},"
                             "\"one\":{\"shape\":[]}}}";
  g_autofree char *path = in_folder ("weights.hash.json");
  g_autoptr (GError) error = NULL;
  g_autoptr (PmCheckpoint) memory = pm_checkpoint_new_hash (json, &error);
  g_autoptr (PmCheckpoint) file = NULL;

  g_assert_no_error (error);
  fixture_write (folder, "weights.hash.json", json, -1);
  file = fixture_open (path);
  g_assert_cmpstr (pm_checkpoint_get_format (file), ==, "hash");
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const PmTensor *tensors[] = { pm_checkpoint_find (memory, expected[i].name), pm_checkpoint_find (file, expected[i].name) };

      for (int j = 0; j < 2; j++)
        g_assert_cmpfloat (((const float *) tensors[j]->data)[expected[i].i], ==, expected[i].value);
    }
  g_assert_true (pm_tensor_has_shape (pm_checkpoint_find (file, "blocks.0.attn.qkv.weight"), 2, (gsize) 3, (gsize) 1667));
  g_assert_cmpfloat (ABS (*(const float *) pm_checkpoint_find (file, "one")->data), <=, 1);
}

/* The same numbers in half the bytes: the nearest f16, and bf16 cut off. */
static void
test_hash_types (void)
{
  static const char json[] = "{\"format\":\"pentimento-hash-1\",\"tensors\":{\"x\":{\"shape\":[5001],\"scale\":3%s}}}";
  static const char *const types[] = { "", ",\"dtype\":\"F32\"", ",\"dtype\":\"F16\"", ",\"dtype\":\"BF16\"" };
  static const PmDtype dtypes[] = { PM_DTYPE_F32, PM_DTYPE_F32, PM_DTYPE_F16, PM_DTYPE_BF16 };
  static const double limits[] = { 0, 0, 0x1p-11, 0x1p-7 }; /* relative */
  g_autofree float *truth = g_new (float, 5001), *values = g_new (float, 5001);

  for (guint k = 0; k < G_N_ELEMENTS (types); k++)
    {
      g_autofree char *text = g_strdup_printf (json, types[k]);
      g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_new_hash (text, NULL);
      const PmTensor *tensor = pm_checkpoint_find (checkpoint, "x");
      double largest = 0;

      g_assert_cmpint (tensor->dtype, ==, dtypes[k]);
      pm_convert_to_f32 (tensor->data, tensor->dtype, 5001, k ? values : truth);
      for (int i = 0; k && i < 5001; i++)
        {
          largest = MAX (largest, ABS ((double) values[i] - truth[i]) / ABS (truth[i]));
          g_assert_true (k < 3 || ABS (values[i]) <= ABS (truth[i]));
        }
      g_assert_cmpfloat (largest, <=, limits[k]);
      g_assert_true (k < 2 || largest > limits[k] / 4); /* it is that type, not a finer one */
    }
}

static void
test_hash_refused (void)
{
  static const struct
  {
    const char *tensors;
    PmErrorCode code;
    const char *says;
  } cases[] = {
    { "{\"x\":{\"shape\":[1099511627776]}}", PM_ERROR_MEMORY, "MiB of memory" },
    { "{\"x\":{\"shape\":[1099511627776,1099511627776]}}", PM_ERROR_DAMAGED, "\"x\" needs a \"shape\"" },
    { "{\"x\":{\"shape\":[2],\"scale\":\"1\"}}", PM_ERROR_DAMAGED, "may be numbers" },
    { "{\"x\":{\"shape\":[2],\"dtype\":\"I32\"}}", PM_ERROR_DAMAGED, "\"dtype\" F32, F16 or BF16" },
    { "{\"x\":[2]}", PM_ERROR_DAMAGED, "needs a \"shape\"" },
    { "[]", PM_ERROR_DAMAGED, "\"tensors\" of names and shapes" },
  };
  g_autofree char *path = in_folder ("x.hash.json");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *json = g_strdup_printf ("{\"format\":\"pentimento-hash-1\",\"tensors\":%s}", cases[i].tensors);

      fixture_write (folder, "x.hash.json", json, -1);
      fixture_assert_refused (path, cases[i].code, cases[i].says);
    }
}

static void
test_verify (void)
{
  g_autofree char *path = in_folder ("x.safetensors");
  g_autoptr (PmCheckpoint) checkpoint = NULL;
  g_autoptr (GError) error = NULL;
  GStatBuf info;

  fixture_write_safetensors (folder, "x.safetensors", SHARD ("x"), six, sizeof six);
  checkpoint = fixture_open (path);
  g_assert_true (pm_checkpoint_verify (checkpoint, &error));
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (truncate (path, info.st_size - 1), ==, 0);
  g_assert_false (pm_checkpoint_verify (checkpoint, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
  g_clear_error (&error);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_false (pm_checkpoint_verify (checkpoint, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
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
  g_test_add_data_func ("/format/safetensors", test_safetensors, in_new_folder);
  g_test_add_data_func ("/format/safetensors-refused", test_safetensors_refused, in_new_folder);
  g_test_add_data_func ("/format/strangers", test_strangers, in_new_folder);
  g_test_add_data_func ("/format/shards", test_shards, in_new_folder);
  g_test_add_data_func ("/format/folders", test_folders, in_new_folder);
  g_test_add_data_func ("/format/hash", test_hash, in_new_folder);
  g_test_add_func ("/format/hash-types", test_hash_types);
  g_test_add_data_func ("/format/hash-refused", test_hash_refused, in_new_folder);
  g_test_add_data_func ("/format/verify", test_verify, in_new_folder);
  return g_test_run ();
}
