/* JSON from a file that is not trusted (RFC 8259). json-glib parses recursively, accepts comments, keeps the last of two
 * equal keys, and some versions abort on two values in a row; one pass over the text before it bounds the depth, admits
 * only characters of the grammar outside strings, wants one object or array and counts the keys. */
#include "format/json.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

/* Between the brackets of the one value (depth 0 outside it) any character of the grammar may stand. */
static gboolean
is_allowed (char c, int depth, gboolean has_begun)
{
  if (depth == 0)
    return c != '\0' && strchr (has_begun ? " \t\r\n" : " \t\r\n[{", c);
  return c != '\0' && strchr ("\"[]{}:,+-.0123456789eEtrufalsn \t\r\n", c);
}

/* Python writes infinities, for which JSON has no word: they become null, not said. NULL where there are none or no memory. */
static char *
without_infinities (const char *text, gsize n)
{
  static const char *const words[] = { "-Infinity", "Infinity" };
  gboolean                 in_string = FALSE;
  char                    *copy = g_strstr_len (text, (gssize) n, words[1]) ? g_try_malloc (n) : NULL;

  if (! copy)
    return NULL;
  memcpy (copy, text, n);
  for (gsize i = 0; i < n; i++)
    {
      if (copy[i] == '"')
        in_string = ! in_string;
      else if (in_string && copy[i] == '\\')
        i++;
      for (guint w = 0; ! in_string && w < G_N_ELEMENTS (words); w++)
        if (n - i >= strlen (words[w]) && memcmp (copy + i, words[w], strlen (words[w])) == 0)
          {
            memset (copy + i, ' ', strlen (words[w]));
            memcpy (copy + i, "null", 4);
          }
    }
  return copy;
}

/* The number of keys in all objects, or -1. */
static gssize
check_text (const char *text, gsize n)
{
  gboolean in_string = FALSE, has_begun = FALSE;
  int      depth = 0;
  gssize   n_keys = 0;

  for (gsize i = 0; i < n; i++)
    {
      const char c = text[i];

      if (in_string)
        {
          if (c == '\\')
            i++;
          else if (c == '"')
            in_string = FALSE;
          continue;
        }
      if (! is_allowed (c, depth, has_begun))
        return -1;
      in_string = c == '"';
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
      has_begun = has_begun || depth > 0;
      n_keys += c == ':';
      if (depth < 0 || depth > PM_JSON_MAX_DEPTH)
        return -1;
    }
  return has_begun && depth == 0 && ! in_string ? n_keys : -1;
}

static gssize count_keys (JsonNode *node);

static void
count_member_cb (JsonObject *object, const char *name, JsonNode *node, gpointer data)
{
  *(gssize *) data += 1 + count_keys (node);
}

static void
count_element_cb (JsonArray *array, guint i, JsonNode *node, gpointer data)
{
  *(gssize *) data += count_keys (node);
}

/* Recursion is bounded by PM_JSON_MAX_DEPTH. */
static gssize
count_keys (JsonNode *node)
{
  gssize n = 0;

  if (JSON_NODE_HOLDS_OBJECT (node))
    json_object_foreach_member (json_node_get_object (node), count_member_cb, &n);
  else if (JSON_NODE_HOLDS_ARRAY (node))
    json_array_foreach_element (json_node_get_array (node), count_element_cb, &n);
  return n;
}

JsonNode *
pm_json_parse (const char *text, gsize n, const char *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) cause = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *copy = n <= G_MAXSSIZE ? without_infinities (text, n) : NULL;

  text = copy ? copy : text;
  gssize n_keys = n <= G_MAXSSIZE && g_utf8_validate_len (text, n, NULL) ? check_text (text, n) : -1;

  if (n_keys < 0)
    {
      g_set_error (
          error, PM_ERROR, PM_ERROR_DAMAGED,
          _("%s holds damaged JSON: it is cut off, not UTF-8, nested too deeply or no list or object at all. Correct it "
            "or download it again."),
          path);
      return NULL;
    }
  if (! json_parser_load_from_data (parser, text, n, &cause))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s holds damaged JSON (%s). Correct it or download it again."), path,
                   cause->message);
      return NULL;
    }
  root = json_parser_steal_root (parser);
  if (! root || count_keys (root) != n_keys)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s holds damaged JSON: it is empty or a key occurs twice in one object. Correct it or download it again."),
                   path);
      return NULL;
    }
  return g_steal_pointer (&root);
}

JsonNode *
pm_json_load (const char *path, gsize max_bytes, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *shown = g_filename_display_name (path);
  g_autoptr (GError) cause = NULL;
  GStatBuf info;
  gsize    n = 0;

  if (g_stat (path, &info) == 0 && (! S_ISREG (info.st_mode) || (guint64) info.st_size > max_bytes))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is not a file of at most %zu bytes, as JSON of this kind should be. Correct it or download it again."),
                   shown, max_bytes);
      return NULL;
    }
  if (! g_file_get_contents (path, &text, &n, &cause))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("%s cannot be read (%s). Check its name and permissions."), shown,
                   cause->message);
      return NULL;
    }
  return pm_json_parse (text, n, shown, error);
}

gboolean
pm_json_read_size (JsonNode *node, gsize *value)
{
  gint64 number;

  if (! node || ! JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  number = json_node_get_int (node);
  if (number < 0 || (guint64) number > G_MAXSIZE)
    return FALSE;
  *value = (gsize) number;
  return TRUE;
}

gboolean
pm_json_read_number (JsonNode *node, double *value)
{
  if (! node || ! JSON_NODE_HOLDS_VALUE (node)
      || (json_node_get_value_type (node) != G_TYPE_INT64 && json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return FALSE;
  *value = json_node_get_double (node);
  return TRUE;
}

gboolean
pm_json_read_boolean (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN
         && json_node_get_boolean (node);
}

const char *
pm_json_read_string (JsonNode *node)
{
  if (! node || ! JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}
