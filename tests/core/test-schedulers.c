/* Pipelines' scheduler_config.json: whole runs against diffusers' own schedulers (tests/reference/schedulers.py) on networks of
 * the fixtures, with nothing said but the folder's files, and the settings that are refused. */
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "compare.h"
#include "fixture.h"
#include "eval/eval.h"
#include "format/config.h"
#include "model/model.h"

#define LIMIT 1e-4 /* relative rms */

/* The trained network without defaults of its own. */
#define TRAINED "{\"num_attention_heads\": 2, \"null_class\": 6, \"guidance_channels\": 3, \"vae\": \"vae\"}"

typedef struct
{
  JsonObject *run;
  const char *name;
  PmBundle   *expected;
} Check;

/* What a folder has of the fixture's: of a pipeline, and of the trained network. */
static const char *const links[][4]
    = { { "model_index.json", "transformer/config.json", "transformer/diffusion_pytorch_model.hash.json" },
        { "model.safetensors" } };

static void
link_to (const char *folder, const char *model, const char *file)
{
  g_autofree char *from = g_build_filename (PM_TEST_REFERENCE, model, "model", file, NULL);
  g_autofree char *to = g_build_filename (folder, file, NULL);
  g_assert_cmpint (symlink (from, to), ==, 0);
}

/* A model folder with that scheduler. */
static char *
make_folder (const char *model, const char *scheduler)
{
  char            *folder = fixture_folder ();
  gboolean         is_trained = strcmp (model, "trained") == 0;
  g_autofree char *scheduler_folder = g_build_filename (folder, "scheduler", NULL);
  g_autofree char *transformer_folder = g_build_filename (folder, "transformer", NULL);

  g_mkdir (scheduler_folder, 0700);
  if (! is_trained)
    g_mkdir (transformer_folder, 0700);
  fixture_write (folder, "scheduler/scheduler_config.json", scheduler, -1);
  fixture_write (folder, "config.json", is_trained ? TRAINED : "{}", -1);
  for (int i = 0; links[is_trained][i]; i++)
    link_to (folder, model, links[is_trained][i]);
  return folder;
}

static void
test_run (gconstpointer data)
{
  const Check *check = data;
  JsonObject  *run = check->run;
  const char  *model_name = json_object_get_string_member (run, "model");
  char        *folder = make_folder (model_name, json_object_get_string_member (run, "scheduler"));
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = pm_model_open (folder, &error);
  g_autoptr (PmRequest) request = model ? pm_request_new_for_model (model) : NULL;
  gsize                 n;
  const float          *expected = pm_test_array (check->expected, check->name, &n);

  g_assert_no_error (error);
  for (int i = 0; pm_model_get_info (model)->notes[i]; i++)
    g_assert_null (strstr (pm_model_get_info (model)->notes[i], "not known"));
  g_assert_cmpstr (request->sampler, ==, json_object_get_string_member (run, "sampler"));
  if (json_object_has_member (run, "steps"))
    request->num_steps = (int) json_object_get_int_member (run, "steps");
  g_free (request->class_name);
  request->class_name = g_strdup_printf ("%d", (int) json_object_get_int_member (run, "label"));
  request->guidance = json_object_get_double_member (run, "guidance");
  request->seed = (guint64) json_object_get_int_member (run, "seed");
  g_autoptr (PmBundle) out = pm_eval_sample (model, request, NULL, NULL, &error);
  g_assert_no_error (error);
  pm_test_compare_rms (check->name, pm_test_array_of (out, "latent", n), expected, n, LIMIT);
  fixture_remove (folder);
}

/* Every scheduler's keys are honoured or refused by a sentence of its own. */
static void
test_refused (void)
{
#define DPM "\"_class_name\": \"DPMSolverMultistepScheduler\", "
#define UNI "\"_class_name\": \"UniPCMultistepScheduler\", "
#define DDPM "\"_class_name\": \"DDPMScheduler\", \"clip_sample\": false, "
#define FLOW "\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", "
  static const struct
  {
    const char *text;
    PmErrorCode code;
    const char *says;
  } cases[] = {
    { DPM "\"algorithm_type\": \"sde-dpmsolver++\"", PM_ERROR_DAMAGED, "\"algorithm_type\" is not \"dpmsolver++\"" },
    { DPM "\"solver_order\": 3", PM_ERROR_DAMAGED, "\"solver_order\" is not 2" },
    { DPM "\"solver_type\": \"heun\"", PM_ERROR_DAMAGED, "\"solver_type\" is not \"midpoint\"" },
    { DPM "\"use_karras_sigmas\": true", PM_ERROR_UNSUPPORTED, "\"use_karras_sigmas\" is set" },
    { DPM "\"use_lu_lambdas\": true", PM_ERROR_UNSUPPORTED, "\"use_lu_lambdas\" is set" },
    { DPM "\"use_flow_sigmas\": true", PM_ERROR_UNSUPPORTED, "\"use_flow_sigmas\" is set" },
    { DPM "\"final_sigmas_type\": \"one\"", PM_ERROR_DAMAGED, "\"final_sigmas_type\"" },
    { DPM "\"lower_order_final\": 1", PM_ERROR_DAMAGED, "\"lower_order_final\"" },
    { DPM "\"euler_at_final\": null, \"lambda_min_clipped\": 1", PM_ERROR_DAMAGED, "\"lambda_min_clipped\"" },
    { DPM "\"timestep_spacing\": \"log\"", PM_ERROR_DAMAGED, "\"timestep_spacing\"" },
    { DPM "\"prediction_type\": \"flow_prediction\"", PM_ERROR_DAMAGED, "\"prediction_type\"" },
    { UNI "\"solver_type\": \"bh1\"", PM_ERROR_DAMAGED, "\"solver_type\" is not \"bh2\"" },
    { UNI "\"predict_x0\": false", PM_ERROR_DAMAGED, "\"predict_x0\"" },
    { UNI "\"disable_corrector\": [0]", PM_ERROR_DAMAGED, "\"disable_corrector\"" },
    { UNI "\"solver_p\": {}", PM_ERROR_UNSUPPORTED, "\"solver_p\" is set" },
    { UNI "\"sigma_min\": 0.1", PM_ERROR_UNSUPPORTED, "\"sigma_min\" is set" },
    { DDPM "\"variance_type\": \"fixed_large_log\"", PM_ERROR_DAMAGED, "\"variance_type\"" },
    { "\"_class_name\": \"DDPMScheduler\"", PM_ERROR_UNSUPPORTED, "\"clip_sample\"" },
    { FLOW "\"use_dynamic_shifting\": true", PM_ERROR_UNSUPPORTED, "\"use_dynamic_shifting\" is set" },
    { FLOW "\"shift_terminal\": 0.1", PM_ERROR_UNSUPPORTED, "\"shift_terminal\" is set" },
    { FLOW "\"invert_sigmas\": true", PM_ERROR_UNSUPPORTED, "\"invert_sigmas\" is set" },
    { FLOW "\"shift\": 0", PM_ERROR_DAMAGED, "\"shift\"" },
    { "\"_class_name\": \"EulerDiscreteScheduler\"", PM_ERROR_UNSUPPORTED, "\"EulerDiscreteScheduler\" cannot be followed" },
    { "\"_class_name\": 3", PM_ERROR_DAMAGED, "\"_class_name\"" },
    { DPM "\"beta_start\": -Infinity", PM_ERROR_DAMAGED, "\"beta_start\"" },
    { DPM "\"beta_start\": NaN", PM_ERROR_DAMAGED, "damaged JSON" },
    { DPM "\"lambda_min_clipped\": -Infinityx", PM_ERROR_DAMAGED, "damaged JSON" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char      *text = g_strdup_printf ("{%s}", cases[i].text);
      char                 *folder = make_folder ("trained", text);
      g_autoptr (GError)    error = NULL;
      g_autoptr (PmConfig)  config = pm_config_load (folder, &error);

      g_assert_null (config);
      fixture_assert_error (error, cases[i].code, cases[i].says);
      fixture_remove (folder);
    }
}

/* What config.json says of defaults comes before the scheduler's; text with the word in it is left as it is. */
static void
test_before (void)
{
  char              *folder = make_folder ("trained", "{" DPM "\"Infinity\": \"-Infinity\", \"lambda_min_clipped\": Infinity}");
  g_autoptr (GError) error = NULL;

  fixture_write (folder, "config.json", "{\"defaults\": {\"sampler\": \"unipc\", \"steps\": 7}}", -1);
  g_autoptr (PmConfig) config = pm_config_load (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (config->default_sampler, ==, "unipc");
  g_assert_cmpint (config->default_steps, ==, 7);
  g_assert_cmpint (config->schedule.spacing, ==, PM_SPACING_LINSPACE);
  g_assert_cmpint (config->schedule.first_order_below, ==, 15);
  g_assert_false (config->schedule.is_clipped);
  g_assert_nonnull (strstr (config->notes[0], "\"Infinity\" is not known"));
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError)     error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char       *runs = pm_test_reference ("schedulers", "runs.json");
  g_autofree char       *arrays = pm_test_reference ("schedulers", "expected.safetensors");
  g_autoptr (PmBundle)   expected = pm_bundle_load (arrays, &error);
  g_autoptr (GPtrArray)  checks = g_ptr_array_new_with_free_func (g_free);

  g_test_init (&argc, &argv, NULL);
  g_assert_true (expected && json_parser_load_from_file (parser, runs, &error));
  JsonObject *all = json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), "runs");
  g_autoptr (GList) names = json_object_get_members (all);
  for (GList *name = names; name; name = name->next)
    {
      Check           *check = g_new (Check, 1);
      g_autofree char *path = g_strdup_printf ("/schedulers/%s", (char *) name->data);
      *check = (Check) { json_object_get_object_member (all, name->data), name->data, expected };
      g_ptr_array_add (checks, check);
      g_test_add_data_func (path, check, test_run);
    }
  g_assert_cmpuint (checks->len, >=, 20);
  g_test_add_func ("/schedulers/refused", test_refused);
  g_test_add_func ("/schedulers/before", test_before);
  return g_test_run ();
}
