/* PyTorch's .pt and .pth files since version 1.6: a zip archive of FOLDER/data.pkl, a pickle of names and descriptions,
 * and FOLDER/data/KEY, the stored elements of each storage.
 * Source of truth: pytorch, torch/serialization.py (_save), caffe2/serialize/inline_container.h (layout, alignment). */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint-private.h"
#include "format/format.h"
#include "format/unpickle.h"
#include "format/zip.h"

/* One file while it is opened. */
typedef struct
{
  PmCheckpoint *checkpoint;
  const char   *path;
  PmZip        *zip;
  char         *prefix; /* "archive/" */
} PmArchive;

static gboolean
probe (const guint8 *head, gsize n)
{
  return n >= 4 && memcmp (head, "PK\3\4", 4) == 0;
}

/* A member that is stored as it is; NULL with an error otherwise. */
static const PmZipEntry *
find_stored (const PmArchive *archive, const char *name, GError **error)
{
  g_autofree char  *full = g_strconcat (archive->prefix, name, NULL);
  const PmZipEntry *entry = pm_zip_find (archive->zip, full);

  if (! entry)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s is damaged: its part \"%s\" is missing. Download it again."),
                 archive->path, name);
  else if (! entry->is_stored)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s is compressed or encrypted, which PyTorch itself never does. Unpack it, or load it in PyTorch and save "
                    "it again."),
                 archive->path);
  return entry && entry->is_stored ? entry : NULL;
}

static gboolean
fail_tensor (const PmArchive *archive, const char *name, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("%s is damaged: the tensor \"%s\" reaches beyond its stored elements. Download it again."), archive->path,
               name);
  return FALSE;
}

/* Whether elements lie one after the other. */
static gboolean
is_contiguous (const PmPickleTensor *view)
{
  gsize expected = 1;

  for (int i = view->rank - 1; i >= 0; i--)
    {
      if (view->shape[i] != 1 && view->stride[i] != expected)
        return FALSE;
      expected *= view->shape[i];
    }
  return TRUE;
}

/* FALSE unless every element of the view, which has some, lies in a storage of n elements. */
static gboolean
fits_storage (const PmPickleTensor *view, gsize n)
{
  gsize last = view->offset, reach;

  for (int i = 0; i < view->rank; i++)
    if (! g_size_checked_mul (&reach, view->shape[i] - 1, view->stride[i]) || ! g_size_checked_add (&last, last, reach))
      return FALSE;
  return last < n;
}

/* Copies a strided view, row by row of its last dimension. rank >= 1. */
static void
gather (const PmPickleTensor *view, const guint8 *elements, gsize size, guint8 *out)
{
  const int last = view->rank - 1;
  gsize     index[PM_MAX_RANK] = { 0 };
  int       dim = last;

  while (dim >= 0)
    {
      gsize at = view->offset;

      for (int i = 0; i < last; i++)
        at += index[i] * view->stride[i];
      for (gsize i = 0; i < view->shape[last]; i++, out += size)
        memcpy (out, elements + (at + i * view->stride[last]) * size, size);
      for (dim = last - 1; dim >= 0 && ++index[dim] == view->shape[dim]; dim--)
        index[dim] = 0;
    }
}

static gboolean
add_tensor (const PmArchive *archive, const char *name, const PmPickleTensor *view, GError **error)
{
  PmTensor          tensor = { .name = name, .dtype = view->dtype, .rank = view->rank };
  gsize             size = pm_dtype_size (view->dtype), n_elements = (gsize) view->storage->integer, n_bytes, n_stored;
  g_autofree char  *key = g_strndup (view->storage->text, view->storage->n_text);
  g_autofree char  *member = g_strconcat ("data/", key, NULL);
  const PmZipEntry *entry = NULL;
  const guint8     *data;
  guint8           *copy;

  memcpy (tensor.shape, view->shape, sizeof tensor.shape);
  if (view->dtype == PM_DTYPE_OTHER || view->rank > PM_MAX_RANK)
    return pm_checkpoint_add (archive->checkpoint, archive->path, &tensor, NULL, 0, error);
  entry = find_stored (archive, member, error);
  if (! entry)
    return FALSE;
  if (! pm_shape_count (view->rank, view->shape, &tensor.n_elements)
      || ! g_size_checked_mul (&n_bytes, tensor.n_elements, size) || ! g_size_checked_mul (&n_stored, n_elements, size)
      || n_stored > entry->n || (tensor.n_elements > 0 && ! fits_storage (view, n_elements)))
    return fail_tensor (archive, name, error);
  data = tensor.n_elements > 0 ? entry->data + view->offset * size : entry->data;
  if (tensor.n_elements > 0 && ! is_contiguous (view))
    {
      copy = pm_checkpoint_alloc_copy (archive->checkpoint, archive->path, n_bytes, error);
      if (! copy)
        return FALSE;
      gather (view, entry->data, size, copy);
      data = copy;
    }
  return pm_checkpoint_add (archive->checkpoint, archive->path, &tensor, data, n_bytes, error);
}

static gboolean
is_tensor (const PmPickleValue *value)
{
  return value->kind == PM_PICKLE_TENSOR || value->is_broken_tensor;
}

static gboolean
holds_tensors (const PmPickleValue *dict)
{
  for (guint i = 1; dict && dict->kind == PM_PICKLE_DICT && i < dict->items->len; i += 2)
    if (is_tensor (g_ptr_array_index (dict->items, i)))
      return TRUE;
  return FALSE;
}

/* The dictionary of tensors: averaged weights first, as the reference's loader prefers them. */
static const PmPickleValue *
find_state (const PmPickleValue *root)
{
  static const char *const containers[] = { "ema", "model", "state_dict", "module" };

  for (gsize i = 0; i < G_N_ELEMENTS (containers); i++)
    {
      const PmPickleValue *inner = pm_pickle_dict_find (root, containers[i]);

      if (holds_tensors (inner))
        return inner;
    }
  return holds_tensors (root) ? root : NULL;
}

/* The name without the wrappers that PyTorch's own containers put before it; NULL when it is no text. */
static char *
clean_name (const PmPickleValue *key)
{
  static const char *const wrappers[] = { "module.", "_orig_mod." };
  const char              *text = key->text;
  gsize                    n = key->n_text;

  if (key->kind != PM_PICKLE_STRING || ! g_utf8_validate_len (text, n, NULL))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (wrappers); i++)
    if (n > strlen (wrappers[i]) && memcmp (text, wrappers[i], strlen (wrappers[i])) == 0)
      {
        text += strlen (wrappers[i]);
        n -= strlen (wrappers[i]);
      }
  return g_strndup (text, n);
}

static gboolean
add_state (const PmArchive *archive, const PmPickleValue *state, GError **error)
{
  for (guint i = 0; i + 1 < state->items->len; i += 2)
    {
      const PmPickleValue *key = g_ptr_array_index (state->items, i), *value = g_ptr_array_index (state->items, i + 1);
      g_autofree char     *name = is_tensor (value) ? clean_name (key) : NULL;

      if (! name)
        continue;
      if (value->is_broken_tensor)
        {
          g_autofree char *culprit = pm_pickle_describe (value);

          g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                       _("%s: the tensor \"%s\" depends on the Python object \"%s\", which is not run here. Load the file in "
                          "PyTorch and save plain tensors."),
                       archive->path, name, culprit);
          return FALSE;
        }
      if (! add_tensor (archive, name, value->tensor, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_byte_order (const PmArchive *archive, GError **error)
{
  g_autofree char  *name = g_strconcat (archive->prefix, "byteorder", NULL);
  const PmZipEntry *entry = pm_zip_find (archive->zip, name);

  if (! entry || (entry->n == strlen ("little") && memcmp (entry->data, "little", entry->n) == 0))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("%s was saved on a computer with another order of bytes. Load it in PyTorch and save it again."),
               archive->path);
  return FALSE;
}

static gboolean
read_archive (PmArchive *archive, GError **error)
{
  const PmZipEntry    *pickle = find_stored (archive, "data.pkl", error);
  g_autoptr (PmUnpickler) unpickler = NULL;
  const PmPickleValue *state = NULL;

  if (pickle && check_byte_order (archive, error))
    unpickler = pm_unpickle (pickle->data, pickle->n, archive->path, error);
  if (unpickler)
    state = find_state (pm_unpickler_get_root (unpickler));
  if (unpickler && ! state)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s holds no dictionary of tensors, perhaps a whole Python object. Load it in PyTorch and save its "
                    "state_dict()."),
                 archive->path);
  return state && add_state (archive, state, error);
}

static gboolean
open_torch_zip (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error)
{
  const guint8 *bytes = (const guint8 *) g_mapped_file_get_contents (file);
  g_autoptr (PmZip) zip = pm_zip_open (bytes, g_mapped_file_get_length (file), path, error);
  const PmZipEntry *pickle = zip ? pm_zip_find_basename (zip, "data.pkl") : NULL;
  g_autofree char  *prefix = pickle ? g_strndup (pickle->name, strlen (pickle->name) - strlen ("data.pkl")) : NULL;
  PmArchive         archive = { checkpoint, path, zip, prefix };

  if (zip && ! pickle)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s is a zip archive, but not one of PyTorch's. If the model is inside it, unpack it first."), path);
  return pickle && read_archive (&archive, error);
}

const PmFormat pm_format_torch_zip = {
  .id = "torch-zip",
  .probe = probe,
  .open = open_torch_zip,
};
