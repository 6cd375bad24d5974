/* Runs that begin with a picture: how much of it stays, what a mask keeps, what a record says of it; and previews on the way. */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "pentimento.h"
#include "model/private.h"
#include "sampler/preview.h"

#define SIDE 64
#define N (3 * SIDE * SIDE)

static PmModel *
open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  PmModel           *model = pm_model_open (path, &error);
  g_assert_no_error (error);
  return model;
}

static PmRequest *
new_request (PmModel *model)
{
  PmRequest *request = pm_request_new_for_model (model);
  g_set_str (&request->class_name, "fox");
  request->seed = 5;
  return request;
}

static PmResult *
run (PmModel *model, const PmRequest *request, PmJob *job)
{
  g_autoptr (GError) error = NULL;
  PmResult          *result = pm_generate (model, request, job, &error);
  g_assert_no_error (error);
  return result;
}

/* Colours that no model paints: a checkerboard of red and green. */
static float *
make_picture (void)
{
  float *picture = g_new (float, N);
  for (int i = 0; i < N; i++)
    picture[i] = (i % 3 == (i / 3 / 8 + i / 3 / SIDE / 8) % 2) ? 0.875f : 0.125f;
  return picture;
}

static double
rms (const float *a, const float *b, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt (sum / n);
}

static void
test_strength (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autoptr (PmRequest) request = new_request (model);
  g_autofree float     *picture = make_picture ();
  g_autoptr (PmResult)  plain = run (model, request, NULL);
  const double          strengths[] = { 1.0 / 24, 0.25, 0.5, 1 };
  double                last = 0;

  pm_request_set_start (request, picture, SIDE, SIDE);
  for (guint i = 0; i < G_N_ELEMENTS (strengths); i++)
    {
      request->strength = strengths[i];
      g_autoptr (PmResult) result = run (model, request, NULL);
      int                  n_steps = (int) (24 * strengths[i] + 0.5);
      double               change = rms (result->picture, picture, N);
      g_test_message ("strength %.3f: changed by %.3f", strengths[i], change);
      g_assert_cmpint (result->n_steps, ==, n_steps);
      g_assert_cmpfloat_with_epsilon (result->times[0], 1000.0 * n_steps / 24, 1e-3);
      g_assert_cmpfloat (change, >, last);
      last = change;
      if (strengths[i] == 1) /* this schedule begins with noise alone: nothing of the picture is left */
        g_assert_cmpmem (result->picture, N * sizeof (float), plain->picture, N * sizeof (float));
    }
  g_assert_cmpfloat (last, >, 0.25);
}

/* Of sharp edges in the mask, the outside stays bit for bit but for the way through -1..1; the inside is painted. */
static void
test_mask (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autofree float     *picture = make_picture ();
  const char *const     samplers[] = { "euler", "dpmpp2m", "unipc" };
  guint8                mask[SIDE * SIDE] = { 0 };

  for (int y = 20; y < 50; y++)
    memset (mask + y * SIDE + 10, 255, 30);
  for (guint s = 0; s < G_N_ELEMENTS (samplers); s++)
    {
      g_autoptr (PmRequest) request = new_request (model);
      double                inside = 0;
      g_set_str (&request->sampler, samplers[s]);
      pm_request_set_start (request, picture, SIDE, SIDE);
      pm_request_set_mask (request, mask, SIDE, SIDE);
      g_autoptr (PmResult) result = run (model, request, NULL);
      for (int i = 0; i < N; i++)
        {
          if (mask[i / 3] == 0)
            g_assert_cmpfloat_with_epsilon (result->picture[i], picture[i], 1e-6);
          else
            inside += fabs (result->picture[i] - picture[i]) / (3 * 900);
        }
      g_assert_cmpfloat (inside, >, 0.1);
    }
}

/* Half a mask mixes; the mask is taken at the place where it is. */
static void
test_soft_mask (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autoptr (PmRequest) request = new_request (model);
  g_autofree float     *picture = make_picture ();
  guint8                mask[SIDE * SIDE];

  pm_request_set_start (request, picture, SIDE, SIDE);
  double changes[3];
  for (int k = 0; k < 3; k++)
    {
      memset (mask, 0, sizeof mask);
      memset (mask, (guint8[]) { 0, 128, 255 }[k], sizeof mask / 2);
      pm_request_set_mask (request, mask, SIDE, SIDE);
      g_autoptr (PmResult) result = run (model, request, NULL);
      changes[k] = rms (result->picture, picture, N / 2);
      g_assert_cmpfloat (rms (result->picture + N / 2, picture + N / 2, N / 2), <, 1e-6);
    }
  g_assert_cmpfloat (changes[0], <, 1e-6);
  g_assert_cmpfloat (changes[1], >, 0.02);
  g_assert_cmpfloat (changes[2], >, 1.2 * changes[1]);
}

static void
test_record (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autoptr (PmRequest) request = new_request (model);
  g_autofree float     *picture = make_picture ();
  guint8                mask[SIDE * SIDE] = { 255, 255, 0 };

  memset (mask + 1000, 255, 2000);
  pm_request_set_start (request, picture, SIDE, SIDE);
  pm_request_set_mask (request, mask, SIDE, SIDE);
  request->strength = 0.4;
  g_autoptr (PmRequest) copy = pm_request_copy (request);
  g_autoptr (PmResult)  first = run (model, copy, NULL);
  g_assert_cmpuint (strlen (first->record), <, 4096); /* no pixels */
  g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guchar *) picture, N * sizeof (float));
  g_assert_nonnull (strstr (first->record, sum));

  g_autoptr (PmRequest) again = pm_request_from_json (first->record, &error);
  g_assert_no_error (error);
  g_autoptr (PmResult) none = pm_generate (model, again, NULL, &error);
  g_assert_null (none);
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "begin with"));
  g_autofree char *json = pm_request_to_json (request), *json_again = pm_request_to_json (again);
  g_assert_cmpstr (json, ==, json_again); /* what is missing is not forgotten */

  pm_request_set_start (again, picture, SIDE, SIDE);
  pm_request_set_mask (again, mask, SIDE, SIDE);
  for (again->n_threads = 1; again->n_threads <= 3; again->n_threads++)
    {
      g_autoptr (PmResult) second = run (model, again, NULL);
      g_assert_cmpmem (second->picture, N * sizeof (float), first->picture, N * sizeof (float));
    }
  const char *const wrong[] = { "{\"start\": 3}", "{\"start\": {\"sha256\": 3}}", "{\"start\": {\"strength\": \"much\"}}",
                                "{\"start\": {\"mask-sha256\": []}}" };
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) said = NULL;
      g_assert_null (pm_request_from_json (wrong[i], &said));
      g_assert_error (said, PM_ERROR, PM_ERROR_DAMAGED);
    }
}

static void
refuse (PmModel *model, const PmRequest *request, int code, const char *named)
{
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmResult) result = pm_generate (model, request, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PM_ERROR, code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, named));
}

static void
test_refused (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autoptr (PmModel)   latent = open_model (PM_TEST_REFERENCE "/trained/model");
  g_autoptr (PmRequest) request = new_request (model);
  g_autoptr (PmRequest) other = pm_request_new_for_model (latent);
  g_autofree float     *picture = make_picture ();
  g_autofree guint8    *mask = g_malloc0 (SIDE * SIDE);
  const double          strengths[] = { 0, -1, 1.01, NAN, INFINITY };

  pm_request_set_mask (request, mask, SIDE, SIDE);
  refuse (model, request, PM_ERROR_USAGE, "mask");
  pm_request_set_start (request, picture, 32, 32);
  refuse (model, request, PM_ERROR_USAGE, "32 × 32");
  pm_request_set_start (request, picture, SIDE, SIDE);
  pm_request_set_mask (request, mask, SIDE, 8);
  refuse (model, request, PM_ERROR_USAGE, "64 × 8");
  pm_request_set_mask (request, NULL, 0, 0);
  for (guint i = 0; i < G_N_ELEMENTS (strengths); i++)
    {
      request->strength = strengths[i];
      refuse (model, request, PM_ERROR_USAGE, "strength");
    }
  request->strength = 1;
  request->preview_every = -1;
  refuse (model, request, PM_ERROR_USAGE, "previews");
  pm_request_set_start_latent (other, picture, 3, 8, 8);
  refuse (latent, other, PM_ERROR_USAGE, "4 × 8 × 8");
  pm_request_set_start (other, picture, SIDE, SIDE);
  refuse (latent, other, PM_ERROR_UNSUPPORTED, "encode");
}

typedef struct
{
  int    n_reports, n_previews, width, height, last_step;
  float  previews[24][N];
} Seen;

static void
seen_cb (const PmProgress *progress, gpointer data)
{
  Seen *seen = data;

  seen->n_reports++;
  if (! progress->preview)
    return;
  seen->width = progress->preview_width;
  seen->height = progress->preview_height;
  seen->last_step = progress->step;
  memcpy (seen->previews[seen->n_previews++], progress->preview,
          sizeof (float) * 3 * progress->preview_width * progress->preview_height);
}

static void
test_previews (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_MODELS "/starter-pixel");
  g_autoptr (PmRequest) request = new_request (model);
  g_autofree Seen      *seen = g_new0 (Seen, 1);
  g_autoptr (PmJob)     job = pm_job_new (seen_cb, seen);
  g_autoptr (PmResult)  plain = run (model, request, job);

  g_assert_cmpint (seen->n_previews, ==, 0);
  request->preview_every = 5;
  g_autoptr (PmResult) result = run (model, request, job);
  g_assert_cmpmem (result->picture, N * sizeof (float), plain->picture, N * sizeof (float)); /* looking changes nothing */
  g_assert_cmpint (seen->n_previews, ==, 4);
  g_assert_cmpint (seen->last_step, ==, 20);
  g_assert_cmpint (seen->width, ==, SIDE);
  g_assert_cmpint (seen->height, ==, SIDE);
  g_assert_cmpfloat (rms (seen->previews[3], result->picture, N), <, 0.5 * rms (seen->previews[0], result->picture, N));
  g_assert_cmpfloat (rms (seen->previews[3], result->picture, N), <, 0.1);
}

/* A latent model's previews are as small as its latent; the map from latents to colours is that of the published decoder. */
static void
test_latent_previews (void)
{
  g_autoptr (PmModel)   model = open_model (PM_TEST_REFERENCE "/trained/model");
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autofree Seen      *seen = g_new0 (Seen, 1);
  g_autoptr (PmJob)     job = pm_job_new (seen_cb, seen);
  float                 x0[5 * 2] = { 1, 0, 0, 0, 0, 0, 0, -1, NAN, NAN }, rgb[6];

  request->num_steps = 20;
  request->preview_every = 1;
  g_autoptr (PmResult) result = run (model, request, job);
  g_assert_cmpint (seen->n_previews, ==, 20);
  g_assert_cmpint (seen->width, ==, 8);
  g_assert_true (pm_preview_make (4, 2, x0, rgb));
  const float expected[6] = { 0.6756f, 0.61485f, 0.66135f, 0.606f, 0.6308f, 0.85885f };
  pm_test_compare_absolute ("colours", rgb, expected, 6, 1e-6);
  g_assert_false (pm_preview_make (5, 2, x0, rgb));
  x0[0] = NAN;
  g_assert_true (pm_preview_make (1, 2, x0, rgb));
  g_assert_cmpfloat (rgb[0], ==, 0);
  g_assert_cmpfloat (rgb[3], ==, 0.5f);
}

/* The picture goes through the encoder: the run is that of its latent, and little strength gives nearly its way through both. */
static void
test_encoded (void)
{
  static const char *const files[][2] = { { PM_TEST_REFERENCE "/trained/model/model.safetensors", "model.safetensors" },
                                          { PM_TEST_REFERENCE "/trained/model/config.json", "config.json" },
                                          { PM_TEST_REFERENCE "/vae-four-levels/vae", "vae" } };
  g_autoptr (GError) error = NULL;
  g_autofree char   *folder = g_dir_make_tmp ("pentimento-start-XXXXXX", &error);
  g_autofree float  *picture = make_picture (), *scaled = g_new (float, N);
  float              latent[256];

  for (int i = 0; i < 3; i++)
    {
      g_autofree char *link = g_build_filename (folder, files[i][1], NULL);
      g_assert_cmpint (symlink (files[i][0], link), ==, 0);
    }
  g_autoptr (PmModel)   model = open_model (folder);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autoptr (PmBackend) backend = pm_backend_open ("cpu", 0, &error);
  for (int i = 0; i < N; i++)
    scaled[i] = picture[i % (SIDE * SIDE) * 3 + i / (SIDE * SIDE)] * 2 - 1;
  g_assert_true (pm_vae_encode (model->vae, backend, 8, 8, scaled, (PmVaeMemory) { 0 }, NULL, latent, NULL, &error));
  request->num_steps = 20;
  request->strength = 0.3;
  pm_request_set_start_latent (request, latent, 4, 8, 8);
  g_autoptr (PmResult) of_latent = run (model, request, NULL);
  pm_request_set_start (request, picture, SIDE, SIDE);
  g_autoptr (PmResult) of_picture = run (model, request, NULL);
  g_assert_cmpint (of_picture->n_steps, ==, 6);
  pm_test_compare_rms ("latent", of_picture->trajectory + 6 * 256, of_latent->trajectory + 6 * 256, 256, 1e-5);
  pm_test_compare_rms ("picture", of_picture->picture, of_latent->picture, N, 1e-4);

  PmEstimate with, without;
  g_assert_true (pm_generate_estimate (model, request, &with, &error));
  pm_request_set_start_latent (request, latent, 4, 8, 8);
  g_assert_true (pm_generate_estimate (model, request, &without, &error));
  g_assert_cmpfloat (with.floor_flops, >, without.floor_flops);
  for (int i = 0; i < 3; i++)
    {
      g_autofree char *link = g_build_filename (folder, files[i][1], NULL);
      g_unlink (link);
    }
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/start/strength", test_strength);
  g_test_add_func ("/start/mask", test_mask);
  g_test_add_func ("/start/soft-mask", test_soft_mask);
  g_test_add_func ("/start/record", test_record);
  g_test_add_func ("/start/refused", test_refused);
  g_test_add_func ("/start/encoded", test_encoded);
  g_test_add_func ("/start/previews", test_previews);
  g_test_add_func ("/start/latent-previews", test_latent_previews);
  return g_test_run ();
}
