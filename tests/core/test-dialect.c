/* The dialects of DiT from the outside: published sizes by shape alone, folders of diffusers' pipelines and what is refused of
 * them, names of classes. That the numbers are right is test-parity's. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compare.h"
#include "fixture.h"
#include "eval/eval.h"
#include "model/model.h"

/* Letters as in family/dit.h. */
typedef struct
{
  gboolean is_diffusers, has_copies;
  int      L, D, p, C, out, grid, rows;
} Shape;

typedef struct
{
  GString *header; /* of a safetensors file */
  GString *hashed; /* entries of a hash file */
  guint64  n_bytes;
} Tensors;

static char *folder;

static void
add_tensor (Tensors *tensors, const char *name, int rank, const int *shape)
{
  g_autoptr (GString) sizes = g_string_new (NULL);
  guint64             end = 4;

  for (int i = 0; i < rank; i++)
    {
      g_string_append_printf (sizes, "%s%d", i ? "," : "", shape[i]);
      end *= shape[i];
    }
  end += tensors->n_bytes;
  g_string_append_printf (tensors->header, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%" G_GUINT64_FORMAT
                          ",%" G_GUINT64_FORMAT "]}", tensors->n_bytes ? ',' : '{', name, sizes->str, tensors->n_bytes, end);
  g_string_append_printf (tensors->hashed, "%s\"%s\": {\"shape\": [%s], \"scale\": 0.3}", tensors->n_bytes ? ",\n" : "", name,
                          sizes->str);
  tensors->n_bytes = end;
}

static void
add_layer (Tensors *tensors, const char *prefix, const char *name, int N, int K)
{
  g_autofree char *weight = g_strdup_printf ("%s%s.weight", prefix, name), *bias = g_strdup_printf ("%s%s.bias", prefix, name);

  add_tensor (tensors, weight, 2, (int[]) { N, K });
  add_tensor (tensors, bias, 1, &N);
}

static void
add_official (Tensors *tensors, const Shape *s)
{
  add_tensor (tensors, "x_embedder.proj.weight", 4, (int[]) { s->D, s->C, s->p, s->p });
  add_tensor (tensors, "x_embedder.proj.bias", 1, &s->D);
  add_tensor (tensors, "pos_embed", 3, (int[]) { 1, s->grid * s->grid, s->D });
  add_layer (tensors, "t_embedder.mlp.", "0", s->D, 256);
  add_layer (tensors, "t_embedder.mlp.", "2", s->D, s->D);
  add_tensor (tensors, "y_embedder.embedding_table.weight", 2, (int[]) { s->rows, s->D });
  for (int i = 0; i < s->L; i++)
    {
      g_autofree char *block = g_strdup_printf ("blocks.%d.", i);
      add_layer (tensors, block, "attn.qkv", 3 * s->D, s->D);
      add_layer (tensors, block, "attn.proj", s->D, s->D);
      add_layer (tensors, block, "mlp.fc1", 4 * s->D, s->D);
      add_layer (tensors, block, "mlp.fc2", s->D, 4 * s->D);
      add_layer (tensors, block, "adaLN_modulation.1", 6 * s->D, s->D);
    }
  add_layer (tensors, "final_layer.", "adaLN_modulation.1", 2 * s->D, s->D);
  add_layer (tensors, "final_layer.", "linear", s->out * s->p * s->p, s->D);
}

static void
add_diffusers (Tensors *tensors, const Shape *s)
{
  static const char *const to[] = { "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0" };

  add_tensor (tensors, "pos_embed.proj.weight", 4, (int[]) { s->D, s->C, s->p, s->p });
  add_tensor (tensors, "pos_embed.proj.bias", 1, &s->D);
  for (int i = 0; i < s->L; i++)
    {
      g_autofree char *block = g_strdup_printf ("transformer_blocks.%d.", i);
      g_autofree char *table = g_strconcat (block, "norm1.emb.class_embedder.embedding_table.weight", NULL);
      for (int j = 0; j < 4; j++)
        add_layer (tensors, block, to[j], s->D, s->D);
      add_layer (tensors, block, "ff.net.0.proj", 4 * s->D, s->D);
      add_layer (tensors, block, "ff.net.2", s->D, 4 * s->D);
      add_layer (tensors, block, "norm1.linear", 6 * s->D, s->D);
      if (i > 0 && ! s->has_copies)
        continue;
      add_layer (tensors, block, "norm1.emb.timestep_embedder.linear_1", s->D, 256);
      add_layer (tensors, block, "norm1.emb.timestep_embedder.linear_2", s->D, s->D);
      add_tensor (tensors, table, 2, (int[]) { s->rows, s->D });
    }
  add_layer (tensors, "", "proj_out_1", 2 * s->D, s->D);
  add_layer (tensors, "", "proj_out_2", s->out * s->p * s->p, s->D);
}

static Tensors
list_tensors (const Shape *shape)
{
  Tensors tensors = { g_string_new (NULL), g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {\n"), 0 };

  (shape->is_diffusers ? add_diffusers : add_official) (&tensors, shape);
  g_string_append (tensors.header, "}");
  g_string_append (tensors.hashed, "\n}}\n");
  return tensors;
}

static void
free_tensors (Tensors *tensors)
{
  g_string_free (tensors->header, TRUE);
  g_string_free (tensors->hashed, TRUE);
}

/* A file of the right length with nothing in it: no block of the disk is used. */
static void
write_hollow (const Shape *shape, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  Tensors          tensors = list_tensors (shape);

  while (tensors.header->len % 8)
    g_string_append_c (tensors.header, ' ');
  fixture_write_safetensors (folder, name, tensors.header->str, "", 0);
  g_assert_cmpint (truncate (path, 8 + tensors.header->len + tensors.n_bytes), ==, 0);
  free_tensors (&tensors);
}

static void
write_hashed (const Shape *shape, const char *name)
{
  Tensors tensors = list_tensors (shape);

  fixture_write (folder, name, tensors.hashed->str, -1);
  free_tensors (&tensors);
}

static PmModel *
open_in_folder (const char *name)
{
  g_autofree char   *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  PmModel           *model = pm_model_open (path, &error);

  g_assert_no_error (error);
  return model;
}

static void
refuse (const char *name, PmErrorCode code, const char *says)
{
  g_autofree char     *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmModel)  model = pm_model_open (path, &error);

  g_assert_null (model);
  fixture_assert_error (error, code, says);
}

/* S, B, L and XL with patches of 2, 4 and 8 at 256 pixels: told from shapes. Parameters of the largest: the paper, table 1. */
static void
test_sizes (void)
{
  static const int sizes[][3] = { { 12, 384, 6 }, { 12, 768, 12 }, { 24, 1024, 16 }, { 28, 1152, 16 } };

  fixture_write (folder, "diffusers.json", "{\"sample_size\": 32}", -1);
  for (int i = 0; i < 24; i++)
    {
      const int *size = sizes[i / 6];
      Shape      shape = { .is_diffusers = i % 2, .has_copies = TRUE, .L = size[0], .D = size[1], .p = 2 << i / 2 % 3, .C = 4,
                           .out = 8, .rows = 1001 };
      shape.grid = 32 / shape.p;
      const char *name = shape.is_diffusers ? "diffusers.safetensors" : "official.safetensors";
      write_hollow (&shape, name);
      g_autoptr (PmModel) model = open_in_folder (name);
      const PmModelInfo  *info = pm_model_get_info (model);

      g_assert_cmpstr (info->family, ==, "dit");
      g_assert_cmpstr (info->dialect, ==, shape.is_diffusers ? "diffusers" : "facebookresearch/DiT");
      g_assert_cmpint (info->n_layers, ==, size[0]);
      g_assert_cmpint (info->width, ==, size[1]);
      g_assert_cmpint (info->n_heads, ==, size[2]);
      g_assert_cmpint (info->patch, ==, shape.p);
      g_assert_cmpint (info->default_size, ==, 256);
      g_assert_cmpint (info->n_classes, ==, 1000);
      g_assert_cmpstr (info->prediction, ==, "eps_learned_range");
      if (i == 18)
        g_assert_cmpuint (info->n_parameters, ==, 675129632);
    }
}

static const Shape small = { .is_diffusers = TRUE, .L = 2, .D = 16, .p = 2, .C = 4, .out = 8, .grid = 2, .rows = 4 };

enum
{
  INDEX,
  TRANSFORMER,
  SCHEDULER,
  N_FILES
};

static const char *const names[] = { "model_index.json", "transformer/config.json", "scheduler/scheduler_config.json" };

static const char *const texts[] = {
  "{\"_class_name\": \"DiTPipeline\", \"_diffusers_version\": \"0.35.2\", \"id2label\": {\"0\": \"a, b\", \"1\": \"c\", \"2\": "
  "\"d\"}, \"scheduler\": [\"diffusers\", \"DDIMScheduler\"], \"transformer\": [\"diffusers\", \"DiTTransformer2DModel\"], "
  "\"vae\": [null, null]}",
  "{\"_class_name\": \"DiTTransformer2DModel\", \"activation_fn\": \"gelu-approximate\", \"attention_bias\": true, "
  "\"attention_head_dim\": 8, \"in_channels\": 4, \"norm_elementwise_affine\": false, \"norm_eps\": 1e-05, \"norm_type\": "
  "\"ada_norm_zero\", \"num_attention_heads\": 2, \"num_embeds_ada_norm\": 3, \"num_layers\": 2, \"out_channels\": 8, "
  "\"patch_size\": 2, \"sample_size\": 4, \"upcast_attention\": false}",
  "{\"_class_name\": \"DDIMScheduler\", \"beta_end\": 0.02, \"beta_schedule\": \"linear\", \"beta_start\": 0.0001, "
  "\"clip_sample\": false, \"num_train_timesteps\": 1000, \"prediction_type\": \"epsilon\", \"set_alpha_to_one\": true, "
  "\"steps_offset\": 0, \"thresholding\": false, \"timestep_spacing\": \"leading\", \"trained_betas\": null}",
};

/* The folder is a pipeline's; in one of the files the text `from` (NULL: none) is replaced. */
static void
write_pipeline (const Shape *shape, int file, const char *from, const char *to)
{
  g_autofree char *transformer = g_build_filename (folder, "transformer", NULL);
  g_autofree char *scheduler = g_build_filename (folder, "scheduler", NULL);

  g_mkdir (transformer, 0700);
  g_mkdir (scheduler, 0700);
  for (int i = 0; i < N_FILES; i++)
    {
      g_autoptr (GString) text = g_string_new (texts[i]);
      if (from && i == file)
        g_assert_cmpuint (g_string_replace (text, from, to, 0), ==, 1);
      fixture_write (folder, names[i], text->str, -1);
    }
  write_hashed (shape, "transformer/diffusion_pytorch_model.hash.json");
}

static void
test_pipeline (void)
{
  write_pipeline (&small, 0, NULL, NULL);
  fixture_write (folder, "config.json", "{\"recommended_layers\": [1]}", -1);
  g_autoptr (PmModel) model = open_in_folder (".");
  const PmModelInfo  *info = pm_model_get_info (model);

  g_assert_cmpstr (info->dialect, ==, "diffusers");
  g_assert_cmpint (info->n_heads, ==, 2);
  g_assert_cmpint (info->default_size, ==, 32);
  g_assert_cmpstr (info->default_sampler, ==, "ddim");
  g_assert_cmpint (info->default_steps, ==, 50);
  g_assert_cmpstr (info->classes[0], ==, "a, b");
  g_assert_cmpint (info->n_recommended_layers, ==, 1);
  g_assert_cmpint (info->recommended_layers[0], ==, 1);
  for (int i = 0; info->notes[i]; i++)
    g_assert_null (strstr (info->notes[i], "not known"));

  g_autoptr (PmModel) part = open_in_folder ("transformer");
  g_autoptr (PmModel) lone = open_in_folder ("transformer/diffusion_pytorch_model.hash.json");
  g_assert_cmpint (pm_model_get_info (part)->default_size, ==, 32);
  g_assert_cmpint (pm_model_get_info (lone)->n_heads, ==, 2);
  g_assert_null (pm_model_get_info (lone)->classes);
}

/* What the folder says is not what is in it, or asks for what cannot be done. */
static void
test_refused (void)
{
  static const struct
  {
    int         file;
    const char *from, *to;
    PmErrorCode code;
    const char *says;
  } cases[] = {
    { INDEX, ", \"2\": \"d\"", "", PM_ERROR_DAMAGED, "names 2 classes, but the model has 3" },
    { INDEX, "\"2\": \"d\"", "\"3\": \"d\"", PM_ERROR_DAMAGED, "\"id2label\" should be" },
    { TRANSFORMER, "\"num_attention_heads\": 2", "\"num_attention_heads\": 3", PM_ERROR_DAMAGED, "do not divide the width 16" },
    { TRANSFORMER, "\"num_attention_heads\": 2", "\"num_attention_heads\": 4", PM_ERROR_DAMAGED, "\"attention_head_dim\" 8" },
    { TRANSFORMER, "\"num_layers\": 2", "\"num_layers\": 3", PM_ERROR_DAMAGED, "\"num_layers\" 3, but the tensors" },
    { TRANSFORMER, "\"patch_size\": 2", "\"patch_size\": 4", PM_ERROR_DAMAGED, "\"patch_size\" 4" },
    { TRANSFORMER, "\"in_channels\": 4", "\"in_channels\": 3", PM_ERROR_DAMAGED, "\"in_channels\" 3" },
    { TRANSFORMER, "\"out_channels\": 8", "\"out_channels\": 4", PM_ERROR_DAMAGED, "\"out_channels\" 4" },
    { TRANSFORMER, "ada_norm\": 3", "ada_norm\": 1000", PM_ERROR_DAMAGED, "\"num_embeds_ada_norm\" 1000" },
    { TRANSFORMER, "\"sample_size\": 4", "\"sample_size\": 5", PM_ERROR_DAMAGED, "\"sample_size\" 5" },
    { TRANSFORMER, ", \"sample_size\": 4", "", PM_ERROR_UNSUPPORTED, "{\"sample_size\": N}" },
    { TRANSFORMER, "\"norm_eps\": 1e-05", "\"norm_eps\": 0", PM_ERROR_DAMAGED, "\"norm_eps\" should be" },
    { TRANSFORMER, "gelu-approximate", "geglu", PM_ERROR_DAMAGED, "\"activation_fn\"" },
    { TRANSFORMER, "ada_norm_zero", "layer_norm", PM_ERROR_DAMAGED, "\"norm_type\"" },
    { TRANSFORMER, "\"attention_bias\": true", "\"attention_bias\": false", PM_ERROR_DAMAGED, "\"attention_bias\"" },
    { TRANSFORMER, "affine\": false", "affine\": true", PM_ERROR_DAMAGED, "\"norm_elementwise_affine\"" },
    { TRANSFORMER, "\"upcast_attention\": false", "\"cross_attention_dim\": 768", PM_ERROR_DAMAGED, "\"cross_attention_dim\"" },
    { SCHEDULER, "DDIMScheduler", "PNDMScheduler", PM_ERROR_UNSUPPORTED, "\"PNDMScheduler\" cannot be followed" },
    { SCHEDULER, "\"linear\"", "\"squaredcos_cap_v2\"", PM_ERROR_DAMAGED, "\"beta_schedule\"" },
    { SCHEDULER, "\"beta_end\": 0.02", "\"beta_end\": 2", PM_ERROR_DAMAGED, "\"beta_end\"" },
    { SCHEDULER, "\"clip_sample\": false", "\"clip_sample\": true", PM_ERROR_DAMAGED, "\"clip_sample\"" },
    { SCHEDULER, "\"clip_sample\": false, ", "", PM_ERROR_UNSUPPORTED, "\"clip_sample\"" },
    { SCHEDULER, "\"epsilon\"", "\"flow_prediction\"", PM_ERROR_DAMAGED, "\"prediction_type\"" },
    { SCHEDULER, "\"epsilon\"", "\"v_prediction\"", PM_ERROR_DAMAGED, "contradicts the number of channels" },
    { SCHEDULER, "\"set_alpha_to_one\": true", "\"set_alpha_to_one\": 1", PM_ERROR_DAMAGED, "\"set_alpha_to_one\"" },
    { SCHEDULER, "\"thresholding\": false", "\"thresholding\": true", PM_ERROR_DAMAGED, "\"thresholding\"" },
    { SCHEDULER, "\"thresholding\": false", "\"rescale_betas_zero_snr\": true", PM_ERROR_UNSUPPORTED,
      "\"rescale_betas_zero_snr\"" },
    { SCHEDULER, "\"leading\"", "\"even\"", PM_ERROR_DAMAGED, "\"timestep_spacing\"" },
    { SCHEDULER, "\"steps_offset\": 0", "\"steps_offset\": -1", PM_ERROR_DAMAGED, "\"steps_offset\"" },
    { SCHEDULER, "\"trained_betas\": null", "\"trained_betas\": [0.1]", PM_ERROR_DAMAGED, "\"trained_betas\"" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      write_pipeline (&small, cases[i].file, cases[i].from, cases[i].to);
      refuse (".", cases[i].code, cases[i].says);
    }
}

/* Parts of a folder that were not downloaded. */
static void
test_missing (void)
{
  g_autofree char *scheduler = g_build_filename (folder, "scheduler", NULL);
  g_autofree char *settings = g_build_filename (folder, "scheduler", "scheduler_config.json", NULL);
  g_autofree char *weights = g_build_filename (folder, "transformer", "diffusion_pytorch_model.hash.json", NULL);
  g_autofree char *transformer = g_build_filename (folder, "transformer", NULL);
  g_autofree char *config = g_build_filename (folder, "transformer", "config.json", NULL);

  write_pipeline (&small, INDEX, "\"vae\": [null, null]", "\"vae\": [\"diffusers\", \"AutoencoderKL\"]");
  g_autoptr (PmModel) whole = open_in_folder (".");
  g_assert_true (fixture_has_note (pm_model_get_info (whole)->notes, "the folder \"vae\" is missing"));
  g_assert_false (fixture_has_note (pm_model_get_info (whole)->notes, "the folder \"scheduler\" is missing"));

  g_assert_true (g_unlink (settings) == 0 && g_rmdir (scheduler) == 0);
  g_autoptr (PmModel) less = open_in_folder (".");
  g_assert_true (fixture_has_note (pm_model_get_info (less)->notes, "the folder \"scheduler\" is missing"));

  g_assert_cmpint (g_unlink (weights), ==, 0);
  refuse (".", PM_ERROR_NO_MODEL, "transformer holds no checkpoint");
  g_assert_true (g_unlink (config) == 0 && g_rmdir (transformer) == 0);
  refuse (".", PM_ERROR_NO_MODEL, "without the folder \"transformer\"");
}

/* Later blocks' embedders: equal copies are passed over, others refused. */
static void
test_copies (void)
{
  Shape   shape = small;
  Tensors tensors;

  shape.has_copies = TRUE;
  write_pipeline (&shape, 0, NULL, NULL); /* a hash of different names: no copies */
  refuse (".", PM_ERROR_UNSUPPORTED, "transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.weight");
  tensors = list_tensors (&shape);
  g_string_replace (tensors.hashed, "\"scale\": 0.3", "\"scale\": 0, \"offset\": 0.1", 0);
  fixture_write (folder, "transformer/diffusion_pytorch_model.hash.json", tensors.hashed->str, -1);
  free_tensors (&tensors);
  g_autoptr (PmModel) model = open_in_folder (".");
  g_assert_cmpint (pm_model_get_info (model)->n_layers, ==, 2);
}

static PmBundle *
denoise (const char *name)
{
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmModel)  model = open_in_folder (name);
  g_autofree char     *path = g_build_filename (folder, "scheduler", "in.hash.json", NULL);
  g_autoptr (PmBundle) in = pm_bundle_load (path, &error);

  g_assert_no_error (error);
  pm_test_add (in, "t", PM_DTYPE_F32, 1, (float[]) { 500 });
  pm_test_add (in, "y", PM_DTYPE_I32, 1, (gint32[]) { 1 });
  PmBundle *out = pm_eval_denoise (model, &(PmEvalOptions) { .device = "ref", .n_threads = 1 }, in, NULL, NULL, &error);
  g_assert_no_error (error);
  return out;
}

/* Without "norm_eps" the norm before the MLP has 1e-5. */
static void
test_norm_eps (void)
{
  static const char *const eps[] = { "\"norm_eps\": 1e-05, ", "", "\"norm_eps\": 1e-06, " };
  PmBundle *outs[3];
  gsize     n;

  for (int i = 0; i < 3; i++)
    {
      write_pipeline (&small, TRANSFORMER, eps[0], eps[i]);
      fixture_write (folder, "scheduler/in.hash.json",
                     "{\"format\": \"pentimento-hash-1\", \"tensors\": {\"x\": {\"shape\": [1, 4, 4, 4]}}}", -1);
      outs[i] = denoise (".");
    }
  const float *said = pm_test_array (outs[0], "out", &n);
  g_assert_cmpmem (said, n * sizeof (float), pm_test_array_of (outs[1], "out", n), n * sizeof (float));
  g_assert_cmpint (memcmp (said, pm_test_array_of (outs[2], "out", n), n * sizeof (float)), !=, 0);
  for (int i = 0; i < 3; i++)
    pm_bundle_free (outs[i]);
}

/* Numbers of steps that the scheduler's spacing does not give. */
static void
test_steps (void)
{
  static const struct
  {
    const char *model;
    int         n_steps;
  } cases[] = { { "diffusers-v", 7 }, { "diffusers-v", 1000 }, { "diffusers", 1000 }, { "diffusers", 600 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char       *path = g_build_filename (PM_TEST_REFERENCE, cases[i].model, "model", NULL);
      g_autoptr (GError)     error = NULL;
      g_autoptr (PmModel)    model = pm_model_open (path, &error);
      g_autoptr (PmRequest)  request = model ? pm_request_new_for_model (model) : NULL;
      g_assert_no_error (error);
      g_free (request->class_name);
      request->class_name = g_strdup ("0");
      request->num_steps = cases[i].n_steps;
      g_assert_null (pm_eval_sample (model, request, NULL, NULL, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (error->message, "choose a divisor"));
    }
}

/* A model of 1000 classes without names has ImageNet's. */
static void
test_imagenet (void)
{
  Shape shape = small;

  shape.rows = 1001;
  write_pipeline (&shape, 0, NULL, NULL);
  fixture_write (folder, "transformer/config.json", "{\"sample_size\": 4, \"num_attention_heads\": 2}", -1);
  g_autoptr (PmModel) model = open_in_folder ("transformer");
  g_assert_cmpint (pm_model_get_info (model)->n_classes, ==, 1000);
  g_assert_true (fixture_has_note (pm_model_get_info (model)->notes, "ImageNet"));
  g_assert_cmpstr (pm_model_get_class_name (model, 0), ==, "tench, Tinca tinca");

  shape.rows = 1000;
  write_hashed (&shape, "transformer/diffusion_pytorch_model.hash.json");
  g_autoptr (PmModel) other = open_in_folder ("transformer");
  g_assert_null (pm_model_get_info (other)->classes);
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
  g_setenv ("PENTIMENTO_MODELS", PM_TEST_MODELS, TRUE);
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/dialect/sizes", test_sizes, in_new_folder);
  g_test_add_data_func ("/dialect/pipeline", test_pipeline, in_new_folder);
  g_test_add_data_func ("/dialect/refused", test_refused, in_new_folder);
  g_test_add_data_func ("/dialect/missing", test_missing, in_new_folder);
  g_test_add_data_func ("/dialect/copies", test_copies, in_new_folder);
  g_test_add_data_func ("/dialect/norm-eps", test_norm_eps, in_new_folder);
  g_test_add_data_func ("/dialect/steps", test_steps, in_new_folder);
  g_test_add_data_func ("/dialect/imagenet", test_imagenet, in_new_folder);
  return g_test_run ();
}
