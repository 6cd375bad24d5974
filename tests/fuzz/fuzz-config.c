/* Fuzz target: a model's settings, in each of the files that may hold some. */
#include <stdlib.h>

#include "format/config.h"
#include "fuzz.h"
#include "input.h"

/* One tree for the whole run: making folders costs more than reading. */
static char *folder;
static const char *const subfolders[] = { "transformer", "scheduler" };

static void
remove_tree (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (subfolders); i++)
    {
      g_autofree char *path = g_build_filename (folder, subfolders[i], NULL);
      rmdir (path);
    }
  rmdir (folder);
  g_free (folder);
}

static void
make_tree (void)
{
  folder = g_dir_make_tmp ("pentimento-fuzz-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (subfolders); i++)
    {
      g_autofree char *path = g_build_filename (folder, subfolders[i], NULL);
      g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
    }
  atexit (remove_tree);
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  static const char *const places[] = { "config.json", "model_index.json", "transformer/config.json",
                                        "scheduler/scheduler_config.json" };
  int fd;
  g_autofree char *path = input_path (bytes, n, &fd);

  if (! folder)
    make_tree ();
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *place = g_build_filename (folder, places[i], NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (PmConfig) config = NULL;

      g_assert_cmpint (symlink (path, place), ==, 0);
      config = pm_config_load (folder, &error);
      g_assert_true ((config == NULL) == (error != NULL));
      g_assert_cmpint (unlink (place), ==, 0);
    }
  close (fd);
  return 0;
}
