/* The bundled starter-prompt, from the sentence to the prediction, against what the networks that trained it compute with the
 * same weights in float64 (tests/reference/starter_prompt.py). Its noise is PyTorch's random numbers for seed 5. */
#include "compare.h"
#include "base/random.h"
#include "eval/eval.h"

#define MODEL PM_TEST_MODELS "/starter-prompt"
#define PROMPT "an apple to the left of an owl, on a green meadow"
#define N_X (4 * 32 * 32)
#define E 192 /* width of an embedding */

static PmModel *
open_model (void)
{
  g_autoptr (GError) error = NULL;
  PmModel           *model = pm_model_open (MODEL, &error);

  g_assert_no_error (error);
  return model;
}

static void
test_read (void)
{
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmModel)  model = open_model ();
  g_autoptr (PmBundle) expected = pm_test_load ("starter-prompt", "expected.safetensors");
  g_autoptr (PmBundle) ids = pm_eval_tokenize (model, PROMPT, &error);

  g_assert_no_error (error);
  const PmTensor *read = pm_bundle_find (ids, "ids"), *wanted = pm_bundle_find (expected, "ids");
  gsize           n = wanted->n_elements;
  g_assert_cmpmem (read->data, read->n_elements * sizeof (gint32), wanted->data, n * sizeof (gint32));

  g_autoptr (PmBundle) out = pm_eval_text_encode (MODEL, ids, &(PmEvalOptions) { .n_threads = 2 }, NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_relative ("embedding", pm_test_array_of (out, "embedding", n * E),
                            pm_test_array_of (expected, "embedding", n * E), n * E, 1e-5);
}

static void
test_denoise (gconstpointer device)
{
  static const gsize shape[] = { 1, 4, 32, 32 };
  static const float t[] = { 400 };
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmModel)  model = open_model ();
  g_autoptr (PmBundle) expected = pm_test_load ("starter-prompt", "expected.safetensors");
  g_autoptr (PmBundle) in = pm_bundle_new ();
  gsize                n_text, n_cross;
  const float         *embedding = pm_test_array (expected, "embedding", &n_text);
  const float         *cross = pm_test_array (expected, "cross", &n_cross);
  gint32               length = (gint32) (n_text / E);
  PmRandom             random;

  float *x = pm_bundle_add (in, "x", PM_DTYPE_F32, 4, shape, &error);
  g_assert_no_error (error);
  pm_random_init (&random, 5);
  pm_random_normal (&random, N_X, x);
  float *text = pm_bundle_add (in, "text", PM_DTYPE_F32, 3, (gsize[]) { 1, n_text / E, E }, &error);
  g_assert_no_error (error);
  memcpy (text, embedding, n_text * sizeof (float));
  pm_test_add (in, "t", PM_DTYPE_F32, 1, t);
  pm_test_add (in, "text_length", PM_DTYPE_I32, 1, &length);

  g_autoptr (PmBundle) out
      = pm_eval_denoise (model, &(PmEvalOptions) { .device = device, .n_threads = 2 }, in, "cross:4", NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_relative ("out", pm_test_array_of (out, "out", N_X), pm_test_array_of (expected, "out", N_X), N_X, 1e-5);
  pm_test_compare_absolute ("cross", pm_test_array_of (out, "cross", n_cross), cross, n_cross, 1e-5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parity/starter-prompt/read", test_read);
  g_test_add_data_func ("/parity/starter-prompt/denoise/ref", "ref", test_denoise);
  g_test_add_data_func ("/parity/starter-prompt/denoise/cpu", "cpu", test_denoise);
  return g_test_run ();
}
