/* Models of unusual but valid shape, and of contradictory configuration: what they are said to be, and what they do. */
#include <glib/gstdio.h>
#include <string.h>

#include "pentimento.h"
#include "format/checkpoint.h"
#include "model/private.h"

/* A network of 2 layers, width 24, 2 heads, patch 2 and 3 x 3 tokens, its configuration the given JSON. */
static PmModel *
open_model (int channels, int n_rows, double scale, const char *config_json, GError **error)
{
  g_autoptr (GString) json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {");
  g_autofree char    *folder = g_dir_make_tmp ("pentimento-XXXXXX", NULL);
  g_autofree char    *config = g_build_filename (folder, "config.json", NULL);
  const struct
  {
    const char *name;
    int         rows, cols;
  } linears[] = { { "t_embedder.mlp.0", 24, 256 },         { "t_embedder.mlp.2", 24, 24 },
                  { "final_layer.adaLN_modulation.1", 48, 24 }, { "final_layer.linear", 4 * channels, 24 },
                  { "blocks.0.attn.qkv", 72, 24 },         { "blocks.0.attn.proj", 24, 24 },
                  { "blocks.0.mlp.fc1", 96, 24 },          { "blocks.0.mlp.fc2", 24, 96 },
                  { "blocks.0.adaLN_modulation.1", 144, 24 }, { "blocks.1.attn.qkv", 72, 24 },
                  { "blocks.1.attn.proj", 24, 24 },        { "blocks.1.mlp.fc1", 96, 24 },
                  { "blocks.1.mlp.fc2", 24, 96 },          { "blocks.1.adaLN_modulation.1", 144, 24 } };

  for (gsize i = 0; i < G_N_ELEMENTS (linears); i++)
    g_string_append_printf (json,
                            "\"%s.weight\": {\"shape\": [%d, %d], \"scale\": %g},"
                            "\"%s.bias\": {\"shape\": [%d], \"scale\": 0.1},",
                            linears[i].name, linears[i].rows, linears[i].cols, scale, linears[i].name, linears[i].rows);
  g_string_append_printf (json,
                          "\"x_embedder.proj.weight\": {\"shape\": [24, %d, 2, 2], \"scale\": 0.3},"
                          "\"x_embedder.proj.bias\": {\"shape\": [24], \"scale\": 0.1},"
                          "\"pos_embed\": {\"shape\": [1, 9, 24], \"scale\": 1},"
                          "\"y_embedder.embedding_table.weight\": {\"shape\": [%d, 24], \"scale\": 1}}}",
                          channels, n_rows);
  g_assert_true (g_file_set_contents (config, config_json, -1, NULL));
  PmConfig *parsed = pm_config_load (folder, error);
  g_remove (config);
  g_rmdir (folder);
  g_assert_nonnull (parsed);
  return pm_model_new_from_checkpoint (pm_checkpoint_new_hash (json->str, error), parsed, "small", error);
}

#define FLOW                                                \
  "\"num_attention_heads\": 2, \"prediction\": \"x0\", "      \
  "\"schedule\": {\"type\": \"flow\", \"noise_at\": 0, \"time_scale\": 1000}"

static void
test_null_in_the_middle (void)
{
  g_autoptr (GError)  error = NULL;
  const char *const   configs[] = { "{" FLOW ", \"null_class\": 1, \"classes\": [\"ash\", \"nothing\", \"birch\", \"cedar\"]}",
                                    "{" FLOW ", \"null_class\": 1, \"classes\": [\"ash\", \"birch\", \"cedar\"]}" };

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (PmModel) model = open_model (3, 4, 0.3, configs[i], &error);
      g_assert_no_error (error);
      const PmModelInfo *info = pm_model_get_info (model);
      g_assert_cmpint (info->n_classes, ==, 3);
      g_assert_cmpstr (info->classes[1], ==, "birch");
      g_assert_cmpint (pm_model_find_class (model, "birch", &error), ==, 1);
      g_assert_cmpint (pm_model_get_class_row (model, 1), ==, 2);
      g_assert_cmpint (pm_model_get_class_row (model, 0), ==, 0);
      g_assert_cmpint (pm_model_find_class (model, "", &error), ==, 3);
      g_assert_cmpint (pm_model_get_class_row (model, 3), ==, 1);
      g_assert_cmpint (pm_model_find_class (model, "nothing", NULL), ==, -1);
      g_assert_null (pm_model_get_class_name (model, 3));
    }
}

static void
test_no_null (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = open_model (3, 2, 0.3, "{" FLOW ", \"classes\": [\"1950\", \"1960\"]}", &error);
  g_assert_no_error (error);
  const PmModelInfo *info = pm_model_get_info (model);
  g_assert_cmpint (info->n_classes, ==, 2);
  g_assert_cmpfloat (info->default_guidance, ==, 1); /* its own default can be run */
  g_assert_cmpint (pm_model_find_class (model, "1960", &error), ==, 1);
  g_assert_cmpint (pm_model_find_class (model, "0", &error), ==, 0);
  g_assert_cmpint (pm_model_find_class (model, "", &error), ==, -1);
  g_assert_error (error, PM_ERROR, PM_ERROR_NO_CLASS);
}

static void
test_one_row (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = open_model (3, 1, 0.3, "{" FLOW "}", &error);
  g_assert_no_error (error);
  g_assert_cmpint (pm_model_get_info (model)->n_classes, ==, 1);
  g_assert_cmpint (pm_model_find_class (model, "0", &error), ==, 0);
}

/* Grey pixels are no picture yet, but the model is not a latent one, and says so. */
static void
test_one_channel (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = open_model (1, 3, 0.3, "{" FLOW ", \"vae\": null}", &error);
  g_assert_no_error (error);
  const PmModelInfo *info = pm_model_get_info (model);
  g_assert_false (info->is_latent);
  g_assert_false (info->makes_picture);
  g_assert_nonnull (strstr (info->notes[0], "three channels"));
}

static void
test_notes (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model
      = open_model (3, 3, 0.3, "{" FLOW ", \"recommended_layers\": [7], \"defaults\": {\"size\": 999}}", &error);
  g_assert_no_error (error);
  const PmModelInfo *info = pm_model_get_info (model);
  g_autofree char   *notes = g_strjoinv (" ", (char **) info->notes);
  g_assert_cmpint (info->default_size, ==, 6);
  g_assert_nonnull (strstr (notes, "999"));
  g_assert_nonnull (strstr (notes, "lacks"));
}

static void
test_contradictions (void)
{
  const struct
  {
    const char *config, *named;
  } wrong[] = {
    { "{\"num_attention_heads\": 2, \"schedule\": {\"type\": \"flow\"}}", "prediction" },
    { "{\"num_attention_heads\": 5}", "num_attention_heads" },
    { "{}", "num_attention_heads" },
    { "{\"num_attention_heads\": 2, \"null_class\": 3}", "null_class" },
    { "{\"num_attention_heads\": 2, \"classes\": [\"a\"]}", "names 1 class," },
    { "{\"num_attention_heads\": 2, \"prediction\": \"eps_learned_range\"}", "prediction" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError)  error = NULL;
      g_autoptr (PmModel) model = open_model (3, 3, 0.3, wrong[i].config, &error);
      g_assert_null (model);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, wrong[i].named));
    }
}

/* Values that are no numbers end the run with a sentence, not as a black picture. */
static void
test_not_finite (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (3, 3, 1e30, "{" FLOW "}", &error);
  g_assert_no_error (error);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autoptr (PmResult)  result = pm_generate (model, request, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PM_ERROR, PM_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "damaged"));
}

/* A region coarser than the grid of patches covers it without holes. */
static void
test_coarse_region (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (3, 3, 0.3, "{" FLOW "}", &error);
  g_assert_no_error (error);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  const guint8          one = 255;
  g_autoptr (PmResult)  coarse = NULL, whole = NULL;
  guint8                full[36];

  memset (full, 255, sizeof full);
  request->num_steps = 1;
  g_assert_true (pm_request_set_show (request, "layers=1;heads=mean;steps=0;read=from", &error));
  g_assert_true (pm_request_set_region (request, &one, 1, 1));
  coarse = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (pm_request_set_region (request, full, 6, 6));
  whole = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (((PmMap *) coarse->maps->pdata[0])->values, 36, ((PmMap *) whole->maps->pdata[0])->values, 36);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model/null-in-the-middle", test_null_in_the_middle);
  g_test_add_func ("/model/no-null", test_no_null);
  g_test_add_func ("/model/one-row", test_one_row);
  g_test_add_func ("/model/one-channel", test_one_channel);
  g_test_add_func ("/model/notes", test_notes);
  g_test_add_func ("/model/contradictions", test_contradictions);
  g_test_add_func ("/model/not-finite", test_not_finite);
  g_test_add_func ("/model/coarse-region", test_coarse_region);
  return g_test_run ();
}
