/* The CPU backend's operations that touch each element once or twice: bound by memory, or by exp. Proved against ref.c. */
#include <math.h>

#include "backend/cpu.h"
#include "backend/epilogue.h"
#include "base/pool.h"
#include "base/simd.h"

#define ROWS_PER_TASK 32
#define ELEMENTS_PER_TASK 16384

PM_CLONES void
pm_cpu_epilogue_row (PmActivation activation, int n, const float *x, const float *bias, const float *gate,
                     const float *residual, float *y)
{
  int i = 0;
  for (; i + PM_LANES <= n; i += PM_LANES)
    pm_vec_store (y + i, pm_vec_epilogue (activation, pm_vec_load (x + i), bias ? bias + i : NULL, gate ? gate + i : NULL,
                                       residual ? residual + i : NULL));
  if (i < n) /* the rest through padded copies, so that every element takes the same path */
    {
      float tail[4][PM_LANES] = { { 0 } };
      gsize size = sizeof (float) * (n - i);
      memcpy (tail[0], x + i, size);
      if (bias)
        memcpy (tail[1], bias + i, size);
      if (gate)
        memcpy (tail[2], gate + i, size);
      if (residual)
        memcpy (tail[3], residual + i, size);
      pm_vec_store (tail[0], pm_vec_epilogue (activation, pm_vec_load (tail[0]), bias ? tail[1] : NULL, gate ? tail[2] : NULL,
                                           residual ? tail[3] : NULL));
      memcpy (y + i, tail[0], size);
    }
}

PM_CLONES void
pm_cpu_dots (int M, int K, const float *x, gsize x_stride, const float *w, float *sums)
{
  PmVec acc[PM_CPU_MAX_DOTS] = { { 0 } };
  int   k = 0;
  for (; k + PM_LANES <= K; k += PM_LANES)
    {
      PmVec weights = pm_vec_load (w + k);
      for (int m = 0; m < M; m++)
        acc[m] += weights * pm_vec_load (x + m * x_stride + k);
    }
  for (int m = 0; m < M; m++)
    {
      sums[m] = pm_vec_sum (acc[m]);
      for (int j = k; j < K; j++)
        sums[m] += w[j] * x[m * x_stride + j];
    }
}

typedef struct
{
  const PmNorm   *op;
  const PmKernel *kernel;
} PmNormJob;

/* A row and what becomes of it. */
typedef struct
{
  const float *x, *scale, *shift; /* [D] */
  float        mean, inverse;
} PmNormRow;

PM_INLINE PmNormRow
norm_measure (const PmNorm *op, int m)
{
  gsize     mod = m / op->rows_per_item * op->mod_stride;
  PmNormRow row = { .x = op->x + (gsize) m * op->D, .scale = op->scale + mod, .shift = op->shift + mod };
  int       D = op->D, whole = D / PM_LANES * PM_LANES;
  PmVec     acc = { 0 };
  double    sum = 0, squares = 0;

  for (int i = 0; i < whole; i += PM_LANES)
    acc += pm_vec_load (row.x + i);
  for (int i = 0; i < PM_LANES; i++)
    sum += acc[i];
  for (int i = whole; i < D; i++)
    sum += row.x[i];
  row.mean = (float) (sum / D);

  acc = pm_vec_set (0.f);
  for (int i = 0; i < whole; i += PM_LANES)
    {
      PmVec centred = pm_vec_load (row.x + i) - row.mean;
      acc += centred * centred;
    }
  for (int i = 0; i < PM_LANES; i++)
    squares += acc[i];
  for (int i = whole; i < D; i++)
    squares += (row.x[i] - row.mean) * (row.x[i] - row.mean);
  row.inverse = (float) (1 / sqrt (squares / D + op->eps));
  return row;
}

PM_INLINE PmVec
norm_piece (const PmNormRow *row, int i)
{
  return (pm_vec_load (row->x + i) - row->mean) * row->inverse * (1.f + pm_vec_load (row->scale + i))
         + pm_vec_load (row->shift + i);
}

PM_INLINE float
norm_element (const PmNormRow *row, int i)
{
  return (row->x[i] - row->mean) * row->inverse * (1.f + row->scale[i]) + row->shift[i];
}

PM_CLONES static void
norm_row (const PmNorm *op, int m)
{
  float    *y = pm_acts_floats (op->y) + (gsize) m * op->D;
  int       whole = op->D / PM_LANES * PM_LANES;
  PmNormRow row = norm_measure (op, m);

  for (int i = 0; i < whole; i += PM_LANES)
    pm_vec_store (y + i, norm_piece (&row, i));
  for (int i = whole; i < op->D; i++)
    y[i] = norm_element (&row, i);
}

/* Rows m .. m + 16, a vector of a panel; those behind the last become 0. */
PM_CLONES static void
norm_panel (const PmNormJob *job, int m)
{
  const PmNorm *op = job->op;
  int           D = op->D, whole = D / PM_LANES * PM_LANES, n = MIN (PM_LANES, op->M - m), width;
  float        *y = pm_cpu_panels_at (job->kernel, op->y.data, op->M, D, m, &width), piece[PM_LANES * PM_LANES] = { 0 };
  PmNormRow     rows[PM_LANES];

  for (int r = 0; r < n; r++)
    rows[r] = norm_measure (op, m + r);
  for (int i = 0; i < whole; i += PM_LANES)
    {
      for (int r = 0; r < n; r++)
        pm_vec_store (piece + r * PM_LANES, norm_piece (&rows[r], i));
      for (int c = 0; c < PM_LANES; c += 8)
        for (int r = 0; r < PM_LANES; r += 8)
          pm_transpose_8x8 (piece + r * PM_LANES + c, PM_LANES, y + (gsize) (i + c) * width + r, width);
    }
  for (int i = whole; i < D; i++)
    for (int r = 0; r < PM_LANES; r++)
      y[(gsize) i * width + r] = r < n ? norm_element (&rows[r], i) : 0.f;
}

static void
norm_task_cb (int task, int worker, gpointer data)
{
  const PmNormJob *job = data;
  gboolean         in_panels = job->op->y.in_panels;

  for (int m = task * ROWS_PER_TASK; m < MIN (job->op->M, (task + 1) * ROWS_PER_TASK); m += in_panels ? PM_LANES : 1)
    if (in_panels)
      norm_panel (job, m);
    else
      norm_row (job->op, m);
}

void
pm_cpu_norm_modulate (PmBackend *backend, const PmNorm *op)
{
  PmNormJob job = { op, pm_cpu_get_kernel (backend) };
  pm_pool_run (pm_backend_get_pool (backend), (op->M + ROWS_PER_TASK - 1) / ROWS_PER_TASK, norm_task_cb, &job);
}

typedef struct
{
  const PmRmsNorm *op;
  const float     *weight; /* [D] */
} PmRmsNormJob;

PM_CLONES static void
rms_norm_row (const PmRmsNorm *op, const float *weight, int m)
{
  const float *x = op->x + (gsize) m * op->D;
  float       *y = pm_acts_floats (op->y) + (gsize) m * op->D;
  int          D = op->D, whole = D / PM_LANES * PM_LANES;
  PmVec        acc = { 0 };
  double       squares = 0;

  for (int i = 0; i < whole; i += PM_LANES)
    acc += pm_vec_load (x + i) * pm_vec_load (x + i);
  for (int i = 0; i < PM_LANES; i++)
    squares += acc[i];
  for (int i = whole; i < D; i++)
    squares += x[i] * x[i];
  float inverse = (float) (1 / sqrt (squares / D + op->eps));

  for (int i = 0; i < whole; i += PM_LANES)
    pm_vec_store (y + i, pm_vec_load (x + i) * inverse * pm_vec_load (weight + i));
  for (int i = whole; i < D; i++)
    y[i] = x[i] * inverse * weight[i];
}

static void
rms_norm_task_cb (int task, int worker, gpointer data)
{
  const PmRmsNormJob *job = data;
  for (int m = task * ROWS_PER_TASK; m < MIN (job->op->M, (task + 1) * ROWS_PER_TASK); m++)
    rms_norm_row (job->op, job->weight, m);
}

void
pm_cpu_rms_norm (PmBackend *backend, const PmRmsNorm *op)
{
  float       *weight = pm_cpu_scratch (backend, 0, PM_SCRATCH_SHARED, op->D);
  PmRmsNormJob job = { op, weight };

  if (! weight)
    return;
  pm_convert_to_f32 (op->weight->data, op->weight->dtype, op->D, weight);
  pm_pool_run (pm_backend_get_pool (backend), (op->M + ROWS_PER_TASK - 1) / ROWS_PER_TASK, rms_norm_task_cb, &job);
}

/* Both directions walk the tokens of one row of the grid: task = item * rows + row. */
static void
patchify_task_cb (int task, int worker, gpointer data)
{
  const PmPatches *op = data;
  int              p = op->patch, rows = op->height / p, cols = op->width / p, b = task / rows, ty = task % rows;
  float           *to = op->to + (gsize) task * cols * op->C * p * p;

  for (int tx = 0; tx < cols; tx++)
    for (int c = 0; c < op->C; c++)
      for (int ph = 0; ph < p; ph++, to += p)
        memcpy (to, op->from + (((gsize) b * op->C + c) * op->height + ty * p + ph) * op->width + tx * p, sizeof (float) * p);
}

void
pm_cpu_patchify (PmBackend *backend, const PmPatches *op)
{
  pm_pool_run (pm_backend_get_pool (backend), op->B * (op->height / op->patch), patchify_task_cb, (gpointer) op);
}

static void
unpatchify_task_cb (int task, int worker, gpointer data)
{
  const PmPatches *op = data;
  int              p = op->patch, rows = op->height / p, cols = op->width / p, b = task / rows, ty = task % rows;
  const float     *from = op->from + (gsize) task * cols * op->C * p * p;

  for (int tx = 0; tx < cols; tx++)
    for (int ph = 0; ph < p; ph++)
      for (int pw = 0; pw < p; pw++)
        for (int c = 0; c < op->C; c++)
          op->to[(((gsize) b * op->C + c) * op->height + ty * p + ph) * op->width + tx * p + pw] = *from++;
}

void
pm_cpu_unpatchify (PmBackend *backend, const PmPatches *op)
{
  pm_pool_run (pm_backend_get_pool (backend), op->B * (op->height / op->patch), unpatchify_task_cb, (gpointer) op);
}

static void
add_task_cb (int task, int worker, gpointer data)
{
  const PmAdd *op = data;
  float       *x = op->x + (gsize) task * op->n_y;
  for (gsize i = 0, n = MIN (op->n_y, op->n - (gsize) task * op->n_y); i < n; i++)
    x[i] += op->y[i];
}

void
pm_cpu_add (PmBackend *backend, const PmAdd *op)
{
  pm_pool_run (pm_backend_get_pool (backend), (int) ((op->n + op->n_y - 1) / op->n_y), add_task_cb, (gpointer) op);
}

static void
activate_task_cb (int task, int worker, gpointer data)
{
  const PmActivate *op = data;
  gsize             first = (gsize) task * ELEMENTS_PER_TASK, n = MIN (op->n - first, ELEMENTS_PER_TASK);
  pm_cpu_epilogue_row (op->activation, (int) n, op->x + first, NULL, NULL, NULL, op->y + first);
}

void
pm_cpu_activate (PmBackend *backend, const PmActivate *op)
{
  int n_tasks = (int) ((op->n + ELEMENTS_PER_TASK - 1) / ELEMENTS_PER_TASK);
  pm_pool_run (pm_backend_get_pool (backend), n_tasks, activate_task_cb, (gpointer) op);
}

static void
combine_task_cb (int task, int worker, gpointer data)
{
  const PmCombine *op = data;
  gsize            first = (gsize) task * ELEMENTS_PER_TASK, end = MIN (op->n, first + ELEMENTS_PER_TASK);
  for (gsize i = first; i < end; i++)
    {
      float sum = op->weights[0] * op->x[0][i];
      for (int k = 1; k < op->n_terms; k++)
        sum += op->weights[k] * op->x[k][i];
      op->y[i] = sum;
    }
}

void
pm_cpu_combine (PmBackend *backend, const PmCombine *op)
{
  int n_tasks = (int) ((op->n + ELEMENTS_PER_TASK - 1) / ELEMENTS_PER_TASK);
  pm_pool_run (pm_backend_get_pool (backend), n_tasks, combine_task_cb, (gpointer) op);
}
