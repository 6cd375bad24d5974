/* Reads Python's pickle format without running anything: the result is a tree of plain data and tensors' descriptions.
 *
 * Classes and functions that a pickle names are never looked up nor called. The few that PyTorch's state dicts
 * consist of are understood here (unpickle-rebuild.c); every other object becomes an inert PM_PICKLE_OPAQUE. */
#ifndef PM_UNPICKLE_H
#define PM_UNPICKLE_H

#include "tensor/tensor.h"

typedef enum
{
  PM_PICKLE_NONE,
  PM_PICKLE_BOOL,
  PM_PICKLE_INT,
  PM_PICKLE_FLOAT,
  PM_PICKLE_STRING,
  PM_PICKLE_BYTES,
  PM_PICKLE_LIST,
  PM_PICKLE_TUPLE,
  PM_PICKLE_DICT,
  PM_PICKLE_GLOBAL,  /* the name of a class or function */
  PM_PICKLE_STORAGE, /* a file of elements in the archive */
  PM_PICKLE_TENSOR,  /* a view of a storage */
  PM_PICKLE_OPAQUE   /* anything else; text names the class if there is one */
} PmPickleKind;

typedef struct _PmPickleValue PmPickleValue;

typedef struct
{
  const PmPickleValue *storage;
  PmDtype              dtype;
  gsize                offset; /* in elements, as the strides */
  int                  rank;   /* may exceed PM_MAX_RANK: then only the first sizes are here */
  gsize                shape[PM_MAX_RANK];
  gsize                stride[PM_MAX_RANK];
} PmPickleTensor;

struct _PmPickleValue
{
  PmPickleKind kind;
  gboolean     is_broken_tensor; /* OPAQUE: would be a tensor if this reader knew what it is made of */
  PmDtype      dtype;            /* STORAGE */
  const char  *text;             /* [n_text] STRING, BYTES; GLOBAL and OPAQUE: the module; STORAGE: the key */
  gsize        n_text;
  const char  *name; /* [n_name] GLOBAL, OPAQUE: the name in the module */
  gsize        n_name;
  gint64       integer; /* BOOL, INT; STORAGE: number of elements */
  union
  {
    double          real;   /* FLOAT */
    GPtrArray      *items;  /* LIST, TUPLE; DICT: key, value, key, value, ... */
    PmPickleTensor *tensor; /* TENSOR */
  };
};

typedef struct _PmUnpickler PmUnpickler;

/* bytes: [n], must outlive the result: texts are slices of it. path is for messages. Errors: PM_ERROR_DAMAGED. */
PmUnpickler *pm_unpickle (const guint8 *bytes, gsize n, const char *path, GError **error);
void         pm_unpickler_free (PmUnpickler *unpickler); /* frees every value */

const PmPickleValue *pm_unpickler_get_root (PmUnpickler *unpickler);

gboolean pm_pickle_is_text (const PmPickleValue *value, const char *text); /* a STRING equal to text */

/* Borrowed; NULL when value is no DICT or has no such key. The last of equal keys, as in Python. */
const PmPickleValue *pm_pickle_dict_find (const PmPickleValue *value, const char *key);

/* "module.name" of a GLOBAL or OPAQUE for messages, cleaned and shortened; free with g_free. */
char *pm_pickle_describe (const PmPickleValue *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmUnpickler, pm_unpickler_free)

#endif
