/* The module's own product of matrices: of the pixels around each pixel with a convolution's weights (conv.cu), and of shapes
 * that cuBLASLt has no algorithm for (linear.cu). */
#ifndef PM_CUDA_PRODUCT_H
#define PM_CUDA_PRODUCT_H

#include "backend/cuda/module.h"

/* y[p, n] = bias[n] + factor * sum over taps t and channels c of a[pixel (p, t), c] * w[n, first_tap + t, c] (+ y[p, n]).
 * Place p of the output is (row, column); tap (ky, kx) of it is a's pixel (row * stride - pad_y + ky, column likewise), and
 * 0 outside of a. C is a multiple of 8 where T is of 16 bits, and a and w are aligned to 16 bytes. */
typedef struct
{
  const void *a; /* [height, width, C] of type T, rows of pixels from first_row on */
  int         height, width, C, first_row;
  size_t      a_stride;                    /* of a pixel */
  const void *w;                           /* [N, n_taps_all, C] */
  int         N, side_y, side_x, n_taps_all, first_tap;
  int         rows, columns, out_row;      /* places, from row out_row on */
  int         stride, pad_y, pad_x;
  const float *bias;                       /* [N], or NULL */
  float       factor;
  bool        adds;
  PmFeatures  y;
  int         y_step, y_row, y_column;     /* place (row, column) is y's pixel (row * y_step + y_row, column likewise) */
} PmProduct;

/* dtype: of a and w. */
bool pm_cuda_product (PmCuda *cuda, const PmProduct *product, PmDtype dtype);

#endif
