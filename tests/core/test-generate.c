/* The main deed from the outside: what a request gives, what it refuses, that it can be repeated and cancelled. */
#include <math.h>
#include <string.h>

#include "pentimento.h"
#include "format/checkpoint.h"
#include "model/private.h"

#define N_CANCELS 20

static PmModel *
open_starter (void)
{
  g_autoptr (GError) error = NULL;
  PmModel           *model = pm_model_open (PM_TEST_MODELS "/starter-pixel", &error);
  g_assert_no_error (error);
  return model;
}

static PmRequest *
new_request (PmModel *model, const char *show)
{
  g_autoptr (GError) error = NULL;
  PmRequest         *request = pm_request_new_for_model (model);
  g_free (request->class_name);
  request->class_name = g_strdup ("fox");
  request->seed = 5;
  g_assert_true (pm_request_set_show (request, show, &error));
  g_assert_no_error (error);
  return request;
}

static PmResult *
run (PmModel *model, const PmRequest *request)
{
  g_autoptr (GError) error = NULL;
  PmResult          *result = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  return result;
}

static void
test_picture (void)
{
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "layers=2,5;heads=all;steps=0,12;read=received,subject");
  g_autoptr (PmResult)  result = run (model, request);
  double                sum = 0, squares = 0;
  gsize                 n = 3 * 64 * 64;

  g_assert_cmpint (result->width, ==, 64);
  for (gsize i = 0; i < n; i++)
    {
      g_assert_true (result->picture[i] >= 0 && result->picture[i] <= 1);
      sum += result->picture[i];
      squares += result->picture[i] * result->picture[i];
    }
  g_assert_cmpfloat (squares / n - (sum / n) * (sum / n), >, 0.01); /* not grey */
  g_assert_cmpuint (result->maps->len, ==, 2 * 2 * 6 + 2);
  g_assert_cmpfloat (result->times[0], ==, 1000);
  g_assert_cmpfloat (result->times[24], ==, 0);

  PmMap *map = result->maps->pdata[0];
  g_assert_cmpstr (map->id, ==, "received-s00-l02-h00");
  g_assert_cmpfloat (map->time, ==, 1000);
  float total = 0;
  for (int i = 0; i < 64; i++)
    total += map->values[i];
  g_assert_cmpfloat_with_epsilon (total, 1, 1e-4); /* rows are probabilities, so their mean sums to 1 */
}

static void
test_repeat (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "layers=all;heads=mean;steps=-1;read=entropy");
  g_autoptr (PmResult)  first = run (model, request);
  g_autoptr (PmRequest) again = pm_request_from_json (first->record, &error);
  g_assert_no_error (error);
  gsize size = sizeof (float) * (first->n_steps + 1) * 3 * 64 * 64;
  g_autofree char *file = NULL;
  gsize            file_size;
  g_assert_true (g_file_get_contents (PM_TEST_MODELS "/starter-pixel/model.safetensors", &file, &file_size, &error));
  g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guchar *) file, file_size);
  g_assert_nonnull (strstr (first->record, sum));

  for (int threads = 1; threads <= 4; threads++)
    {
      again->n_threads = threads;
      g_autoptr (PmResult) second = run (model, again);
      g_assert_cmpmem (first->trajectory, size, second->trajectory, size);
      g_assert_cmpuint (first->maps->len, ==, second->maps->len);
      for (guint i = 0; i < first->maps->len; i++)
        {
          const PmMap *a = first->maps->pdata[i], *b = second->maps->pdata[i];
          g_assert_cmpmem (a->values, sizeof (float) * 64, b->values, sizeof (float) * 64);
        }
    }
  /* Looking changes nothing. */
  g_assert_true (pm_request_set_show (again, "none", &error));
  g_autoptr (PmResult) plain = run (model, again);
  g_assert_cmpmem (first->trajectory, size, plain->trajectory, size);
  again->seed++;
  g_autoptr (PmResult) other = run (model, again);
  g_assert_cmpint (memcmp (first->trajectory, other->trajectory, size), !=, 0);
}

static void
test_json (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "layers=1;heads=0,3;steps=2;read=from");
  guint8                mask[12] = { 0, 0, 255, 255, 7, 7, 7, 0, 0, 0, 0, 128 };
  request->seed = G_MAXUINT64 - 3;
  pm_request_set_region (request, mask, 4, 3);

  g_autofree char      *json = pm_request_to_json (request);
  g_autoptr (PmRequest) back = pm_request_from_json (json, &error);
  g_assert_no_error (error);
  g_autofree char *again = pm_request_to_json (back);
  g_assert_cmpstr (json, ==, again);
  g_assert_true (back->seed == request->seed);
  g_assert_cmpmem (back->region, sizeof (float) * 12, request->region, sizeof (float) * 12);

  const char *const wrong[] = { "",
                                "[]",
                                "{\"num-steps\": -3}",
                                "{\"num-steps\": 1e300}",
                                "{\"width\": \"64\"}",
                                "{\"width\": 2000000000}",
                                "{\"guidance\": \"much\"}",
                                "{\"guidance-interval\": [1]}",
                                "{\"seed\": 1.5}",
                                "{\"show\": \"layers=x\"}",
                                "{\"model\": 3}",
                                "{\"cache\": \"fast\"}",
                                "{\"cache-interval\": 1}",
                                "{\"request\": []}",
                                "{\"region\": {\"width\": 2, \"height\": 2, \"runs\": [255, 5]}}",
                                "{\"region\": {\"width\": 2, \"height\": 2, \"runs\": [255]}}",
                                "{\"region\": {\"width\": 65536, \"height\": 65536, \"runs\": []}}" };
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError)    expected = NULL;
      g_autoptr (PmRequest) none = pm_request_from_json (wrong[i], &expected);
      g_assert_null (none);
      g_assert_nonnull (expected);
    }
}

/* What other parsers may be given: not what would take them too deep, though a string makes the depth look smaller. */
static void
test_record_check (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) deep = g_string_new ("{\"a\": \"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\", \"b\": ");

  g_assert_true (pm_record_check ("{\"request\": {\"region\": [[1, \"[[[[\\\"\"]]}}", &error));
  g_assert_no_error (error);
  for (int i = 0; i < 80; i++)
    g_string_append_c (deep, '[');
  for (int i = 0; i < 80; i++)
    g_string_append_c (deep, ']');
  g_string_append_c (deep, '}');
  g_assert_false (pm_record_check (deep->str, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
  g_assert_false (pm_record_check ("", NULL));
  g_assert_false (pm_record_check ("{\"a\": 1, \"a\": 2}", NULL));
}

/* Each wrong request is refused by the estimate and by the run alike, with a sentence that names what is wrong. */
static void
test_refused (void)
{
  static const struct
  {
    const char *class_name, *sampler, *show;
    int         steps, size, code;
    double      guidance, low;
    const char *named;
  } wrong[] = {
    { "foz", "euler", "none", 4, 64, PM_ERROR_NO_CLASS, 2, 0, "fox" },
    { "24", "euler", "none", 4, 64, PM_ERROR_NO_CLASS, 2, 0, "23" },
    { "fox", "ddim", "none", 4, 64, PM_ERROR_USAGE, 2, 0, "euler" },
    { "fox", "nonsense", "none", 4, 64, PM_ERROR_USAGE, 2, 0, "euler" },
    { "fox", "euler", "none", 0, 64, PM_ERROR_USAGE, 2, 0, "1000" },
    { "fox", "euler", "none", 1001, 64, PM_ERROR_USAGE, 2, 0, "1000" },
    { "fox", "euler", "none", 4, 128, PM_ERROR_USAGE, 2, 0, "64" },
    { "fox", "euler", "none", 4, 64, PM_ERROR_USAGE, NAN, 0, "guidance" },
    { "fox", "euler", "none", 4, 64, PM_ERROR_USAGE, 2, 2, "interval" },
    { "fox", "euler", "layers=8;read=received", 4, 64, PM_ERROR_USAGE, 2, 0, "layer" },
    { "fox", "euler", "steps=4;read=received", 4, 64, PM_ERROR_USAGE, 2, 0, "step" },
    { "fox", "euler", "read=from", 4, 64, PM_ERROR_USAGE, 2, 0, "region" },
    { "fox", "euler", "read=received;which=difference", 4, 64, PM_ERROR_USAGE, 1, 0, "guidance" },
    { "fox", "euler", "read=received;which=difference;steps=0", 24, 64, PM_ERROR_USAGE, 2, 0.1, "guidance" },
    { "fox", "euler", "read=received;steps=", 4, 64, PM_ERROR_USAGE, 2, 0, "step" },
    { "", "euler", "read=received;which=null", 4, 64, PM_ERROR_USAGE, 2, 0, "guidance" },
  };
  g_autoptr (PmModel) model = open_starter ();

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (PmRequest) request = new_request (model, wrong[i].show);
      g_autoptr (GError)    error = NULL, estimate_error = NULL;
      PmEstimate            estimate;
      g_free (request->class_name);
      request->class_name = g_strdup (wrong[i].class_name);
      g_free (request->sampler);
      request->sampler = g_strdup (wrong[i].sampler);
      request->num_steps = wrong[i].steps;
      request->width = request->height = wrong[i].size;
      request->guidance = wrong[i].guidance;
      request->guidance_interval[0] = wrong[i].low;
      g_autoptr (PmResult) result = pm_generate (model, request, NULL, &error);
      g_assert_null (result);
      g_assert_error (error, PM_ERROR, wrong[i].code);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, wrong[i].named));
      g_assert_false (pm_generate_estimate (model, request, &estimate, &estimate_error));
      g_assert_cmpstr (estimate_error->message, ==, error->message);
    }
}

static void
test_estimate (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "layers=all;heads=all;steps=all;read=received");
  PmEstimate            estimate;

  g_assert_true (pm_generate_estimate (model, request, &estimate, &error));
  g_assert_no_error (error);
  g_assert_cmpint (estimate.n_maps, ==, 8 * 6 * 24);
  g_assert_cmpuint (estimate.map_bytes, >=, 8 * 6 * 24 * 64 * 4);
  g_assert_cmpfloat (estimate.seconds, >, 0);
  request->map_budget = 1000;
  g_assert_false (pm_generate_estimate (model, request, &estimate, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_MEMORY);
}

/* Guidance 1 is the conditional half alone; without a class the null class paints. */
static void
test_halves (void)
{
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "none");
  gsize                 size = sizeof (float) * 25 * 3 * 64 * 64;

  g_autoptr (PmResult) guided = run (model, request);
  request->guidance = 1;
  g_autoptr (PmResult) conditional = run (model, request);
  g_assert_cmpint (memcmp (guided->trajectory, conditional->trajectory, size), !=, 0);
  request->guidance = 2;
  request->guidance_interval[0] = request->guidance_interval[1] = 0.5;
  g_autoptr (PmResult) outside = run (model, request);
  g_assert_cmpmem (outside->trajectory, size, conditional->trajectory, size);
  g_free (request->class_name);
  request->class_name = g_strdup ("");
  g_autoptr (PmResult) null = run (model, request);
  g_assert_cmpint (memcmp (null->trajectory, conditional->trajectory, size), !=, 0);
}

static double
peak_signal_to_noise (const PmResult *a, const PmResult *b)
{
  double squares = 0;
  gsize  n = 3 * (gsize) a->width * a->height;
  for (gsize i = 0; i < n; i++)
    squares += (a->picture[i] - b->picture[i]) * (a->picture[i] - b->picture[i]);
  return -10 * log10 (squares / n);
}

/* The cache at its default setting over 16 seeds and classes, and that it is off unless asked for. */
static void
test_cache (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "none");
  double                mean = 0;

  for (int seed = 0; seed < 16; seed++)
    {
      request->seed = seed;
      g_free (request->class_name);
      request->class_name = g_strdup_printf ("%d", seed);
      request->cache = PM_CACHE_NONE;
      g_autoptr (PmResult) whole = run (model, request);
      g_assert_true (pm_request_set_cache (request, "taylor", &error));
      g_autoptr (PmResult) cached = run (model, request);
      double               quality = peak_signal_to_noise (whole, cached);
      g_test_message ("class %d: %.1f dB", seed, quality);
      g_assert_cmpfloat (quality, >, 30);
      g_assert_cmpfloat (quality, <, 90); /* the cache did something */
      mean += quality / 16;
    }
  g_test_message ("mean %.1f dB", mean);

  /* An interval longer than the run computes the first steps and no other. */
  g_assert_true (pm_request_set_cache (request, "static:100", &error));
  g_autoptr (PmResult) coarse = run (model, request);
  request->cache = PM_CACHE_NONE;
  g_autoptr (PmResult) whole = run (model, request);
  gsize n = 3 * 64 * 64, computed = 7 * n; /* x before step 6 is the last that only computed steps made */
  g_assert_cmpmem (coarse->trajectory, sizeof (float) * computed, whole->trajectory, sizeof (float) * computed);
  g_assert_cmpint (memcmp (coarse->trajectory + computed, whole->trajectory + computed, sizeof (float) * n), !=, 0);

  for (int i = 0; i < 5; i++)
    {
      const char *const  wrong[] = { "", "fast", "taylor:1", "none:2", "static:x" };
      g_autoptr (GError) expected = NULL;
      g_assert_false (pm_request_set_cache (request, wrong[i], &expected));
      g_assert_error (expected, PM_ERROR, PM_ERROR_USAGE);
    }
}

/* Steps whose maps are recorded are computed: with all of them recorded the cache changes nothing. */
static void
test_cache_with_maps (void)
{
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (PmRequest) request = new_request (model, "layers=3;heads=mean;steps=all;read=received");
  g_autoptr (PmResult)  whole = run (model, request);
  request->cache = PM_CACHE_TAYLOR;
  g_autoptr (PmResult) cached = run (model, request);
  g_assert_cmpmem (whole->trajectory, sizeof (float) * 25 * 3 * 64 * 64, cached->trajectory, sizeof (float) * 25 * 3 * 64 * 64);
}

/* A DiT of 12 layers, width 768 and 1024 tokens: a step of it takes a good part of a second. */
static PmModel *
open_slow (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (GString) json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {");
  const struct
  {
    const char *name, *shape;
  } ends[] = { { "x_embedder.proj.weight", "768,4,2,2" },
               { "x_embedder.proj.bias", "768" },
               { "pos_embed", "1,1024,768" },
               { "t_embedder.mlp.0.weight", "768,256" },
               { "t_embedder.mlp.0.bias", "768" },
               { "t_embedder.mlp.2.weight", "768,768" },
               { "t_embedder.mlp.2.bias", "768" },
               { "y_embedder.embedding_table.weight", "3,768" },
               { "final_layer.adaLN_modulation.1.weight", "1536,768" },
               { "final_layer.adaLN_modulation.1.bias", "1536" },
               { "final_layer.linear.weight", "32,768" },
               { "final_layer.linear.bias", "32" } },
    block[] = { { "attn.qkv", "2304,768" },
                { "attn.proj", "768,768" },
                { "mlp.fc1", "3072,768" },
                { "mlp.fc2", "768,3072" },
                { "adaLN_modulation.1", "4608,768" } };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    g_string_append_printf (json, "\"%s\": {\"shape\": [%s], \"scale\": 0.03, \"offset\": 0},", ends[i].name, ends[i].shape);
  for (int layer = 0; layer < 12; layer++)
    for (gsize i = 0; i < G_N_ELEMENTS (block); i++)
      g_string_append_printf (json,
                              "\"blocks.%d.%s.weight\": {\"shape\": [%s], \"scale\": 0.03, \"offset\": 0},"
                              "\"blocks.%d.%s.bias\": {\"shape\": [%d], \"scale\": 0.03, \"offset\": 0}%s",
                              layer, block[i].name, block[i].shape, layer, block[i].name, atoi (block[i].shape),
                              layer == 11 && i == 4 ? "" : ",");
  g_string_append (json, "}}");
  PmCheckpoint *checkpoint = pm_checkpoint_new_hash (json->str, &error);
  g_assert_no_error (error);
  PmModel *model = pm_model_new_from_checkpoint (checkpoint, pm_config_new (), "slow", &error);
  g_assert_no_error (error);
  return model;
}

typedef struct
{
  PmJob *job;
  gulong delay; /* microseconds */
  gint64 cancelled;
} Canceller;

static gpointer
cancel_thread (gpointer data)
{
  Canceller *canceller = data;
  g_usleep (canceller->delay);
  canceller->cancelled = g_get_monotonic_time ();
  pm_job_cancel (canceller->job);
  return NULL;
}

static void
cancel_at (PmModel *model, const PmRequest *request, gulong delay)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmJob)  job = pm_job_new (NULL, NULL);
  Canceller          canceller = { .job = job, .delay = delay };
  GThread           *thread = g_thread_new ("cancel", cancel_thread, &canceller);
  g_autoptr (PmResult) result = pm_generate (model, request, job, &error);
  gint64             returned = g_get_monotonic_time ();

  g_thread_join (thread);
  g_assert_null (result);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message ("cancelled after %lu ms, returned %.0f ms later", delay / 1000, (returned - canceller.cancelled) / 1e3);
  g_assert_cmpint (returned - canceller.cancelled, <, G_USEC_PER_SEC);
}

static void
test_cancel (void)
{
  g_autoptr (PmModel)   starter = open_starter (), slow = open_slow ();
  g_autoptr (PmRequest) quick_request = new_request (starter, "read=subject,received");
  g_autoptr (PmRequest) slow_request = pm_request_new_for_model (slow);

  quick_request->num_steps = 1000;
  for (int i = 0; i < N_CANCELS; i++)
    cancel_at (i % 2 ? slow : starter, i % 2 ? slow_request : quick_request, (gulong) g_test_rand_int_range (0, 700000));
}

static void
test_missing_model (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = pm_model_open ("no-such-model", &error);
  g_assert_null (model);
  g_assert_error (error, PM_ERROR, PM_ERROR_NO_MODEL);
  g_assert_nonnull (strstr (error->message, "no-such-model"));
}

static void
test_fallbacks (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = open_starter ();
  g_auto (GStrv)      devices = pm_device_list ();
  for (int i = 0; devices[i]; i++)
    {
      g_auto (GStrv) fallbacks = pm_device_fallbacks (model, devices[i], &error);
      g_assert_no_error (error);
      g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
    }
}

/* The difference is that of the two halves of the same run, at guided steps only. */
static void
test_difference (void)
{
  const char *const     whiches[] = { "condition", "null", "difference" };
  g_autoptr (PmModel)   model = open_starter ();
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_result_free);

  for (int i = 0; i < 3; i++)
    {
      g_autofree char      *show = g_strconcat ("layers=3,6;heads=all;steps=8,20;read=received,entropy;which=", whiches[i], NULL);
      g_autoptr (PmRequest) request = new_request (model, show);
      request->guidance = 3;
      request->guidance_interval[1] = 1;
      g_ptr_array_add (results, run (model, request));
    }

  GPtrArray *condition = ((PmResult *) results->pdata[0])->maps, *null = ((PmResult *) results->pdata[1])->maps;
  GPtrArray *difference = ((PmResult *) results->pdata[2])->maps;
  double     largest = 0;

  g_assert_cmpuint (difference->len, ==, 2 * 2 * 2 * 6);
  for (guint m = 0; m < difference->len; m++)
    {
      const PmMap *map = difference->pdata[m], *a = condition->pdata[m], *b = null->pdata[m];

      g_assert_true (map->is_signed && map->low == -map->high);
      g_assert_nonnull (strstr (map->id, "-difference-"));
      for (int i = 0; i < 64; i++)
        {
          g_assert_cmpfloat (fabs (map->values[i] - (a->values[i] - b->values[i])), <=, 1e-6 * (1 + fabs (a->values[i])));
          largest = fmax (largest, fabs (map->values[i]) / (fabs (a->values[i]) + 1e-6));
        }
    }
  g_assert_cmpfloat (largest, >, 0.05); /* the class matters */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/generate/picture", test_picture);
  g_test_add_func ("/generate/repeat", test_repeat);
  g_test_add_func ("/generate/json", test_json);
  g_test_add_func ("/generate/record-check", test_record_check);
  g_test_add_func ("/generate/refused", test_refused);
  g_test_add_func ("/generate/estimate", test_estimate);
  g_test_add_func ("/generate/halves", test_halves);
  g_test_add_func ("/generate/difference", test_difference);
  g_test_add_func ("/generate/cache", test_cache);
  g_test_add_func ("/generate/cache-with-maps", test_cache_with_maps);
  g_test_add_func ("/generate/cancel", test_cancel);
  g_test_add_func ("/generate/missing-model", test_missing_model);
  g_test_add_func ("/generate/fallbacks", test_fallbacks);
  return g_test_run ();
}
