/* The core against the twin: every folder of tests/reference with a case.json, on the reference loops and on the CPU.
 * Expected values were computed in float64 (tests/reference/make.py), so errors are the core's own rounding. */
#include <string.h>

#include <json-glib/json-glib.h>

#include "compare.h"
#include "eval/eval.h"

static const char *const devices[] = { "ref", "cpu" };

typedef struct
{
  char *name;
  JsonParser *parser;
  JsonObject *root; /* of case.json */
  PmModel *model;
  PmBundle *inputs; /* x, noise, region, t, y */
  PmBundle *expected;
} Case;

typedef struct
{
  Case *owner;
  const char *device;
  int n_threads;
  const char *run; /* the name of a sampling run */
} Check;

/* t as f32 and y as i32 from the arrays of case.json. */
static void
add_conditions (Case *self)
{
  JsonArray *times = json_object_get_array_member (self->root, "t");
  JsonArray *rows = json_object_get_array_member (self->root, "y");
  guint n = json_array_get_length (times);
  g_autofree float *t = g_new (float, n);
  g_autofree gint32 *y = g_new (gint32, n);

  g_assert_cmpuint (json_array_get_length (rows), ==, n);
  for (guint i = 0; i < n; i++)
    {
      t[i] = (float)json_array_get_double_element (times, i);
      y[i] = (gint32)json_array_get_int_element (rows, i);
    }
  pm_test_add (self->inputs, "t", PM_DTYPE_F32, n, t);
  pm_test_add (self->inputs, "y", PM_DTYPE_I32, n, y);
}

/* NULL when the folder is no case. */
static Case *
case_new (const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = pm_test_reference (name, "case.json");
  g_autofree char *folder = pm_test_reference (name, "model");
  Case *self;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  self = g_new0 (Case, 1);
  self->name = g_strdup (name);
  self->parser = json_parser_new ();
  json_parser_load_from_file (self->parser, path, &error);
  g_assert_no_error (error);
  self->root = json_node_get_object (json_parser_get_root (self->parser));
  self->model = pm_model_open (folder, &error);
  g_assert_no_error (error);
  self->inputs = pm_test_load (name, "inputs.hash.json");
  self->expected = pm_test_load (name, "expected.safetensors");
  add_conditions (self);
  return self;
}

static void
case_free (gpointer data)
{
  Case *self = data;

  pm_model_unref (self->model);
  pm_bundle_free (self->inputs);
  pm_bundle_free (self->expected);
  g_object_unref (self->parser);
  g_free (self->name);
  g_free (self);
}

static PmBundle *
denoise (Case *self, const char *device, int n_threads)
{
  g_autoptr (GError) error = NULL;
  int layer = (int)json_object_get_int_member (self->root, "probs");
  g_autofree char *capture = g_strdup_printf ("received,entropy,distance,from,to,probs:%d,subject", layer);
  const PmEvalOptions options = { .device = device, .n_threads = n_threads };
  PmBundle *out = pm_eval_denoise (self->model, &options, self->inputs, capture, NULL, &error);

  g_assert_no_error (error);
  return out;
}

static void
test_denoise (gconstpointer data)
{
  static const struct
  {
    const char *name;
    double limit; /* absolute */
  } readings[] = {
    { "received", 1e-6 }, { "from", 1e-6 },    { "to", 1e-6 },      { "distance", 1e-6 },
    { "probs", 1e-6 },    { "entropy", 1e-6 }, { "subject", 1e-5 }, /* of values up to 3; an eigenvector divides the error of the
                                                                       matrix by a spectral gap near 0.1 */
  };
  const Check *check = data;
  Case *self = check->owner;
  g_autoptr (PmBundle) out = denoise (self, check->device, check->n_threads);
  gsize n;
  const float *expected = pm_test_array (self->expected, "out", &n);

  pm_test_compare_relative ("out", pm_test_array_of (out, "out", n), expected, n, 1e-5);
  for (guint i = 0; i < G_N_ELEMENTS (readings); i++)
    {
      expected = pm_test_array (self->expected, readings[i].name, &n);
      pm_test_compare_absolute (readings[i].name, pm_test_array_of (out, readings[i].name, n), expected, n, readings[i].limit);
    }
}

/* The request that a sampling run of case.json describes. */
static PmRequest *
make_request (const Check *check, JsonObject *run)
{
  PmRequest *request = pm_request_new_for_model (check->owner->model);
  JsonArray *interval = json_object_has_member (run, "interval") ? json_object_get_array_member (run, "interval") : NULL;

  g_free (request->device);
  request->device = g_strdup (check->device);
  g_free (request->class_name);
  request->class_name = g_strdup_printf ("%d", (int)json_object_get_int_member (run, "class"));
  g_free (request->sampler);
  request->sampler = g_strdup (json_object_get_string_member (run, "sampler"));
  request->num_steps = (int)json_object_get_int_member (run, "steps");
  request->guidance = json_object_get_double_member (run, "guidance");
  for (int i = 0; i < 2; i++)
    request->guidance_interval[i] = interval ? json_array_get_double_element (interval, i) : i;
  request->seed = json_object_has_member (run, "seed") ? (guint64)json_object_get_int_member (run, "seed") : 0;
  request->n_threads = check->n_threads;
  return request;
}

static PmBundle *
run_sample (const Check *check)
{
  g_autoptr (GError) error = NULL;
  JsonObject *runs = json_object_get_object_member (check->owner->root, "samples");
  JsonObject *run = json_object_get_object_member (runs, check->run);
  g_autoptr (PmRequest) request = make_request (check, run);
  PmBundle *in = json_object_has_member (run, "seed") ? NULL : check->owner->inputs;
  PmBundle *out = pm_eval_sample (check->owner->model, request, in, NULL, &error);

  g_assert_no_error (error);
  return out;
}

static void
test_sample (gconstpointer data)
{
  const Check *check = data;
  g_autoptr (PmBundle) out = run_sample (check);
  g_autofree char *name = g_strdup_printf ("sample.%s", check->run);
  gsize n;
  const float *expected = pm_test_array (check->owner->expected, name, &n);

  pm_test_compare_rms (name, pm_test_array_of (out, "latent", n), expected, n, 2e-5);
}

static void
require_same (PmBundle *a, PmBundle *b, const char *name)
{
  gsize n;
  const float *first = pm_test_array (a, name, &n);

  if (memcmp (first, pm_test_array_of (b, name, n), n * sizeof (float)) != 0)
    g_test_fail_printf ("\"%s\" depends on the number of threads", name);
}

/* The same bits from 1, 2 and 3 threads, whatever is computed. */
static void
test_threads (gconstpointer data)
{
  static const char *const names[] = { "out", "received", "entropy", "distance", "from", "to", "probs", "subject" };
  Check check = *(const Check *)data;
  g_autoptr (PmBundle) one = denoise (check.owner, check.device, 1);
  g_autoptr (PmBundle) one_sample = NULL;

  check.n_threads = 1;
  one_sample = run_sample (&check);
  for (int n_threads = 2; n_threads <= 3; n_threads++)
    {
      g_autoptr (PmBundle) more = denoise (check.owner, check.device, n_threads);
      g_autoptr (PmBundle) more_sample = NULL;

      check.n_threads = n_threads;
      more_sample = run_sample (&check);
      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        require_same (one, more, names[i]);
      require_same (one_sample, more_sample, "latent");
    }
}

static void
add_check (Case *self, const char *kind, const char *device, int n_threads, const char *run, GTestDataFunc func)
{
  Check *check = g_new0 (Check, 1);
  g_autofree char *path
      = g_strdup_printf ("/parity/%s/%s/%s-%d%s%s", self->name, kind, device, n_threads, run ? "/" : "", run ? run : "");

  *check = (Check){ .owner = self, .device = device, .n_threads = n_threads, .run = run };
  g_test_add_data_func_full (path, check, func, g_free);
}

static void
add_checks (Case *self)
{
  g_autoptr (GList) runs = json_object_get_members (json_object_get_object_member (self->root, "samples"));

  g_assert_nonnull (runs);
  for (guint d = 0; d < G_N_ELEMENTS (devices); d++)
    for (int n_threads = 1; n_threads <= 2; n_threads++)
      {
        add_check (self, "denoise", devices[d], n_threads, NULL, test_denoise);
        for (GList *run = runs; run; run = run->next)
          add_check (self, "sample", devices[d], n_threads, run->data, test_sample);
      }
  for (guint d = 0; d < G_N_ELEMENTS (devices); d++)
    add_check (self, "threads", devices[d], 0, runs->data, test_threads);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (PM_TEST_REFERENCE, 0, &error);
  g_autoptr (GPtrArray) cases = g_ptr_array_new_with_free_func (case_free);
  const char *name;

  g_test_init (&argc, &argv, NULL);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)))
    {
      Case *self = case_new (name);

      if (!self)
        continue;
      g_ptr_array_add (cases, self);
      add_checks (self);
    }
  g_assert_cmpuint (cases->len, >=, 4);
  return g_test_run ();
}
