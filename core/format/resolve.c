/* The checkpoint that a folder stands for: our own layout, diffusers' layout, or the only checkpoint in it. */
#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint-private.h"
#include "format/link.h"

/* Names that settle it, best first. */
static const char *const known_names[] = {
  "model.safetensors",
  "model.safetensors.index.json",
  "diffusion_pytorch_model.safetensors",
  "diffusion_pytorch_model.safetensors.index.json",
  "diffusion_pytorch_model.bin",
  "diffusion_pytorch_model.bin.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
};

/* Kinds of which one file must be the only one, best first: shards of an index are not candidates beside it. */
static const char *const suffixes[][5] = {
  { ".safetensors.index.json", ".bin.index.json", ".safetensors.index.fp16.json" },
  { ".safetensors", ".pt", ".pth", ".bin", ".hash.json" },
};

static gboolean
has_suffix (const char *name, const char *const *list, gsize n)
{
  for (gsize i = 0; i < n && list[i]; i++)
    if (g_str_has_suffix (name, list[i]))
      return TRUE;
  return FALSE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
list_folder (const char *folder, GError **error)
{
  g_autofree char *shown = g_filename_display_name (folder);
  g_autoptr (GError) cause = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &cause);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (! dir)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("The folder %s cannot be read (%s). Check its permissions."), shown,
                   cause->message);
      return NULL;
    }
  while ((name = g_dir_read_name (dir)))
    if (name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

/* The only name of that kind; NULL when there is none, or several (then with an error). */
static char *
find_only (GPtrArray *names, const char *const *list, const char *folder, GError **error)
{
  const char *found = NULL;
  guint       n_found = 0;

  for (guint i = 0; i < names->len; i++)
    if (has_suffix (g_ptr_array_index (names, i), list, G_N_ELEMENTS (suffixes[0])))
      {
        found = n_found++ ? found : g_ptr_array_index (names, i);
        if (n_found == 2)
          {
            g_autofree char *shown = g_filename_display_name (folder);

            g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                         _("The folder %s holds several checkpoints, among them %s and %s. Name one of the files, or call the "
                            "one that is meant model.safetensors."),
                         shown, found, (const char *) g_ptr_array_index (names, i));
            return NULL;
          }
      }
  return found ? g_build_filename (folder, found, NULL) : NULL;
}

/* descends: into the folder of a pipeline's network; once, for that may be a link to anywhere. */
static char *
resolve_folder (const char *folder, gboolean descends, GError **error)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) several = NULL;
  g_autofree char *transformer = g_build_filename (folder, "transformer", NULL);
  g_autofree char *index = g_build_filename (folder, "model_index.json", NULL);
  g_autofree char *shown = g_filename_display_name (folder);

  for (gsize i = 0; i < G_N_ELEMENTS (known_names); i++)
    {
      g_autofree char *path = g_build_filename (folder, known_names[i], NULL);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
      if (! pm_link_check (path, error))
        return NULL;
    }
  names = list_folder (folder, error);
  for (gsize i = 0; names && ! several && i < G_N_ELEMENTS (suffixes); i++)
    {
      char *path = find_only (names, suffixes[i], folder, &several);

      if (path)
        return path;
    }
  if (! names)
    return NULL;
  if (several)
    {
      g_propagate_error (error, g_steal_pointer (&several));
      return NULL;
    }
  if (descends && ! pm_link_check (transformer, error))
    return NULL;
  if (descends && g_file_test (transformer, G_FILE_TEST_IS_DIR))
    return resolve_folder (transformer, FALSE, error);
  if (g_file_test (index, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                   _("The folder %s holds a pipeline of diffusers without the folder \"transformer\", where the network's "
                      "weights belong. Download that too, or choose a pipeline that has one."),
                   shown);
      return NULL;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
               _("The folder %s holds no checkpoint. Put model.safetensors or a .pt or .pth file into it, or choose another "
                  "folder."),
               shown);
  return NULL;
}

char *
pm_checkpoint_resolve_folder (const char *folder, GError **error)
{
  return resolve_folder (folder, TRUE, error);
}
