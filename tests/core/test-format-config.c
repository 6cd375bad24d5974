/* The schema of config.json and sidecars: every key, every wrong value's sentence. */
#include <string.h>

#include "fixture.h"
#include "format/config.h"

static char *folder;

static PmConfig *
load (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  PmConfig *config = pm_config_load (path, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

static PmConfig *
load_text (const char *text)
{
  fixture_write (folder, "config.json", text, -1);
  return load (".");
}

static void
test_whole (void)
{
  g_autoptr (PmConfig) config = NULL;

  fixture_write (folder, "names.json", "[\"red apple\", \"lemon\"]", -1);
  config = load_text ("{\"family\": \"dit\", \"num_attention_heads\": 6, \"prediction\": \"x0\", \"schedule\": {\"type\": "
                      "\"flow\", \"noise_at\": 0, \"time_scale\": 500}, \"null_class\": 2, \"classes\": \"names.json\", "
                      "\"guidance_channels\": \"all\", \"vae\": null, \"recommended_layers\": [3, 4, 7], \"defaults\": "
                      "{\"sampler\": \"euler\", \"steps\": 24, \"guidance\": 2, \"guidance_interval\": [0.1, 0.95], \"size\": "
                      "64}}");
  g_assert_cmpstr (config->family, ==, "dit");
  g_assert_cmpint (config->n_heads, ==, 6);
  g_assert_cmpint (config->prediction, ==, PM_PREDICTION_X0);
  g_assert_true (config->has_schedule);
  g_assert_cmpint (config->schedule.type, ==, PM_SCHEDULE_FLOW);
  g_assert_cmpint (config->schedule.noise_at, ==, 0);
  g_assert_cmpfloat (config->schedule.time_scale, ==, 500);
  g_assert_cmpint (config->null_class, ==, 2);
  g_assert_cmpstr (config->classes[1], ==, "lemon");
  g_assert_null (config->classes[2]);
  g_assert_cmpint (config->guidance_channels, ==, 0);
  g_assert_true (config->has_vae && ! config->vae);
  g_assert_cmpuint (config->recommended_layers->len, ==, 3);
  g_assert_cmpint (g_array_index (config->recommended_layers, int, 2), ==, 7);
  g_assert_cmpstr (config->default_sampler, ==, "euler");
  g_assert_cmpint (config->default_steps, ==, 24);
  g_assert_cmpfloat (config->default_guidance, ==, 2);
  g_assert_cmpfloat (config->guidance_interval[0], ==, 0.1);
  g_assert_cmpfloat (config->guidance_interval[1], ==, 0.95);
  g_assert_cmpint (config->default_size, ==, 64);
  g_assert_null (config->notes[0]);
  g_assert_true (g_str_has_suffix (config->path, "config.json"));
}

static void
test_defaults (void)
{
  g_autoptr (PmConfig) nothing = load (".");
  g_autoptr (PmConfig) linear = load_text ("{\"schedule\": {\"type\": \"linear\", \"beta_end\": 0.012, \"steps\": 500, "
                                           "\"variance\": \"fixed_small\"}, \"vae\": \"vae\", "
                                           "\"guidance_channels\": 3, \"classes\": {\"1\": \"b\", \"0\": \"a\"}}");

  g_assert_null (nothing->path);
  g_assert_null (nothing->family);
  g_assert_cmpint (nothing->prediction, ==, PM_PREDICTION_UNKNOWN);
  g_assert_false (nothing->has_schedule || nothing->has_vae);
  g_assert_cmpfloat (nothing->schedule.beta_start, ==, 1e-4);
  g_assert_cmpint (nothing->schedule.n_train_steps, ==, 1000);
  g_assert_cmpint (nothing->null_class, ==, -1);
  g_assert_cmpint (nothing->guidance_channels, ==, -1);
  g_assert_cmpfloat (nothing->default_guidance, <, 0);
  g_assert_cmpfloat (nothing->guidance_interval[1], ==, 1);
  g_assert_null (nothing->notes[0]);
  g_assert_cmpint (linear->schedule.type, ==, PM_SCHEDULE_LINEAR);
  g_assert_cmpfloat (linear->schedule.beta_start, ==, 1e-4);
  g_assert_cmpfloat (linear->schedule.beta_end, ==, 0.012);
  g_assert_cmpint (linear->schedule.n_train_steps, ==, 500);
  g_assert_cmpint (linear->schedule.variance, ==, PM_VARIANCE_SMALL);
  g_assert_cmpint (nothing->schedule.variance, ==, PM_VARIANCE_LEARNED);
  g_assert_cmpstr (linear->vae, ==, "vae");
  g_assert_cmpint (linear->guidance_channels, ==, 3);
  g_assert_cmpstr (linear->classes[0], ==, "a");
  g_assert_cmpstr (linear->classes[1], ==, "b");
}

/* As PixArt's pipelines are published: what each part is, is known. */
static void
test_pipeline (void)
{
  fixture_write (folder, "model_index.json", "{\"_class_name\": \"PixArtSigmaPipeline\", \"_diffusers_version\": \"0.28.0\", "
                 "\"text_encoder\": [\"transformers\", \"T5EncoderModel\"], "
                 "\"tokenizer\": [\"transformers\", \"T5Tokenizer\"], "
                 "\"transformer\": [\"diffusers\", \"Transformer2DModel\"]}", -1);
  g_autoptr (PmConfig) config = load (".");
  g_assert_cmpstr (config->pipeline, ==, "PixArtSigmaPipeline");
  g_assert_null (config->notes[0]);
}

static void
test_notes (void)
{
  g_autoptr (PmConfig) config =
    load_text ("{\"flavour\": \"DiT\", \"defaults\": {\"speed\": 3}, \"num_attention_heads\": 2}");

  g_assert_cmpuint (g_strv_length (config->notes), ==, 2);
  g_assert_nonnull (strstr (config->notes[0], "the key \"flavour\" is not known"));
  g_assert_nonnull (strstr (config->notes[1], "\"speed\""));
  g_assert_cmpint (config->n_heads, ==, 2);
}

static void
test_wrong_values (void)
{
  static const char *const wrong[][2] = {
    { "\"family\": 3", "\"family\" should be" },
    { "\"num_attention_heads\": 0", "\"num_attention_heads\" should be a whole number" },
    { "\"num_attention_heads\": 2.5", "\"num_attention_heads\" should be a whole number" },
    { "\"num_attention_heads\": 4294967298", "\"num_attention_heads\" should be" },
    { "\"prediction\": \"noise\"", "\"prediction\" should be \"eps\"" },
    { "\"schedule\": \"linear\"", "\"schedule\" should be an object" },
    { "\"schedule\": {}", "\"schedule\" should be an object with a \"type\"" },
    { "\"schedule\": {\"type\": \"cosine\"}", "\"linear\" or \"flow\"" },
    { "\"schedule\": {\"type\": \"linear\", \"beta_end\": 2}", "\"beta_end\" should be" },
    { "\"schedule\": {\"type\": \"linear\", \"beta_start\": 0}", "\"beta_start\" should be" },
    { "\"schedule\": {\"type\": \"linear\", \"steps\": 1}", "\"steps\" of \"schedule\"" },
    { "\"schedule\": {\"type\": \"flow\", \"noise_at\": 2}", "\"noise_at\" should be 0 or 1" },
    { "\"schedule\": {\"type\": \"linear\", \"variance\": \"learned\"}", "\"variance\" of \"schedule\" should be" },
    { "\"schedule\": {\"type\": \"flow\", \"time_scale\": -1}", "\"time_scale\" should be" },
    { "\"null_class\": -1", "\"null_class\" should be" },
    { "\"classes\": 5", "\"classes\" should be" },
    { "\"classes\": []", "\"classes\" should be" },
    { "\"classes\": {\"1\": \"a\"}", "\"classes\" should be" },
    { "\"classes\": \"../names.json\"", "\"classes\" should be" },
    { "\"classes\": \"missing.json\"", "missing.json cannot be read" },
    { "\"classes\": \"wrong.json\"", "wrong.json should be a JSON list" },
    { "\"guidance_channels\": 4", "\"guidance_channels\" should be 3 or \"all\"" },
    { "\"vae\": \"a/b\"", "\"vae\" should be" },
    { "\"recommended_layers\": [1, -2]", "\"recommended_layers\" should be" },
    { "\"defaults\": []", "\"defaults\" should be an object" },
    { "\"defaults\": {\"sampler\": 1}", "\"sampler\" should be" },
    { "\"defaults\": {\"steps\": 0}", "\"steps\" of \"defaults\"" },
    { "\"defaults\": {\"guidance\": \"4\"}", "\"guidance\" should be" },
    { "\"defaults\": {\"guidance_interval\": [0.9, 0.1]}", "\"guidance_interval\" should be" },
    { "\"defaults\": {\"size\": 0}", "\"size\" should be" },
  };

  fixture_write (folder, "wrong.json", "[1, 2]", -1);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree char *text = g_strdup_printf ("{%s}", wrong[i][0]);
      g_autoptr (GError) error = NULL;
      g_autoptr (PmConfig) config = NULL;

      fixture_write (folder, "config.json", text, -1);
      config = pm_config_load (folder, &error);
      g_assert_null (config);
      g_assert_nonnull (error);
      if (! strstr (error->message, wrong[i][1]) || ! strstr (error->message, ".json"))
        g_error ("%s: \"%s\" does not say \"%s\"", text, error->message, wrong[i][1]);
    }
}

static void
test_damaged (void)
{
  static const char *const damaged[] = { "", "[]", "3", "{'a': 1}", "\"a\" {}", "{} {}", "{\"family\":",
                                         "{\"family\": \"dit\", \"family\": \"dit\"}" };

  for (gsize i = 0; i < G_N_ELEMENTS (damaged); i++)
    {
      g_autoptr (GError) error = NULL;

      fixture_write (folder, "config.json", damaged[i], -1);
      g_assert_null (pm_config_load (folder, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
    }
}

/* NAME.json beside NAME.pt; the folder's config.json beside the file that stands for the folder. */
static void
test_sidecar (void)
{
  g_autoptr (PmConfig) sidecar = NULL;
  g_autoptr (PmConfig) hashed = NULL;
  g_autoptr (PmConfig) itself = NULL;
  g_autoptr (PmConfig) stands = NULL;
  g_autoptr (PmConfig) other = NULL;

  fixture_write (folder, "config.json", "{\"num_attention_heads\": 1}", -1);
  fixture_write (folder, "DiT-XL-2.json", "{\"num_attention_heads\": 2}", -1);
  fixture_write (folder, "small.json", "{\"num_attention_heads\": 3}", -1);
  sidecar = load ("DiT-XL-2.pt");
  hashed = load ("small.hash.json");
  itself = load ("small.json");
  stands = load ("model.safetensors");
  other = load ("other.safetensors");
  g_assert_cmpint (sidecar->n_heads, ==, 2);
  g_assert_cmpint (hashed->n_heads, ==, 3);
  g_assert_cmpint (itself->n_heads, ==, 0);
  g_assert_cmpint (stands->n_heads, ==, 1);
  g_assert_cmpint (other->n_heads, ==, 0);
}

static void
in_new_folder (gconstpointer test)
{
  folder = fixture_folder ();
  ((void (*) (void)) test) ();
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/config/whole", test_whole, in_new_folder);
  g_test_add_data_func ("/config/defaults", test_defaults, in_new_folder);
  g_test_add_data_func ("/config/pipeline", test_pipeline, in_new_folder);
  g_test_add_data_func ("/config/notes", test_notes, in_new_folder);
  g_test_add_data_func ("/config/wrong-values", test_wrong_values, in_new_folder);
  g_test_add_data_func ("/config/damaged", test_damaged, in_new_folder);
  g_test_add_data_func ("/config/sidecar", test_sidecar, in_new_folder);
  return g_test_run ();
}
