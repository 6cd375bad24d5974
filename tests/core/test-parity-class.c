/* The bundled starter-class, painter and autoencoder, against what the networks that trained it compute with the same weights in
 * f32 (tests/reference/starter_class.py). Its inputs are PyTorch's random numbers for seed 5. */
#include "compare.h"
#include "base/random.h"
#include "eval/eval.h"

#define MODEL PM_TEST_MODELS "/starter-class"
#define B 2
#define N_X (B * 4 * 32 * 32)
#define N_Z (4 * 8 * 8)
#define N_IMAGE (3 * 64 * 64)

static void
test_denoise (gconstpointer device)
{
  static const float t[B] = { 20, 700 };
  static const gsize shape[] = { B, 4, 32, 32 };
  g_autoptr (GError) error = NULL;
  g_autoptr (PmModel) model = pm_model_open (MODEL, &error);
  g_autoptr (PmBundle) expected = pm_test_load ("starter-class", "expected.safetensors");
  g_autoptr (PmBundle) in = pm_bundle_new ();
  g_autoptr (PmBundle) out = NULL;
  gint32   y[B] = { 3 };
  PmRandom random;
  float   *x;

  g_assert_no_error (error);
  y[1] = pm_model_get_info (model)->n_classes;
  x = pm_bundle_add (in, "x", PM_DTYPE_F32, 4, shape, &error);
  g_assert_no_error (error);
  pm_random_init (&random, 5);
  pm_random_normal (&random, N_X, x);
  pm_test_add (in, "t", PM_DTYPE_F32, B, t);
  pm_test_add (in, "y", PM_DTYPE_I32, B, y);
  out = pm_eval_denoise (model, &(PmEvalOptions) { .device = device, .n_threads = 2 }, in, NULL, NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_relative ("out", pm_test_array_of (out, "out", N_X), pm_test_array_of (expected, "out", N_X), N_X, 1e-5);
}

static void
test_decode (void)
{
  static const gsize shape[] = { 1, 4, 8, 8 };
  g_autoptr (GError) error = NULL;
  g_autoptr (PmBundle) expected = pm_test_load ("starter-class", "expected.safetensors");
  g_autoptr (PmBundle) in = pm_bundle_new ();
  g_autoptr (PmBundle) out = NULL;
  g_autofree float *skipped = g_new (float, N_X);
  PmEvalOptions options = { .device = "cpu", .n_threads = 2 };
  PmRandom  random;
  float    *z;

  z = pm_bundle_add (in, "latent", PM_DTYPE_F32, 4, shape, &error);
  g_assert_no_error (error);
  pm_random_init (&random, 5);
  pm_random_normal (&random, N_X, skipped);
  pm_random_normal (&random, N_Z, z);
  out = pm_eval_vae (MODEL, "vae-decode", in, &options, NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_relative ("image", pm_test_array_of (out, "image", N_IMAGE), pm_test_array_of (expected, "image", N_IMAGE),
                            N_IMAGE, 1e-5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/parity/starter-class/denoise/ref", "ref", test_denoise);
  g_test_add_data_func ("/parity/starter-class/denoise/cpu", "cpu", test_denoise);
  g_test_add_func ("/parity/starter-class/decode", test_decode);
  return g_test_run ();
}
