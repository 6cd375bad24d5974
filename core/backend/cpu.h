/* What the files of the CPU backends share: scratch memory of workers, and single-threaded products. Letters as in ops.h.
 * There are two, "cpu" and "blas", which differ in the kernel that makes their products. */
#ifndef PM_CPU_H
#define PM_CPU_H

#include "backend/backend.h"
#include "backend/kernel.h"

/* Scratch of one worker, at least n floats, valid until the worker asks again with the same slot. NULL when memory is short:
 * the task then returns, and pm_backend_finish reports it. */
typedef enum
{
  PM_SCRATCH_WEIGHTS,
  PM_SCRATCH_TILE,
  PM_SCRATCH_GATHER,
  PM_SCRATCH_SHARED, /* worker 0's alone, taken by the caller before the tasks run */
  PM_N_SCRATCH
} PmScratch;

float *pm_cpu_scratch (PmBackend *backend, int worker, PmScratch slot, gsize n);

/* PmActs of M rows of K in panels (kernel.h), one behind the other, each as wide as the kernel likes but the last: where row m
 * begins, a column of a panel whose rows are *width apart. Behind the last row lies something finite, up to a whole vector. */
PM_INLINE float *
pm_cpu_panels_at (const PmKernel *kernel, float *panels, int M, int K, int m, int *width)
{
  int full = kernel->n_vectors * PM_LANES, first = m / full * full;

  *width = pm_panel_vectors (MIN (full, M - first)) * PM_LANES;
  return panels + (gsize) first * K + (m - first);
}

/* c[M,N] = a[M,K] . b[N,K]^T, on the calling thread; leading dimensions in elements. */
void pm_cpu_gemm_nt (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc);

/* c[M,N] += a[M,K] . b[N,K]^T. */
void pm_cpu_gemm_nt_add (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc);

/* c[M,N] = a[M,K] . b[K,N]. */
void pm_cpu_gemm_nn (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc);

/* State, scratch memory and reports of either backend. */
gpointer        pm_cpu_open (const PmKernel *kernel);
void            pm_cpu_close (PmBackend *backend);
gboolean        pm_cpu_finish (PmBackend *backend, GError **error);
const PmKernel *pm_cpu_get_kernel (PmBackend *backend);
void            pm_blas_init (void);

/* The operations. */
void pm_cpu_linear (PmBackend *backend, const PmLinear *op);
void pm_cpu_attention (PmBackend *backend, const PmAttention *op);
void pm_cpu_norm_modulate (PmBackend *backend, const PmNorm *op);
void pm_cpu_rms_norm (PmBackend *backend, const PmRmsNorm *op);
void pm_cpu_patchify (PmBackend *backend, const PmPatches *op);
void pm_cpu_unpatchify (PmBackend *backend, const PmPatches *op);
void pm_cpu_add (PmBackend *backend, const PmAdd *op);
void pm_cpu_activate (PmBackend *backend, const PmActivate *op);
void pm_cpu_conv (PmBackend *backend, const PmConv *op);
void pm_cpu_group_norm (PmBackend *backend, const PmGroupNorm *op);
void pm_cpu_combine (PmBackend *backend, const PmCombine *op);

#define PM_CPU_OPS                         \
  {                                        \
    .linear = pm_cpu_linear,               \
    .norm_modulate = pm_cpu_norm_modulate, \
    .rms_norm = pm_cpu_rms_norm,           \
    .patchify = pm_cpu_patchify,           \
    .unpatchify = pm_cpu_unpatchify,       \
    .attention = pm_cpu_attention,         \
    .add = pm_cpu_add,                     \
    .activate = pm_cpu_activate,           \
    .conv = pm_cpu_conv,                   \
    .group_norm = pm_cpu_group_norm,       \
    .combine = pm_cpu_combine,             \
  }

/* y = residual + gate * activation (x + bias) along one row of n; bias, gate and residual may be NULL; all may be y. */
void pm_cpu_epilogue_row (PmActivation activation, int n, const float *x, const float *bias, const float *gate,
                          const float *residual, float *y);

/* sums[m] = x[m] . w for m < M, K elements each: one pass over w for all rows of x. */
#define PM_CPU_MAX_DOTS 8
void pm_cpu_dots (int M, int K, const float *x, gsize x_stride, const float *w, float *sums);

#endif
