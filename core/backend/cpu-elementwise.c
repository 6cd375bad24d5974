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

PM_CLONES static void
norm_row (const PmNorm *op, int m)
{
  const float *x = op->x + (gsize) m * op->D;
  gsize        mod = m / op->rows_per_item * op->mod_stride;
  const float *scale = op->scale + mod, *shift = op->shift + mod;
  float       *y = pm_acts_floats (op->y) + (gsize) m * op->D;
  int          D = op->D, whole = D / PM_LANES * PM_LANES;
  PmVec        acc = { 0 };
  double       sum = 0, squares = 0;

  for (int i = 0; i < whole; i += PM_LANES)
    acc += pm_vec_load (x + i);
  for (int i = 0; i < PM_LANES; i++)
    sum += acc[i];
  for (int i = whole; i < D; i++)
    sum += x[i];
  float mean = (float) (sum / D);

  acc = pm_vec_set (0.f);
  for (int i = 0; i < whole; i += PM_LANES)
    {
      PmVec centred = pm_vec_load (x + i) - mean;
      acc += centred * centred;
    }
  for (int i = 0; i < PM_LANES; i++)
    squares += acc[i];
  for (int i = whole; i < D; i++)
    squares += (x[i] - mean) * (x[i] - mean);
  float inverse = (float) (1 / sqrt (squares / D + op->eps));

  for (int i = 0; i < whole; i += PM_LANES)
    pm_vec_store (y + i, (pm_vec_load (x + i) - mean) * inverse * (1.f + pm_vec_load (scale + i)) + pm_vec_load (shift + i));
  for (int i = whole; i < D; i++)
    y[i] = (x[i] - mean) * inverse * (1.f + scale[i]) + shift[i];
}

static void
norm_task_cb (int task, int worker, gpointer data)
{
  const PmNorm *op = data;
  for (int m = task * ROWS_PER_TASK; m < MIN (op->M, (task + 1) * ROWS_PER_TASK); m++)
    norm_row (op, m);
}

void
pm_cpu_norm_modulate (PmBackend *backend, const PmNorm *op)
{
  pm_pool_run (pm_backend_get_pool (backend), (op->M + ROWS_PER_TASK - 1) / ROWS_PER_TASK, norm_task_cb, (gpointer) op);
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
