/* Where models are looked for. */
#include "model/hub.h"
#include "model/private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/link.h"

/* Where the program's own models lie: models/ beside the executable (the plug-in's folder). */
static char *
program_folder (void)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = program ? g_path_get_dirname (program) : NULL;
  return folder ? g_build_filename (folder, "models", NULL) : NULL;
}

char **
pm_model_folders (void)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char              *paths = g_getenv ("PENTIMENTO_MODELS");
  g_auto (GStrv)           listed = paths ? g_strsplit (paths, G_SEARCHPATH_SEPARATOR_S, -1) : NULL;
  g_autofree char         *user = g_build_filename (g_get_user_data_dir (), "pentimento", "models", NULL);
  g_autofree char         *beside = program_folder ();

  for (int i = 0; listed && listed[i]; i++)
    if (*listed[i])
      g_strv_builder_add (builder, listed[i]);
  g_strv_builder_add (builder, user);
  for (const char *const *dir = g_get_system_data_dirs (); *dir; dir++)
    {
      g_autofree char *folder = g_build_filename (*dir, "pentimento", "models", NULL);
      g_strv_builder_add (builder, folder);
    }
  if (beside)
    g_strv_builder_add (builder, beside);
  return g_strv_builder_end (builder);
}

static gboolean
looks_like_model (const char *path)
{
  if (! g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_str_has_suffix (path, ".safetensors") || g_str_has_suffix (path, ".pt") || g_str_has_suffix (path, ".pth");

  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    if (g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".safetensors.index.json")
        || g_str_has_suffix (name, ".pt") || g_str_has_suffix (name, ".pth") || g_str_has_suffix (name, ".bin")
        || g_str_equal (name, "model_index.json"))
      return TRUE;
  return FALSE;
}

static int
compare_names_cb (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
pm_model_list (void)
{
  g_auto (GStrv)         folders = pm_model_folders ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray             *names = g_ptr_array_new ();

  for (int i = 0; folders[i]; i++)
    {
      g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
      for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
        {
          g_autofree char *path = g_build_filename (folders[i], name, NULL);
          if (name[0] == '.' || g_hash_table_contains (seen, name) || ! looks_like_model (path))
            continue;
          g_ptr_array_add (names, g_strdup (name));
          g_hash_table_add (seen, names->pdata[names->len - 1]);
        }
    }
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  pm_hub_list (builder);
  g_auto (GStrv) cached = g_strv_builder_end (builder);
  for (int i = 0; cached[i]; i++)
    g_ptr_array_add (names, g_strdup (cached[i]));
  g_ptr_array_sort (names, compare_names_cb);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

static void
set_no_model (GError **error, const char *name)
{
  g_auto (GStrv)   folders = pm_model_folders ();
  g_auto (GStrv)   names = pm_model_list ();
  g_autofree char *looked = g_strjoinv (", ", folders);
  g_autofree char *there = g_strjoinv (", ", names);

  if (*names)
    g_set_error (
        error, PM_ERROR, PM_ERROR_NO_MODEL,
        _("There is no model “%s”; installed are: %s. Give one of these names, or the path of a model's folder or file."), name,
        there);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                 _("There is no model “%s”, and none is installed; put a model's folder into one of these: %s."), name, looked);
}

/* The model's path, or NULL. */
static char *
resolve_model (const char *name)
{
  if (! name || ! *name)
    return NULL;
  if (g_file_test (name, G_FILE_TEST_EXISTS))
    return g_strdup (name);

  g_auto (GStrv) folders = pm_model_folders ();
  for (int i = 0; folders[i] && ! strchr (name, G_DIR_SEPARATOR) && ! g_str_equal (name, ".."); i++)
    {
      g_autofree char *path = g_build_filename (folders[i], name, NULL);
      if (g_file_test (path, G_FILE_TEST_EXISTS))
        return g_steal_pointer (&path);
    }
  return pm_hub_find (name);
}

char *
pm_model_resolve (const char *name_or_path, GError **error)
{
  g_autofree char *path = resolve_model (name_or_path);

  if (path)
    return pm_hub_resolve (path, error);
  if (! name_or_path || pm_link_check (name_or_path, error))
    set_no_model (error, name_or_path ? name_or_path : "");
  return NULL;
}

char *
pm_model_find_vae (const char *path, const PmConfig *config)
{
  const char      *name = config->has_vae ? config->vae : "vae";
  g_autofree char *folder = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : g_path_get_dirname (path);
  g_autofree char *vae = name && g_file_test (path, G_FILE_TEST_EXISTS) ? g_build_filename (folder, name, NULL) : NULL;
  return vae && g_file_test (vae, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&vae) : NULL;
}

PmModel *
pm_model_open (const char *name_or_path, GError **error)
{
  g_autofree char *path = pm_model_resolve (name_or_path, error);
  if (! path)
    return NULL;
  g_autoptr (PmConfig)     config = pm_config_load (path, error);
  g_autoptr (PmCheckpoint) checkpoint = config ? pm_checkpoint_open (path, error) : NULL;
  g_autofree char         *published = pm_hub_name (path);
  g_autofree char         *name = published ? g_steal_pointer (&published) : g_path_get_basename (path);
  if (! checkpoint)
    return NULL;
  return pm_model_new_from_checkpoint (g_steal_pointer (&checkpoint), g_steal_pointer (&config), name, error);
}
