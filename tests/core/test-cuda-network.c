/* Whole networks, samplers, encoders and decoders on a GPU against the processor, on the fixtures' weights and inputs: f32 within
 * 1e-4 with all that is recorded, 16-bit types within what their rounding explains, and the same bits again. The kernels' host
 * build may take the GPU's place (PENTIMENTO_CUDA_MODULE); without either, all is skipped. */
#include <string.h>

#include "backend/device.h"
#include "compare.h"
#include "eval/eval.h"

#define DEVICE "cuda:0"
#define LIMIT 1e-4
#define MAX_ITEMS 3

static const char *const networks[] = { "latent", "diffusers", "pixel-flow", "patch-8", "pixart-alpha", "pixart-sigma" };
static const char *const decoders[] = { "vae-two-levels", "vae-ldm" };
static const char *const encoders[] = { "t5-gated", "t5-plain" };

static const struct
{
  PmPrecision precision;
  const char *name;
  double      limit; /* rms, of what the networks compute: some layers of operands rounded to 8 or 11 bits */
} narrow[] = { { PM_PRECISION_BF16, "bf16", 1.5e-2 }, { PM_PRECISION_F16, "f16", 2e-3 } };

/* Why there is none; NULL: there is. Free with g_free. */
static char *
find_problem (void)
{
  g_autoptr (GPtrArray) devices = pm_device_find_all ();

  for (guint i = 0; i < devices->len; i++)
    {
      const PmDevice *device = g_ptr_array_index (devices, i);
      if (g_str_equal (device->id, DEVICE))
        return g_strdup (device->problem);
    }
  return g_strdup ("no GPU of NVIDIA is known here");
}

static gboolean
is_there (void)
{
  g_autofree char *problem = find_problem ();

  if (problem)
    g_test_skip (problem);
  return problem == NULL;
}

/* The fixture's, with times, classes and lengths of texts. */
static PmBundle *
load_inputs (const char *name)
{
  static const float  t[MAX_ITEMS] = { 937, 400, 11 };
  static const gint32 y[MAX_ITEMS] = { 0, 1, 2 };
  PmBundle           *in = pm_test_load (name, "inputs.hash.json");
  const PmTensor     *text = pm_bundle_find (in, "text");
  gsize               n = pm_bundle_find (in, "x")->shape[0];

  g_assert_cmpuint (n, <=, MAX_ITEMS);
  pm_test_add (in, "t", PM_DTYPE_F32, n, t);
  if (text)
    pm_test_add (in, "text_length", PM_DTYPE_I32, n, (gint32[MAX_ITEMS]) { (gint32) text->shape[1], 4, 1 });
  else
    pm_test_add (in, "y", PM_DTYPE_I32, n, y);
  return in;
}

static PmModel *
open_model (const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = pm_test_reference (name, "model");
  PmModel           *model = pm_model_open (path, &error);

  g_assert_no_error (error);
  return model;
}

static PmBundle *
denoise (PmModel *model, PmBundle *in, const char *device, PmPrecision precision, const char *capture)
{
  g_autoptr (GError)  error = NULL;
  const PmEvalOptions options = { .device = device, .precision = precision, .n_threads = 2 };
  PmBundle           *out = pm_eval_denoise (model, &options, in, capture, NULL, &error);

  g_assert_no_error (error);
  return out;
}

static void
require_same (PmBundle *a, PmBundle *b, const char *name)
{
  gsize        n;
  const float *values = pm_test_array (a, name, &n);
  g_assert_cmpmem (values, n * sizeof (float), pm_test_array_of (b, name, n), n * sizeof (float));
}

static void
test_denoise (gconstpointer name)
{
  const char *const readings[] = { "received", "entropy", "distance", "from", "to", "rollout", "probs", "subject", "cross" };

  if (! is_there ())
    return;
  g_autoptr (PmModel)  model = open_model (name);
  g_autoptr (PmBundle) in = load_inputs (name);
  gboolean             is_text = pm_bundle_find (in, "text") != NULL;
  const char          *capture = is_text ? "received,entropy,distance,probs:1,cross:1"
                                         : "received,entropy,distance,from,to,rollout,probs:1,subject";
  g_autoptr (PmBundle) expected = denoise (model, in, "cpu", PM_PRECISION_F32, capture);
  g_autoptr (PmBundle) out = denoise (model, in, DEVICE, PM_PRECISION_F32, capture);
  g_autoptr (PmBundle) again = denoise (model, in, DEVICE, PM_PRECISION_F32, NULL);
  gsize                n;
  const float         *values = pm_test_array (expected, "out", &n);

  pm_test_compare_relative ("out", pm_test_array_of (out, "out", n), values, n, LIMIT);
  for (guint i = 0; i < G_N_ELEMENTS (readings); i++)
    if (pm_bundle_find (expected, readings[i]))
      {
        values = pm_test_array (expected, readings[i], &n);
        pm_test_compare_absolute (readings[i], pm_test_array_of (out, readings[i], n), values, n, LIMIT);
      }
  require_same (out, again, "out"); /* recording changes nothing */
}

static void
test_narrow (gconstpointer name)
{
  if (! is_there ())
    return;
  g_autoptr (PmModel)  model = open_model (name);
  g_autoptr (PmBundle) in = load_inputs (name);
  g_autoptr (PmBundle) expected = denoise (model, in, "cpu", PM_PRECISION_F32, NULL);
  gsize                n;
  const float         *values = pm_test_array (expected, "out", &n);

  for (guint i = 0; i < G_N_ELEMENTS (narrow); i++)
    {
      g_autoptr (PmBundle) out = denoise (model, in, DEVICE, narrow[i].precision, NULL);
      pm_test_compare_rms (narrow[i].name, pm_test_array_of (out, "out", n), values, n, narrow[i].limit);
    }
}

static PmBundle *
sample (PmModel *model, const char *device)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);

  g_free (request->device);
  request->device = g_strdup (device);
  request->precision = PM_PRECISION_F32;
  request->num_steps = 6;
  request->guidance = 2;
  g_free (request->class_name);
  request->class_name = g_strdup ("1");
  PmBundle *out = pm_eval_sample (model, request, NULL, NULL, &error);
  g_assert_no_error (error);
  return out;
}

/* Guided runs: modulations of several steps at once, and from the third step on graphs. */
static void
test_sample (gconstpointer name)
{
  if (! is_there ())
    return;
  g_autoptr (PmModel)  model = open_model (name);
  g_autoptr (PmBundle) expected = sample (model, "cpu");
  g_autoptr (PmBundle) out = sample (model, DEVICE);
  g_autoptr (PmBundle) again = sample (model, DEVICE);
  gsize                n;
  const float         *values = pm_test_array (expected, "latent", &n);

  pm_test_compare_rms ("latent", pm_test_array_of (out, "latent", n), values, n, LIMIT);
  require_same (out, again, "latent");
}

static void
test_decoder (gconstpointer name)
{
  static const struct
  {
    const char *stage, *out;
  } stages[] = { { "vae-decode", "image" }, { "vae-encode", "latent" } };

  if (! is_there ())
    return;
  g_autoptr (PmBundle) in = pm_test_load (name, "inputs.hash.json");
  g_autofree char     *path = pm_test_reference (name, "vae");

  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      g_autoptr (GError)   error = NULL;
      const PmEvalOptions  cpu = { .device = "cpu" }, gpu = { .device = DEVICE, .precision = PM_PRECISION_F32 };
      g_autoptr (PmBundle) expected = pm_eval_vae (path, stages[i].stage, in, &cpu, NULL, &error);
      g_assert_no_error (error);
      g_autoptr (PmBundle) out = pm_eval_vae (path, stages[i].stage, in, &gpu, NULL, &error);
      g_assert_no_error (error);
      gsize        n;
      const float *values = pm_test_array (expected, stages[i].out, &n);
      pm_test_compare_relative (stages[i].stage, pm_test_array_of (out, stages[i].out, n), values, n, LIMIT);
    }
}

static void
test_encoder (gconstpointer name)
{
  static const gint32 ids[] = { 3, 17, 5, 9, 30, 2, 8, 11, 4, 6, 7, 1 };

  if (! is_there ())
    return;
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmBundle) in = pm_bundle_new ();
  g_autofree char     *path = pm_test_reference (name, "");
  const PmEvalOptions  cpu = { .device = "cpu" }, gpu = { .device = DEVICE, .precision = PM_PRECISION_F32 };

  pm_test_add (in, "ids", PM_DTYPE_I32, G_N_ELEMENTS (ids), ids);
  g_autoptr (PmBundle) expected = pm_eval_text_encode (path, in, &cpu, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (PmBundle) out = pm_eval_text_encode (path, in, &gpu, NULL, &error);
  g_assert_no_error (error);
  gsize        n;
  const float *values = pm_test_array (expected, "embedding", &n);
  pm_test_compare_relative ("embedding", pm_test_array_of (out, "embedding", n), values, n, LIMIT);
}

static void
add (const char *kind, const char *name, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf ("/cuda-network/%s/%s", kind, name);
  g_test_add_data_func (path, name, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++)
    {
      add ("denoise", networks[i], test_denoise);
      add ("narrow", networks[i], test_narrow);
    }
  add ("sample", "latent", test_sample);
  add ("sample", "pixel-flow", test_sample);
  for (guint i = 0; i < G_N_ELEMENTS (decoders); i++)
    add ("decoder", decoders[i], test_decoder);
  for (guint i = 0; i < G_N_ELEMENTS (encoders); i++)
    add ("encoder", encoders[i], test_encoder);
  return g_test_run ();
}
