/* See layer.h. Shapes are checked here once; behind this border they are trusted. */
#include "nn/layer.h"

#include <stdarg.h>

#include "base/error.h"
#include "base/i18n.h"

static char *
shape_to_string (int rank, const gsize *shape)
{
  PmTensor expected = { .rank = rank };
  for (int i = 0; i < rank; i++)
    expected.shape[i] = shape[i];
  return pm_tensor_shape_to_string (&expected);
}

static void
set_missing (GError **error, PmCheckpoint *checkpoint, const char *name)
{
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("“%s” lacks the tensor “%s”; the file is incomplete, or of another kind than its other tensors say. Download it "
                 "again, or convert it to the layout in which models of its kind are published."),
               pm_checkpoint_get_path (checkpoint), name);
}

const PmTensor *
pm_nn_require (PmCheckpoint *checkpoint, GError **error, const char *name, int rank, ...)
{
  const PmTensor *tensor = pm_checkpoint_find (checkpoint, name);
  gsize           shape[PM_MAX_RANK];
  va_list         args;

  if (! tensor)
    {
      set_missing (error, checkpoint, name);
      return NULL;
    }
  va_start (args, rank);
  gboolean fits = tensor->rank == rank;
  for (int i = 0; i < rank; i++)
    {
      shape[i] = va_arg (args, gsize);
      fits = fits && tensor->shape[i] == shape[i];
    }
  va_end (args);
  if (fits && pm_dtype_size (tensor->dtype) > 0)
    return tensor;

  g_autofree char *found = pm_tensor_shape_to_string (tensor);
  g_autofree char *wanted = shape_to_string (rank, shape);
  if (fits)
    g_set_error (
        error, PM_ERROR, PM_ERROR_UNSUPPORTED,
        _("In “%s” the tensor “%s” is stored in a type that cannot be computed with; convert the model to f32, f16 or bf16."),
        pm_checkpoint_get_path (checkpoint), name);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("In “%s” the tensor “%s” has the shape %s where %s is expected; the file is damaged or holds another kind of "
                   "model. Download it again."),
                 pm_checkpoint_get_path (checkpoint), name, found, wanted);
  return NULL;
}

gboolean
pm_nn_layer_check (PmCheckpoint *checkpoint, const char *prefix, gsize N, gsize K, GError **error)
{
  g_autofree char *weight = g_strconcat (prefix, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, ".bias", NULL);
  const PmTensor  *tensor = pm_checkpoint_find (checkpoint, weight);

  if (tensor && tensor->rank == 4 && tensor->n_elements == N * K)
    {
      if (! pm_nn_require (checkpoint, error, weight, 4, N, tensor->shape[1], tensor->shape[2], tensor->shape[3]))
        return FALSE;
    }
  else if (! pm_nn_require (checkpoint, error, weight, 2, N, K))
    return FALSE;
  return pm_nn_require (checkpoint, error, bias, 1, N) != NULL;
}

gboolean
pm_nn_layer_prepare (PmLayer *layer, PmCheckpoint *checkpoint, const char *prefix, PmBackend *backend, GError **error)
{
  g_autofree char *weight = g_strconcat (prefix, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, ".bias", NULL);

  layer->has_bias = TRUE;
  return pm_backend_prepare (backend, pm_checkpoint_find (checkpoint, weight), &layer->weight, error)
         && pm_backend_prepare (backend, pm_checkpoint_find (checkpoint, bias), &layer->bias, error);
}

void
pm_nn_layer_release (PmLayer *layer, PmBackend *backend)
{
  pm_backend_release (backend, &layer->weight);
  pm_backend_release (backend, &layer->bias);
}

PmLinear
pm_nn_layer_linear (const PmLayer *layer, int M, PmActs x, PmActs y)
{
  return (PmLinear) {
    .M = M,
    .N = (int) layer->weight.rows,
    .K = (int) layer->weight.cols,
    .x = x,
    .x_stride = layer->weight.cols,
    .w = &layer->weight,
    .bias = layer->has_bias ? &layer->bias : NULL,
    .rows_per_item = 1,
    .y = y,
    .y_stride = layer->weight.rows,
  };
}
