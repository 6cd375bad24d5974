/* Where models are looked for, and what class a text names. */
#include "model-private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

#define MAX_NEAR 5

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
        || g_str_has_suffix (name, ".pt") || g_str_has_suffix (name, ".pth") || g_str_has_suffix (name, ".bin"))
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
  return NULL;
}

PmModel *
pm_model_open (const char *name_or_path, GError **error)
{
  g_autofree char *path = resolve_model (name_or_path);
  if (! path)
    {
      set_no_model (error, name_or_path ? name_or_path : "");
      return NULL;
    }
  g_autoptr (PmConfig)     config = pm_config_load (path, error);
  g_autoptr (PmCheckpoint) checkpoint = config ? pm_checkpoint_open (path, error) : NULL;
  g_autofree char         *name = g_path_get_basename (path);
  if (! checkpoint)
    return NULL;
  return pm_model_new_from_checkpoint (g_steal_pointer (&checkpoint), g_steal_pointer (&config), name, error);
}

const char *
pm_model_get_class_name (PmModel *model, int class_index)
{
  if (! model->info.classes || class_index < 0 || class_index >= model->info.n_classes)
    return NULL;
  return model->info.classes[class_index];
}

/* Levenshtein's distance of two case-folded texts, characters beyond 63 left out. */
static int
text_distance (const char *a, const char *b)
{
  int row[64], n = (int) MIN (strlen (b), 63);
  for (int j = 0; j <= n; j++)
    row[j] = j;
  for (int i = 1; a[i - 1] && i < 64; i++)
    {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= n; j++)
        {
          int replaced = diagonal + (a[i - 1] != b[j - 1]);
          diagonal = row[j];
          row[j] = MIN (replaced, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[n];
}

/* The names nearest to text, those that share a word's beginning first; joined for a message. */
static char *
near_names (PmModel *model, const char *text)
{
  g_autoptr (GString) near = g_string_new (NULL);
  g_autofree int     *scores = g_new (int, model->info.n_classes);

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *name = g_utf8_casefold (model->info.classes[i], -1);
      scores[i] = 2 * text_distance (text, name);
      for (const char *word = name; word; word = strchr (word, ' '))
        {
          word += *word == ' ';
          scores[i] = MIN (scores[i], 1 + 2 * text_distance (text, word));
        }
    }
  for (int n = 0; n < MAX_NEAR; n++)
    {
      int best = 0;
      for (int i = 1; i < model->info.n_classes; i++)
        if (scores[i] < scores[best])
          best = i;
      if (model->info.n_classes == 0 || scores[best] == G_MAXINT)
        break;
      g_string_append_printf (near, "%s“%s”", near->len ? ", " : "", model->info.classes[best]);
      scores[best] = G_MAXINT;
    }
  return g_string_free (g_steal_pointer (&near), FALSE);
}

static int
find_by_name (PmModel *model, const char *text, GError **error)
{
  g_autofree char *wanted = g_utf8_casefold (text, -1);
  int              part = -1, n_parts = 0;

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *name = g_utf8_casefold (model->info.classes[i], -1);
      if (g_str_equal (name, wanted))
        return i;
      if (strstr (name, wanted))
        {
          part = i;
          n_parts++;
        }
    }
  if (n_parts == 1)
    return part;
  g_autofree char *near = near_names (model, wanted);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; the nearest are: %s."), model->name, text,
               near);
  return -1;
}

int
pm_model_find_class (PmModel *model, const char *text, GError **error)
{
  char  *end = NULL;
  gint64 number;

  if ((! text || ! *text) && model->network_info.null_class < 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” cannot paint without a class; choose one."),
                   model->name);
      return -1;
    }
  if (! text || ! *text)
    return model->info.n_classes;
  if (! g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The name of the class is not valid UTF-8; type it again."));
      return -1;
    }
  for (int i = 0; model->info.classes && i < model->info.n_classes; i++)
    if (g_str_equal (model->info.classes[i], text))
      return i;
  number = g_ascii_strtoll (text, &end, 10);
  if (*end == '\0' && number >= 0 && number < model->info.n_classes)
    return (int) number;
  if (*end != '\0' && model->info.classes)
    return find_by_name (model, text, error);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; its classes have the numbers 0 to %d."),
               model->name, text, model->info.n_classes - 1);
  return -1;
}
