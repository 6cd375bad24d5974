/* How programs name the tensors of a PixArt. Sources of truth: PixArt-alpha/PixArt-alpha and PixArt-alpha/PixArt-sigma,
 * diffusion/model/nets/PixArtMS.py; huggingface/diffusers, models/transformers/pixart_transformer_2d.py and
 * scripts/convert_pixart_sigma_to_diffusers.py. */
#include "family/pixart.h"

static const PmPixartDialect dialects[] = {
  {
    .id = "PixArt",
    .ends = { "x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "t_block.1", "y_embedder.y_proj.fc1",
              "y_embedder.y_proj.fc2", "final_layer.linear", "csize_embedder.mlp.0", "csize_embedder.mlp.2", "ar_embedder.mlp.0",
              "ar_embedder.mlp.2" },
    .block = "blocks.%d.%s",
    .layers = { "attn.qkv", NULL, NULL, "attn.proj", "cross_attn.q_linear", "cross_attn.kv_linear", NULL, "cross_attn.proj",
                "mlp.fc1", "mlp.fc2" },
    .table = "scale_shift_table",
    .final_table = "final_layer.scale_shift_table",
    .position = "pos_embed",
    .null_text = "y_embedder.y_embedding",
    .variants = { "attn.q_norm.weight", "attn.sr.weight", "attn.rel_pos_h", NULL },
  },
  {
    .id = "diffusers",
    .ends = { "pos_embed.proj", "adaln_single.emb.timestep_embedder.linear_1", "adaln_single.emb.timestep_embedder.linear_2",
              "adaln_single.linear", "caption_projection.linear_1", "caption_projection.linear_2", "proj_out",
              "adaln_single.emb.resolution_embedder.linear_1", "adaln_single.emb.resolution_embedder.linear_2",
              "adaln_single.emb.aspect_ratio_embedder.linear_1", "adaln_single.emb.aspect_ratio_embedder.linear_2" },
    .block = "transformer_blocks.%d.%s",
    .layers = { "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v",
                "attn2.to_out.0", "ff.net.0.proj", "ff.net.2" },
    .table = "scale_shift_table",
    .final_table = "scale_shift_table",
    .variants = { "attn1.norm_q.weight", "attn1.q_norm.weight", NULL },
  },
};

static gboolean
has_weight (PmCheckpoint *checkpoint, const char *layer)
{
  g_autofree char *name = g_strconcat (layer, ".weight", NULL);
  return pm_checkpoint_find (checkpoint, name) != NULL;
}

const PmPixartDialect *
pm_pixart_dialect_find (PmCheckpoint *checkpoint)
{
  for (guint i = 0; i < G_N_ELEMENTS (dialects); i++)
    {
      g_autofree char *query = pm_pixart_dialect_name (&dialects[i], 0, PM_PIXART_CROSS_Q);
      if (has_weight (checkpoint, dialects[i].ends[PM_PIXART_MODULATION]) && has_weight (checkpoint, query)
          && pm_checkpoint_find (checkpoint, dialects[i].final_table))
        return &dialects[i];
    }
  return NULL;
}

char *
pm_pixart_dialect_name (const PmPixartDialect *dialect, int block, PmPixartLayer layer)
{
  return dialect->layers[layer] ? g_strdup_printf (dialect->block, block, dialect->layers[layer]) : NULL;
}

char *
pm_pixart_dialect_table (const PmPixartDialect *dialect, int block)
{
  return g_strdup_printf (dialect->block, block, dialect->table);
}

gboolean
pm_pixart_has_end (const PmNetwork *network, PmPixartEnd end)
{
  return end < PM_PIXART_SIZE0 || network->has_size;
}
