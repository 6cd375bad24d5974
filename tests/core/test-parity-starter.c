/* The bundled starter model against what the program that trained it computed with the same weights (f16, run in f32;
 * tests/reference/starter). Its inputs are PyTorch's random numbers for seed 5: three pictures, then four noises. */
#include <string.h>

#include "compare.h"
#include "base/random.h"
#include "eval/eval.h"

#define B 3
#define N_NOISES 4
#define N_VALUES (3 * 64 * 64) /* of a picture */
#define N_SAMPLES 2

static PmModel *
open_starter (void)
{
  g_autoptr (GError) error = NULL;
  PmModel *model = pm_model_open (PM_TEST_MODELS "/starter-pixel", &error);

  g_assert_no_error (error);
  return model;
}

static float *
add_picture (PmBundle *bundle, const char *name, gsize n_pictures)
{
  g_autoptr (GError) error = NULL;
  const gsize shape[] = { n_pictures, 3, 64, 64 };
  float *data = pm_bundle_add (bundle, name, PM_DTYPE_F32, 4, shape, &error);

  g_assert_no_error (error);
  return data;
}

static void
test_denoise (gconstpointer device)
{
  static const float t[B] = { 0, 400, 900 };
  static const gint32 y[B] = { 0, 7, 24 };
  g_autoptr (GError) error = NULL;
  g_autoptr (PmModel) model = open_starter ();
  g_autoptr (PmBundle) expected = pm_test_load ("starter", "expected.safetensors");
  g_autoptr (PmBundle) in = pm_bundle_new ();
  g_autoptr (PmBundle) out = NULL;
  const gsize n_received = 8 * B * 6 * 64;
  PmRandom random;

  pm_random_init (&random, 5);
  pm_random_normal (&random, B * N_VALUES, add_picture (in, "x", B));
  pm_test_add (in, "t", PM_DTYPE_F32, B, t);
  pm_test_add (in, "y", PM_DTYPE_I32, B, y);
  out = pm_eval_denoise (model, &(PmEvalOptions) { .device = device, .n_threads = 2 }, in, "received", NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_relative ("out", pm_test_array_of (out, "out", B * N_VALUES), pm_test_array_of (expected, "out", B * N_VALUES),
                            B * N_VALUES, 1e-5);
  pm_test_compare_absolute ("received", pm_test_array_of (out, "received", n_received),
                            pm_test_array_of (expected, "received", n_received), n_received, 1e-6);
}

/* Whole runs of 24 steps with the model's own defaults (guidance 2 inside its interval), from the second and the last noise. */
static void
test_sample (void)
{
  static const struct
  {
    int noise;
    const char *class_name;
  } runs[N_SAMPLES] = { { 1, "8" }, { 3, "20" } };
  g_autoptr (PmModel) model = open_starter ();
  g_autoptr (PmBundle) expected = pm_test_load ("starter", "expected.safetensors");
  g_autofree float *drawn = g_new (float, N_NOISES *N_VALUES);
  const float *pictures = pm_test_array_of (expected, "sample", N_SAMPLES * N_VALUES);
  PmRandom random;

  pm_random_init (&random, 5);
  pm_random_normal (&random, B * N_VALUES, drawn);
  pm_random_normal (&random, N_NOISES * N_VALUES, drawn);
  for (int i = 0; i < N_SAMPLES; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PmBundle) in = pm_bundle_new ();
      g_autoptr (PmBundle) out = NULL;
      g_autoptr (PmRequest) request = pm_request_new_for_model (model);

      memcpy (add_picture (in, "noise", 1), drawn + runs[i].noise * N_VALUES, N_VALUES * sizeof (float));
      g_free (request->class_name);
      request->class_name = g_strdup (runs[i].class_name);
      out = pm_eval_sample (model, request, in, NULL, &error);
      g_assert_no_error (error);
      pm_test_compare_rms (runs[i].class_name, pm_test_array_of (out, "latent", N_VALUES), pictures + i * N_VALUES, N_VALUES,
                           2e-5);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/parity/starter/denoise/ref", "ref", test_denoise);
  g_test_add_data_func ("/parity/starter/denoise/cpu", "cpu", test_denoise);
  g_test_add_func ("/parity/starter/sample", test_sample);
  return g_test_run ();
}
