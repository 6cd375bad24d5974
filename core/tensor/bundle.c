/* Named arrays in memory. Written as safetensors (huggingface/safetensors, README "Format"): elements of the largest
 * size first, so that every array is aligned in the file. */
#include "tensor/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/checkpoint.h"

typedef struct
{
  PmTensor tensor; /* data is owned here */
  float   *f32;    /* conversions, made when first asked for */
  gint32  *i32;
} PmArray;

struct _PmBundle
{
  GPtrArray *arrays; /* of PmArray */
};

static void
array_free (gpointer data)
{
  PmArray *array = data;

  g_free ((gpointer) array->tensor.data);
  g_free ((char *) array->tensor.name);
  g_free (array->f32);
  g_free (array->i32);
  g_free (array);
}

PmBundle *
pm_bundle_new (void)
{
  PmBundle *bundle = g_new0 (PmBundle, 1);

  bundle->arrays = g_ptr_array_new_with_free_func (array_free);
  return bundle;
}

void
pm_bundle_free (PmBundle *bundle)
{
  if (! bundle)
    return;
  g_ptr_array_unref (bundle->arrays);
  g_free (bundle);
}

static PmArray *
find_array (PmBundle *bundle, const char *name)
{
  for (guint i = 0; i < bundle->arrays->len; i++)
    {
      PmArray *array = g_ptr_array_index (bundle->arrays, i);

      if (strcmp (array->tensor.name, name) == 0)
        return array;
    }
  return NULL;
}

static void
set_memory_error (GError **error, const char *name)
{
  g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
               _("There is not enough memory for the array \"%s\". Close other programs or ask for less."), name);
}

gpointer
pm_bundle_add (PmBundle *bundle, const char *name, PmDtype dtype, int rank, const gsize *shape, GError **error)
{
  PmArray *array = find_array (bundle, name);
  PmTensor tensor = { .dtype = dtype, .rank = rank, .n_elements = 1 };
  gpointer data = NULL;
  gsize    n_bytes = 0;
  gboolean fits = TRUE;

  g_assert (rank >= 0 && rank <= PM_MAX_RANK && pm_dtype_size (dtype) > 0);
  for (int i = 0; i < rank; i++)
    {
      tensor.shape[i] = shape[i];
      fits = fits && g_size_checked_mul (&tensor.n_elements, tensor.n_elements, shape[i]);
    }
  if (fits && g_size_checked_mul (&n_bytes, tensor.n_elements, pm_dtype_size (dtype)))
    data = g_try_malloc0 (MAX (n_bytes, 1));
  if (! data)
    {
      set_memory_error (error, name);
      return NULL;
    }
  if (array)
    g_ptr_array_remove (bundle->arrays, array);
  array = g_new0 (PmArray, 1);
  array->tensor = tensor;
  array->tensor.name = g_strdup (name);
  array->tensor.data = data;
  g_ptr_array_add (bundle->arrays, array);
  return data;
}

PmBundle *
pm_bundle_load (const char *path, GError **error)
{
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_open (path, error);
  g_autoptr (PmBundle) bundle = pm_bundle_new ();

  for (guint i = 0; checkpoint && i < pm_checkpoint_get_n_tensors (checkpoint); i++)
    {
      const PmTensor *tensor = pm_checkpoint_get_tensor (checkpoint, i);
      gpointer        data;

      if (tensor->dtype == PM_DTYPE_OTHER)
        continue;
      data = pm_bundle_add (bundle, tensor->name, tensor->dtype, tensor->rank, tensor->shape, error);
      if (! data)
        return NULL;
      if (tensor->n_elements > 0)
        memcpy (data, tensor->data, tensor->n_elements * pm_dtype_size (tensor->dtype));
    }
  return checkpoint ? g_steal_pointer (&bundle) : NULL;
}

const PmTensor *
pm_bundle_find (PmBundle *bundle, const char *name)
{
  PmArray *array = find_array (bundle, name);

  return array ? &array->tensor : NULL;
}

/* "[*, 3, 64]" */
static char *
dims_to_string (int rank, const gssize *dims)
{
  GString *text = g_string_new ("[");

  for (int i = 0; i < rank; i++)
    {
      g_string_append (text, i ? ", " : "");
      if (dims[i] < 0)
        g_string_append_c (text, '*');
      else
        g_string_append_printf (text, "%" G_GSSIZE_FORMAT, dims[i]);
    }
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* The array of that name and shape, or NULL with an error. */
static PmArray *
get_array (PmBundle *bundle, const char *name, int rank, const gssize *dims, GError **error)
{
  PmArray *array = find_array (bundle, name);
  g_autofree char *expected = dims_to_string (rank, dims);
  gboolean fits = array && array->tensor.rank == rank;

  if (! array)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The array \"%s\" of shape %s is missing. Add it to the input."), name,
                   expected);
      return NULL;
    }
  for (int i = 0; fits && i < rank; i++)
    fits = dims[i] < 0 || (gsize) dims[i] == array->tensor.shape[i];
  if (! fits)
    {
      g_autofree char *shape = pm_tensor_shape_to_string (&array->tensor);

      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The array \"%s\" has the shape %s, but should have %s. Correct the input."),
                   name, shape, expected);
      return NULL;
    }
  return array;
}

const float *
pm_bundle_get_f32 (PmBundle *bundle, const char *name, int rank, const gssize *dims, GError **error)
{
  PmArray *array = get_array (bundle, name, rank, dims, error);

  if (! array || array->tensor.dtype == PM_DTYPE_F32)
    return array ? array->tensor.data : NULL;
  if (! array->f32)
    {
      array->f32 = g_try_new (float, MAX (array->tensor.n_elements, 1));
      if (array->f32)
        pm_convert_to_f32 (array->tensor.data, array->tensor.dtype, array->tensor.n_elements, array->f32);
      else
        set_memory_error (error, name);
    }
  return array->f32;
}

/* FALSE when an element is no whole number that i32 can hold. */
static gboolean
convert_to_i32 (const PmTensor *tensor, gint32 *dst /* [n_elements] */)
{
  for (gsize i = 0; i < tensor->n_elements; i++)
    {
      float  single;
      double value;

      if (tensor->dtype == PM_DTYPE_I64)
        value = (double) ((const gint64 *) tensor->data)[i];
      else if (tensor->dtype == PM_DTYPE_F64)
        value = ((const double *) tensor->data)[i];
      else
        {
          pm_convert_to_f32 ((const guint8 *) tensor->data + i * pm_dtype_size (tensor->dtype), tensor->dtype, 1, &single);
          value = single;
        }
      if (! (value >= G_MININT32 && value <= G_MAXINT32) || value != (double) (gint32) value)
        return FALSE;
      dst[i] = (gint32) value;
    }
  return TRUE;
}

const gint32 *
pm_bundle_get_i32 (PmBundle *bundle, const char *name, int rank, const gssize *dims, GError **error)
{
  PmArray *array = get_array (bundle, name, rank, dims, error);
  g_autofree gint32 *converted = NULL;

  if (! array || array->tensor.dtype == PM_DTYPE_I32)
    return array ? array->tensor.data : NULL;
  if (array->i32)
    return array->i32;
  converted = g_try_new (gint32, MAX (array->tensor.n_elements, 1));
  if (! converted)
    {
      set_memory_error (error, name);
      return NULL;
    }
  if (! convert_to_i32 (&array->tensor, converted))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The array \"%s\" should hold whole numbers of 32 bits. Correct the input."), name);
      return NULL;
    }
  array->i32 = g_steal_pointer (&converted);
  return array->i32;
}

static int
compare_arrays (gconstpointer a, gconstpointer b)
{
  const PmArray *left = *(PmArray *const *) a, *right = *(PmArray *const *) b;

  return (int) pm_dtype_size (right->tensor.dtype) - (int) pm_dtype_size (left->tensor.dtype);
}

static char *
make_header (GPtrArray *arrays, gsize *n_header)
{
  static const char *const dtype_names[] = { "F32", "F16", "BF16", "F64", "I32", "I64" };
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *json = NULL;
  gsize offset = 0;

  json_builder_begin_object (builder);
  for (guint i = 0; i < arrays->len; i++)
    {
      const PmTensor *tensor = &((PmArray *) g_ptr_array_index (arrays, i))->tensor;

      json_builder_set_member_name (builder, tensor->name);
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "dtype");
      json_builder_add_string_value (builder, dtype_names[tensor->dtype]);
      json_builder_set_member_name (builder, "shape");
      json_builder_begin_array (builder);
      for (int j = 0; j < tensor->rank; j++)
        json_builder_add_int_value (builder, (gint64) tensor->shape[j]);
      json_builder_end_array (builder);
      json_builder_set_member_name (builder, "data_offsets");
      json_builder_begin_array (builder);
      json_builder_add_int_value (builder, (gint64) offset);
      offset += tensor->n_elements * pm_dtype_size (tensor->dtype);
      json_builder_add_int_value (builder, (gint64) offset);
      json_builder_end_array (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json = json_to_string (root, FALSE);
  *n_header = (strlen (json) + 7) / 8 * 8;
  return g_strdup_printf ("%-*s", (int) *n_header, json);
}

static gboolean
write_all (int fd, gconstpointer data, gsize n)
{
  const char *bytes = data;

  while (n > 0)
    {
      gssize written = write (fd, bytes, MIN (n, 1u << 30));

      if (written < 0 && errno != EINTR)
        return FALSE;
      bytes += MAX (written, 0);
      n -= MAX (written, 0);
    }
  return TRUE;
}

gboolean
pm_bundle_save (PmBundle *bundle, const char *path, GError **error)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_copy (bundle->arrays, NULL, NULL);
  g_autofree char *header = NULL;
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  gsize    n_header = 0;
  guint64  length;
  int      fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0666);
  gboolean done = fd >= 0;
  int      problem = errno;

  g_ptr_array_set_free_func (sorted, NULL);
  g_ptr_array_sort (sorted, compare_arrays);
  header = make_header (sorted, &n_header);
  length = GUINT64_TO_LE ((guint64) n_header);
  done = done && write_all (fd, &length, sizeof length) && write_all (fd, header, n_header);
  for (guint i = 0; done && i < sorted->len; i++)
    {
      const PmTensor *tensor = &((PmArray *) g_ptr_array_index (sorted, i))->tensor;

      done = write_all (fd, tensor->data, tensor->n_elements * pm_dtype_size (tensor->dtype));
    }
  if (fd >= 0 && ! done)
    problem = errno;
  if (fd >= 0 && close (fd) != 0 && done)
    {
      problem = errno;
      done = FALSE;
    }
  if (done && g_rename (temporary, path) != 0)
    {
      problem = errno;
      done = FALSE;
    }
  if (! done)
    {
      g_autofree char *shown = g_filename_display_name (path);

      if (fd >= 0)
        g_unlink (temporary);
      g_set_error (error, PM_ERROR, PM_ERROR_IO,
                   _("%s cannot be written (%s). Choose another place or make room on the disk."), shown, g_strerror (problem));
    }
  return done;
}
