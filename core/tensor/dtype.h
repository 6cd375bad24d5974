/* Types of elements. What the kernels of graphics cards see of tensors, so without GLib. */
#ifndef PM_DTYPE_H
#define PM_DTYPE_H

#include <stddef.h>

typedef enum
{
  PM_DTYPE_F32,
  PM_DTYPE_F16,
  PM_DTYPE_BF16,
  PM_DTYPE_F64,
  PM_DTYPE_I32,
  PM_DTYPE_I64,
  PM_DTYPE_OTHER /* known to exist, not readable here: only an error when something needs the tensor */
} PmDtype;

/* Bytes of an element; 0 for OTHER. */
static inline size_t
pm_dtype_size (PmDtype dtype)
{
  switch (dtype)
    {
    case PM_DTYPE_F32:
    case PM_DTYPE_I32:
      return 4;
    case PM_DTYPE_F16:
    case PM_DTYPE_BF16:
      return 2;
    case PM_DTYPE_F64:
    case PM_DTYPE_I64:
      return 8;
    case PM_DTYPE_OTHER:
      break;
    }
  return 0;
}

#endif
