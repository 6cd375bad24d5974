/* Fuzz target: a model's sidecar with its settings. */
#include "format/config.h"
#include "fuzz.h"
#include "input.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  int fd;
  g_autofree char *path = input_path (bytes, n, &fd);
  g_autofree char *folder = g_dir_make_tmp ("pentimento-fuzz-XXXXXX", NULL);
  g_autofree char *sidecar = g_build_filename (folder, "config.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PmConfig) config = NULL;

  g_assert_cmpint (symlink (path, sidecar), ==, 0);
  config = pm_config_load (folder, &error);
  g_assert_true ((config == NULL) == (error != NULL));
  g_assert_cmpint (unlink (sidecar), ==, 0);
  g_assert_cmpint (rmdir (folder), ==, 0);
  close (fd);
  return 0;
}
