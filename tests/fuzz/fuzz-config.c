/* Fuzz target: a model's settings, in each of the files that may hold some. */
#include "format/config.h"
#include "fuzz.h"
#include "input.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  static const char *const places[] = { "config.json", "model_index.json", "transformer/config.json",
                                        "scheduler/scheduler_config.json" };
  int fd;
  g_autofree char *path = input_path (bytes, n, &fd);
  g_autofree char *folder = g_dir_make_tmp ("pentimento-fuzz-XXXXXX", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *link = g_build_filename (folder, places[i], NULL);
      g_autofree char *parent = g_path_get_dirname (link);
      g_autoptr (GError) error = NULL;
      g_autoptr (PmConfig) config = NULL;

      g_mkdir_with_parents (parent, 0700);
      g_assert_cmpint (symlink (path, link), ==, 0);
      config = pm_config_load (folder, &error);
      g_assert_true ((config == NULL) == (error != NULL));
      g_assert_cmpint (unlink (link), ==, 0);
      if (strcmp (parent, folder) != 0)
        g_assert_cmpint (rmdir (parent), ==, 0);
    }
  g_assert_cmpint (rmdir (folder), ==, 0);
  close (fd);
  return 0;
}
