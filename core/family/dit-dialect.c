/* How programs name the tensors of a DiT, and the numbers in which they differ: one entry a dialect, one path of computation.
 * Sources of truth: facebookresearch/DiT, models.py; huggingface/diffusers, models/transformers/dit_transformer_2d.py,
 * models/embeddings.py (CombinedTimestepLabelEmbeddings), models/attention.py (BasicTransformerBlock) and
 * scripts/convert_dit_to_diffusers.py. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "family/dit.h"

#define FIRST_BLOCK "transformer_blocks.0.norm1.emb."

static const PmDitDialect dialects[] = {
  {
    .id = "facebookresearch/DiT",
    .ends = { "x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "final_layer.adaLN_modulation.1", "final_layer.linear" },
    .classes = "y_embedder.embedding_table.weight",
    .position = "pos_embed",
    .block = "blocks.%d.%s",
    .layers = { "attn.qkv", NULL, NULL, "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1" },
    .period = 128,
    .mlp_eps = 1e-6f,
    .guidance_channels = 3, /* models.py, forward_with_cfg */
    .spacing = PM_SPACING_STRIDE,
  },
  {
    .id = "diffusers",
    .ends = { "pos_embed.proj", FIRST_BLOCK "timestep_embedder.linear_1", FIRST_BLOCK "timestep_embedder.linear_2", "proj_out_1",
              "proj_out_2" },
    .classes = FIRST_BLOCK "class_embedder.embedding_table.weight",
    .block = "transformer_blocks.%d.%s",
    .layers = { "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2", "norm1.linear" },
    .copy = "transformer_blocks.%d.norm1.emb.%s",
    .period = 127,
    .mlp_eps = 1e-5f,
    .guidance_channels = 4, /* pipeline_dit.py: all of the latent's */
    .spacing = PM_SPACING_LEADING,
  },
};

static gboolean
has_weight (PmCheckpoint *checkpoint, const char *layer)
{
  g_autofree char *name = g_strconcat (layer, ".weight", NULL);
  return pm_checkpoint_find (checkpoint, name) != NULL;
}

const PmDitDialect *
pm_dit_dialect_find (PmCheckpoint *checkpoint)
{
  for (guint i = 0; i < G_N_ELEMENTS (dialects); i++)
    {
      g_autofree char *query = pm_dit_dialect_name (&dialects[i], 0, PM_DIT_Q);
      if (has_weight (checkpoint, dialects[i].ends[PM_DIT_EMBED]) && has_weight (checkpoint, query)
          && pm_checkpoint_find (checkpoint, dialects[i].classes))
        return &dialects[i];
    }
  return NULL;
}

char *
pm_dit_dialect_name (const PmDitDialect *dialect, int block, PmDitLayer layer)
{
  return dialect->layers[layer] ? g_strdup_printf (dialect->block, block, dialect->layers[layer]) : NULL;
}

/* Compared at places spread over the tensor: other weights differ nearly everywhere, and reading all of them would take longer
 * than opening the file. */
static gboolean
is_copy (const PmTensor *copy, const PmTensor *first)
{
  const gsize piece = 64, n_places = 64;
  gsize       n_bytes = first->n_elements * pm_dtype_size (first->dtype);

  if (copy->dtype != first->dtype || copy->n_elements != first->n_elements)
    return FALSE;
  for (gsize i = 0; i < n_places && n_bytes > 0; i++)
    {
      gsize at = n_bytes > piece ? (gsize) ((double) i / (n_places - 1) * (n_bytes - piece)) : 0;
      if (memcmp ((const char *) copy->data + at, (const char *) first->data + at, MIN (piece, n_bytes)) != 0)
        return FALSE;
    }
  return TRUE;
}

gboolean
pm_dit_dialect_check_copies (const PmDitDialect *dialect, PmCheckpoint *checkpoint, int n_layers, GError **error)
{
  static const char *const parts[] = { "timestep_embedder.linear_1.weight", "timestep_embedder.linear_1.bias",
                                       "timestep_embedder.linear_2.weight", "timestep_embedder.linear_2.bias",
                                       "class_embedder.embedding_table.weight" };

  for (int i = 1; dialect->copy && i < n_layers; i++)
    for (guint j = 0; j < G_N_ELEMENTS (parts); j++)
      {
        g_autofree char *name = g_strdup_printf (dialect->copy, i, parts[j]);
        g_autofree char *first_name = g_strdup_printf (dialect->copy, 0, parts[j]);
        const PmTensor  *copy = pm_checkpoint_find (checkpoint, name), *first = pm_checkpoint_find (checkpoint, first_name);
        if (! copy || is_copy (copy, first))
          continue;
        g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                     _("In “%s” the tensor “%s” differs from the first block's; models whose blocks embed time and class each in "
                       "its own way cannot be run. Choose another model."),
                     pm_checkpoint_get_path (checkpoint), name);
        return FALSE;
      }
  return TRUE;
}
