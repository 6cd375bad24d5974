/* safetensors: eight bytes of length (little-endian), a JSON header, then the tensors' bytes.
 * Source of truth: huggingface/safetensors, README "Format". Offsets count from the end of the header; holes and
 * overlaps are harmless to a reader, so only the range is checked. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint-private.h"
#include "format/format.h"
#include "format/json.h"

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES ((guint64) 100 * 1000 * 1000) /* the reference's own limit */

/* The tensors' bytes, and whose they are. */
typedef struct
{
  PmCheckpoint *checkpoint;
  const char   *path;
  const guint8 *data; /* [n_data] */
  gsize         n_data;
} PmSection;

static guint64
read_length (const guint8 *head)
{
  guint64 length;

  memcpy (&length, head, sizeof length);
  return GUINT64_FROM_LE (length);
}

static gboolean
probe (const guint8 *head, gsize n)
{
  return n > LENGTH_BYTES && head[LENGTH_BYTES] == '{' && read_length (head) <= MAX_HEADER_BYTES;
}

static PmDtype
dtype_from_name (const char *name)
{
  static const struct
  {
    const char *name;
    PmDtype     dtype;
  } names[] = { { "F32", PM_DTYPE_F32 }, { "F16", PM_DTYPE_F16 }, { "BF16", PM_DTYPE_BF16 },
                { "F64", PM_DTYPE_F64 }, { "I32", PM_DTYPE_I32 }, { "I64", PM_DTYPE_I64 } };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      return names[i].dtype;
  return PM_DTYPE_OTHER;
}

static gboolean
fail_entry (const PmSection *section, const char *name, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("%s is damaged: the description of the tensor \"%s\" in its header makes no sense. Download it again."),
               section->path, name);
  return FALSE;
}

static gboolean
fail_end (const PmSection *section, const char *name, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("%s is damaged: it ends before the tensor \"%s\" does. Download it again."), section->path, name);
  return FALSE;
}

/* Reads "shape": rank above the limit is left to pm_checkpoint_add, which names the tensor. */
static gboolean
read_shape (JsonNode *node, PmTensor *tensor)
{
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint      rank = array ? json_array_get_length (array) : 0;

  if (! array)
    return FALSE;
  for (guint i = 0; i < MIN (rank, PM_MAX_RANK); i++)
    if (! pm_json_read_size (json_array_get_element (array, i), &tensor->shape[i]))
      return FALSE;
  tensor->rank = (int) MIN (rank, G_MAXINT);
  return TRUE;
}

static gboolean
add_entry (const PmSection *section, const char *name, JsonNode *node, GError **error)
{
  PmTensor    tensor = { .name = name };
  JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *dtype = entry ? pm_json_read_string (json_object_get_member (entry, "dtype")) : NULL;
  JsonNode   *offsets = entry ? json_object_get_member (entry, "data_offsets") : NULL;
  gsize       begin, end;

  if (! dtype || ! read_shape (json_object_get_member (entry, "shape"), &tensor) || ! offsets
      || ! JSON_NODE_HOLDS_ARRAY (offsets) || json_array_get_length (json_node_get_array (offsets)) != 2
      || ! pm_json_read_size (json_array_get_element (json_node_get_array (offsets), 0), &begin)
      || ! pm_json_read_size (json_array_get_element (json_node_get_array (offsets), 1), &end) || begin > end)
    return fail_entry (section, name, error);
  if (end > section->n_data)
    return fail_end (section, name, error);
  tensor.dtype = dtype_from_name (dtype);
  return pm_checkpoint_add (section->checkpoint, section->path, &tensor, section->data + begin, end - begin, error);
}

static gboolean
open_safetensors (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error)
{
  const guint8 *bytes = (const guint8 *) g_mapped_file_get_contents (file);
  gsize         n = g_mapped_file_get_length (file);
  guint64       n_header = n >= LENGTH_BYTES ? read_length (bytes) : G_MAXUINT64;
  PmSection     section = { checkpoint, path, NULL, 0 };
  g_autoptr (JsonNode) root = NULL;
  JsonObjectIter iter;
  const char    *name;
  JsonNode      *node;

  if (n < LENGTH_BYTES || n_header > n - LENGTH_BYTES || n_header > MAX_HEADER_BYTES)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: it ends within its own header. Download it again."), path);
      return FALSE;
    }
  root = pm_json_parse ((const char *) bytes + LENGTH_BYTES, n_header, path, error);
  if (! root)
    return FALSE;
  if (! JSON_NODE_HOLDS_OBJECT (root))
    return fail_entry (&section, "", error);
  section.data = bytes + LENGTH_BYTES + n_header;
  section.n_data = n - LENGTH_BYTES - n_header;
  json_object_iter_init_ordered (&iter, json_node_get_object (root));
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (strcmp (name, "__metadata__") != 0 && ! add_entry (&section, name, node, error))
      return FALSE;
  return TRUE;
}

const PmFormat pm_format_safetensors = {
  .id = "safetensors",
  .probe = probe,
  .open = open_safetensors,
};
