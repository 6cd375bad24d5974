/* What diffusers writes about a model: the config.json of a DiTTransformer2DModel, and model_index.json of a DiTPipeline's
 * folder. What matters to a result is honoured or refused by a sentence.
 * Source of truth: huggingface/diffusers, models/transformers/dit_transformer_2d.py and pipelines/dit/pipeline_dit.py. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/config-private.h"
#include "format/link.h"

#define MAX_SIZE 65536

static gboolean
read_heads (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, 1024, &reader->config->n_heads);
}

static gboolean
read_head_dim (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.head_dim);
}

static gboolean
read_n_layers (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.n_layers);
}

static gboolean
read_patch (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.patch);
}

static gboolean
read_sample_size (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.sample_size);
}

static gboolean
read_in_channels (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.in_channels);
}

static gboolean
read_out_channels (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node) || pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.out_channels);
}

static gboolean
read_n_classes (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, 1000000, &reader->config->network.n_classes);
}

static gboolean
read_norm_eps (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 1e-12, 1, &reader->config->network.norm_eps);
}

gboolean
pm_config_is_off (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node)
         || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN && ! json_node_get_boolean (node));
}

gboolean
pm_config_is_on (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN && json_node_get_boolean (node);
}

static gboolean
is_gelu_tanh (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return g_strcmp0 (pm_json_read_string (node), "gelu-approximate") == 0;
}

static gboolean
is_ada_norm (PmConfigReader *reader, JsonNode *node, GError **error)
{
  const char *name = pm_json_read_string (node);
  return g_strcmp0 (name, "ada_norm_zero") == 0 || g_strcmp0 (name, "ada_norm_single") == 0; /* which, the tensors tell */
}

static gboolean
read_cross_dim (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node) || pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.cross_dim);
}

static gboolean
read_caption_channels (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node) || pm_config_read_int (node, 1, MAX_SIZE, &reader->config->network.caption_channels);
}

static gboolean
read_interpolation (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node) || pm_config_read_double (node, 1e-3, 1000, &reader->config->network.interpolation);
}

static gboolean
is_default (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_NULL (node) || g_strcmp0 (pm_json_read_string (node), "default") == 0;
}

/* The published folders still carry keys of the class that was there before DiTTransformer2DModel. */
static const PmConfigKey transformer_keys[] = {
  { "num_attention_heads", read_heads,
    N_("%s: \"num_attention_heads\" should be a whole number, such as 16. Correct it or remove the key.") },
  { "attention_head_dim", read_head_dim, N_("%s: \"attention_head_dim\" should be a whole number, such as 72. Correct it.") },
  { "num_layers", read_n_layers, N_("%s: \"num_layers\" should be a whole number, such as 28. Correct it.") },
  { "patch_size", read_patch, N_("%s: \"patch_size\" should be a whole number, such as 2. Correct it.") },
  { "sample_size", read_sample_size,
    N_("%s: \"sample_size\" should be the side of what the network takes in, such as 32. Correct it.") },
  { "in_channels", read_in_channels, N_("%s: \"in_channels\" should be a whole number, such as 4. Correct it.") },
  { "out_channels", read_out_channels, N_("%s: \"out_channels\" should be a whole number, such as 8, or null. Correct it.") },
  { "num_embeds_ada_norm", read_n_classes,
    N_("%s: \"num_embeds_ada_norm\" should be the number of classes, such as 1000. Correct it.") },
  { "norm_eps", read_norm_eps, N_("%s: \"norm_eps\" should be a small positive number, such as 0.00001. Correct it.") },
  { "activation_fn", is_gelu_tanh,
    N_("%s: the network's \"activation_fn\" is not \"gelu-approximate\", which alone can be computed. Choose another model.") },
  { "norm_type", is_ada_norm,
    N_("%s: the network's \"norm_type\" is neither \"ada_norm_zero\" nor \"ada_norm_single\", which alone can be computed. "
       "Choose another model.") },
  { "attention_bias", pm_config_is_on,
    N_("%s: \"attention_bias\" is not true, but networks without biases cannot be computed. Choose another model.") },
  { "norm_elementwise_affine", pm_config_is_off,
    N_("%s: \"norm_elementwise_affine\" is not false, but norms with weights cannot be computed. Choose another model.") },
  { "cross_attention_dim", read_cross_dim,
    N_("%s: \"cross_attention_dim\" should be a whole number, such as 1152, or null. Correct it.") },
  { "caption_channels", read_caption_channels,
    N_("%s: \"caption_channels\" should be the width of text embeddings, such as 4096, or null. Correct it.") },
  { "interpolation_scale", read_interpolation,
    N_("%s: \"interpolation_scale\" should be a positive number, such as 2, or null. Correct it.") },
  { "attention_type", is_default,
    N_("%s: the network's \"attention_type\" is not \"default\", which alone can be computed. Choose another model.") },
  { "use_additional_conditions", NULL, NULL }, /* the tensors tell */
  { "double_self_attention", pm_config_is_off,
    N_("%s: \"double_self_attention\" should be false or null. Choose another model.") },
  { "num_vector_embeds", pm_config_is_off, N_("%s: \"num_vector_embeds\" should be null. Choose another model.") },
  { "only_cross_attention", pm_config_is_off,
    N_("%s: \"only_cross_attention\" should be false or null. Choose another model.") },
  { "use_linear_projection", NULL, NULL },
  { "dropout", NULL, NULL }, /* only in training */
  { "norm_num_groups", NULL, NULL },
  { "upcast_attention", NULL, NULL }, /* everything is f32 here */
  { "_class_name", NULL, NULL },      /* shapes decide */
  { "_diffusers_version", NULL, NULL },
  { "_name_or_path", NULL, NULL },
};

const PmConfigTable pm_config_transformer_table = { transformer_keys, G_N_ELEMENTS (transformer_keys) };

static gboolean
read_id2label (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  reader->config->classes = pm_config_read_names (node, FALSE);
  return reader->config->classes != NULL;
}

/* A part is listed as ["library", "class"], or [null, null] when the pipeline goes without it. */
static void
note_missing (PmConfigReader *reader, JsonNode *node, const char *part, const char *note)
{
  JsonArray       *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  g_autofree char *path = g_build_filename (reader->folder, part, NULL);

  if (array && json_array_get_length (array) == 2 && ! json_array_get_null_element (array, 1)
      && ! g_file_test (path, G_FILE_TEST_IS_DIR))
    g_ptr_array_add (reader->notes, g_strdup_printf (note, reader->shown));
}

static gboolean
read_vae_part (PmConfigReader *reader, JsonNode *node, GError **error)
{
  note_missing (reader, node, "vae",
                _("%s names a decoder, but the folder \"vae\" is missing beside it; download that too, or the model makes no "
                   "picture of its latents."));
  return TRUE;
}

static gboolean
read_scheduler_part (PmConfigReader *reader, JsonNode *node, GError **error)
{
  note_missing (reader, node, "scheduler",
                _("%s names a scheduler, but the folder \"scheduler\" is missing beside it; linear betas from 0.0001 to 0.02 "
                   "are taken."));
  return TRUE;
}

static gboolean
read_pipeline (PmConfigReader *reader, JsonNode *node, GError **error)
{
  g_free (reader->config->pipeline);
  reader->config->pipeline = g_strdup (pm_json_read_string (node));
  return TRUE;
}

static const PmConfigKey index_keys[] = {
  { "id2label", read_id2label,
    N_("%s: \"id2label\" should be an object from \"0\", \"1\" and so on to names. Correct it or remove the key.") },
  { "vae", read_vae_part, NULL },
  { "scheduler", read_scheduler_part, NULL },
  { "transformer", NULL, NULL },  /* the checkpoint's absence is an error of its own, */
  { "text_encoder", NULL, NULL }, /* as that of these two is to whoever paints */
  { "tokenizer", NULL, NULL },
  { "_class_name", read_pipeline, NULL },
  { "_diffusers_version", NULL, NULL },
  { "_name_or_path", NULL, NULL },
};

static gboolean
read_if_there (PmConfig *config, GPtrArray *notes, const char *path, const PmConfigTable *table, GError **error)
{
  if (! pm_link_check (path, error))
    return FALSE;
  return ! g_file_test (path, G_FILE_TEST_EXISTS) || pm_config_read_file (config, notes, path, table, error);
}

gboolean
pm_config_read_pipeline (PmConfig *config, GPtrArray *notes, const char *folder, GError **error)
{
  static const PmConfigTable index_table = { index_keys, G_N_ELEMENTS (index_keys) };
  g_autofree char *index = g_build_filename (folder, "model_index.json", NULL);
  g_autofree char *transformer = g_build_filename (folder, "transformer", "config.json", NULL);
  g_autofree char *scheduler = g_build_filename (folder, "scheduler", "scheduler_config.json", NULL);

  return read_if_there (config, notes, index, &index_table, error)
         && read_if_there (config, notes, transformer, &pm_config_transformer_table, error)
         && pm_link_check (scheduler, error)
         && (! g_file_test (scheduler, G_FILE_TEST_EXISTS) || pm_config_read_scheduler (config, notes, scheduler, error));
}
