/* Where a model's encoder of prompts and its tokenizer are: beside the weights, in the folders of a pipeline of diffusers, or as
 * the original PixArt checkpoints are published. */
#include "model-private.h"

/* Folder and, of the tokenizer, the files that it must have one of. */
static const char *const encoder_places[] = { "text_encoder", "t5-v1_1-xxl", "pixart_sigma_sdxlvae_T5_diffusers/text_encoder" };
static const char *const tokenizer_places[] = { "tokenizer", "text_encoder", "t5-v1_1-xxl",
                                                "pixart_sigma_sdxlvae_T5_diffusers/tokenizer" };
static const char *const tokenizer_files[] = { "spiece.model", "tokenizer.json" };

static char *
home_folder (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : g_path_get_dirname (path);
}

static gboolean
has_tokenizer (const char *folder)
{
  for (gsize i = 0; i < G_N_ELEMENTS (tokenizer_files); i++)
    {
      g_autofree char *file = g_build_filename (folder, tokenizer_files[i], NULL);
      if (g_file_test (file, G_FILE_TEST_EXISTS))
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
