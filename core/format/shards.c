/* A checkpoint in several files: an index whose "weight_map" says which file holds which tensor.
 * Source of truth: huggingface/transformers, save_pretrained: NAME.safetensors.index.json beside its shards. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint-private.h"
#include "format/json.h"

#define MAX_INDEX_BYTES (100u << 20)

gboolean
pm_shards_probe (const guint8 *head, gsize n)
{
  gsize i = 0;

  while (i < n && g_ascii_isspace (head[i]))
    i++;
  return i < n && head[i] == '{' && g_strstr_len ((const char *) head, n, "\"weight_map\"") != NULL;
}

/* A name that cannot leave the folder. */
static gboolean
is_plain_name (const char *name)
{
  return name && name[0] != '\0' && name[0] != '.' && ! strpbrk (name, "/\\");
}

/* Distinct names of shards, in the order of the map; NULL on error. */
static GPtrArray *
list_shards (JsonObject *map, const char *shown, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  JsonObjectIter iter;
  JsonNode      *node;

  json_object_iter_init_ordered (&iter, map);
  while (json_object_iter_next_ordered (&iter, NULL, &node))
    {
      const char *name = pm_json_read_string (node);

      if (! is_plain_name (name))
        {
          g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                       _("%s is damaged: a file in its \"weight_map\" is not a plain name in the same folder. Download it "
                          "again."),
                       shown);
          return NULL;
        }
      if (g_hash_table_add (seen, (char *) name))
        g_ptr_array_add (names, (char *) name);
    }
  return g_steal_pointer (&names);
}

/* FALSE when a tensor of the map is in none of the shards. */
static gboolean
check_map (PmCheckpoint *checkpoint, JsonObject *map, const char *shown, GError **error)
{
  JsonObjectIter iter;
  const char    *name;
  JsonNode      *node;

  json_object_iter_init_ordered (&iter, map);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (! pm_checkpoint_find (checkpoint, name))
      {
        g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                     _("%s says that %s holds the tensor \"%s\", but it is not there. Download that file again."), shown,
                     pm_json_read_string (node), name);
        return FALSE;
      }
  return TRUE;
}

gboolean
pm_shards_open (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error)
{
  g_autofree char *shown = g_filename_display_name (path);
  g_autofree char *folder = g_path_get_dirname (path);
  gsize n = g_mapped_file_get_length (file);
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GPtrArray) names = NULL;
  JsonNode *map = NULL;

  if (n <= MAX_INDEX_BYTES)
    root = pm_json_parse (g_mapped_file_get_contents (file), n, shown, error);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s is damaged: it is too long for an index. Download it again."), shown);
  if (! root)
    return FALSE;
  if (JSON_NODE_HOLDS_OBJECT (root))
    map = json_object_get_member (json_node_get_object (root), "weight_map");
  if (! map || ! JSON_NODE_HOLDS_OBJECT (map))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: it has no \"weight_map\" of tensor names to file names. Download it again."), shown);
      return FALSE;
    }
  names = list_shards (json_node_get_object (map), shown, error);
  for (guint i = 0; names && i < names->len; i++)
    {
      g_autofree char *shard = g_build_filename (folder, g_ptr_array_index (names, i), NULL);

      if (! g_file_test (shard, G_FILE_TEST_EXISTS))
        {
          g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                       _("%s needs the file %s beside it, which is missing. Download it too."), shown,
                       (const char *) g_ptr_array_index (names, i));
          return FALSE;
        }
      if (! pm_checkpoint_add_file (checkpoint, shard, error))
        return FALSE;
    }
  return names && check_map (checkpoint, json_node_get_object (map), shown, error);
}
