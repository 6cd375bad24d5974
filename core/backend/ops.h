/* What operations are told: the arguments of PmBackendOps (backend.h). Without GLib, because the modules of graphics cards
 * include it too.
 *
 * Letters: B items of a batch; T tokens of an item; D width; H heads; d = D / H; M rows, N columns out, K columns in of a
 * product. Pointers are the backend's memory where nothing else is said. */
#ifndef PM_OPS_H
#define PM_OPS_H

#include <stdbool.h>

#include "tensor/dtype.h"

typedef enum
{
  PM_ACTIVATION_NONE,
  PM_ACTIVATION_SILU,
  PM_ACTIVATION_GELU_TANH,
  PM_ACTIVATION_RELU,
  PM_N_ACTIVATIONS
} PmActivation;

/* Values on their way from one operation to the next, in the type that the backend likes for them: see
 * pm_backend_get_activation_dtype. What is added up over a network, modulates or is looked at stays f32; an operation may get
 * both, and every mixture of them. */
typedef struct
{
  void   *data; /* NULL: none */
  PmDtype dtype;
  bool    in_panels; /* not in rows, but whole, as the backend's products like them: see pm_backend_likes_panels */
} PmActs;

/* Panels are a backend's own affair: strides say nothing, and nobody else reads them. There is room for PM_ACTS_ROWS rows more
 * than are used. Where they may be: PmLinear.x, its y where there is neither gate nor residual, PmNorm.y, PmAttention.out. */
#define PM_ACTS_ROWS 15

static inline PmActs
pm_acts_f32 (const float *data)
{
  PmActs acts = { (void *) data, PM_DTYPE_F32, false };
  return acts;
}

/* From element n on. */
static inline PmActs
pm_acts_at (PmActs acts, size_t n)
{
  acts.data = (char *) acts.data + n * pm_dtype_size (acts.dtype);
  return acts;
}

/* A weight as the backend wants it. On the CPU `data` is the mapped tensor itself. */
typedef struct
{
  PmDtype     dtype;
  size_t      rows, cols; /* [rows, cols]; a bias is [1, cols] */
  const void *data;
  void       *owned;      /* what the backend allocated for it, or NULL */
} PmWeight;

/* y[M,N] = residual + gate * activation (x[M,K] . w[N,K]^T + bias).   A row's gate is that of its item: row / rows_per_item;
 * with rows_per_item 1 it is a matrix, and this the second half of a gated unit. */
typedef struct
{
  int             M, N, K;
  PmActs          x;         /* [M, K], rows x_stride apart */
  size_t          x_stride;
  const PmWeight *w;         /* [N, K] */
  const PmWeight *bias;      /* [1, N], or NULL */
  PmActivation    activation;
  PmActs          gate;      /* [B, N], items gate_stride apart, or none: 1 */
  size_t          gate_stride;
  int             rows_per_item;
  PmActs          residual;  /* [M, N] rows y_stride apart, or none: 0; may be y itself */
  PmActs          y;         /* [M, N], rows y_stride apart */
  size_t          y_stride;
} PmLinear;

/* y = layer_norm (x, no affine, eps) * (1 + scale) + shift, rows of D; shift and scale per item. */
typedef struct
{
  int          M, D, rows_per_item;
  const float *x;                  /* [M, D] */
  const float *shift, *scale;      /* [B, D], items mod_stride apart */
  size_t       mod_stride;
  float        eps;
  PmActs       y;                  /* [M, D] */
} PmNorm;

/* y = x / sqrt (mean (x^2) + eps) * weight, rows of D; no mean is taken off (arXiv 1910.07467). y may be x. */
typedef struct
{
  int             M, D;
  const float    *x;      /* [M, D] */
  const PmWeight *weight; /* [1, D] */
  float           eps;
  PmActs          y;      /* [M, D] */
} PmRmsNorm;

/* Tokens row-major over the grid. patchify: inner order (c, ph, pw), as a convolution's weight; unpatchify reads
 * (ph, pw, c), as DiT's final layer writes. */
typedef struct
{
  int          B, C, height, width, patch;
  const float *from;
  float       *to;   /* patchify: [B * T, C*p*p] from [B,C,height,width]; unpatchify: the reverse */
} PmPatches;

/* What is streamed out of one attention while a tile of probabilities is in cache. P[b,h] is [Tq, Tk].
 * Every pointer may be NULL. Outputs are overwritten, but `matrix` is added to. */
typedef struct
{
  int          n_query_weights;
  const float *query_weights;  /* [B, n_query_weights, Tq] */
  float       *query_sums;     /* [B, H, n_query_weights, Tk] = query_weights . P */
  int          n_key_weights;
  const float *key_weights;    /* [B, n_key_weights, Tk] */
  float       *key_sums;       /* [B, H, n_key_weights, Tq] = key_weights . P^T */
  float       *entropy;        /* [B, H, Tq] = -sum_j P ln P, nats */
  int          n_rows;
  const int   *rows;           /* [n_rows] query indices; host memory */
  float       *row_probs;      /* [B, H, n_rows, Tk] */
  const float *head_weights;   /* [H] for matrix; host memory */
  float       *matrix;         /* [B, Tq, Tk] += sum_h head_weights[h] P[b,h] */
  size_t       item_stride;    /* floats from an item's query_sums, key_sums and entropy to the next one's; 0: as shapes say */
  const bool  *heads, *items;  /* [H], [B] only these are looked at, and results of others may stay as they were; host memory;
                                * NULL: all. matrix follows items and head_weights alone */
} PmReduce;

/* Where item b's sums or entropy begin, which are n floats each where nothing else is said. */
static inline size_t
pm_reduce_at (const PmReduce *reduce, size_t b, size_t n)
{
  return b * (reduce->item_stride ? reduce->item_stride : n);
}

/* Steering: what is added to the logits of (query i, key j) of item b after `scale`, in all heads:
 * key_bias[b][j] + region_bias[b][key_region[b][j]][i]. -INFINITY hides a key, and must not hide all of a row's. What of P is
 * less than 1e-37 of a row's largest may become 0, or in rows that are not steered, that. */
typedef struct
{
  const float *key_bias;    /* [B, Tk] */
  const int   *key_region;  /* [B, Tk], -1: none */
  int          n_regions;
  const float *region_bias; /* [B, n_regions, Tq], or NULL without regions */
} PmLogitEdit;

/* out[b,i,h,:] = sum_j softmax_j (scale * q[b,i,h,:] . k[b,j,h,:] + bias + edit) v[b,j,h,:]
 * Element (b, i, h, c) of q lies at q[b * q_item + i * q_row + h * d + c]; likewise k and v (kv_*), out. */
typedef struct
{
  int             B, H, d, Tq, Tk;
  PmActs          q, k, v;     /* of one type */
  size_t          q_item, q_row, kv_item, kv_row;
  float           scale;
  PmActs          out;         /* element (b, i, h, c) at out[b * out_item + i * out_row + h * d + c] */
  size_t          out_item, out_row;
  const int      *key_counts;  /* [B] item b has so many keys, 1 .. Tk, and P is 0 beyond; NULL: Tk; host memory */
  const float    *bias;        /* [H, Tq, Tk] of the network itself, the same for every item; NULL: 0 */
  const PmLogitEdit *edit;     /* NULL: none */
  const PmReduce *reduce;      /* NULL: record nothing */
} PmAttention;

/* Adds x[i] += y[i % n_y]: the position table onto a batch of tokens. */
typedef struct
{
  size_t       n, n_y;
  float       *x;
  const float *y;
} PmAdd;

/* y = activation (x), n elements; x may be y. */
typedef struct
{
  size_t       n;
  PmActivation activation;
  const float *x;
  float       *y;
} PmActivate;

/* A picture inside a network: pixel (y, x) has its channels at (y * width + x) * stride elements of `data`. f32, or f16 of a
 * PM_FEATURES_UNITth of the values: half the memory, and no overflow below four million. */
#define PM_FEATURES_UNIT 64.f
typedef struct
{
  int      height, width, channels;
  size_t   stride; /* >= channels */
  PmDtype  dtype;
  void    *data;
  size_t   band; /* not 0: data is mapped (base/spill.h), and operations let go of what they touched every so many bytes */
} PmFeatures;

/* y[., n] (+)= bias[n] + sum over ky, kx, c of w[n, (ky, kx, c)] * a (y's row * stride - pad + ky, column likewise, c), where
 * a = activation (x * scale + shift), and 0 outside x.
 * is_doubled: the same as if x were doubled first, every pixel repeated, with side 3, stride 1 and pad 1; but w is
 * [N, (py, px, ky, kx, c)] with ky and kx below 2: of y's pixels (2i + py, 2j + px), what the kernel adds up to over x's
 * rows i - 1 + py + ky. That takes 16 products where 36 would be.
 * x and y may be the same memory when side is 1. */
typedef struct
{
  PmFeatures      x, y;          /* channels C and N; y's size is how far the kernel walks */
  int             side, stride, pad;
  bool            is_doubled;
  const float    *scale, *shift; /* [C] each, or NULL: a = x */
  PmActivation    activation;    /* with scale */
  const PmWeight *w;             /* [N, side * side * C], or [N, 16 C]; f32 */
  const PmWeight *bias;          /* [1, N], or NULL */
  bool            adds;          /* to what y holds */
} PmConv;

/* What PmConv needs to apply a group norm: scale[c] = weight[c] / sqrt (variance + eps), shift[c] = bias[c] - mean * scale[c],
 * mean and variance over all pixels and the channels of c's group. */
typedef struct
{
  PmFeatures      x;
  int             n_groups;
  float           eps;
  const PmWeight *weight, *bias; /* [1, C] */
  float          *scale, *shift; /* [C] */
} PmGroupNorm;

/* y = sum_k weights[k] * x[k], n elements each; y may be any of the x. */
#define PM_COMBINE_MAX 4
typedef struct
{
  size_t       n;
  int          n_terms; /* 1 .. PM_COMBINE_MAX */
  const float *x[PM_COMBINE_MAX];
  float        weights[PM_COMBINE_MAX];
  float       *y;
} PmCombine;

/* The operations; X (name, argument). A new one is a line here, a loop in ref.c and a test in tests/core/test-backend.c. */
#define PM_BACKEND_OPS(X)         \
  X (linear, PmLinear)            \
  X (norm_modulate, PmNorm)       \
  X (rms_norm, PmRmsNorm)         \
  X (patchify, PmPatches)         \
  X (unpatchify, PmPatches)       \
  X (attention, PmAttention)      \
  X (add, PmAdd)                  \
  X (activate, PmActivate)        \
  X (conv, PmConv)                \
  X (group_norm, PmGroupNorm)     \
  X (combine, PmCombine)

#endif
