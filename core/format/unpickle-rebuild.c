/* The names in PyTorch's pickles that are understood: what calling them would give is built here, by hand.
 * Source of truth: pytorch, torch/_utils.py (_rebuild_*), torch/serialization.py (persistent_id). */
#include <string.h>

#include "format/unpickle-private.h"

typedef PmPickleValue *(*PmRebuildFunc) (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args);

static gboolean
slice_is (const char *slice, gsize n, const char *text)
{
  return n == strlen (text) && memcmp (slice, text, n) == 0;
}

static const PmPickleValue *
get_item (const PmPickleValue *tuple, guint i)
{
  return i < tuple->items->len ? g_ptr_array_index (tuple->items, i) : NULL;
}

/* The class of a storage, or the dtype object of newer files: torch.FloatStorage, torch.float32. */
static PmDtype
dtype_from_global (const PmPickleValue *global)
{
  static const struct
  {
    const char *storage, *object;
    PmDtype     dtype;
  } names[] = {
    { "FloatStorage", "float32", PM_DTYPE_F32 },    { "HalfStorage", "float16", PM_DTYPE_F16 },
    { "BFloat16Storage", "bfloat16", PM_DTYPE_BF16 }, { "DoubleStorage", "float64", PM_DTYPE_F64 },
    { "IntStorage", "int32", PM_DTYPE_I32 },        { "LongStorage", "int64", PM_DTYPE_I64 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (slice_is (global->text, global->n_text, "torch")
        && (slice_is (global->name, global->n_name, names[i].storage)
            || slice_is (global->name, global->n_name, names[i].object)))
      return names[i].dtype;
  return PM_DTYPE_OTHER;
}

/* Sizes or strides: a tuple (or torch.Size) of whole numbers from 0. */
static gboolean
read_sizes (const PmPickleValue *tuple, gsize *sizes /* [PM_MAX_RANK] */, int *rank)
{
  if (! tuple || tuple->kind != PM_PICKLE_TUPLE)
    return FALSE;
  for (guint i = 0; i < tuple->items->len; i++)
    {
      const PmPickleValue *item = get_item (tuple, i);

      if (item->kind != PM_PICKLE_INT || item->integer < 0)
        return FALSE;
      if (i < PM_MAX_RANK)
        sizes[i] = (gsize) item->integer;
    }
  *rank = (int) MIN (tuple->items->len, G_MAXINT);
  return TRUE;
}

/* The argument that this reader does not know, for the message; else the function itself. */
static PmPickleValue *
make_broken (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  const PmPickleValue *culprit = callable;
  PmPickleValue       *broken;

  for (guint i = 0; args->kind == PM_PICKLE_TUPLE && i < args->items->len; i++)
    if (get_item (args, i)->kind == PM_PICKLE_OPAQUE)
      culprit = get_item (args, i);
  broken = pm_unpickler_new_opaque (unpickler, culprit);
  if (broken)
    broken->is_broken_tensor = TRUE;
  return broken;
}

/* (storage, offset, size, stride, ...); in _rebuild_tensor_v3 the seventh argument is the dtype. */
static PmPickleValue *
rebuild_tensor (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  const PmPickleValue *storage = get_item (args, 0), *offset = get_item (args, 1);
  const PmPickleValue *dtype = slice_is (callable->name, callable->n_name, "_rebuild_tensor_v3") ? get_item (args, 6) : NULL;
  PmPickleTensor       tensor = { .storage = storage };
  PmPickleValue       *value;
  int                  n_strides;

  if (! storage || storage->kind != PM_PICKLE_STORAGE || ! offset || offset->kind != PM_PICKLE_INT || offset->integer < 0
      || ! read_sizes (get_item (args, 2), tensor.shape, &tensor.rank)
      || ! read_sizes (get_item (args, 3), tensor.stride, &n_strides) || n_strides != tensor.rank
      || (dtype && dtype->kind != PM_PICKLE_GLOBAL))
    return make_broken (unpickler, callable, args);
  tensor.dtype = dtype ? dtype_from_global (dtype) : storage->dtype;
  tensor.offset = (gsize) offset->integer;
  value = pm_unpickler_new_value (unpickler, PM_PICKLE_TENSOR);
  if (value)
    value->tensor = g_memdup2 (&tensor, sizeof tensor);
  return value;
}

/* (tensor, ...): a parameter is its tensor. */
static PmPickleValue *
rebuild_parameter (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  const PmPickleValue *tensor = get_item (args, 0);

  if (tensor && (tensor->kind == PM_PICKLE_TENSOR || tensor->is_broken_tensor))
    return (PmPickleValue *) tensor;
  return make_broken (unpickler, callable, args);
}

/* (function, class, arguments, state): a subclass of Tensor; the class is ignored. One level only. */
static PmPickleValue *
rebuild_from_type (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  const PmPickleValue *function = get_item (args, 0), *arguments = get_item (args, 2);

  if (function && function->kind == PM_PICKLE_GLOBAL && arguments && arguments->kind == PM_PICKLE_TUPLE
      && slice_is (function->text, function->n_text, "torch._utils")
      && slice_is (function->name, function->n_name, "_rebuild_tensor_v2"))
    return rebuild_tensor (unpickler, function, arguments);
  return make_broken (unpickler, callable, args);
}

/* A dictionary, from nothing or from a list of pairs; defaultdict's first argument is ignored. */
static PmPickleValue *
rebuild_dict (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  PmPickleValue       *dict = pm_unpickler_new_value (unpickler, PM_PICKLE_DICT);
  const PmPickleValue *pairs = get_item (args, 0);

  for (guint i = 0; dict && pairs && pairs->kind == PM_PICKLE_LIST && i < pairs->items->len; i++)
    {
      const PmPickleValue *pair = get_item (pairs, i);

      if ((pair->kind != PM_PICKLE_LIST && pair->kind != PM_PICKLE_TUPLE) || pair->items->len != 2)
        return pm_unpickler_new_opaque (unpickler, callable);
      g_ptr_array_add (dict->items, (gpointer) get_item (pair, 0));
      g_ptr_array_add (dict->items, (gpointer) get_item (pair, 1));
    }
  return dict;
}

/* torch.Size ((2, 3)) is its tuple. */
static PmPickleValue *
rebuild_size (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  const PmPickleValue *sizes = get_item (args, 0);

  if (sizes && (sizes->kind == PM_PICKLE_TUPLE || sizes->kind == PM_PICKLE_LIST))
    return (PmPickleValue *) sizes;
  return pm_unpickler_new_opaque (unpickler, callable);
}

static const struct
{
  const char   *module, *name;
  PmRebuildFunc rebuild;
} known[] = {
  { "torch._utils", "_rebuild_tensor_v2", rebuild_tensor },
  { "torch._utils", "_rebuild_tensor_v3", rebuild_tensor },
  { "torch._utils", "_rebuild_tensor", rebuild_tensor },
  { "torch._utils", "_rebuild_parameter", rebuild_parameter },
  { "torch._utils", "_rebuild_parameter_with_state", rebuild_parameter },
  { "torch._tensor", "_rebuild_from_type_v2", rebuild_from_type },
  { "torch", "Size", rebuild_size },
  { "collections", "OrderedDict", rebuild_dict },
  { "collections", "defaultdict", rebuild_dict },
  { "builtins", "dict", rebuild_dict },
  { "__builtin__", "dict", rebuild_dict },
};

PmPickleValue *
pm_unpickle_call (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args)
{
  static const char rebuilds[] = "_rebuild_";

  if (callable->kind != PM_PICKLE_GLOBAL || args->kind != PM_PICKLE_TUPLE)
    return pm_unpickler_new_opaque (unpickler, callable);
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (slice_is (callable->text, callable->n_text, known[i].module)
        && slice_is (callable->name, callable->n_name, known[i].name))
      return known[i].rebuild (unpickler, callable, args);
  if (slice_is (callable->text, callable->n_text, "torch._utils") && callable->n_name > strlen (rebuilds)
      && memcmp (callable->name, rebuilds, strlen (rebuilds)) == 0)
    return make_broken (unpickler, callable, args);
  return pm_unpickler_new_opaque (unpickler, callable);
}

PmPickleValue *
pm_unpickle_persistent (PmUnpickler *unpickler, const PmPickleValue *id)
{
  gboolean             is_tuple = id->kind == PM_PICKLE_TUPLE && id->items->len >= 5;
  const PmPickleValue *type = is_tuple ? get_item (id, 1) : NULL, *key = is_tuple ? get_item (id, 2) : NULL;
  const PmPickleValue *n_elements = is_tuple ? get_item (id, 4) : NULL;
  PmPickleValue       *storage;

  if (! is_tuple || ! pm_pickle_is_text (get_item (id, 0), "storage") || type->kind != PM_PICKLE_GLOBAL
      || key->kind != PM_PICKLE_STRING || n_elements->kind != PM_PICKLE_INT || n_elements->integer < 0)
    return pm_unpickler_new_opaque (unpickler, type);
  storage = pm_unpickler_new_value (unpickler, PM_PICKLE_STORAGE);
  if (! storage)
    return NULL;
  storage->dtype = dtype_from_global (type);
  storage->text = key->text;
  storage->n_text = key->n_text;
  storage->integer = n_elements->integer;
  return storage;
}
