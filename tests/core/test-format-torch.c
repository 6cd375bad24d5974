/* PyTorch's files, as PyTorch 2.6 wrote them (make-fixtures.py), and pickles that mean harm. */
#include "fixture.h"

#define EIGHTH(k) ((k) / 8.0f - 1)

static void
refuse (const char *name, PmErrorCode code, const char *says)
{
  g_autofree char *path = fixture_path (name);

  fixture_assert_refused (path, code, says);
}

static PmCheckpoint *
open_fixture (const char *name)
{
  g_autofree char *path = fixture_path (name);
  PmCheckpoint    *checkpoint = fixture_open (path);

  g_assert_cmpstr (pm_checkpoint_get_format (checkpoint), ==, "torch-zip");
  return checkpoint;
}

static void
test_plain (void)
{
  g_autoptr (PmCheckpoint) checkpoint = open_fixture ("plain.pt");
  const float transposed[] = { EIGHTH (0), EIGHTH (3), EIGHTH (1), EIGHTH (4), EIGHTH (2), EIGHTH (5) };
  const float two[] = { -2, 7 }, big[] = { 0x1p40f }, scalar[] = { 2.5f };
  const float expanded[] = { 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f };
  float       eighths[12], view[16];

  for (int k = 0; k < 12; k++)
    eighths[k] = EIGHTH (k);
  for (int row = 0; row < 4; row++)
    for (int column = 0; column < 4; column++)
      view[4 * row + column] = EIGHTH (10 + 6 * row + 1 + column);
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 13);
  fixture_assert_tensor (checkpoint, "f32", PM_DTYPE_F32, "[3, 4]", eighths);
  fixture_assert_tensor (checkpoint, "f16", PM_DTYPE_F16, "[2, 3]", eighths);
  fixture_assert_tensor (checkpoint, "bf16", PM_DTYPE_BF16, "[5]", eighths);
  fixture_assert_tensor (checkpoint, "f64", PM_DTYPE_F64, "[3]", eighths);
  fixture_assert_tensor (checkpoint, "i32", PM_DTYPE_I32, "[2]", two);
  fixture_assert_tensor (checkpoint, "i64", PM_DTYPE_I64, "[1, 1]", big);
  fixture_assert_tensor (checkpoint, "scalar", PM_DTYPE_F32, "[]", scalar);
  fixture_assert_tensor (checkpoint, "empty", PM_DTYPE_F32, "[0, 4]", NULL);
  fixture_assert_tensor (checkpoint, "transposed", PM_DTYPE_F32, "[3, 2]", transposed);
  fixture_assert_tensor (checkpoint, "view", PM_DTYPE_F32, "[4, 4]", view);
  fixture_assert_tensor (checkpoint, "expanded", PM_DTYPE_F32, "[2, 3]", expanded);
  fixture_assert_tensor (checkpoint, "parameter", PM_DTYPE_F32, "[4]", eighths);
  g_assert_cmpint (pm_checkpoint_find (checkpoint, "bool")->dtype, ==, PM_DTYPE_OTHER);
  g_assert_true (pm_tensor_has_shape (pm_checkpoint_find (checkpoint, "bool"), 1, (gsize) 2));
}

/* model, ema, opt and args as train.py of DiT writes them: ema is taken, its names freed of "module.". */
static void
test_train (void)
{
  g_autoptr (PmCheckpoint) checkpoint = open_fixture ("train.pt");
  float weight[6];

  for (int k = 0; k < 6; k++)
    weight[k] = EIGHTH (k) + 100;
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 2);
  fixture_assert_tensor (checkpoint, "a.weight", PM_DTYPE_F32, "[2, 3]", weight);
  fixture_assert_tensor (checkpoint, "a.bias", PM_DTYPE_F32, "[2]", weight);
}

static void
test_protocols (void)
{
  const float values[] = { 0.5f, 1.5f, 2.5f, 3.5f };

  for (int protocol = 1; protocol <= 5; protocol++)
    {
      g_autofree char *name = g_strdup_printf ("protocol-%d.pt", protocol);
      g_autoptr (PmCheckpoint) checkpoint = open_fixture (name);

      g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 1);
      fixture_assert_tensor (checkpoint, "a", PM_DTYPE_F32, "[4]", values);
    }
  refuse ("protocol-0.pt", PM_ERROR_UNSUPPORTED, "the tensor \"a\" depends on"); /* its storages are named in free text */
}

static void
test_refused (void)
{
  refuse ("module.pt", PM_ERROR_UNSUPPORTED, "state_dict()");
  refuse ("legacy.pt", PM_ERROR_UNSUPPORTED, "before version 1.6");
  refuse ("deflated.pt", PM_ERROR_UNSUPPORTED, "compressed");
  refuse ("big-endian.pt", PM_ERROR_UNSUPPORTED, "order of bytes");
  refuse ("other.zip", PM_ERROR_UNSUPPORTED, "not one of PyTorch's");
  refuse ("unknown-opcode.pt", PM_ERROR_DAMAGED, "at byte 2");
  refuse ("underflow.pt", PM_ERROR_DAMAGED, "at byte");
}

/* Tensors that reach beyond their storage, or storages beyond the file. */
static void
test_outside (void)
{
  refuse ("outside.pt", PM_ERROR_DAMAGED, "\"a\" reaches beyond");
  refuse ("outside-stride.pt", PM_ERROR_DAMAGED, "\"a\" reaches beyond");
  refuse ("outside-huge.pt", PM_ERROR_DAMAGED, "\"a\" reaches beyond");
  refuse ("longer-storage.pt", PM_ERROR_DAMAGED, "\"a\" reaches beyond");
  refuse ("greedy.pt", PM_ERROR_DAMAGED, "more memory than the file can fill");
  refuse ("missing-storage.pt", PM_ERROR_DAMAGED, "is missing");
}

/* A call of os.system beside the tensors changes nothing; a tensor made from its result is an error. */
static void
test_inert (void)
{
  const float values[] = { 0.5f, 1.5f, 2.5f, 3.5f };
  g_autoptr (PmCheckpoint) checkpoint = open_fixture ("runs.pt");

  fixture_assert_tensor (checkpoint, "a", PM_DTYPE_F32, "[4]", values);
  g_assert_cmpuint (pm_checkpoint_get_n_tensors (checkpoint), ==, 1);
  refuse ("depends.pt", PM_ERROR_UNSUPPORTED, "\"b\" depends on the Python object \"posix.system\"");
  g_assert_false (g_file_test ("pentimento-was-here", G_FILE_TEST_EXISTS));
}

static void
test_nesting (void)
{
  refuse ("deep.pt", PM_ERROR_UNSUPPORTED, "no dictionary of tensors");
  refuse ("itself.pt", PM_ERROR_UNSUPPORTED, "no dictionary of tensors");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/torch/plain", test_plain);
  g_test_add_func ("/torch/train", test_train);
  g_test_add_func ("/torch/protocols", test_protocols);
  g_test_add_func ("/torch/refused", test_refused);
  g_test_add_func ("/torch/outside", test_outside);
  g_test_add_func ("/torch/inert", test_inert);
  g_test_add_func ("/torch/nesting", test_nesting);
  return g_test_run ();
}
