/* What a model reads prompts with: where its text encoder and tokenizer are (beside the weights, in the folders of a pipeline of
 * diffusers, or as the original PixArt checkpoints are published), and whether they fit it. A part that is missing or damaged
 * leaves a model that can be looked into, and an error for whoever asks it to paint. */
#include "base/error.h"
#include "base/i18n.h"
#include "model/private.h"

/* Below the folder of the weights. */
static const char *const encoder_places[] = { "text_encoder", "t5-v1_1-xxl", "pixart_sigma_sdxlvae_T5_diffusers/text_encoder" };
static const char *const tokenizer_places[] = { "tokenizer", "text_encoder", "t5-v1_1-xxl",
                                                "pixart_sigma_sdxlvae_T5_diffusers/tokenizer" };
static const char *const tokenizer_files[] = { "spiece.model", "tokenizer.json" };

static char *
home_folder (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : g_path_get_dirname (path);
}

/* A link that points nowhere counts: opening it says what is wrong. */
static gboolean
has_tokenizer (const char *folder)
{
  for (gsize i = 0; i < G_N_ELEMENTS (tokenizer_files); i++)
    {
      g_autofree char *file = g_build_filename (folder, tokenizer_files[i], NULL);
      if (g_file_test (file, G_FILE_TEST_EXISTS) || g_file_test (file, G_FILE_TEST_IS_SYMLINK))
        return TRUE;
    }
  return FALSE;
}

char *
pm_model_find_text_encoder (const char *path, const PmConfig *config)
{
  g_autofree char *home = home_folder (path);

  if (config->text_encoder)
    return g_canonicalize_filename (config->text_encoder, home);
  for (gsize i = 0; i < G_N_ELEMENTS (encoder_places); i++)
    {
      g_autofree char *place = g_build_filename (home, encoder_places[i], NULL);
      if (g_file_test (place, G_FILE_TEST_IS_DIR))
        return g_steal_pointer (&place);
    }
  return NULL;
}

char *
pm_model_find_tokenizer (const char *path, const PmConfig *config)
{
  g_autofree char *home = home_folder (path), *encoder = pm_model_find_text_encoder (path, config);
  g_autofree char *with_encoder = encoder ? home_folder (encoder) : NULL;

  if (config->tokenizer)
    return g_canonicalize_filename (config->tokenizer, home);
  for (gsize i = 0; i < G_N_ELEMENTS (tokenizer_places); i++)
    {
      g_autofree char *place = g_build_filename (home, tokenizer_places[i], NULL);
      if (has_tokenizer (place))
        return g_steal_pointer (&place);
    }
  return with_encoder && has_tokenizer (with_encoder) ? g_steal_pointer (&with_encoder) : NULL;
}

char *
pm_model_find_published_vae (PmModel *model)
{
  static const struct
  {
    int         max_text; /* tells PixArt-alpha from -Sigma, whose latents differ */
    const char *place;
  } published[] = { { 120, "sd-vae-ft-ema" }, { 300, "pixart_sigma_sdxlvae_T5_diffusers/vae" } };
  g_autofree char *home = home_folder (model->path);

  for (gsize i = 0; i < G_N_ELEMENTS (published) && ! model->config->has_vae; i++)
    {
      g_autofree char *place = g_build_filename (home, published[i].place, NULL);
      if (model->network_info.text_width > 0 && published[i].max_text == model->network_info.max_text
          && g_file_test (place, G_FILE_TEST_IS_DIR))
        return g_steal_pointer (&place);
    }
  return NULL;
}

static void
open_encoder (PmModel *model)
{
  int width = model->network_info.text_width;

  model->encoder_path = pm_model_find_text_encoder (model->path, model->config);
  if (! model->encoder_path)
    {
      g_set_error (&model->encoder_error, PM_ERROR, PM_ERROR_NO_MODEL,
                   _("The model “%s” paints what a prompt says, but its text encoder (T5) is not here; put its folder, named "
                     "“text_encoder”, beside the weights, or name its place as \"text_encoder\" in the model's configuration."),
                   model->name);
      return;
    }
  model->encoder = pm_text_encoder_open (model->encoder_path, &model->encoder_error);
  if (! model->encoder || pm_text_encoder_get_info (model->encoder)->width == width)
    return;
  g_set_error (&model->encoder_error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The text encoder “%s” makes embeddings of %d numbers, but the model reads %d; put the encoder there that the "
                 "model was trained with."),
               model->encoder_path, pm_text_encoder_get_info (model->encoder)->width, width);
  g_clear_pointer (&model->encoder, pm_text_encoder_free);
}

static void
open_tokenizer (PmModel *model)
{
  model->tokenizer_path = pm_model_find_tokenizer (model->path, model->config);
  if (model->tokenizer_path)
    model->tokenizer = pm_tokenizer_open (model->tokenizer_path, &model->tokenizer_error);
  else
    g_set_error (&model->tokenizer_error, PM_ERROR, PM_ERROR_NO_MODEL,
                 _("The model “%s” paints what a prompt says, but its tokenizer (spiece.model or tokenizer.json) is not here; "
                   "put its folder, named “tokenizer”, beside the weights, or name its place as \"tokenizer\" in the model's "
                   "configuration."),
                 model->name);
}

/* Every text ends with a token of its own: an empty one is one token long, and steered words leave one to look at. */
static gboolean
check_tokenizer (PmModel *model, GError **error)
{
  int n_ids = pm_tokenizer_get_n_ids (model->tokenizer);
  int n_known = model->encoder ? pm_text_encoder_get_info (model->encoder)->n_vocabulary : n_ids;

  if (pm_tokenizer_get_end_id (model->tokenizer) < 0)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("The tokenizer “%s” puts no token at the end of a text, which the model needs; put the tokenizer there that "
                   "the model was trained with."),
                 model->tokenizer_path);
  else if (n_ids > n_known)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("The tokenizer “%s” knows %d tokens, but the text encoder only %d; put the tokenizer there that the model was "
                   "trained with."),
                 model->tokenizer_path, n_ids, n_known);
  else
    return TRUE;
  return FALSE;
}

void
pm_model_open_text (PmModel *model)
{
  if (model->network_info.text_width == 0)
    return;
  open_encoder (model);
  open_tokenizer (model);
  if (model->tokenizer && ! check_tokenizer (model, &model->tokenizer_error))
    g_clear_pointer (&model->tokenizer, pm_tokenizer_free);
}

void
pm_model_close_text (PmModel *model)
{
  g_clear_pointer (&model->encoder, pm_text_encoder_free);
  g_clear_pointer (&model->tokenizer, pm_tokenizer_free);
  g_clear_error (&model->encoder_error);
  g_clear_error (&model->tokenizer_error);
  g_free (model->encoder_path);
  g_free (model->tokenizer_path);
}

gboolean
pm_model_check_prompts (PmModel *model, gboolean encodes, GError **error)
{
  const GError *cause = model->tokenizer_error ? model->tokenizer_error : encodes ? model->encoder_error : NULL;

  if (model->network_info.text_width == 0)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("The model “%s” paints classes and reads no words; choose a class instead of a prompt."), model->name);
  else if (cause)
    g_propagate_error (error, g_error_copy (cause));
  else
    return TRUE;
  return FALSE;
}
