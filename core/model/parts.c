/* What `info` tells of a model part by part: where each is, what it is, and what is missing or wrong with it. */
#include "base/error.h"
#include "base/i18n.h"
#include "model/private.h"

static void
part_clear (gpointer data)
{
  PmModelPart *part = data;
  g_free ((char *) part->path);
  g_free ((char *) part->is);
  g_free ((char *) part->problem);
}

static void
add_part (PmModel *model, const char *name, const char *path, char *is, const char *problem)
{
  PmModelPart part = { .name = name, .path = g_strdup (path), .is = is, .problem = g_strdup (problem) };
  g_array_append_val (model->parts, part);
}

static char *
describe_weights (PmCheckpoint *checkpoint, guint64 n_parameters, guint64 n_bytes)
{
  g_autofree char *bytes = g_format_size (n_bytes);
  guint            n_files = pm_checkpoint_get_n_files (checkpoint);

  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%.1f million numbers in %s of %s, %u file",
                                       "%.1f million numbers in %s of %s, %u files", n_files),
                          n_parameters / 1e6, bytes, pm_checkpoint_get_format (checkpoint), n_files);
}

static void
add_vae (PmModel *model)
{
  const PmVaeInfo *info = model->vae ? pm_vae_get_info (model->vae) : NULL;
  g_autofree char *weights
      = info ? describe_weights (pm_vae_get_checkpoint (model->vae), info->n_parameters, info->n_bytes) : NULL;
  char *is = info ? g_strdup_printf (_("AutoencoderKL, latents of %d channels, scaled by %g; %s"), info->latent_channels,
                                     info->scaling, weights)
                  : NULL;

  add_part (model, "vae", model->vae_path, is, info ? NULL : pm_model_no_picture (model));
}

static void
add_encoder (PmModel *model)
{
  const PmTextEncoderInfo *info = model->encoder ? pm_text_encoder_get_info (model->encoder) : NULL;
  g_autofree char         *weights = NULL;
  char                    *is = NULL;

  if (info)
    {
      weights = describe_weights (pm_text_encoder_get_checkpoint (model->encoder), info->n_parameters, info->n_bytes);
      is = g_strdup_printf (_("%s, %d layers, %d heads, width %d; %s"), info->kind, info->n_layers, info->n_heads, info->width,
                            weights);
    }
  add_part (model, "text_encoder", model->encoder_path, is, model->encoder_error ? model->encoder_error->message : NULL);
}

static void
add_tokenizer (PmModel *model)
{
  char *is = NULL;

  if (model->tokenizer)
    is = g_strdup_printf (model->network_info.cleans_text
                            ? _("%s of %d tokens from %s; prompts of up to %d tokens, in lower case and cleaned of URLs, HTML "
                                "and the like")
                            : _("%s of %d tokens from %s; prompts of up to %d tokens"),
                          pm_tokenizer_get_kind (model->tokenizer), pm_tokenizer_get_n_ids (model->tokenizer),
                          pm_tokenizer_get_format (model->tokenizer), model->network_info.max_text);
  add_part (model, "tokenizer", model->tokenizer_path, is, model->tokenizer_error ? model->tokenizer_error->message : NULL);
}

void
pm_model_set_parts (PmModel *model)
{
  model->parts = g_array_new (FALSE, FALSE, sizeof (PmModelPart));
  g_array_set_clear_func (model->parts, part_clear);
  add_part (model, "network", pm_checkpoint_get_n_files (model->checkpoint) > 0 ? pm_checkpoint_get_file (model->checkpoint, 0)
                                                                                : model->path,
            describe_weights (model->checkpoint, model->info.n_parameters, model->info.n_bytes), NULL);
  if (model->network_info.is_latent)
    add_vae (model);
  if (model->network_info.text_width > 0)
    {
      add_encoder (model);
      add_tokenizer (model);
    }
  model->info.parts = (const PmModelPart *) model->parts->data;
  model->info.n_parts = (int) model->parts->len;
}
