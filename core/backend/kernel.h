/* The product that everything hot is made of: a few rows of weights, read where they lie, times a panel of tokens.
 *
 * A panel holds up to pm_kernel_width () tokens side by side: [K, width], row k being x[., k] of the tokens, zeros behind the
 * last one up to a whole number of vectors. So tokens are the lanes of vectors, a weight is broadcast, and weights are
 * neither copied nor packed. What comes out is a panel too, one row for each row of weights: the next product's input as it
 * is, or turned into rows of tokens by pm_panel_unpack.
 *
 * Every element is summed over k in one order, whatever the shapes of panels and blocks. */
#ifndef PM_KERNEL_H
#define PM_KERNEL_H

#include "base/simd.h"

typedef struct
{
  int n_vectors; /* of a full panel */
  int n_rows;    /* of weights: what `multiply` likes best at a time */
  int n_group;   /* of weights, a multiple of 16 and of n_rows: work is cut up into so many */

  /* out[n_rows, width] (+)= w[n_rows, K] . panel[K, width], width = 16 n_vectors; rows of w are w_stride apart. next_w: rows
   * that the next call is likely to take, which are asked for meanwhile; any address will do. */
  void (*multiply) (int n_vectors, int n_rows, int K, const float *w, gsize w_stride, const float *next_w, const float *panel,
                    float *out, gboolean adds);
} PmKernel;

/* The kernel in GNU vectors for this processor; NULL when its vectors are too poor: then blas.c has one. */
const PmKernel *pm_kernel_find (void);

/* out[rows, width] (+)= w[rows, K] . panel[K, width], for any number of rows. */
void pm_kernel_run (const PmKernel *kernel, int n_vectors, int rows, int K, const float *w, gsize w_stride, const float *panel,
                    float *out, gboolean adds);

/* Vectors that hold n tokens. */
PM_INLINE int
pm_panel_vectors (int n)
{
  return (n + PM_LANES - 1) / PM_LANES;
}

/* panel [K, 16 pm_panel_vectors (n)] of x [n, K], rows x_stride apart; zeros behind token n. */
void pm_panel_pack (int n, int K, const float *x, gsize x_stride, float *panel);

/* rows [16, 16], row_stride apart, of 16 rows of a panel at 16 of its tokens: rows[i][r] = panel[r][i]. */
void pm_panel_unpack (const float *panel, gsize panel_stride, float *rows, gsize row_stride);

#endif
