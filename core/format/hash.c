/* Weights from an integer hash, for fixtures and measurements: a JSON file of names and shapes, no stored numbers.
 *   { "format": "pentimento-hash-1",
 *     "tensors": { "blocks.0.attn.qkv.weight": { "shape": [576, 192], "scale": 0.05, "offset": 0 }, ... } }
 * Value i of a tensor, in unsigned 64-bit arithmetic and then f32, each operation rounded by itself:
 *   h = FNV-1a (name);  z = h + (i + 1) * 0x9E3779B97F4A7C15
 *   z ^= z >> 30;  z *= 0xBF58476D1CE4E5B9;  z ^= z >> 27;  z *= 0x94D049BB133111EB;  z ^= z >> 31
 *   value = offset + scale * (2 * (z >> 40) * 2^-24 - 1)
 * scale (1 when absent) and offset (0) are rounded to f32 first. tests/reference generates the same numbers. With "dtype" "F16"
 * they are rounded to that type, with "BF16" cut off to it.
 * Sources: FNV-1a, draft-eastlake-fnv; splitmix64, Steele, Lea and Flood 2014. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint-private.h"
#include "format/format.h"
#include "format/json.h"
#include "base/clones.h"

#define SIGNATURE "pentimento-hash-1"
#define MAX_FILE_BYTES (16u << 20)
#define BLOCK 4096

static guint64
hash_name (const char *name)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (; *name; name++)
    hash = (hash ^ (guint8) *name) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash;
}

/* out[i] = scale * (2u - 1) for values first .. first + n - 1 */
G_NO_INLINE PM_CLONES static void
fill_products (guint64 hash, guint64 first, gsize n, float scale, float *restrict out /* [n] */)
{
  for (gsize i = 0; i < n; i++)
    {
      guint64 z = hash + (first + i + 1) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

      z ^= z >> 30;
      z *= G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
      z ^= z >> 27;
      z *= G_GUINT64_CONSTANT (0x94d049bb133111eb);
      z ^= z >> 31;
      out[i] = scale * ((float) (gint32) (z >> 40) * 0x1p-23f - 1.0f);
    }
}

/* Apart from the product, so that no compiler fuses the two into one rounding. */
G_NO_INLINE PM_CLONES static void
add_offset (gsize n, float offset, float *restrict out /* [n] */)
{
  for (gsize i = 0; i < n; i++)
    out[i] += offset;
}

static void
store (PmDtype dtype, gsize n, const float *values, gpointer out)
{
  if (dtype == PM_DTYPE_F16)
    pm_convert_f32_to_f16 (values, n, out);
  else if (dtype == PM_DTYPE_F32)
    memcpy (out, values, n * sizeof (float));
  for (gsize i = 0; dtype == PM_DTYPE_BF16 && i < n; i++)
    {
      guint32 bits;
      memcpy (&bits, &values[i], sizeof bits);
      ((guint16 *) out)[i] = (guint16) (bits >> 16);
    }
}

static void
fill_values (const PmTensor *tensor, float scale, float offset, gpointer out /* [n_elements] */)
{
  guint64 hash = hash_name (tensor->name);
  float   values[BLOCK];

  for (gsize first = 0; first < tensor->n_elements; first += BLOCK)
    {
      gsize n = MIN (BLOCK, tensor->n_elements - first);

      fill_products (hash, first, n, scale, values);
      add_offset (n, offset, values);
      store (tensor->dtype, n, values, (guint8 *) out + first * pm_dtype_size (tensor->dtype));
    }
}

static gboolean
read_dtype (JsonObject *entry, PmDtype *dtype)
{
  static const struct
  {
    const char *name;
    PmDtype     dtype;
  } types[] = { { "F32", PM_DTYPE_F32 }, { "F16", PM_DTYPE_F16 }, { "BF16", PM_DTYPE_BF16 } };

  for (guint i = 0; json_object_has_member (entry, "dtype") && i < G_N_ELEMENTS (types); i++)
    if (g_strcmp0 (pm_json_read_string (json_object_get_member (entry, "dtype")), types[i].name) == 0)
      {
        *dtype = types[i].dtype;
        return TRUE;
      }
  return ! json_object_has_member (entry, "dtype");
}

/* Reads {"shape": [...], "scale": x, "offset": x, "dtype": name}. */
static gboolean
read_entry (JsonNode *node, PmTensor *tensor, double *scale, double *offset)
{
  JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode   *shape = entry ? json_object_get_member (entry, "shape") : NULL;
  JsonArray  *array = shape && JSON_NODE_HOLDS_ARRAY (shape) ? json_node_get_array (shape) : NULL;

  if (! array || json_array_get_length (array) > PM_MAX_RANK)
    return FALSE;
  tensor->rank = (int) json_array_get_length (array);
  for (int i = 0; i < tensor->rank; i++)
    if (! pm_json_read_size (json_array_get_element (array, i), &tensor->shape[i]))
      return FALSE;
  *scale = 1;
  *offset = 0;
  return (! json_object_has_member (entry, "scale") || pm_json_read_number (json_object_get_member (entry, "scale"), scale))
         && (! json_object_has_member (entry, "offset")
             || pm_json_read_number (json_object_get_member (entry, "offset"), offset))
         && read_dtype (entry, &tensor->dtype) && pm_shape_count (tensor->rank, tensor->shape, &tensor->n_elements)
         && tensor->n_elements <= G_MAXSIZE / sizeof (float);
}

static gboolean
add_entry (PmCheckpoint *checkpoint, const char *path, const char *name, JsonNode *node, GError **error)
{
  PmTensor tensor = { .name = name, .dtype = PM_DTYPE_F32 };
  double   scale, offset;
  gsize    n_bytes;
  gpointer values;

  if (! read_entry (node, &tensor, &scale, &offset))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s: the tensor \"%s\" needs a \"shape\" of up to eight sizes, \"scale\" and \"offset\" may be numbers, "
                      "and \"dtype\" F32, F16 or BF16. Correct it."),
                   path, name);
      return FALSE;
    }
  n_bytes = tensor.n_elements * pm_dtype_size (tensor.dtype);
  values = pm_checkpoint_alloc (checkpoint, path, n_bytes, error);
  if (! values)
    return FALSE;
  fill_values (&tensor, (float) scale, (float) offset, values);
  return pm_checkpoint_add (checkpoint, path, &tensor, (const guint8 *) values, n_bytes, error);
}

gboolean
pm_hash_fill (PmCheckpoint *checkpoint, const char *path, const char *json, gsize n, GError **error)
{
  g_autoptr (JsonNode) root = pm_json_parse (json, n, path, error);
  JsonObject    *object = root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  JsonNode      *tensors = object ? json_object_get_member (object, "tensors") : NULL;
  JsonObjectIter iter;
  const char    *name;
  JsonNode      *node;

  if (! root)
    return FALSE;
  if (! object || g_strcmp0 (pm_json_read_string (json_object_get_member (object, "format")), SIGNATURE) != 0 || ! tensors
      || ! JSON_NODE_HOLDS_OBJECT (tensors))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s should be an object with \"format\": \"%s\" and \"tensors\" of names and shapes. Correct it."), path,
                   SIGNATURE);
      return FALSE;
    }
  json_object_iter_init_ordered (&iter, json_node_get_object (tensors));
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (! add_entry (checkpoint, path, name, node, error))
      return FALSE;
  return TRUE;
}

static gboolean
probe (const guint8 *head, gsize n)
{
  gsize i = 0;

  while (i < n && g_ascii_isspace (head[i]))
    i++;
  return i < n && head[i] == '{' && g_strstr_len ((const char *) head, n, "\"" SIGNATURE "\"") != NULL;
}

static gboolean
open_hash (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error)
{
  gsize n = g_mapped_file_get_length (file);

  if (n > MAX_FILE_BYTES)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s is too long for a list of names and shapes. Correct it."), path);
      return FALSE;
    }
  return pm_hash_fill (checkpoint, path, g_mapped_file_get_contents (file), n, error);
}

const PmFormat pm_format_hash = {
  .id = "hash",
  .probe = probe,
  .open = open_hash,
};
