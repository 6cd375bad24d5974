/* See hub.h. Nothing is written there, and nothing is downloaded. */
#include "model/hub.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"

#define PREFIX "models--"
#define MAX_INDEX_BYTES (256u << 10)
#define MAX_REF_BYTES 256

static const char *const pipelines[] = { "DiTPipeline", "PixArtAlphaPipeline", "PixArtSigmaPipeline" };

static char *
hub_folder (void)
{
  const char *folder = g_getenv ("HF_HUB_CACHE"), *home = g_getenv ("HF_HOME");

  if (folder && *folder)
    return g_strdup (folder);
  return home && *home ? g_build_filename (home, "hub", NULL)
                       : g_build_filename (g_get_user_cache_dir (), "huggingface", "hub", NULL);
}

/* "models--ORG--NAME" to "ORG/NAME"; NULL for other names. */
static char *
folder_to_name (const char *folder)
{
  if (! g_str_has_prefix (folder, PREFIX) || ! folder[strlen (PREFIX)])
    return NULL;
  g_auto (GStrv) parts = g_strsplit (folder + strlen (PREFIX), "--", 2);
  return g_strjoinv ("/", parts);
}

char *
pm_hub_name (const char *path)
{
  g_autofree char *snapshots = g_path_get_dirname (path), *repository = g_path_get_dirname (snapshots);
  g_autofree char *middle = g_path_get_basename (snapshots), *folder = g_path_get_basename (repository);
  return strcmp (middle, "snapshots") == 0 ? folder_to_name (folder) : NULL;
}

char *
pm_hub_find (const char *name)
{
  g_auto (GStrv)   parts = g_strsplit (name, "/", -1);
  g_autofree char *joined = g_strjoinv ("--", parts), *folder = g_strconcat (PREFIX, joined, NULL), *hub = hub_folder ();
  g_autofree char *path = g_build_filename (hub, folder, NULL);

  for (int i = 0; parts[i]; i++)
    if (i > 1 || ! *parts[i] || parts[i][0] == '.')
      return NULL;
  return g_file_test (path, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&path) : NULL;
}

/* What refs/main says, if that is a snapshot. */
static char *
read_ref (const char *path)
{
  g_autofree char *ref = g_build_filename (path, "refs", "main", NULL), *text = NULL;
  gsize            n = 0;

  if (! g_file_test (ref, G_FILE_TEST_IS_REGULAR) || ! g_file_get_contents (ref, &text, &n, NULL) || n > MAX_REF_BYTES)
    return NULL;
  g_strstrip (text);
  if (! *text || text[0] == '.' || strpbrk (text, "/\\"))
    return NULL;
  g_autofree char *snapshot = g_build_filename (path, "snapshots", text, NULL);
  return g_file_test (snapshot, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&snapshot) : NULL;
}

/* The only snapshot; *n: how many there are. */
static char *
find_only (const char *folder, int *n)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  char            *found = NULL;

  *n = 0;
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (name[0] == '.' || ! g_file_test (path, G_FILE_TEST_IS_DIR))
        continue;
      g_free (found);
      found = g_steal_pointer (&path);
      ++*n;
    }
  return found;
}

char *
pm_hub_resolve (const char *path, GError **error)
{
  g_autofree char *snapshots = g_build_filename (path, "snapshots", NULL);
  int              n = 0;

  if (! g_file_test (snapshots, G_FILE_TEST_IS_DIR))
    return g_strdup (path);
  g_autofree char *said = read_ref (path), *only = said ? NULL : find_only (snapshots, &n);
  g_autofree char *shown = g_filename_display_name (snapshots);
  if (said)
    return g_steal_pointer (&said);
  if (n == 1)
    return g_steal_pointer (&only);
  if (n == 0)
    g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL, _("The folder %s holds no snapshot of the model; download it again."),
                 shown);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                 _("The folder %s holds %d snapshots of the model, and the file refs/main beside it names none of them; give the "
                   "path of one of them."),
                 shown, n);
  return NULL;
}

static gboolean
is_known (const char *path)
{
  g_autofree char     *snapshot = pm_hub_resolve (path, NULL);
  g_autofree char     *index = snapshot ? g_build_filename (snapshot, "model_index.json", NULL) : NULL;
  g_autoptr (JsonNode) root
      = index && g_file_test (index, G_FILE_TEST_EXISTS) ? pm_json_load (index, MAX_INDEX_BYTES, NULL) : NULL;
  JsonObject          *object = root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  const char          *name = object ? pm_json_read_string (json_object_get_member (object, "_class_name")) : NULL;

  for (gsize i = 0; name && i < G_N_ELEMENTS (pipelines); i++)
    if (strcmp (name, pipelines[i]) == 0)
      return TRUE;
  return FALSE;
}

void
pm_hub_list (GStrvBuilder *builder)
{
  g_autofree char *hub = hub_folder ();
  g_autoptr (GDir) dir = g_dir_open (hub, 0, NULL);

  for (const char *folder = dir ? g_dir_read_name (dir) : NULL; folder; folder = g_dir_read_name (dir))
    {
      g_autofree char *name = folder_to_name (folder), *path = g_build_filename (hub, folder, NULL);
      if (name && is_known (path))
        g_strv_builder_add (builder, name);
    }
}
