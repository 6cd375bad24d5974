/* A named, typed array that somebody else owns, and conversion of its elements to f32. */
#ifndef PM_TENSOR_H
#define PM_TENSOR_H

#include <glib.h>

#include "tensor/dtype.h"

#define PM_MAX_RANK 8

typedef struct
{
  const char *name;
  PmDtype     dtype;
  int         rank;
  gsize       shape[PM_MAX_RANK];
  gsize       n_elements;
  const void *data; /* borrowed from the checkpoint, row-major, aligned to the element's size */
} PmTensor;

const char *pm_dtype_name (PmDtype dtype); /* "f32" */

/* TRUE when the shape is exactly the `rank` numbers that follow (gsize each). */
gboolean pm_tensor_has_shape (const PmTensor *tensor, int rank, ...);

/* "[1152, 4608]", for messages; free with g_free. */
char *pm_tensor_shape_to_string (const PmTensor *tensor);

/* dst[i] = (float) src[i]. Exact for f16 and bf16 (subnormals, infinities and NaN included). src of type OTHER
 * is a bug of the caller. */
void pm_convert_to_f32 (const void *src, PmDtype dtype, gsize n, float *dst /* [n] */);

/* f32 to f16, rounded to nearest even; out of range becomes infinity. */
void pm_convert_f32_to_f16 (const float *src, gsize n, guint16 *dst /* [n] */);

#endif
