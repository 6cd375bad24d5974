/* Operations that go over elements once: adding, activating, combining, changing types. */
#include "backend/cuda/elements.h"
#include "backend/cuda/module.h"

/* Rows of n elements, from's `stride` apart, to's n_to, with zeros behind the n. */
static __global__ void
convert8_kernel (void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t rows, size_t n, size_t stride,
                 size_t n_to)
{
  for (size_t i = 8 * pm_first (); i < rows * n_to; i += 8 * pm_step ())
    {
      float values[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };
      if (i % n_to < n)
        pm_load8 (from, from_dtype, i / n_to * stride + i % n_to, values);
      pm_store8 (to, to_dtype, i, values);
    }
}

static __global__ void
convert_kernel (void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t rows, size_t n, size_t stride,
                size_t n_to)
{
  for (size_t i = pm_first (); i < rows * n_to; i += pm_step ())
    {
      size_t at = i / n_to * stride + i % n_to;
      float  value = i % n_to >= n                 ? 0
                     : from_dtype == PM_DTYPE_F64 ? (float) ((const double *) from)[at]
                                                  : pm_load (from, from_dtype, at);
      pm_store (to, to_dtype, i, value);
    }
}

bool
pm_cuda_convert_rows (PmCuda *cuda, void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t rows, size_t n,
                      size_t stride, size_t n_to)
{
  bool is_wide = n % 8 == 0 && n_to % 8 == 0 && (rows == 1 || stride % 8 == 0) && pm_is_aligned (to) && pm_is_aligned (from)
                 && from_dtype != PM_DTYPE_F64;

  return pm_cuda_check (cuda, PM_LAUNCH (is_wide ? convert8_kernel : convert_kernel,
                                         pm_blocks (is_wide ? rows * n_to / 8 : rows * n_to), dim3 (PM_THREADS), 0, cuda->stream,
                                         to, to_dtype, from, from_dtype, rows, n, stride, n_to), "convert");
}

bool
pm_cuda_convert (PmCuda *cuda, void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t n)
{
  return pm_cuda_convert_rows (cuda, to, to_dtype, from, from_dtype, 1, n, n, n);
}

static __global__ void
add4_kernel (float4 *x, const float4 *y, size_t n, size_t n_y)
{
  for (size_t i = pm_first (); i < n; i += pm_step ())
    {
      float4 a = x[i], b = y[i % n_y];
      x[i] = make_float4 (a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
    }
}

static __global__ void
add_kernel (float *x, const float *y, size_t n, size_t n_y)
{
  for (size_t i = pm_first (); i < n; i += pm_step ())
    x[i] += y[i % n_y];
}

bool
pm_cuda_add (PmCuda *cuda, const PmAdd *op)
{
  bool is_wide = op->n % 4 == 0 && op->n_y % 4 == 0 && pm_is_aligned (op->x) && pm_is_aligned (op->y);

  if (! pm_cuda_begin (cuda))
    return true;
  pm_cuda_check (cuda, is_wide ? PM_LAUNCH (add4_kernel, pm_blocks (op->n / 4), dim3 (PM_THREADS), 0, cuda->stream,
                                            (float4 *) op->x, (const float4 *) op->y, op->n / 4, op->n_y / 4)
                               : PM_LAUNCH (add_kernel, pm_blocks (op->n), dim3 (PM_THREADS), 0, cuda->stream, op->x, op->y,
                                            op->n, op->n_y), "add");
  return true;
}

static __global__ void
activate4_kernel (float4 *y, const float4 *x, size_t n, PmActivation activation)
{
  for (size_t i = pm_first (); i < n; i += pm_step ())
    {
      float4 a = x[i];
      y[i] = make_float4 (pm_activate (activation, a.x), pm_activate (activation, a.y), pm_activate (activation, a.z),
                          pm_activate (activation, a.w));
    }
}

static __global__ void
activate_kernel (float *y, const float *x, size_t n, PmActivation activation)
{
  for (size_t i = pm_first (); i < n; i += pm_step ())
    y[i] = pm_activate (activation, x[i]);
}

bool
pm_cuda_activate (PmCuda *cuda, const PmActivate *op)
{
  bool is_wide = op->n % 4 == 0 && pm_is_aligned (op->x) && pm_is_aligned (op->y);

  if (! pm_cuda_begin (cuda))
    return true;
  pm_cuda_check (cuda, is_wide ? PM_LAUNCH (activate4_kernel, pm_blocks (op->n / 4), dim3 (PM_THREADS), 0, cuda->stream,
                                            (float4 *) op->y, (const float4 *) op->x, op->n / 4, op->activation)
                               : PM_LAUNCH (activate_kernel, pm_blocks (op->n), dim3 (PM_THREADS), 0, cuda->stream, op->y, op->x,
                                            op->n, op->activation), "activate");
  return true;
}

static __global__ void
combine_kernel (PmCombine op)
{
  for (size_t i = pm_first (); i < op.n; i += pm_step ())
    {
      float sum = op.weights[0] * op.x[0][i];
#pragma unroll
      for (int k = 1; k < PM_COMBINE_MAX; k++)
        if (k < op.n_terms)
          sum = fmaf (op.weights[k], op.x[k][i], sum);
      op.y[i] = sum;
    }
}

bool
pm_cuda_combine (PmCuda *cuda, const PmCombine *op)
{
  if (pm_cuda_begin (cuda))
    pm_cuda_check (cuda, PM_LAUNCH (combine_kernel, pm_blocks (op->n), dim3 (PM_THREADS), 0, cuda->stream, *op), "combine");
  return true;
}
