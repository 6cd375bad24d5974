/* Runs on a GPU, on the kernels' host build: whole networks, encoders, decoders and samplers against the processor; a model that
 * does not fit; what is missing, fails and is lost; cancelling. PENTIMENTO_CUDA_MODULE names the module, PM_CUDA_HOST what
 * the device does (core/backend/cuda/host/runtime.h). */
#include <string.h>

#include "compare.h"
#include "fixture.h"
#include "pentimento.h"
#include "prompt-model.h"

#define MODULE "PENTIMENTO_CUDA_MODULE"
#define DEVICE "PM_CUDA_HOST"
#define LIMIT 1e-4
#define MIB ((guint64) 1 << 20)

static const PmEvalOptions on_gpu = { .device = "cuda", .n_threads = 2, .precision = PM_PRECISION_F32 };
static const PmEvalOptions on_cpu = { .device = "cpu", .n_threads = 2 };

static PmModel *
open_model (const char *folder, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = folder ? g_build_filename (folder, name, NULL) : pm_test_reference (name, "model");
  PmModel           *model = pm_model_open (path, &error);

  g_assert_no_error (error);
  return model;
}

static void
compare (PmBundle *got, PmBundle *expected, const char *name)
{
  gsize        n;
  const float *values = pm_test_array (expected, name, &n);

  pm_test_compare_relative (name, pm_test_array_of (got, name, n), values, n, LIMIT);
}

/* Items with times and conditions of their own. */
static PmBundle *
load_inputs (const char *folder, PmModel *model)
{
  static const float  times[] = { 999, 37, 500 };
  static const gint32 rows[] = { 1, 0, 2 }, lengths[] = { 5, 2, 3 };
  PmBundle           *inputs = pm_test_load (folder, "inputs.hash.json");
  gsize               B = pm_bundle_find (inputs, "x")->shape[0];

  g_assert_cmpuint (B, <=, G_N_ELEMENTS (times));
  pm_test_add (inputs, "t", PM_DTYPE_F32, B, times);
  if (pm_model_get_info (model)->takes_prompt)
    pm_test_add (inputs, "text_length", PM_DTYPE_I32, B, lengths);
  else
    pm_test_add (inputs, "y", PM_DTYPE_I32, B, rows);
  return inputs;
}

static void
check_denoise (const char *folder, const char *capture)
{
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmModel)  model = open_model (NULL, folder);
  g_autoptr (PmBundle) inputs = load_inputs (folder, model);
  g_autoptr (PmBundle) expected = pm_eval_denoise (model, &on_cpu, inputs, capture, NULL, &error);
  g_autoptr (PmBundle) got = expected ? pm_eval_denoise (model, &on_gpu, inputs, capture, NULL, &error) : NULL;
  g_auto (GStrv)       names = g_strsplit (capture, ",", -1);

  g_assert_no_error (error);
  g_test_message ("%s", folder);
  compare (got, expected, "out");
  for (int i = 0; names[i]; i++)
    {
      g_autofree char *name = g_strndup (names[i], strcspn (names[i], ":"));
      compare (got, expected, name);
    }
}

static void
test_denoise (void)
{
  static const char *const folders[] = { "latent", "diffusers", "pixel-flow", "patch-8" };
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    check_denoise (folders[i], "received,entropy,distance,from,to,rollout,subject,probs:1");
}

static void
test_pixart (void)
{
  check_denoise ("pixart-alpha", "received,entropy,cross:1");
  check_denoise ("pixart-sigma", "received,cross:0");
}

static void
test_vae (void)
{
  g_autofree char     *path = pm_test_reference ("vae-two-levels", "");
  g_autoptr (PmBundle) inputs = pm_test_load ("vae-two-levels", "inputs.hash.json");

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GError)   error = NULL;
      const char          *stage = i ? "vae-encode" : "vae-decode";
      g_autoptr (PmBundle) expected = pm_eval_vae (path, stage, inputs, &on_cpu, NULL, &error);
      g_autoptr (PmBundle) got = expected ? pm_eval_vae (path, stage, inputs, &on_gpu, NULL, &error) : NULL;
      g_assert_no_error (error);
      compare (got, expected, i ? "latent" : "image");
    }
}

static void
test_text (void)
{
  static const char *const folders[] = { "t5-gated", "t5-plain" };
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      static const gint32  ids[] = { 3, 7, 20, 5, 9, 11, 1 };
      g_autoptr (GError)   error = NULL;
      g_autofree char     *path = pm_test_reference (folders[i], "text_encoder");
      g_autoptr (PmBundle) inputs = pm_bundle_new ();
      pm_test_add (inputs, "ids", PM_DTYPE_I32, G_N_ELEMENTS (ids), ids);
      g_autoptr (PmBundle) expected = pm_eval_text_encode (path, inputs, &on_cpu, NULL, &error);
      g_autoptr (PmBundle) got = expected ? pm_eval_text_encode (path, inputs, &on_gpu, NULL, &error) : NULL;
      g_assert_no_error (error);
      compare (got, expected, "embedding");
    }
}

/* The file with what the pattern finds replaced, once at least. */
static void
change (const char *folder, const char *name, const char *pattern, const char *replacement)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, &error);
  g_autofree char   *path = g_build_filename (folder, name, NULL), *text = NULL;

  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_autofree char *changed = g_regex_replace (regex, text, -1, 0, replacement, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (changed, !=, text);
  fixture_write (folder, name, changed, -1);
}

/* Hidden layers of 4e5 and more, as the largest encoders have them, which f16 cannot hold: it is not used for them. */
static void
test_text_range (void)
{
  static const gint32 ids[] = { 3, 7, 20, 5, 9, 11, 1 };
  static const struct
  {
    const char *device;
    double      limit; /* of what stands in for f16: bf16, or f32 on a card that has no bf16 */
  } cases[] = { { "capability=90", 2e-2 }, { "capability=75", LIMIT } };
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmBundle) inputs = pm_bundle_new ();
  PmEvalOptions        narrow = on_gpu;
  char                *folder = fixture_folder ();

  prompt_model_copy ("t5-gated/text_encoder/config.json", folder, "config.json");
  prompt_model_copy ("t5-gated/text_encoder/model.hash.json", folder, "model.hash.json");
  change (folder, "model.hash.json", "(\\.wi_1\\.weight[^}]*\"scale\": )[0-9.]+", "\\g<1>100000");
  change (folder, "model.hash.json", "(\\.wo\\.weight[^}]*\"scale\": )[0-9.]+", "\\g<1>0.000002");
  narrow.precision = PM_PRECISION_F16;
  pm_test_add (inputs, "ids", PM_DTYPE_I32, G_N_ELEMENTS (ids), ids);
  g_autoptr (PmBundle) expected = pm_eval_text_encode (folder, inputs, &on_cpu, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_setenv (DEVICE, cases[i].device, TRUE);
      g_autoptr (PmBundle) got = pm_eval_text_encode (folder, inputs, &narrow, NULL, &error);
      g_assert_no_error (error);
      gsize        n;
      const float *values = pm_test_array (expected, "embedding", &n);
      pm_test_compare_rms (cases[i].device, pm_test_array_of (got, "embedding", n), values, n, cases[i].limit);
    }
  g_setenv (DEVICE, "", TRUE);
  fixture_remove (folder);
}

/* Guided in the middle only, so that batches differ; read in three steps of six, so that all kinds of steps are remembered. */
static PmRequest *
new_request (PmModel *model, const char *device)
{
  PmRequest *request = pm_request_new_for_model (model);

  g_set_str (&request->device, device);
  g_set_str (&request->class_name, "2");
  request->precision = PM_PRECISION_F32;
  request->n_threads = 2;
  request->num_steps = 6;
  request->seed = 11;
  request->guidance = 3;
  request->guidance_interval[0] = 0.15;
  request->guidance_interval[1] = 0.85;
  g_assert_true (pm_request_set_show (request, "layers=0,3;heads=all;steps=1-3;read=received,entropy", NULL));
  return request;
}

static PmResult *
paint (PmModel *model, PmRequest *request)
{
  g_autoptr (GError) error = NULL;
  PmResult          *result = pm_generate (model, request, NULL, &error);

  g_assert_no_error (error);
  return result;
}

static gsize
count_numbers (const PmResult *result)
{
  return (gsize) (result->n_steps + 1) * result->channels * result->latent_height * result->latent_width;
}

static void
test_sample (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS, "starter-pixel");
  g_autoptr (PmRequest) here = new_request (model, "cpu"), there = new_request (model, "Host device 0");
  g_autoptr (PmResult)  expected = paint (model, here), got = paint (model, there);

  pm_test_compare_rms ("trajectory", got->trajectory, expected->trajectory, count_numbers (got), LIMIT);
  g_assert_cmpuint (got->maps->len, ==, expected->maps->len);
  g_assert_cmpuint (got->maps->len, >, 20);
  for (guint i = 0; i < got->maps->len; i++)
    {
      const PmMap *a = g_ptr_array_index (got->maps, i), *b = g_ptr_array_index (expected->maps, i);
      g_assert_cmpstr (a->id, ==, b->id);
      pm_test_compare_relative (a->id, a->values, b->values, (gsize) a->grid_w * a->grid_h, LIMIT);
    }
  g_assert_nonnull (strstr (got->record, "\"device\":\"Host device 0\",\"precision\":\"f32\""));
}

/* Two texts of their own lengths, in steps that are remembered. */
static void
test_sample_text (void)
{
  static const gint32   lengths[] = { 5, 2 };
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (NULL, "pixart-alpha");
  g_autoptr (PmBundle)  inputs = pm_test_load ("pixart-alpha", "inputs.hash.json"), in = pm_bundle_new ();
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  const PmTensor       *text = pm_bundle_find (inputs, "text");
  const gsize           shape[] = { 2, text->shape[1], text->shape[2] };
  float                *values = pm_bundle_add (in, "text", PM_DTYPE_F32, 3, shape, &error);

  g_assert_no_error (error);
  memcpy (values, text->data, shape[0] * shape[1] * shape[2] * sizeof (float));
  pm_test_add (in, "text_length", PM_DTYPE_I32, 2, lengths);
  request->num_steps = 5;
  request->guidance = 3;
  request->precision = PM_PRECISION_F32;
  g_autoptr (PmBundle) expected = pm_eval_sample (model, request, in, NULL, &error);
  g_assert_no_error (error);
  g_set_str (&request->device, "cuda");
  g_autoptr (PmBundle) got = pm_eval_sample (model, request, in, NULL, &error);
  g_assert_no_error (error);
  compare (got, expected, "latent");
}

/* Weights that pass through a ring give the bits of weights that stay. */
static void
test_streaming (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS, "starter-pixel");
  g_autoptr (PmRequest) request = new_request (model, "cuda"), here = new_request (model, "cpu");
  g_autoptr (PmResult)  whole = paint (model, request), there = paint (model, here);
  PmEstimate            estimate;

  g_assert_true (pm_generate_estimate (model, request, &estimate, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (estimate.streamed_bytes, ==, 0);
  g_assert_cmpuint (estimate.device_bytes, >, estimate.weight_bytes);
  g_assert_cmpuint (estimate.device_bytes, <=, estimate.device_free_bytes);

  PmEstimate plain, matrix;
  g_assert_true (pm_request_set_show (request, "read=", NULL) && pm_generate_estimate (model, request, &plain, &error));
  g_assert_true (pm_request_set_show (request, "layers=0,3;heads=all;steps=1-3;read=subject", NULL)
                 && pm_generate_estimate (model, request, &matrix, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (estimate.device_bytes, >, plain.device_bytes); /* what is recorded lies there, too */
  g_assert_cmpuint (matrix.device_bytes, >=, plain.device_bytes + 64 * 64 * sizeof (float));
  g_assert_true (pm_request_set_show (request, "layers=0,3;heads=all;steps=1-3;read=received,entropy", NULL));

  request->vram_limit = estimate.device_bytes - 31 * MIB; /* of which 24 are room that a small model hardly takes */
  g_assert_true (pm_generate_estimate (model, request, &estimate, &error));
  g_assert_cmpuint (estimate.device_free_bytes, ==, request->vram_limit);
  g_assert_cmpuint (estimate.streamed_bytes, >, 0);
  g_autoptr (PmResult) streamed = paint (model, request);
  g_assert_cmpmem (streamed->trajectory, count_numbers (whole) * sizeof (float), whole->trajectory,
                   count_numbers (whole) * sizeof (float));

  request->vram_limit = 3 * MIB;
  request->shortage = PM_SHORTAGE_STREAM;
  g_assert_null (pm_generate (model, request, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_MEMORY);
  request->shortage = PM_SHORTAGE_CPU;
  g_autoptr (PmResult) fallen = paint (model, request);
  g_assert_cmpmem (fallen->trajectory, count_numbers (there) * sizeof (float), there->trajectory,
                   count_numbers (there) * sizeof (float));
  g_assert_nonnull (strstr (fallen->record, "\"backend\":\"cpu\",\"device\":\"cpu\""));
}

/* What a prompt is read with counts: it has the device to itself before the network, which in this model is much smaller. */
static void
test_estimate_text (void)
{
  g_autoptr (GError) error = NULL;
  char              *folder = fixture_folder ();
  guint64            bytes[2];

  prompt_model_make (folder, TRUE);
  for (int i = 0; i < 2; i++)
    {
      if (i == 1)
        {
          change (folder, "text_encoder/config.json", "(\"d_ff\": )[0-9]+", "\\g<1>150000");
          change (folder, "text_encoder/model.hash.json", "(\\.wi_[01]\\.weight\": \\{\"shape\": \\[)[0-9]+", "\\g<1>150000");
          change (folder, "text_encoder/model.hash.json", "(\\.wo\\.weight\": \\{\"shape\": \\[[0-9]+, )[0-9]+", "\\g<1>150000");
        }
      g_autoptr (PmModel)   model = prompt_model_open (folder);
      g_autoptr (PmRequest) request = pm_request_new_for_model (model);
      PmEstimate            estimate;

      g_set_str (&request->device, "cuda");
      g_set_str (&request->prompt, "a cat");
      request->precision = PM_PRECISION_F32;
      request->shortage = PM_SHORTAGE_STOP;
      request->num_steps = 2;
      request->width = request->height = 64;
      g_assert_true (pm_generate_estimate (model, request, &estimate, &error));
      g_assert_no_error (error);
      bytes[i] = estimate.device_bytes;
      if (i == 0)
        continue;
      request->vram_limit = bytes[0];
      g_assert_null (pm_generate (model, request, NULL, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_MEMORY);
      g_clear_error (&error);
      request->vram_limit = bytes[1];
      g_autoptr (PmResult) result = paint (model, request);
      g_assert_nonnull (result->picture);
    }
  g_test_message ("%" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " bytes", bytes[0], bytes[1]);
  fixture_remove (folder);
}

static void
test_precision (void)
{
  static const PmPrecision precisions[] = { PM_PRECISION_BF16, PM_PRECISION_F16, PM_PRECISION_AUTO };
  static const double      limits[] = { 3e-2, 4e-3, 3e-2 }; /* of types with 8 and 11 bits, over five steps */
  g_autoptr (PmModel)      model = open_model (PM_TEST_MODELS, "starter-pixel");
  g_autoptr (PmRequest)    request = new_request (model, "cpu"), there = new_request (model, "cuda:0");
  g_autoptr (PmResult)     expected = paint (model, request);

  for (gsize i = 0; i < G_N_ELEMENTS (precisions); i++)
    {
      there->precision = precisions[i];
      g_autoptr (PmResult) got = paint (model, there);
      pm_test_compare_rms (pm_precision_id (precisions[i]), got->trajectory, expected->trajectory, count_numbers (got),
                           limits[i]);
    }
}

static void
cancel_cb (const PmProgress *progress, gpointer data)
{
  PmJob **job = data;
  if (progress->step == 2)
    pm_job_cancel (*job);
}

static void
test_cancel (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS, "starter-pixel");
  g_autoptr (PmRequest) request = new_request (model, "cuda");
  PmJob                *job = NULL;

  job = pm_job_new (cancel_cb, &job);
  g_assert_null (pm_generate (model, request, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  pm_job_unref (job);
}

/* What stands in the way, and the words that its message needs. */
static const struct
{
  const char *what, *module, *device;
  int         code;
  const char *words[3];
} obstacles[] = {
  { "no module", "/nowhere/libpentimento-cuda.so", NULL, PM_ERROR_DEVICE, { "/nowhere/", "install" } },
  { "another library", PM_TEST_LIBRARY, NULL, PM_ERROR_DEVICE, { "another version", "install" } },
  { "no driver", NULL, "driver=0", PM_ERROR_DEVICE, { "driver", "580", "cpu" } },
  { "an old driver", NULL, "driver=11040", PM_ERROR_DEVICE, { "too old", "580", "cpu" } },
  { "no device", NULL, "devices=0", PM_ERROR_DEVICE, { "no GPU", "cpu" } },
  { "no library", NULL, "library=0", PM_ERROR_DEVICE, { "cuBLASLt", "pip install nvidia-cublas", "beside" } },
  { "a device that is taken", NULL, "contexts=0", PM_ERROR_DEVICE, { "GPU", "cpu" } },
  { "small memory", NULL, "memory=1000000", PM_ERROR_MEMORY, { "memory", "cpu" } },
};

static void
test_obstacles (void)
{
  g_autofree char    *module = g_strdup (g_getenv (MODULE));
  g_autoptr (PmModel) model = open_model (PM_TEST_MODELS, "starter-pixel");

  for (gsize i = 0; i < G_N_ELEMENTS (obstacles); i++)
    {
      g_autoptr (PmRequest) request = new_request (model, "cuda");
      g_autoptr (GError)    error = NULL;

      g_setenv (MODULE, obstacles[i].module ? obstacles[i].module : module, TRUE);
      g_setenv (DEVICE, obstacles[i].device ? obstacles[i].device : "", TRUE);
      g_assert_null (pm_generate (model, request, NULL, &error));
      g_test_message ("%s: %s", obstacles[i].what, error->message);
      g_assert_error (error, PM_ERROR, obstacles[i].code);
      for (int j = 0; j < 3 && obstacles[i].words[j]; j++)
        g_assert_nonnull (strstr (error->message, obstacles[i].words[j]));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
  g_setenv (MODULE, module, TRUE);
  g_setenv (DEVICE, "", TRUE);
}

/* A device that is lost stays so in its process. */
static void
test_lost (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (GError)    error = NULL;
      g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS, "starter-pixel");
      g_autoptr (PmRequest) request = new_request (model, "cuda");

      g_setenv (DEVICE, "lost=100", TRUE);
      g_assert_null (pm_generate (model, request, NULL, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_DEVICE);
      g_assert_nonnull (strstr (error->message, "does not answer"));
      return;
    }
  g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, 0);
  g_test_trap_assert_passed ();
}

static void
test_names (void)
{
  g_autofree char *module = g_strdup (g_getenv (MODULE));

  g_setenv (DEVICE, "devices=2,contexts=0", TRUE); /* to list them costs them nothing */
  g_auto (GStrv) two = pm_device_list ();
  g_assert_cmpuint (g_strv_length (two), ==, 3);
  g_assert_cmpstr (two[0], ==, "cpu");
  g_assert_cmpstr (two[1], !=, two[2]);

  g_setenv (DEVICE, "driver=0", TRUE);
  g_auto (GStrv)        none = pm_device_list ();
  g_autoptr (GPtrArray) all = pm_device_find_all ();
  g_assert_cmpuint (g_strv_length (none), ==, 1);
  g_assert_cmpuint (all->len, ==, 2);
  g_assert_nonnull (((PmDevice *) g_ptr_array_index (all, 1))->problem);
  g_setenv (DEVICE, "", TRUE);

  g_unsetenv (MODULE);
  g_auto (GStrv) without = pm_device_list ();
  g_assert_cmpuint (g_strv_length (without), ==, 1);
  g_setenv (MODULE, module, TRUE);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*run) (void);
  } tests[] = {
    { "/cuda/denoise", test_denoise },
    { "/cuda/pixart", test_pixart },
    { "/cuda/vae", test_vae },
    { "/cuda/text", test_text },
    { "/cuda/sample", test_sample },
    { "/cuda/sample-text", test_sample_text },
    { "/cuda/streaming", test_streaming },
    { "/cuda/text-range", test_text_range },
    { "/cuda/estimate-text", test_estimate_text },
    { "/cuda/precision", test_precision },
    { "/cuda/cancel", test_cancel },
    { "/cuda/obstacles", test_obstacles },
    { "/cuda/lost", test_lost },
    { "/cuda/names", test_names },
  };

  char *cache = fixture_folder ();

  g_assert_true (g_setenv ("XDG_CACHE_HOME", cache, TRUE)); /* before GLib reads it */
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, tests[i].run);
  int status = g_test_run ();
  fixture_remove (cache);
  return status;
}
