/* Products of tokens and weights on the CPU. x is packed into panels (see kernel.h) by all workers, unless it comes in them; then
 * each worker takes a block of the output, some panels by some rows of weights, and while it is in cache turns it into rows of
 * tokens with bias, activation, gate and residual, or into panels for the next product. A few rows of x need no panels: they
 * are bound by reading the weights.
 *
 * Every element is summed over k in one order, in stretches that K alone decides; and blocks are cut for the processors that
 * the machine has, not for the workers of the run, because a BLAS may sum in another order when its block is another. So
 * results do not depend on the number of workers. Letters: M, N, K as in ops.h. */
#include <unistd.h>

#include "backend/cpu.h"
#include "backend/epilogue.h"
#include "backend/kernel.h"
#include "base/pool.h"
#include "base/simd.h"

#define BLOCK_TOKENS 256           /* a stretch of K of theirs lies in the second-level cache, */
#define STRETCH 384                /* of K, */
#define BLOCK_COLS 192             /* beside their weights, and sums */
#define PASS_FLOATS (4 * 1024 * 1024) /* of packed x: more tokens are worked on one part after another */
#define PACK_COLS 512              /* of x, packed by one task */
#define TASKS_PER_PROCESSOR 4      /* a worker that other programs hold up should not hold up the rest */
#define DOTS_COLS 64

typedef struct
{
  PmBackend      *backend;
  const PmKernel *kernel;
  const PmLinear *op;
  const float    *x, *gate, *residual;
  float          *y;
  const float    *bias;        /* [N], zeros up to a whole vector */
  float          *panels;      /* of rows m0 .. m0 + m of x */
  int             m0, m;
  int             n_token_blocks;
  int             nb;          /* columns of a task, whole groups */
} LinearJob;

/* A block of the output: panels first .. first + n_panels, columns n0 .. n0 + n, n being at most block_cols (). */
typedef struct
{
  int    first, n_panels, n0, n;
  float *sums;  /* [n_panels, block_cols (), width] */
} Block;

static int
panel_width (const LinearJob *job)
{
  return job->kernel->n_vectors * PM_LANES;
}

/* As many columns are worked on together: whole groups. */
static int
block_cols (const LinearJob *job)
{
  return MAX (BLOCK_COLS / job->kernel->n_group, 1) * job->kernel->n_group;
}

static float *
panel_sums (const LinearJob *job, const Block *block, int i)
{
  return block->sums + (gsize) i * block_cols (job) * panel_width (job);
}

/* Tokens of panel p of this pass. */
static int
panel_tokens (const LinearJob *job, int p)
{
  return MIN (panel_width (job), job->m - p * panel_width (job));
}

static float *
panel_get (const LinearJob *job, int p)
{
  int width;
  return pm_cpu_panels_at (job->kernel, job->panels, job->m, job->op->K, p * panel_width (job), &width);
}

static void
pack_task_cb (int task, int worker, gpointer data)
{
  LinearJob      *job = data;
  const PmLinear *op = job->op;
  int             n_parts = (op->K + PACK_COLS - 1) / PACK_COLS, p = task / n_parts, k = task % n_parts * PACK_COLS;
  int             n = panel_tokens (job, p);

  pm_panel_pack (n, MIN (PACK_COLS, op->K - k), job->x + (job->m0 + p * panel_width (job)) * op->x_stride + k, op->x_stride,
                 panel_get (job, p) + (gsize) k * pm_panel_vectors (n) * PM_LANES);
}

/* n rows of the weight from row n0, and a stretch of their columns, as f32: the mapped memory itself, or converted into the
 * worker's scratch. Rows are *stride apart. */
static const float *
weights_get (LinearJob *job, int worker, int n0, int n, int k0, int k, gsize *stride)
{
  const PmWeight *w = job->op->w;
  gsize           size = pm_dtype_size (w->dtype), K = job->op->K;
  const char     *from = (const char *) w->data + size * (n0 * K + k0);

  *stride = w->dtype == PM_DTYPE_F32 ? K : (gsize) k;
  if (w->dtype == PM_DTYPE_F32)
    return (const float *) from;
  float *to = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_WEIGHTS, (gsize) n * k);
  for (int i = 0; to && i < n; i++)
    pm_convert_to_f32 (from + i * size * K, w->dtype, k, to + (gsize) i * k);
  return to;
}

/* 16 columns of one token; what lies beyond the last column goes through padded copies, so that every element takes the same
 * path. */
PM_INLINE void
finish_piece (const LinearJob *job, const float *sums, int m, int n)
{
  const PmLinear *op = job->op;
  const float    *bias = job->bias;
  const float    *gate = job->gate ? job->gate + m / op->rows_per_item * op->gate_stride + n : NULL;
  const float    *residual = job->residual ? job->residual + m * op->y_stride + n : NULL;
  float          *y = job->y + m * op->y_stride + n;

  if (n + PM_LANES <= op->N)
    {
      pm_vec_store (y, pm_vec_epilogue (op->activation, pm_vec_load (sums), bias + n, gate, residual));
      return;
    }
  float tail[3][PM_LANES] = { { 0 } };
  gsize size = sizeof (float) * (op->N - n);
  if (gate)
    memcpy (tail[0], gate, size);
  if (residual)
    memcpy (tail[1], residual, size);
  pm_vec_store (tail[2], pm_vec_epilogue (op->activation, pm_vec_load (sums), bias + n, gate ? tail[0] : NULL,
                                          residual ? tail[1] : NULL));
  memcpy (y, tail[2], size);
}

/* A panel's sums [n_end - n0, width] of columns n0 .. n_end to a panel of y. */
PM_CLONES static void
finish_in_panel (const LinearJob *job, int p, int n0, int n_end, const float *sums)
{
  const PmLinear *op = job->op;
  int             width;
  float          *y = pm_cpu_panels_at (job->kernel, job->y, op->M, op->N, job->m0 + p * panel_width (job), &width);

  for (int n = n0; n < n_end; n++)
    for (int i = 0; i < width; i += PM_LANES)
      {
        PmVec sum = pm_vec_load (sums + (gsize) (n - n0) * width + i) + job->bias[n];
        pm_vec_store (y + (gsize) n * width + i, pm_vec_activate (op->activation, sum));
      }
}

/* The same to rows of y. */
PM_CLONES static void
finish_panel (const LinearJob *job, int p, int n0, int n_end, const float *sums)
{
  int   n_tokens = panel_tokens (job, p), width = pm_panel_vectors (n_tokens) * PM_LANES;
  float rows[PM_LANES * PM_LANES];

  for (int i = 0; i < n_tokens; i += PM_LANES)
    for (int n = n0; n < n_end; n += PM_LANES)
      {
        int m = job->m0 + p * panel_width (job) + i;
        pm_panel_unpack (sums + (gsize) (n - n0) * width + i, width, rows, PM_LANES);
        for (int r = 0; r < MIN (PM_LANES, n_tokens - i); r++)
          finish_piece (job, rows + r * PM_LANES, m + r, n);
      }
}

/* Asks for the lines of y that some rows of a panel's share of the block will be written to. */
static void
expect_rows (const LinearJob *job, const Block *block, int p, int row, int n_rows)
{
  const PmLinear *op = job->op;
  int             last = MIN (row + n_rows, panel_tokens (job, p));

  for (int i = row; i < last; i++)
    for (int n = block->n0; n < block->n0 + block->n; n += PM_LANES)
      __builtin_prefetch (job->y + (job->m0 + p * panel_width (job) + i) * op->y_stride + n, 1, 2);
}

/* Adds up a stretch of K. The block's weights, rows w_stride apart, come from memory with the first panel. */
static void
multiply_stretch (const LinearJob *job, const Block *block, int k0, int k, const float *w, gsize w_stride)
{
  const PmKernel *kernel = job->kernel;
  int             step = kernel->n_rows, n_steps = (block->n + step - 1) / step, share = panel_width (job) / n_steps + 1;

  for (int i = 0; i < block->n_panels; i++)
    for (int r = 0; r < block->n; r += step)
      {
        int          p = block->first + i, n_vectors = pm_panel_vectors (panel_tokens (job, p)), width = n_vectors * PM_LANES;
        const float *from = w + r * w_stride;
        if (k0 + k == job->op->K && ! job->op->y.in_panels)
          expect_rows (job, block, p, r / step * share, share);
        kernel->multiply (n_vectors, MIN (step, block->n - r), k, from, w_stride,
                          i == 0 && r + step < block->n ? from + step * w_stride : from, panel_get (job, p) + (gsize) k0 * width,
                          panel_sums (job, block, i) + (gsize) r * width, k0 > 0);
      }
}

static void
block_task_cb (int task, int worker, gpointer data)
{
  LinearJob      *job = data;
  const PmLinear *op = job->op;
  int             width = panel_width (job), per_block = BLOCK_TOKENS / width, n_panels = (job->m + width - 1) / width;
  int             n_first = task / job->n_token_blocks * job->nb, n_end = MIN (n_first + job->nb, op->N);
  Block           block = { .first = task % job->n_token_blocks * per_block };

  block.n_panels = MIN (per_block, n_panels - block.first);
  block.sums = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, (gsize) block.n_panels * block_cols (job) * width);
  for (block.n0 = n_first; block.sums && block.n0 < n_end; block.n0 += block.n)
    {
      block.n = MIN (block_cols (job), n_end - block.n0);
      for (int k0 = 0; k0 < op->K; k0 += STRETCH)
        {
          gsize        stride;
          int          k = MIN (STRETCH, op->K - k0);
          const float *w = weights_get (job, worker, block.n0, block.n, k0, k, &stride);
          if (! w)
            return;
          multiply_stretch (job, &block, k0, k, w, stride);
        }
      for (int i = 0; i < block.n_panels; i++)
        (op->y.in_panels ? finish_in_panel : finish_panel) (job, block.first + i, block.n0, block.n0 + block.n,
                                                            panel_sums (job, &block, i));
    }
}

/* Rows m0 .. m0 + m. */
static void
run_pass (LinearJob *job, int m0, int m)
{
  const PmLinear *op = job->op;
  PmPool         *pool = pm_backend_get_pool (job->backend);
  int             n_group = job->kernel->n_group, n_groups = (op->N + n_group - 1) / n_group;
  int             n_panels = (m + panel_width (job) - 1) / panel_width (job);

  job->m0 = m0;
  job->m = m;
  job->n_token_blocks = (m + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
  int n_tasks = (int) CLAMP (sysconf (_SC_NPROCESSORS_CONF), 2, PM_POOL_MAX_WORKERS) * TASKS_PER_PROCESSOR;
  int n_blocks = CLAMP ((n_tasks + job->n_token_blocks - 1) / job->n_token_blocks, 1, n_groups);
  job->nb = (n_groups + n_blocks - 1) / n_blocks * n_group;

  if (! op->x.in_panels)
    pm_pool_run (pool, n_panels * ((op->K + PACK_COLS - 1) / PACK_COLS), pack_task_cb, job);
  pm_pool_run (pool, job->n_token_blocks * ((op->N + job->nb - 1) / job->nb), block_task_cb, job);
}

/* The weights are read once for all rows. */
static void
dots_task_cb (int task, int worker, gpointer data)
{
  LinearJob      *job = data;
  const PmLinear *op = job->op;
  int             n0 = task * DOTS_COLS, n = MIN (DOTS_COLS, op->N - n0);
  gsize           stride;
  const float    *w = weights_get (job, worker, n0, n, 0, op->K, &stride);

  for (int j = 0; w && j < n; j++)
    {
      float sums[PM_CPU_MAX_DOTS];
      pm_cpu_dots (op->M, op->K, job->x, op->x_stride, w + j * stride, sums);
      for (int m = 0; m < op->M; m++)
        {
          float piece[PM_LANES] = { sums[m] }, bias[PM_LANES] = { job->bias[n0 + j] };
          float gate = job->gate ? job->gate[m / op->rows_per_item * op->gate_stride + n0 + j] : 1.f;
          float residual = job->residual ? job->residual[m * op->y_stride + n0 + j] : 0.f;
          pm_cpu_epilogue_row (op->activation, 1, piece, bias, &gate, &residual, job->y + m * op->y_stride + n0 + j);
        }
    }
}

void
pm_cpu_linear (PmBackend *backend, const PmLinear *op)
{
  LinearJob job = { .backend = backend, .kernel = pm_cpu_get_kernel (backend), .op = op, .x = op->x.data,
                    .gate = pm_acts_floats (op->gate), .residual = pm_acts_floats (op->residual), .y = op->y.data };
  gsize     n_bias = (gsize) (op->N + PM_LANES - 1) / PM_LANES * PM_LANES;
  gboolean  is_few = op->M <= PM_CPU_MAX_DOTS && ! op->x.in_panels && ! op->y.in_panels;
  int       pass = CLAMP (PASS_FLOATS / MAX (op->K, 1) / BLOCK_TOKENS, 1, PASS_FLOATS) * BLOCK_TOKENS;

  g_assert (op->x.dtype == PM_DTYPE_F32 && op->y.dtype == PM_DTYPE_F32);
  g_assert (! op->y.in_panels || (! job.gate && ! job.residual));
  pass = op->x.in_panels ? op->M : MIN (pass, (op->M + PM_LANES - 1) / PM_LANES * PM_LANES);
  float *shared = pm_cpu_scratch (backend, 0, PM_SCRATCH_SHARED,
                                  n_bias + (is_few || op->x.in_panels ? 0 : (gsize) pass * op->K));
  if (! shared)
    return;
  memset (shared, 0, n_bias * sizeof (float));
  if (op->bias)
    pm_convert_to_f32 (op->bias->data, op->bias->dtype, op->N, shared);
  job.bias = shared;
  job.panels = op->x.in_panels ? op->x.data : shared + n_bias;
  if (is_few)
    pm_pool_run (pm_backend_get_pool (backend), (op->N + DOTS_COLS - 1) / DOTS_COLS, dots_task_cb, &job);
  for (int m0 = 0; m0 < op->M && ! is_few; m0 += pass)
    run_pass (&job, m0, MIN (pass, op->M - m0));
}
