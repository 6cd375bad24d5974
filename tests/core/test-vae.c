/* Decoders of latents: against the twin (tests/reference/vae_make.py), both directions, on the reference loops and on the CPU;
 * half the memory, and files beside it, against all of it; threads, cancelling, and files that are not as they should be. */
#include <malloc.h>
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "compare.h"
#include "fixture.h"
#include "pentimento.h"
#include "vae/vae.h"

static const char *const names[] = { "vae-four-levels", "vae-shift", "vae-two-levels", "vae-ldm" };
static const guint64     seeds[] = { 7, 3, 11, 5 }; /* of vae.json */

static PmBundle *
eval (const char *model, const char *stage, PmBundle *in, const PmEvalOptions *options)
{
  g_autoptr (GError) error = NULL;
  PmBundle          *out = pm_eval_vae (model, stage, in, options, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (out);
  return out;
}

static void
check (PmBundle *out, const char *name, PmBundle *expected, const char *truth)
{
  gsize        n;
  const float *values = pm_test_array (expected, truth, &n);
  pm_test_compare_relative (truth, pm_test_array_of (out, name, n), values, n, 1e-5);
}

/* data: the device. */
static void
test_parity (gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (PmBundle) in = pm_test_load (names[i], "inputs.hash.json");
      g_autoptr (PmBundle) expected = pm_test_load (names[i], "expected.safetensors");
      g_autofree char     *folder = pm_test_reference (names[i], "");
      g_autofree char     *path = pm_test_reference (names[i], i % 2 ? "vae" : ""); /* a model's folder, or the VAE's own */
      PmEvalOptions        options = { .device = data };
      g_autoptr (PmBundle) image = eval (path, "vae-decode", in, &options);
      g_autoptr (PmBundle) mean = eval (path, "vae-encode", in, &options);

      options.has_seed = TRUE;
      options.seed = seeds[i];
      g_autoptr (PmBundle) draw = eval (path, "vae-encode", in, &options);
      g_test_message ("%s", names[i]);
      check (image, "image", expected, "image");
      check (mean, "latent", expected, "mean");
      check (draw, "latent", expected, "draw");
    }
}

/* A latent with flat parts, edges and texture, such that parts of the picture have quite different statistics. */
static PmBundle *
new_latent (int side)
{
  g_autoptr (GError) error = NULL;
  PmBundle          *bundle = pm_bundle_new ();
  float             *latent = pm_bundle_add (bundle, "latent", PM_DTYPE_F32, 4, (gsize[]) { 1, 4, side, side }, &error);
  PmRandom           random;

  g_assert_no_error (error);
  pm_random_init (&random, 2);
  pm_random_normal (&random, 4 * (gsize) side * side, latent);
  for (int i = 0; i < 4 * side * side; i++)
    {
      int    x = i % side, y = i / side % side;
      double texture = x > side / 2 ? 0.8 : 0.1;
      latent[i] = (float) (latent[i] * texture + 1.2 * sin (0.09 * x * (1 + i / (side * side))) + (y > side / 3 ? 0.9 : -1.1));
    }
  return bundle;
}

/* f16 inside the network, for who asks for it: 2/255 at most anywhere. */
static void
test_half (void)
{
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmBundle) in = new_latent (68);
  PmEvalOptions        options = { .device = "cpu" };
  g_autoptr (PmBundle) full = eval (path, "vae-decode", in, &options);
  options.memory = "half";
  g_autoptr (PmBundle) half = eval (path, "vae-decode", in, &options);
  gsize                n;
  const float         *expected = pm_test_array (full, "image", &n), *got = pm_test_array_of (half, "image", n);

  pm_test_compare_absolute ("half against full", got, expected, n, 2 * 2.0 / 255); /* a range of 2 */
  g_assert_cmpint (memcmp (got, expected, n * sizeof (float)), !=, 0);

  g_autoptr (PmBundle) there = eval (path, "vae-encode", full, &options);
  options.memory = NULL;
  g_autoptr (PmBundle) exact = eval (path, "vae-encode", full, &options);
  expected = pm_test_array (exact, "latent", &n);
  pm_test_compare_relative ("encoded, half against full", pm_test_array_of (there, "latent", n), expected, n, 1e-2);
}

/* In KiB, of /proc/self/status. */
static guint64
read_status (const char *key)
{
  g_autofree char *text = NULL;
  const char      *line = g_file_get_contents ("/proc/self/status", &text, NULL, NULL) ? strstr (text, key) : NULL;
  return line ? g_ascii_strtoull (line + strlen (key), NULL, 10) : 0;
}

/* Decodes; MiB by which the process grew at most meanwhile, -1 where the system does not tell. */
static double
measure_growth (const char *path, PmBundle *in, const PmEvalOptions *options, PmBundle **out)
{
  FILE    *file = g_fopen ("/proc/self/clear_refs", "w");
  gboolean is_reset = file && fputs ("5", file) >= 0; /* proc(5): the peak begins anew */
  double   before, grown;

  malloc_trim (0);
  is_reset = (! file || fclose (file) == 0) && is_reset;
  before = read_status ("VmRSS:") / 1024.0;
  *out = eval (path, "vae-decode", in, options);
  grown = read_status ("VmHWM:") / 1024.0 - before;
  return is_reset ? MAX (grown, 0) : -1;
}

/* Beyond a limit pictures lie in files: the same bits, in bounded memory, whether a band is a row of blocks or many. */
static void
test_files (void)
{
  static const char *const limits[] = { "8", "40", "full" };
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmBundle) in = new_latent (90);
  PmEvalOptions        options = { .device = "cpu", .n_threads = 2 };
  PmBundle            *images[3], *latents[3];
  double               grown[3];
  gsize                n, m;

  for (int i = 0; i < 3; i++)
    {
      options.memory = limits[i];
      grown[i] = measure_growth (path, in, &options, &images[i]);
      latents[i] = eval (path, "vae-encode", images[i], &options);
      g_test_message ("%s: grew by %.1f MiB", limits[i], grown[i]);
    }
  const float *image = pm_test_array (images[2], "image", &n), *latent = pm_test_array (latents[2], "latent", &m);
  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpmem (image, n * sizeof (float), pm_test_array_of (images[i], "image", n), n * sizeof (float));
      g_assert_cmpmem (latent, m * sizeof (float), pm_test_array_of (latents[i], "latent", m), m * sizeof (float));
    }
  if (grown[0] >= 0) /* the picture three times over is in it, and scratch memory */
    {
      g_assert_cmpfloat (grown[0], <, 50);
      g_assert_cmpfloat (grown[2], >, 80);
    }
  for (int i = 0; i < 3; i++)
    {
      pm_bundle_free (images[i]);
      pm_bundle_free (latents[i]);
    }
}

static void
test_memory (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmVae)  vae = pm_vae_open (path, &error);
  PmVaeCall          call = { .direction = PM_VAE_DECODE, .h = 128, .w = 128, .memory = { .limit = G_MAXSIZE } };
  const gsize        picture = 3 * 1024 * 1024 * sizeof (float);

  g_assert_no_error (error);
  PmVaeCost full = pm_vae_measure (vae, NULL, &call);
  g_assert_cmpuint (full.file_bytes, ==, 0);
  call.memory.is_half = TRUE;
  PmVaeCost half = pm_vae_measure (vae, NULL, &call);
  g_assert_cmpfloat (full.flops, ==, half.flops);
  g_assert_cmpuint (half.work_bytes, <, full.work_bytes * 6 / 10);
  call.memory = (PmVaeMemory) { .limit = 64 << 20 };
  PmVaeCost bounded = pm_vae_measure (vae, NULL, &call);
  g_assert_cmpfloat (full.flops, ==, bounded.flops);
  g_assert_cmpuint (bounded.work_bytes, <=, (64 << 20) + picture);
  g_assert_cmpuint (bounded.work_bytes + bounded.file_bytes, >=, full.work_bytes);
  call.h = call.w = 512;
  call.memory.limit = 0;
  g_assert_cmpuint (pm_vae_measure (vae, NULL, &call).work_bytes, <=, PM_VAE_LIMIT + 16 * picture);
}

/* No room for files is a sentence. */
static void
test_no_room (void)
{
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autofree char     *old = g_strdup (g_getenv ("TMPDIR"));
  g_autoptr (PmBundle) in = new_latent (68);
  g_autoptr (GError)   error = NULL;
  PmEvalOptions        options = { .device = "cpu", .memory = "1" };

  g_setenv ("TMPDIR", "/nowhere", TRUE);
  g_assert_null (pm_eval_vae (path, "vae-decode", in, &options, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "/nowhere"));
  if (old)
    g_setenv ("TMPDIR", old, TRUE);
  else
    g_unsetenv ("TMPDIR");
}

static void
test_threads (void)
{
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmBundle) in = new_latent (19), first = NULL, latent = NULL;

  for (int n_threads = 1; n_threads <= 4; n_threads++)
    {
      PmEvalOptions        options = { .device = "cpu", .n_threads = n_threads, .memory = "half" };
      g_autoptr (PmBundle) out = eval (path, "vae-decode", in, &options), back = eval (path, "vae-encode", out, &options);
      gsize                n;
      if (first)
        {
          const float *image = pm_test_array (first, "image", &n);
          g_assert_cmpmem (image, n * sizeof (float), pm_test_array_of (out, "image", n), n * sizeof (float));
          const float *expected = pm_test_array (latent, "latent", &n);
          g_assert_cmpmem (expected, n * sizeof (float), pm_test_array_of (back, "latent", n), n * sizeof (float));
        }
      g_clear_pointer (&first, pm_bundle_free);
      g_clear_pointer (&latent, pm_bundle_free);
      first = g_steal_pointer (&out);
      latent = g_steal_pointer (&back);
    }
}

typedef struct
{
  PmJob *job;
  double last;
  gint64 cancelled;
} Cancel;

static void
cancel_cb (const PmProgress *progress, gpointer data)
{
  Cancel *self = data;
  g_assert_cmpfloat (progress->fraction, >=, self->last);
  g_assert_cmpfloat (progress->fraction, <=, 1);
  self->last = progress->fraction;
  if (progress->fraction > 0.3 && ! self->cancelled)
    {
      self->cancelled = g_get_monotonic_time ();
      pm_job_cancel (self->job);
    }
}

/* data: how memory is bounded. */
static void
test_cancel (gconstpointer data)
{
  g_autoptr (GError)   error = NULL;
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmBundle) in = new_latent (64);
  Cancel               cancel = { 0 };
  g_autoptr (PmJob)    job = pm_job_new (cancel_cb, &cancel);
  PmEvalOptions        options = { .device = "cpu", .memory = data };

  cancel.job = job;
  g_assert_null (pm_eval_vae (path, "vae-decode", in, &options, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - cancel.cancelled, <, G_USEC_PER_SEC);
  g_assert_cmpfloat (cancel.last, <, 0.9);
}

/* A copy of the fixture in which one text is replaced, in the configuration or in the list of tensors. */
static void
assert_refused (const char *file, const char *from, const char *to, PmErrorCode code, const char *says)
{
  static const char *const files[] = { "config.json", "diffusion_pytorch_model.hash.json" };
  char                    *folder = fixture_folder ();
  g_autoptr (GError)       error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    fixture_copy_changed ("vae-four-levels/vae", folder, files[i], strcmp (file, files[i]) == 0 ? from : NULL, to);
  g_autoptr (PmVae) vae = pm_vae_open (folder, &error);
  g_assert_null (vae);
  fixture_assert_error (error, code, says);
  fixture_remove (folder);
}

static void
test_damaged (void)
{
  const char *config = "config.json", *tensors = "diffusion_pytorch_model.hash.json";

  assert_refused (config, "\"norm_num_groups\": 8", "\"norm_num_groups\": 7", PM_ERROR_DAMAGED, "norm_num_groups");
  assert_refused (config, "\"norm_num_groups\": 8", "\"norm_num_groups\": 0", PM_ERROR_DAMAGED, "norm_num_groups");
  assert_refused (config, "\"scaling_factor\": 0.18215", "\"scaling_factor\": \"x\"", PM_ERROR_DAMAGED, "scaling_factor");
  assert_refused (config, "\"scaling_factor\": 0.18215", "\"scaling_factor\": 0", PM_ERROR_DAMAGED, "scaling_factor");
  assert_refused (config, "\"act_fn\": \"silu\"", "\"act_fn\": \"relu\"", PM_ERROR_UNSUPPORTED, "act_fn");
  assert_refused (config, "{", "[", PM_ERROR_DAMAGED, "config.json");
  assert_refused (tensors, "decoder.up_blocks.1.upsamplers.0.conv.weight", "x", PM_ERROR_DAMAGED, "up_blocks.1.upsamplers");
  assert_refused (tensors, "decoder.up_blocks.3.resnets.0.conv1.weight", "x", PM_ERROR_DAMAGED, "up_blocks.3.resnets.0.conv1");
  assert_refused (tensors, "\"post_quant_conv.weight\"", "\"x\"", PM_ERROR_DAMAGED, "post_quant_conv");
  assert_refused (tensors, "encoder.mid_block.attentions.0.key.bias", "x", PM_ERROR_DAMAGED, "attentions.0.key.bias");
  assert_refused (tensors, "decoder.conv_out.weight", "x", PM_ERROR_UNSUPPORTED, "AutoencoderKL");
  assert_refused (tensors, "\"encoder.conv_in.bias\"",
                  "\"decoder.up_blocks.1.attentions.0.query.weight\": {\"shape\": [2]}, \"encoder.conv_in.bias\"",
                  PM_ERROR_UNSUPPORTED, "up_blocks.1.attentions.0.query.weight");
  assert_refused (tensors, "\"decoder.mid_block.resnets.0.conv2.bias\": {\"shape\": [64]",
                  "\"decoder.mid_block.resnets.0.conv2.bias\": {\"shape\": [63]", PM_ERROR_DAMAGED, "resnets.0.conv2.bias");
}

/* A checkpoint of a whole model in latent-diffusion's names: what is not the decoder's is passed over. */
static void
test_whole_model (void)
{
  g_autofree char    *source = pm_test_reference ("vae-ldm", "vae/diffusion_pytorch_model.hash.json");
  g_autofree char    *text = NULL;
  char               *folder = fixture_folder ();
  g_autofree char    *path = g_build_filename (folder, "whole.hash.json", NULL);
  g_autoptr (GError)  error = NULL;

  g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
  g_autoptr (GString) whole = g_string_new (text);
  g_string_replace (whole, "\"first_stage_model.decoder.conv_in.bias\"",
                    "\"model.diffusion_model.out.2.bias\": {\"shape\": [7]}, \"first_stage_model.decoder.conv_in.bias\"", 0);
  fixture_write (folder, "whole.hash.json", whole->str, -1);
  fixture_write (folder, "whole.json", "{\"norm_num_groups\": 8}", -1);
  g_autoptr (PmVae) vae = pm_vae_open (path, &error);
  g_assert_no_error (error);
  g_autofree char  *alone_path = pm_test_reference ("vae-ldm", "vae");
  g_autoptr (PmVae) alone = pm_vae_open (alone_path, &error);
  const PmVaeInfo  *info = pm_vae_get_info (vae);

  g_assert_no_error (error);
  g_assert_true (info->latent_channels == 4 && info->factor == 4 && info->has_encoder);
  g_assert_cmpuint (info->n_parameters, ==, pm_vae_get_info (alone)->n_parameters);
  g_assert_cmpuint (info->n_bytes, ==, pm_vae_get_info (alone)->n_bytes);
  g_assert_cmpuint (info->n_bytes, ==, pm_checkpoint_get_bytes (pm_vae_get_checkpoint (vae)) - 7 * sizeof (float));
  fixture_remove (folder);
}

static void
test_wrong_input (void)
{
  g_autofree char     *path = pm_test_reference ("vae-four-levels", "vae");
  g_autoptr (PmBundle) in = pm_bundle_new ();
  PmEvalOptions        options = { .device = "cpu" };
  static const char *const stages[] = { "vae-decode", "vae-encode", "vae-encode" };
  static const char *const says[] = { "latent", "multiples of 8", "memory" };

  g_assert_nonnull (pm_bundle_add (in, "latent", PM_DTYPE_F32, 4, (gsize[]) { 1, 3, 4, 4 }, NULL));
  g_assert_nonnull (pm_bundle_add (in, "image", PM_DTYPE_F32, 4, (gsize[]) { 1, 3, 12, 16 }, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      g_autoptr (GError) error = NULL;
      options.memory = i == 2 ? "0" : NULL;
      g_assert_null (pm_eval_vae (path, stages[i], in, &options, NULL, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (error->message, says[i]));
    }
}

/* A latent network with the folder vae/ beside it: the picture is what the decoder makes of the trajectory's end. */
static void
test_generate (void)
{
  static const char *const files[][3] = { { "latent/model", "model.hash.json", "model.hash.json" },
                                          { "latent/model", "config.json", "config.json" },
                                          { "vae-four-levels/vae", "config.json", "vae/config.json" },
                                          { "vae-four-levels/vae", "diffusion_pytorch_model.hash.json",
                                            "vae/diffusion_pytorch_model.hash.json" } };
  g_autoptr (GError) error = NULL;
  char              *folder = fixture_folder ();
  g_autofree char   *inner = g_build_filename (folder, "vae", NULL);

  g_assert_cmpint (g_mkdir (inner, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *source = g_build_filename (PM_TEST_REFERENCE, files[i][0], files[i][1], NULL);
      g_autofree char *text = NULL;
      g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
      fixture_write (folder, files[i][2], text, -1);
    }
  g_autoptr (PmModel) model = pm_model_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pm_model_get_info (model)->vae, ==, inner);
  g_assert_cmpint (pm_model_get_info (model)->default_size, ==, 64);

  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  request->num_steps = 5;
  PmEstimate estimate;
  g_assert_true (pm_generate_estimate (model, request, &estimate, &error));
  Cancel            progress = { .cancelled = 1 };
  g_autoptr (PmJob) job = pm_job_new (cancel_cb, &progress);
  g_autoptr (PmResult) result = pm_generate (model, request, job, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->width, ==, 64);
  g_assert_nonnull (result->picture);
  g_assert_cmpfloat (progress.last, ==, 1);

  g_autoptr (PmBundle) in = pm_bundle_new ();
  gsize  n = (gsize) result->channels * result->latent_width * result->latent_height;
  gsize  shape[] = { 1, result->channels, result->latent_height, result->latent_width };
  float *latent = pm_bundle_add (in, "latent", PM_DTYPE_F32, 4, shape, NULL);
  memcpy (latent, result->trajectory + result->n_steps * n, n * sizeof (float));
  g_autoptr (PmBundle) out = eval (folder, "vae-decode", in, &(PmEvalOptions) { .device = "cpu" });
  const float         *image = pm_test_array_of (out, "image", 3 * 64 * 64);
  for (int i = 0; i < 3 * 64 * 64; i++)
    g_assert_cmpfloat_with_epsilon (result->picture[i], CLAMP (image[i % 3 * 64 * 64 + i / 3] * 0.5f + 0.5f, 0, 1), 1e-6);
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/vae/parity/ref", "ref", test_parity);
  g_test_add_data_func ("/vae/parity/cpu", "cpu", test_parity);
  g_test_add_func ("/vae/half", test_half);
  g_test_add_func ("/vae/files", test_files);
  g_test_add_func ("/vae/memory", test_memory);
  g_test_add_func ("/vae/no-room", test_no_room);
  g_test_add_func ("/vae/threads", test_threads);
  g_test_add_data_func ("/vae/cancel", NULL, test_cancel);
  g_test_add_data_func ("/vae/cancel/files", "8", test_cancel);
  g_test_add_func ("/vae/damaged", test_damaged);
  g_test_add_func ("/vae/whole-model", test_whole_model);
  g_test_add_func ("/vae/wrong-input", test_wrong_input);
  g_test_add_func ("/vae/generate", test_generate);
  return g_test_run ();
}
