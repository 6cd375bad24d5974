/* The CPU backend: products by a serial BLAS called from our own workers, each on a block of the output, so that bias,
 * activation, gate and residual run while the block is in cache. The only file that includes cblas.h.
 *
 * Blocks are cut for the processors that the machine has, not for the workers of the run: BLAS may sum an element in another
 * order when its block is another (OpenBLAS's kernels for Haswell do), and results shall not depend on the number of workers. */
#include <stdlib.h>
#include <unistd.h>

#include <cblas.h>

#include "backend/cpu.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/pool.h"

#define BLOCK_GRAIN 64
#define BLOCK_COLS 2304 /* wide enough that packing x costs little; measured at M = 512 */
#define TILE_ROWS 512           /* rows of a block whose epilogue needs a tile of its own */
#define CONVERT_FLOATS (1 << 20) /* of a block of weights that are not f32: 4 MiB stay in the cache */

typedef struct
{
  void *memory[PM_POOL_MAX_WORKERS][PM_N_SCRATCH];
  gsize size[PM_POOL_MAX_WORKERS][PM_N_SCRATCH];
  gint  out_of_memory; /* atomic */
} PmBlas;

typedef struct
{
  PmBackend      *backend;
  const PmLinear *op;
  float          *bias;  /* [N] or NULL */
  int             mb, nb; /* rows and columns of a block */
  int             n_row_blocks;
} PmLinearJob;

float *
pm_cpu_scratch (PmBackend *backend, int worker, PmScratch slot, gsize n)
{
  PmBlas *blas = pm_backend_get_state (backend);
  gsize   size = n * sizeof (float);

  if (blas->size[worker][slot] < size)
    {
      free (blas->memory[worker][slot]);
      blas->size[worker][slot] = 0;
      if (posix_memalign (&blas->memory[worker][slot], 64, size) != 0)
        {
          blas->memory[worker][slot] = NULL;
          g_atomic_int_set (&blas->out_of_memory, 1);
          return NULL;
        }
      blas->size[worker][slot] = size;
    }
  return blas->memory[worker][slot];
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

/* Rows n0 .. n0 + n of the weight as f32: the mapped memory itself, or converted into the worker's scratch. */
static const float *
linear_weights (PmLinearJob *job, int worker, int n0, int n)
{
  const PmWeight *w = job->op->w;
  const char     *from = (const char *) w->data + pm_dtype_size (w->dtype) * n0 * job->op->K;
  if (w->dtype == PM_DTYPE_F32)
    return (const float *) from;

  float *to = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_WEIGHTS, (gsize) n * job->op->K);
  if (to)
    pm_convert_to_f32 (from, w->dtype, (gsize) n * job->op->K, to);
  return to;
}

static void
linear_block (PmLinearJob *job, int worker, int m0, int m, int n0, int n, const float *w)
{
  const PmLinear *op = job->op;
  float          *y = op->y + m0 * op->y_stride + n0;
  float          *tile = y;
  gsize           tile_stride = op->y_stride;

  if (op->residual || op->gate) /* residual may be y itself */
    {
      tile = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, (gsize) m * n);
      tile_stride = n;
      if (! tile)
        return;
    }
  pm_cpu_gemm_nt (m, n, op->K, op->x + m0 * op->x_stride, op->x_stride, w, op->K, tile, tile_stride);
  if (tile == y && ! op->bias && op->activation == PM_ACTIVATION_NONE)
    return;
  for (int i = 0; i < m; i++)
    pm_cpu_epilogue_row (op->activation, n, tile + i * tile_stride, job->bias ? job->bias + n0 : NULL,
                         op->gate ? op->gate + (m0 + i) / op->rows_per_item * op->gate_stride + n0 : NULL,
                         op->residual ? op->residual + (m0 + i) * op->y_stride + n0 : NULL, y + i * op->y_stride);
}

static void
linear_task_cb (int task, int worker, gpointer data)
{
  PmLinearJob    *job = data;
  const PmLinear *op = job->op;
  int             n0 = task / job->n_row_blocks * job->nb, m0 = task % job->n_row_blocks * job->mb;
  int             n = MIN (job->nb, op->N - n0), m_end = MIN (m0 + job->mb, op->M);
  const float    *w = linear_weights (job, worker, n0, n);
  gboolean        in_tiles = op->residual || op->gate;

  for (int m; w && m0 < m_end; m0 += m)
    {
      m = in_tiles ? MIN (m_end - m0, TILE_ROWS) : m_end - m0;
      linear_block (job, worker, m0, m, n0, n, w);
    }
}

/* A few rows: bound by reading the weights once, which BLAS would pack first. */
static void
dots_task_cb (int task, int worker, gpointer data)
{
  PmLinearJob    *job = data;
  const PmLinear *op = job->op;
  int             n0 = task * job->nb, n = MIN (job->nb, op->N - n0);
  const float    *w = linear_weights (job, worker, n0, n);

  for (int j = 0; w && j < n; j++)
    {
      float sums[PM_CPU_MAX_DOTS];
      pm_cpu_dots (op->M, op->K, op->x, op->x_stride, w + (gsize) j * op->K, sums);
      for (int m = 0; m < op->M; m++)
        pm_cpu_epilogue_row (op->activation, 1, &sums[m], job->bias ? job->bias + n0 + j : NULL,
                             op->gate ? op->gate + m / op->rows_per_item * op->gate_stride + n0 + j : NULL,
                             op->residual ? op->residual + m * op->y_stride + n0 + j : NULL, op->y + m * op->y_stride + n0 + j);
    }
}

static int
round_up (int n, int grain)
{
  return (n + grain - 1) / grain * grain;
}

/* Cuts the output into blocks: as many columns as keep every processor busy, and rows too where columns are few. */
static int
linear_cut (PmLinearJob *job)
{
  const PmLinear *op = job->op;
  int             n_workers = (int) CLAMP (sysconf (_SC_NPROCESSORS_CONF), 2, PM_POOL_MAX_WORKERS);
  int             per_round = n_workers * BLOCK_COLS;
  int             n_blocks = n_workers * ((op->N + per_round - 1) / per_round);

  job->nb = MAX (round_up ((op->N + n_blocks - 1) / n_blocks, BLOCK_GRAIN), 4 * BLOCK_GRAIN);
  if (op->w->dtype != PM_DTYPE_F32)
    job->nb = CLAMP (CONVERT_FLOATS / op->K / BLOCK_GRAIN * BLOCK_GRAIN, BLOCK_GRAIN, job->nb);
  n_blocks = (op->N + job->nb - 1) / job->nb;

  job->mb = round_up (MAX (op->M, 1), BLOCK_GRAIN);
  if (n_blocks < n_workers)
    job->mb = round_up ((op->M * n_blocks + n_workers - 1) / n_workers, BLOCK_GRAIN);
  job->n_row_blocks = (op->M + job->mb - 1) / job->mb;
  return n_blocks * job->n_row_blocks;
}

static void
blas_linear (PmBackend *backend, const PmLinear *op)
{
  PmBlas           *blas = pm_backend_get_state (backend);
  PmPool           *pool = pm_backend_get_pool (backend);
  PmLinearJob       job = { .backend = backend, .op = op };
  g_autofree float *bias = NULL;

  if (op->bias)
    {
      bias = g_try_new (float, op->N);
      if (! bias)
        {
          g_atomic_int_set (&blas->out_of_memory, 1);
          return;
        }
      pm_convert_to_f32 (op->bias->data, op->bias->dtype, op->N, bias);
      job.bias = bias;
    }
  if (op->M <= PM_CPU_MAX_DOTS)
    {
      job.nb = BLOCK_GRAIN;
      pm_pool_run (pool, (op->N + job.nb - 1) / job.nb, dots_task_cb, &job);
    }
  else
    {
      pm_pool_run (pool, linear_cut (&job), linear_task_cb, &job);
    }
}

static gpointer
blas_open (PmBackend *backend, GError **error)
{
  openblas_set_num_threads (1); /* of a shared threaded build; the pool is ours */
  return g_new0 (PmBlas, 1);
}

static void
blas_close (PmBackend *backend)
{
  PmBlas *blas = pm_backend_get_state (backend);
  for (int i = 0; i < PM_POOL_MAX_WORKERS; i++)
    for (int slot = 0; slot < PM_N_SCRATCH; slot++)
      free (blas->memory[i][slot]);
  g_free (blas);
}

static gboolean
blas_finish (PmBackend *backend, GError **error)
{
  PmBlas *blas = pm_backend_get_state (backend);
  if (! g_atomic_int_compare_and_exchange (&blas->out_of_memory, 1, 0))
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("Memory ran out during the computation; close other programs, or choose a smaller picture."));
  return FALSE;
}

const PmBackendClass pm_backend_blas = {
  .id = "blas",
  .device = "cpu",
  .open = blas_open,
  .close = blas_close,
  .finish = blas_finish,
  .ops = {
    .linear = blas_linear,
    .norm_modulate = pm_cpu_norm_modulate,
    .rms_norm = pm_cpu_rms_norm,
    .patchify = pm_cpu_patchify,
    .unpatchify = pm_cpu_unpatchify,
    .attention = pm_cpu_attention,
    .add = pm_cpu_add,
    .activate = pm_cpu_activate,
    .conv = pm_cpu_conv,
    .group_norm = pm_cpu_group_norm,
    .combine = pm_cpu_combine,
  },
};
