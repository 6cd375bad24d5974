/* See prompt-model.h. */
#include "prompt-model.h"

#include <glib/gstdio.h>

#include "tokenizer-fixture.h"

/* Where each file of the model comes from. */
static const char *const files[][2] = {
  { "pixart-sigma/model/model_index.json", "model_index.json" },
  { "pixart-sigma/model/transformer/config.json", "transformer/config.json" },
  { "pixart-sigma/model/transformer/diffusion_pytorch_model.hash.json", "transformer/diffusion_pytorch_model.hash.json" },
  { "prompt/text_encoder/config.json", "text_encoder/config.json" },
  { "prompt/text_encoder/model.hash.json", "text_encoder/model.hash.json" },
  { "vae-four-levels/vae/config.json", "vae/config.json" },
  { "vae-four-levels/vae/diffusion_pytorch_model.hash.json", "vae/diffusion_pytorch_model.hash.json" },
};

void
prompt_model_copy (const char *from, const char *folder, const char *to)
{
  g_autofree char *source = g_build_filename (PM_TEST_REFERENCE, from, NULL), *text = NULL;
  g_autofree char *target = g_build_filename (folder, to, NULL), *inside = g_path_get_dirname (target);
  gsize            n;

  g_assert_true (g_file_get_contents (source, &text, &n, NULL));
  g_assert_cmpint (g_mkdir_with_parents (inside, 0700), ==, 0);
  fixture_write (folder, to, text, (gssize) n);
}

void
prompt_model_make (const char *folder, gboolean with_vae)
{
  g_autoptr (GBytes) tokenizer = tokenizer_fixture ("t5.model", TRUE);
  g_autofree char   *inside = g_build_filename (folder, "tokenizer", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (with_vae || ! g_str_has_prefix (files[i][1], "vae/"))
      prompt_model_copy (files[i][0], folder, files[i][1]);
  g_assert_cmpint (g_mkdir (inside, 0700), ==, 0);
  fixture_write (inside, "spiece.model", g_bytes_get_data (tokenizer, NULL), (gssize) g_bytes_get_size (tokenizer));
}

PmModel *
prompt_model_open (const char *folder)
{
  g_autoptr (GError) error = NULL;
  PmModel           *model = pm_model_open (folder, &error);

  g_assert_no_error (error);

  return model;
}
