/* The samplers against the twin (tests/reference/samplers.py), on a small trained model whose latents stay near 1, so that
 * every term of a step weighs in; their order of convergence on a problem with a known solution; and starts and masks. */
#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "compare.h"
#include "base/error.h"
#include "eval/eval.h"
#include "run/run.h"
#include "sampler/preview.h"
#include "sampler/schedule.h"

#define LIMIT 1e-4 /* relative rms */

typedef struct
{
  JsonParser *parser;
  JsonObject *root; /* of runs.json */
  PmModel    *model;
  PmBundle   *expected;
} Fixture;

typedef struct
{
  Fixture    *fixture;
  const char *group, *name;
} Check;

static Fixture *
fixture_load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *runs = pm_test_reference ("trained", "runs.json");
  g_autofree char *model = pm_test_reference ("trained", "model");
  g_autofree char *expected = pm_test_reference ("trained", "expected.safetensors");
  Fixture *self = g_new0 (Fixture, 1);

  self->parser = json_parser_new ();
  json_parser_load_from_file (self->parser, runs, &error);
  g_assert_no_error (error);
  self->root = json_node_get_object (json_parser_get_root (self->parser));
  self->model = pm_model_open (model, &error);
  g_assert_no_error (error);
  self->expected = pm_bundle_load (expected, &error);
  g_assert_no_error (error);
  return self;
}

static void
fixture_unload (Fixture *self)
{
  pm_model_unref (self->model);
  pm_bundle_free (self->expected);
  g_object_unref (self->parser);
  g_free (self);
}

/* 255 on the pixels that samplers.py paints. */
static void
set_mask (PmRequest *request)
{
  g_autofree guint8 *mask = g_malloc0 ((gsize) request->width * request->height);
  for (int y = 12; y < 44; y++)
    memset (mask + (gsize) y * request->width + 20, 255, 40);
  pm_request_set_mask (request, mask, request->width, request->height);
}

static PmRequest *
make_request (Fixture *self, JsonObject *run)
{
  PmRequest *request = pm_request_new_for_model (self->model);

  g_set_str (&request->sampler, json_object_get_string_member (run, "sampler"));
  g_free (request->class_name);
  request->class_name = g_strdup_printf ("%d", (int) json_object_get_int_member (run, "label"));
  request->num_steps = (int) json_object_get_int_member (run, "steps");
  request->guidance = json_object_get_double_member (run, "guidance");
  request->seed = (guint64) json_object_get_int_member (run, "seed");
  for (int i = 0; i < 2 && json_object_has_member (run, "interval"); i++)
    request->guidance_interval[i] = json_array_get_double_element (json_object_get_array_member (run, "interval"), i);
  if (! json_object_has_member (run, "strength"))
    return request;
  pm_request_set_start_latent (request, pm_test_array_of (self->expected, "known", 4 * 64), 4, 8, 8);
  request->strength = json_object_get_double_member (run, "strength");
  if (json_object_get_boolean_member (run, "mask"))
    set_mask (request);
  return request;
}

/* The same bits from any number of threads: noise is drawn in one order. */
static void
test_threads (gconstpointer data)
{
  Fixture    *self = ((const Check *) data)->fixture;
  JsonObject *run = json_object_get_object_member (json_object_get_object_member (self->root, "runs"), "ddpm-20");
  g_autoptr (PmRequest) request = make_request (self, run);
  g_autoptr (PmBundle)  first = NULL;

  for (request->n_threads = 1; request->n_threads <= 3; request->n_threads++)
    {
      g_autoptr (GError)   error = NULL;
      g_autoptr (PmBundle) out = pm_eval_sample (self->model, request, NULL, NULL, &error);
      g_assert_no_error (error);
      if (! first)
        first = g_steal_pointer (&out);
      else
        g_assert_cmpmem (pm_test_array_of (first, "latent", 256), 1024, pm_test_array_of (out, "latent", 256), 1024);
    }
}

static void
test_run (gconstpointer data)
{
  const Check *check = data;
  Fixture     *self = check->fixture;
  JsonObject  *run = json_object_get_object_member (json_object_get_object_member (self->root, "runs"), check->name);
  g_autoptr (PmRequest) request = make_request (self, run);
  g_autofree char *name = g_strdup_printf ("run.%s", check->name);
  static const char *const devices[] = { "ref", "cpu" };

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    {
      g_autoptr (GError) error = NULL;
      g_set_str (&request->device, devices[i]);
      g_autoptr (PmBundle) out = pm_eval_sample (self->model, request, NULL, NULL, &error);
      g_assert_no_error (error);
      pm_test_compare_rms (name, pm_test_array_of (out, "latent", 256), pm_test_array_of (self->expected, name, 256), 256, LIMIT);
    }
}

/* One step from the twin's x: errors of earlier steps cannot hide in it, nor can it hide in those that follow. */
static void
test_steps (gconstpointer data)
{
  const Check *check = data;
  Fixture     *self = check->fixture;
  JsonObject  *spec = json_object_get_object_member (json_object_get_object_member (self->root, "steps"), check->name);
  JsonArray   *at = json_object_get_array_member (spec, "at");
  g_autoptr (PmRequest) request = make_request (self, spec);
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmBackend) backend = pm_backend_open ("cpu", 1, &error);

  g_assert_no_error (error);
  for (guint k = 0; k < json_array_get_length (at); k++)
    {
      int              i = (int) json_array_get_int_element (at, k);
      g_autofree char *name = g_strdup_printf ("%s.%d", check->name, i);
      g_autofree char *start = g_strdup_printf ("%s.x", name);
      PmRun            run;

      request->seed = 1000 + i;
      g_assert_true (pm_run_init (&run, self->model, request, NULL, &error));
      /* Run to the end: a sampler must not take this step for the last. */
      g_autofree float *trajectory = g_new (float, (gsize) (run.steps.n_steps - i + 1) * 256);
      pm_steps_skip (&run.steps, i);
      memcpy (trajectory, pm_test_array_of (self->expected, start, 256), 256 * sizeof (float));
      g_assert_true (pm_run_sample (&run, backend, NULL, trajectory, NULL, &error));
      pm_test_compare_rms (name, trajectory + 256, pm_test_array_of (self->expected, name, 256), 256, LIMIT);
      pm_run_clear (&run);
    }
}

/* Models that predict no variance: either bound, at the first, a middle, the last noisy and the last step. */
static void
test_fixed_variance (gconstpointer data)
{
  static const int at[] = { 0, 10, 18, 19 };
  Fixture         *self = ((const Check *) data)->fixture;
  const PmSampler *ddpm = pm_sampler_find ("ddpm");

  for (int is_small = 0; is_small <= 1; is_small++)
    {
      PmSchedule schedule = { PM_SCHEDULE_LINEAR, 1e-4, 0.02, 1000, 0, 1000,
                               .variance = is_small ? PM_VARIANCE_SMALL : PM_VARIANCE_LARGE };
      PmSteps    steps;
      float      out[4 * 16];
      const char *name = is_small ? "fixed.small" : "fixed.large";
      g_autoptr (GError) error = NULL;

      g_assert_true (ddpm->plan (&schedule, 20, &steps, &error));
      for (int k = 0; k < 4; k++)
        ddpm->step (&(PmStep) { .steps = &steps, .i = at[k], .n = 16, .x = pm_test_array_of (self->expected, "fixed.x", 16),
                                .x0 = pm_test_array_of (self->expected, "fixed.x0", 16),
                                .noise = pm_test_array_of (self->expected, "fixed.noise", 16), .x_next = out + 16 * k });
      pm_test_compare_rms (name, out, pm_test_array_of (self->expected, name, 64), 64, 1e-6);
      pm_steps_clear (&steps);
    }
}

/* A problem with a known solution: data of one number, normal with deviation 0.5 around 0.7. The best x0 from x is linear in
 * x, and the flow without noise keeps (x - alpha 0.7) / sqrt (alpha^2 0.25 + sigma^2). Returns the error where sigma is 0.3:
 * the step to the picture itself is of first order in every solver. */
static double
solve (const PmSampler *sampler, int n_steps, gboolean is_flow)
{
  const double mean = 0.7, variance = 0.25, from = 0.97, to = 0.3;
  PmSteps      steps;
  float        memory[3] = { 0 }, x = 1.3f, x_next;

  pm_steps_init (&steps, n_steps + 1); /* the picture is never reached */
  for (int i = 0; i <= n_steps; i++)
    {
      steps.sigma[i] = from + (to - from) * i / n_steps;
      steps.alpha[i] = is_flow ? 1 - steps.sigma[i] : sqrt (1 - steps.sigma[i] * steps.sigma[i]);
    }
  steps.alpha[n_steps + 1] = 1;
  double begin = sqrt (steps.alpha[0] * steps.alpha[0] * variance + from * from), kept = (x - steps.alpha[0] * mean) / begin;
  for (int i = 0; i < n_steps; i++)
    {
      double a = steps.alpha[i], s = steps.sigma[i];
      float  x0 = (float) (mean + a * variance / (a * a * variance + s * s) * (x - a * mean));
      sampler->step (&(PmStep) { .steps = &steps, .i = i, .n = 1, .x = &x, .x0 = &x0, .memory = memory, .x_next = &x_next });
      x = x_next;
    }
  double a = steps.alpha[n_steps], end = sqrt (a * a * variance + to * to);
  pm_steps_clear (&steps);
  return fabs (x - (a * mean + kept * end));
}

static void
test_order (void)
{
  static const struct
  {
    const char *id;
    gboolean    is_flow;
    double      order;
  } rows[] = { { "euler", TRUE, 1 },   { "ddim", FALSE, 1 },  { "dpmpp2m", FALSE, 2 },
               { "dpmpp2m", TRUE, 2 }, { "unipc", FALSE, 2 }, { "unipc", TRUE, 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const PmSampler *sampler = pm_sampler_find (rows[i].id);
      double           coarse = solve (sampler, 40, rows[i].is_flow), fine = solve (sampler, 80, rows[i].is_flow);
      double           order = log2 (coarse / fine);
      g_test_message ("%s: errors %.2e and %.2e, order %.2f", rows[i].id, coarse, fine, order);
      g_assert_cmpfloat (order, >, rows[i].order - 0.25);
      g_assert_cmpfloat (coarse, <, rows[i].order > 1 ? 1e-3 : 0.05);
    }
}

/* What a network predicts, from a picture and noise that are known. */
static void
test_predictions (void)
{
  static const PmSchedule schedules[] = { { PM_SCHEDULE_LINEAR, 1e-4, 0.02, 1000, 0, 1000 },
                                          { PM_SCHEDULE_FLOW, 0, 0, 0, 0, 1000 },
                                          { PM_SCHEDULE_FLOW, 0, 0, 0, 1, 1000 } };
  const float             x0 = 0.6f, noise = -1.1f;

  for (guint s = 0; s < G_N_ELEMENTS (schedules); s++)
    {
      const PmSchedule  *schedule = &schedules[s];
      gboolean           is_flow = schedule->type == PM_SCHEDULE_FLOW;
      g_autoptr (GError) error = NULL;
      PmSteps            steps;

      g_assert_true (pm_schedule_plan_even (schedule, 10, &steps, &error));
      for (int i = 1; i < 10; i++)
        {
          float a = (float) steps.alpha[i], b = (float) steps.sigma[i], x = a * x0 + b * noise;
          float v = ! is_flow ? a * noise - b * x0 : schedule->noise_at == 1 ? noise - x0 : x0 - noise;
          float said[] = { noise, v, x0 }, found;
          const PmPrediction kinds[] = { PM_PREDICTION_EPS, PM_PREDICTION_V, PM_PREDICTION_X0 };
          for (int k = 0; k < 3; k++)
            {
              steps.prediction = kinds[k];
              pm_schedule_to_x0 (schedule, &steps, i, 1, &x, &said[k], &found);
              g_assert_cmpfloat_with_epsilon (found, x0, 3e-5f / MIN (a, 1));
            }
        }
      pm_steps_clear (&steps);
    }
}

static void
test_plans (void)
{
  const PmSchedule   schedule = { PM_SCHEDULE_LINEAR, 1e-4, 0.02, 1000, 0, 1000 };
  const PmSampler   *ddpm = pm_sampler_find ("ddpm");
  static const struct
  {
    int n, first[3]; /* the last steps, backwards */
  } rows[] = { { 250, { 0, 4, 8 } },
               { 50, { 0, 20, 41 } },
               { 20, { 0, 53, 105 } },
               { 1000, { 0, 1, 2 } },
               { 3, { 0, 500, 999 } } };

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++)
    {
      g_autoptr (GError) error = NULL;
      PmSteps            steps;
      g_assert_true (ddpm->plan (&schedule, rows[r].n, &steps, &error));
      for (int i = 0; i < 3; i++)
        g_assert_cmpfloat (steps.time[rows[r].n - 1 - i], ==, rows[r].first[i]);
      g_assert_cmpfloat (steps.time[0], ==, 999);
      pm_steps_clear (&steps);
    }
  for (int n = 0; n <= 1001; n += n == 1 ? 1000 : 1)
    {
      g_autoptr (GError) error = NULL;
      PmSteps            steps;
      g_assert_false (ddpm->plan (&schedule, n, &steps, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
    }
}

/* As diffusers' multistep solvers space seven steps. */
static void
test_spacings (void)
{
  static const struct
  {
    PmSpacing spacing;
    int       times[7];
  } rows[] = { { PM_SPACING_STRIDE, { 999, 856, 714, 571, 428, 285, 143 } },
               { PM_SPACING_LEADING, { 876, 751, 626, 501, 376, 251, 126 } },
               { PM_SPACING_TRAILING, { 999, 856, 713, 570, 428, 285, 142 } } };

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++)
    {
      PmSchedule         schedule = { PM_SCHEDULE_LINEAR, 1e-4, 0.02, 1000, .spacing = rows[r].spacing, .steps_offset = 1 };
      g_autoptr (GError) error = NULL;
      PmSteps            steps;
      g_assert_true (pm_schedule_plan_even (&schedule, 7, &steps, &error));
      for (int i = 0; i < 7; i++)
        g_assert_cmpfloat (steps.time[i], ==, rows[r].times[i]);
      pm_steps_clear (&steps);
      schedule.steps_offset = 900;
      gboolean fits = pm_schedule_plan_even (&schedule, 50, &steps, &error);
      g_assert_true (fits == (rows[r].spacing != PM_SPACING_LEADING));
      if (fits)
        pm_steps_clear (&steps);
    }
}

int
main (int argc, char **argv)
{
  Fixture *fixture;
  g_autoptr (GPtrArray) checks = g_ptr_array_new_with_free_func (g_free);
  const char *const groups[] = { "runs", "steps" };
  int status;

  g_test_init (&argc, &argv, NULL);
  fixture = fixture_load ();
  for (guint g = 0; g < G_N_ELEMENTS (groups); g++)
    {
      g_autoptr (GList) names = json_object_get_members (json_object_get_object_member (fixture->root, groups[g]));
      for (GList *name = names; name; name = name->next)
        {
          Check           *check = g_new (Check, 1);
          g_autofree char *path = g_strdup_printf ("/samplers/%s/%s", groups[g], (char *) name->data);
          *check = (Check) { fixture, groups[g], name->data };
          g_ptr_array_add (checks, check);
          g_test_add_data_func (path, check, g == 0 ? test_run : test_steps);
        }
    }
  g_assert_cmpuint (checks->len, >=, 10);
  g_test_add_data_func ("/samplers/fixed-variance", checks->pdata[0], test_fixed_variance);
  g_test_add_data_func ("/samplers/threads", checks->pdata[0], test_threads);
  g_test_add_func ("/samplers/order", test_order);
  g_test_add_func ("/samplers/predictions", test_predictions);
  g_test_add_func ("/samplers/plans", test_plans);
  g_test_add_func ("/samplers/spacings", test_spacings);
  status = g_test_run ();
  fixture_unload (fixture);
  return status;
}
