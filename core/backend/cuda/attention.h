/* What the kernels of attention are told, and what the files that hold them offer one another.
 * Letters as in backend/ops.h; u are logits as the kernels hold them, c what makes them exponents of two:
 *   P[i,j] = 2^(c u[i,j] - base[i]) * inverse[i],   base[i] = c max_j u[i,j],   inverse[i] = 1 / sum_j 2^(c u[i,j] - base[i]).
 * Without bias and steering u is the bare product q . k and c = scale log2 e; else u is the whole logit and c = log2 e. */
#ifndef PM_CUDA_ATTENTION_H
#define PM_CUDA_ATTENTION_H

#include "backend/cuda/device.h"
#include "backend/ops.h"

#define PM_ATTENTION_THREADS 128 /* of a block: four warps, each with 16 rows of a tile, or 32 */
#define PM_ATTENTION_ITEMS 64    /* of one launch: what is known of each travels with the arguments */
#define PM_ATTENTION_SUMS 4      /* weights over keys that attention itself sums up */
#define PM_ATTENTION_MORE_SUMS 16 /* weights over keys that a block of a second pass does */
#define PM_ATTENTION_ROWS 512    /* chosen rows of one launch */

typedef struct
{
  int         B, H, d, Tq, Tk;
  const void *q, *k, *v;
  void       *out;
  size_t      q_item, q_row, kv_item, kv_row, out_item, out_row;
  float       scale, c;
  bool        is_plain;                 /* u is the bare product */
  bool        is_aligned;               /* q, k and v can be copied 16 bytes at a time, */
  bool        is_out_aligned;           /* and out written so */
  int         counts[PM_ATTENTION_ITEMS]; /* keys of each item */

  const float *bias;        /* [H, Tq, Tk], or NULL */
  const float *key_bias;    /* [B, Tk], or NULL: no steering */
  const int   *key_region;  /* [B, Tk] */
  const float *region_bias; /* [B, n_regions, Tq] */
  int          n_regions;

  /* What is recorded; of heads and items whose bit is set. */
  unsigned long long heads, items; /* head 64 and those behind it are always recorded */
  float             *base, *inverse; /* [B, H, Tq] each, or NULL */
  float             *entropy;        /* [B] of [H, Tq], entropy_item apart; or NULL */
  size_t             entropy_item, sums_item;
  int                n_sums;         /* over keys that attention itself makes: PM_ATTENTION_SUMS at most */
  int                first_sum;      /* that a second pass makes, .. */
  int                n_weights;      /* .. and how many there are in all */
  const float       *weights;        /* [B, n_weights, Tk or Tq] */
  float             *sums;           /* [B] of [H, n_weights, Tq or Tk], sums_item apart */
} PmAttentionArgs;

/* Arguments of the kernels that write P itself. */
typedef struct
{
  int    n;                        /* of rows or heads here, from `first` on, .. */
  int    first, n_all;             /* .. of so many */
  float *to;                       /* [B, H, n_all, Tk], or [B, Tq, Tk] that is added to */
  int    rows[PM_ATTENTION_ROWS];  /* queries */
  float  weights[PM_ATTENTION_ITEMS]; /* of heads */
} PmAttentionProbs;

/* Where kernels are launched. */
typedef struct
{
  cudaStream_t stream;
  int          n_multiprocessors;
  size_t       shared_limit; /* bytes that a block may ask for */
  cudaError_t *error;        /* the first one stays */
} PmLaunch;

template <typename... P, typename... A>
static inline void
pm_attention_queue (const PmLaunch *launch, void (*kernel) (P...), int n_blocks, size_t shared_bytes, A... args)
{
  cudaError_t error = cudaSuccess;

  if (shared_bytes > 48 * 1024)
    error = cudaFuncSetAttribute (kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int) shared_bytes);
  if (error == cudaSuccess)
    error = PM_LAUNCH (kernel, dim3 (n_blocks), dim3 (PM_ATTENTION_THREADS), shared_bytes, launch->stream, args...);
  if (*launch->error == cudaSuccess)
    *launch->error = error;
}

/* Queues the attention itself with what is recorded on the way. FALSE: the type is not one of the three. */
bool pm_attention_launch (const PmAttentionArgs *args, PmDtype dtype, const PmLaunch *launch);

/* The same by tensor cores, q, k and v being of 16 bits and d 128 at most. FALSE: not on this card, or not of this size. */
bool pm_attention_launch_bf16 (const PmAttentionArgs *args, const PmLaunch *launch);
bool pm_attention_launch_f16 (const PmAttentionArgs *args, const PmLaunch *launch);

/* Second passes, with base and inverse known: sums of weights over queries or keys, those from first_sum on; chosen rows; heads
 * added up. */
void pm_attention_launch_sums (const PmAttentionArgs *args, bool are_of_keys, PmDtype dtype, const PmLaunch *launch);
void pm_attention_launch_rows (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype, const PmLaunch *launch);
void pm_attention_launch_matrix (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype,
                                 const PmLaunch *launch);

/* Floats that the operation needs beside its arguments, to work in; 0: none. */
size_t pm_attention_count_stats (const PmAttention *op);

/* The operation. stats: so many floats of the device, or NULL when there are to be none. FALSE: not of these types. */
bool pm_attention_run (const PmAttention *op, float *stats, const PmLaunch *launch);

#endif
