/* BLAS: a serial one, called from our own workers, for convolutions, and, where the processor has no vectors for kernel.h,
 * for everything: the backend "blas". The only file that includes cblas.h. */
#include <cblas.h>

#include "backend/cpu.h"

void
pm_blas_init (void)
{
  openblas_set_num_threads (1); /* of a shared threaded build; the pool is ours */
}

void
pm_cpu_gemm_nt (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1.f, a, lda, b, ldb, 0.f, c, ldc);
}

void
pm_cpu_gemm_nt_add (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1.f, a, lda, b, ldb, 1.f, c, ldc);
}

void
pm_cpu_gemm_nn (int M, int N, int K, const float *a, gsize lda, const float *b, gsize ldb, float *c, gsize ldc)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1.f, a, lda, b, ldb, 0.f, c, ldc);
}

static void
multiply (int n_vectors, int n_rows, int K, const float *w, gsize w_stride, const float *next_w, const float *panel, float *out,
          gboolean adds)
{
  int width = n_vectors * PM_LANES;
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, n_rows, width, K, 1.f, w, w_stride, panel, width, adds ? 1.f : 0.f, out,
               width);
}

/* As wide and as high as makes packing cheap. */
static const PmKernel kernel = { .n_vectors = 16, .n_rows = 384, .n_group = 384, .multiply = multiply };

static gpointer
blas_open (PmBackend *backend, int index, const PmBackendOptions *options, GError **error)
{
  return pm_cpu_open (&kernel);
}

const PmBackendClass pm_backend_blas = {
  .id = "blas",
  .device = "cpu",
  .open = blas_open,
  .close = pm_cpu_close,
  .finish = pm_cpu_finish,
  .likes_panels = TRUE,
  .ops = PM_CPU_OPS,
};
