/* The encoder of T5, version 1.1 (gated unit) and 1.0, of any size: tensors decide it, config.json says the rest.
 * Sources of truth: Raffel et al., arXiv 1910.10683; huggingface/transformers, models/t5/modeling_t5.py, T5EncoderModel, whose
 * names the tensors have. */
#include "text/t5.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "format/link.h"
#include "nn/layer.h"

#define MAX_CONFIG_BYTES (1u << 20)
#define MAX_LAYERS 1000
#define MAX_SIZE (1 << 20)
#define MAX_HEADS 1024
#define MAX_DISTANCES 256 /* such that the default of 128 tokens is beyond those with a bucket of their own */

static const char *const embeddings[] = { "shared.weight", "encoder.embed_tokens.weight" };

#define DISTANCES "encoder.block.%d.layer.0.SelfAttention.relative_attention_bias.weight"

/* %d is the layer. Of two names the second is that of version 1.0, which has no gate. */
static const char *const names[PM_T5_N_WEIGHTS][2] = {
  [PM_T5_NORM1] = { "encoder.block.%d.layer.0.layer_norm.weight" },
  [PM_T5_Q] = { "encoder.block.%d.layer.0.SelfAttention.q.weight" },
  [PM_T5_K] = { "encoder.block.%d.layer.0.SelfAttention.k.weight" },
  [PM_T5_V] = { "encoder.block.%d.layer.0.SelfAttention.v.weight" },
  [PM_T5_O] = { "encoder.block.%d.layer.0.SelfAttention.o.weight" },
  [PM_T5_NORM2] = { "encoder.block.%d.layer.1.layer_norm.weight" },
  [PM_T5_WI] = { "encoder.block.%d.layer.1.DenseReluDense.wi_0.weight", "encoder.block.%d.layer.1.DenseReluDense.wi.weight" },
  [PM_T5_GATE] = { "encoder.block.%d.layer.1.DenseReluDense.wi_1.weight" },
  [PM_T5_WO] = { "encoder.block.%d.layer.1.DenseReluDense.wo.weight" },
};

static char *
make_name (const char *format, int layer)
{
  g_auto (GStrv) parts = g_strsplit (format, "%d", 2);
  return g_strdup_printf ("%s%d%s", parts[0], layer, parts[1]);
}

static char *
weight_name (const PmTextNetwork *network, int layer, PmT5Weight weight)
{
  const char *second = names[weight][1];
  return make_name (second && ! network->is_gated ? second : names[weight][0], layer);
}

const PmTensor *
pm_t5_find (const PmTextNetwork *network, int layer, PmT5Weight weight)
{
  g_autofree char *name = weight_name (network, layer, weight);
  return pm_checkpoint_find (network->checkpoint, name);
}

static gboolean
t5_probe (PmCheckpoint *checkpoint)
{
  g_autofree char *distances = make_name (DISTANCES, 0);
  return pm_checkpoint_find (checkpoint, distances) != NULL;
}

/* What is computed of the names that transformers has for activations. The gated unit of version 1.1 says "gelu" where it
 * means the tanh form (configuration_t5.py). */
static gboolean
read_activation (PmTextNetwork *network, const char *name, GError **error)
{
  static const struct
  {
    const char  *name;
    PmActivation activation;
  } known[] = { { "gated-gelu", PM_ACTIVATION_GELU_TANH }, { "gated-gelu_new", PM_ACTIVATION_GELU_TANH },
                { "gated-silu", PM_ACTIVATION_SILU },      { "gated-relu", PM_ACTIVATION_RELU },
                { "gelu_new", PM_ACTIVATION_GELU_TANH },   { "silu", PM_ACTIVATION_SILU },
                { "relu", PM_ACTIVATION_RELU } };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (name, known[i].name) == 0 && g_str_has_prefix (name, "gated-") == network->is_gated)
      {
        network->activation = known[i].activation;
        return TRUE;
      }
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The configuration of “%s” says \"feed_forward_proj\": \"%s\", which does not fit the tensors or cannot be "
                 "computed; take the text encoder and its config.json from the same place."),
               pm_checkpoint_get_path (network->checkpoint), name);
  return FALSE;
}

static gboolean
read_settings (PmTextNetwork *network, JsonObject *object, const char *shown, GError **error)
{
  JsonNode   *distance = json_object_get_member (object, "relative_attention_max_distance");
  JsonNode   *eps = json_object_get_member (object, "layer_norm_epsilon");
  JsonNode   *unit = json_object_get_member (object, "feed_forward_proj");
  const char *name = pm_json_read_string (unit);
  gsize       number = network->max_distance;

  if ((distance && (! pm_json_read_size (distance, &number) || number < 2 || number > MAX_SIZE))
      || (eps && (! pm_json_read_number (eps, &network->eps) || ! (network->eps > 0 && network->eps < 1))) || (unit && ! name))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s: \"relative_attention_max_distance\" should be a whole number such as 128, \"layer_norm_epsilon\" a "
                     "small one such as 0.000001, \"feed_forward_proj\" a name such as \"gated-gelu\". Correct it."),
                   shown);
      return FALSE;
    }
  network->max_distance = (int) number;
  if (network->max_distance <= network->K / 4)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s: \"relative_attention_max_distance\" is too small for a table of %d distances. Correct it."), shown,
                   network->K);
      return FALSE;
    }
  return ! name || read_activation (network, name, error);
}

static gboolean
read_config (PmTextNetwork *network, const char *path, GError **error)
{
  network->max_distance = 128;
  network->eps = 1e-6;
  network->activation = network->is_gated ? PM_ACTIVATION_GELU_TANH : PM_ACTIVATION_RELU;
  if (path && ! pm_link_check (path, error))
    return FALSE;
  if (! path || ! g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr (JsonNode) root = pm_json_load (path, MAX_CONFIG_BYTES, error);
  g_autofree char     *shown = g_filename_display_name (path);
  if (! root)
    return FALSE;
  if (JSON_NODE_HOLDS_OBJECT (root))
    return read_settings (network, json_node_get_object (root), shown, error);
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s should be a JSON object of settings. Correct it."), shown);
  return FALSE;
}

/* TRUE when a tensor of two dimensions has sizes that can be computed with. */
static gboolean
is_matrix (const PmTensor *tensor)
{
  return tensor && tensor->rank == 2 && tensor->shape[0] >= 1 && tensor->shape[0] <= MAX_SIZE && tensor->shape[1] >= 1
         && tensor->shape[1] <= MAX_SIZE;
}

/* Sizes by the shapes of the table of words, the table of distances, and the first layer's q and wi. */
static gboolean
read_sizes (PmTextNetwork *network, GError **error)
{
  g_autofree char *distances = make_name (DISTANCES, 0);
  g_autofree char *gate = make_name (names[PM_T5_GATE][0], 0);

  for (gsize i = 0; i < G_N_ELEMENTS (embeddings) && ! network->embedding; i++)
    network->embedding = pm_checkpoint_find (network->checkpoint, embeddings[i]);
  network->distances = pm_checkpoint_find (network->checkpoint, distances);
  network->is_gated = pm_checkpoint_find (network->checkpoint, gate) != NULL;
  for (network->L = 0; network->L < MAX_LAYERS && pm_t5_find (network, network->L, PM_T5_Q); network->L++)
    continue;
  const PmTensor *q = pm_t5_find (network, 0, PM_T5_Q), *wi = pm_t5_find (network, 0, PM_T5_WI);
  if (is_matrix (network->embedding) && is_matrix (network->distances) && is_matrix (q) && is_matrix (wi)
      && q->shape[0] % network->distances->shape[1] == 0 && network->distances->shape[0] % 2 == 0
      && network->distances->shape[0] <= MAX_DISTANCES && network->distances->shape[1] <= MAX_HEADS)
    {
      network->E = (int) network->embedding->shape[1];
      network->K = (int) network->distances->shape[0];
      network->H = (int) network->distances->shape[1];
      network->d = (int) q->shape[0] / network->H;
      network->F = (int) wi->shape[0];
      return TRUE;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("The text encoder “%s” lacks its table of words, of distances, or its first layer, or their shapes contradict "
                 "each other; the file is incomplete or holds another kind of model. Download it again."),
               pm_checkpoint_get_path (network->checkpoint));
  return FALSE;
}

/* A table of distances in a later layer would be another network (UMT5). */
static gboolean
check_distances (PmTextNetwork *network, GError **error)
{
  g_autofree char *second = make_name (DISTANCES, 1);

  if (! pm_checkpoint_find (network->checkpoint, second))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("Every layer of the text encoder “%s” has a table of distances of its own, as in UMT5, which cannot be run "
                 "here; choose a model with T5."),
               pm_checkpoint_get_path (network->checkpoint));
  return FALSE;
}

static void
count (PmTextEncoderInfo *info, const PmTensor *tensor)
{
  info->n_parameters += tensor->n_elements;
  info->n_bytes += tensor->n_elements * pm_dtype_size (tensor->dtype);
}

static gboolean
check_layer (PmTextNetwork *network, int layer, PmTextEncoderInfo *info, GError **error)
{
  gsize       E = network->E, F = network->F, heads = (gsize) network->H * network->d;
  const gsize sizes[PM_T5_N_WEIGHTS][2]
      = { { E }, { heads, E }, { heads, E }, { heads, E }, { E, heads }, { E }, { F, E }, { F, E }, { E, F } };

  for (PmT5Weight i = 0; i < PM_T5_N_WEIGHTS; i++)
    {
      g_autofree char *name = weight_name (network, layer, i);
      const PmTensor  *tensor;
      if (i == PM_T5_GATE && ! network->is_gated)
        continue;
      tensor = sizes[i][1] ? pm_nn_require (network->checkpoint, error, name, 2, sizes[i][0], sizes[i][1])
                           : pm_nn_require (network->checkpoint, error, name, 1, sizes[i][0]);
      if (! tensor)
        return FALSE;
      count (info, tensor);
    }
  return TRUE;
}

static PmTextNetwork *
t5_load (PmCheckpoint *checkpoint, const char *config_path, PmTextEncoderInfo *info, GError **error)
{
  g_autofree PmTextNetwork *network = g_new0 (PmTextNetwork, 1);

  network->checkpoint = checkpoint;
  if (! read_sizes (network, error) || ! check_distances (network, error) || ! read_config (network, config_path, error))
    return NULL;
  network->norm = pm_nn_require (checkpoint, error, "encoder.final_layer_norm.weight", 1, (gsize) network->E);
  if (! network->norm
      || ! pm_nn_require (checkpoint, error, network->embedding->name, 2, network->embedding->shape[0], (gsize) network->E)
      || ! pm_nn_require (checkpoint, error, network->distances->name, 2, (gsize) network->K, (gsize) network->H))
    return NULL;
  *info = (PmTextEncoderInfo) { .width = network->E, .n_layers = network->L, .n_heads = network->H,
                                .n_vocabulary = (int) network->embedding->shape[0] };
  count (info, network->embedding);
  count (info, network->distances);
  count (info, network->norm);
  for (int i = 0; i < network->L; i++)
    if (! check_layer (network, i, info, error))
      return NULL;
  return g_steal_pointer (&network);
}

static void
t5_free (PmTextNetwork *network)
{
  g_free (network);
}

const PmTextEncoderKind pm_text_encoder_t5 = {
  .id = "t5",
  .probe = t5_probe,
  .load = t5_load,
  .free = t5_free,
  .run = pm_t5_run,
  .measure = pm_t5_measure,
};
