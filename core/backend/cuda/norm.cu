/* Norms of rows: modulated layer norm and RMS norm, one body. A warp has a whole row in its registers, so that x is read once
 * and the variance is that of what is left after the mean, as exact as two passes. Rows that are too wide or not aligned are
 * read again instead, a block a row.
 *
 * Bound: 4 M D bytes read and as much or half written at the memory's rate; on an H200 about 2 us for 512 rows of 1152. */
#include "backend/cuda/elements.h"
#include "backend/cuda/module.h"

#define ROWS_PER_BLOCK 4
#define MOST_QUADS     16 /* of a lane's registers: rows of 2048 */

/* y = (x - mean) * inverse * (1 + scale) + shift; RMS norm: mean 0, 1 + scale is the weight, no shift. */
typedef struct
{
  int          M, D, rows_per_item;
  const float *x;
  const float *shift, *scale, *weight; /* weight: of an RMS norm, else NULL */
  size_t       mod_stride;
  float        eps;
  void        *y;
  PmDtype      y_dtype;
} NormArgs;

PM_DEVICE float4
modulate (const NormArgs &op, size_t mod, int quad, float4 x, float mean, float inverse)
{
  float4 factor, shift = make_float4 (0, 0, 0, 0);

  if (op.weight)
    factor = ((const float4 *) op.weight)[quad];
  else
    {
      factor = ((const float4 *) (op.scale + mod))[quad];
      factor = make_float4 (1 + factor.x, 1 + factor.y, 1 + factor.z, 1 + factor.w);
      shift = ((const float4 *) (op.shift + mod))[quad];
    }
  return make_float4 ((x.x - mean) * inverse * factor.x + shift.x, (x.y - mean) * inverse * factor.y + shift.y,
                      (x.z - mean) * inverse * factor.z + shift.z, (x.w - mean) * inverse * factor.w + shift.w);
}

PM_DEVICE void
store_quad (void *to, PmDtype dtype, size_t quad, float4 x)
{
  if (dtype == PM_DTYPE_F32)
    ((float4 *) to)[quad] = x;
  else if (dtype == PM_DTYPE_F16)
    ((uint2 *) to)[quad] = make_uint2 (pm_pack (x.x, x.y, (const __half *) 0), pm_pack (x.z, x.w, (const __half *) 0));
  else
    ((uint2 *) to)[quad]
        = make_uint2 (pm_pack (x.x, x.y, (const __nv_bfloat16 *) 0), pm_pack (x.z, x.w, (const __nv_bfloat16 *) 0));
}

template <int quads>
static __global__ void __launch_bounds__ (ROWS_PER_BLOCK *PM_WARP)
row_kernel (NormArgs op)
{
  int    lane = threadIdx.x % PM_WARP, n = op.D / 4;
  size_t m = (size_t) blockIdx.x * ROWS_PER_BLOCK + threadIdx.x / PM_WARP;
  float4 x[quads];
  float  sum = 0, mean = 0;

  if (m >= (size_t) op.M)
    return;
  const float4 *row = (const float4 *) (op.x + m * op.D);
#pragma unroll
  for (int i = 0; i < quads; i++)
    {
      int quad = lane + i * PM_WARP;
      x[i] = quad < n ? row[quad] : make_float4 (0, 0, 0, 0);
      sum += (x[i].x + x[i].y) + (x[i].z + x[i].w);
    }
  if (! op.weight)
    mean = pm_warp_sum (sum) / op.D;
  sum = 0;
#pragma unroll
  for (int i = 0; i < quads; i++)
    if (lane + i * PM_WARP < n)
      {
        float a = x[i].x - mean, b = x[i].y - mean, c = x[i].z - mean, d = x[i].w - mean;
        sum += (a * a + b * b) + (c * c + d * d);
      }
  float  inverse = 1.f / sqrtf (pm_warp_sum (sum) / op.D + op.eps);
  size_t mod = m / op.rows_per_item * op.mod_stride;
#pragma unroll
  for (int i = 0; i < quads; i++)
    {
      int quad = lane + i * PM_WARP;
      if (quad < n)
        store_quad (op.y, op.y_dtype, m * n + quad, modulate (op, mod, quad, x[i], mean, inverse));
    }
}

/* The same in every thread. */
PM_DEVICE float
block_sum (float x, float *sums /* [PM_THREADS / PM_WARP] */)
{
  x = pm_warp_sum (x);
  __syncthreads ();
  if (threadIdx.x % PM_WARP == 0)
    sums[threadIdx.x / PM_WARP] = x;
  __syncthreads ();
  x = 0;
  for (int i = 0; i < PM_THREADS / PM_WARP; i++)
    x += sums[i];
  return x;
}

/* y may be x: a thread writes only what it alone reads. */
static __global__ void __launch_bounds__ (PM_THREADS)
wide_kernel (NormArgs op)
{
  __shared__ float sums[PM_THREADS / PM_WARP];
  size_t           m = blockIdx.x, mod = m / op.rows_per_item * op.mod_stride;
  const float     *x = op.x + m * op.D;
  float            sum = 0, mean = 0;

  for (int i = threadIdx.x; i < op.D && ! op.weight; i += PM_THREADS)
    sum += x[i];
  if (! op.weight)
    mean = block_sum (sum, sums) / op.D;
  sum = 0;
  for (int i = threadIdx.x; i < op.D; i += PM_THREADS)
    sum += (x[i] - mean) * (x[i] - mean);
  float inverse = 1.f / sqrtf (block_sum (sum, sums) / op.D + op.eps);
  for (int i = threadIdx.x; i < op.D; i += PM_THREADS)
    {
      float factor = op.weight ? op.weight[i] : 1 + op.scale[mod + i], shift = op.weight ? 0 : op.shift[mod + i];
      pm_store (op.y, op.y_dtype, m * op.D + i, (x[i] - mean) * inverse * factor + shift);
    }
}

static void
run (PmCuda *cuda, const NormArgs *op)
{
  bool is_wide = op->D > 4 * PM_WARP * MOST_QUADS || op->D % 4 != 0 || op->mod_stride % 4 != 0 || ! pm_is_aligned (op->x)
                 || ! pm_is_aligned (op->y) || ! pm_is_aligned (op->shift) || ! pm_is_aligned (op->scale)
                 || ! pm_is_aligned (op->weight);
  int  quads = (op->D + 4 * PM_WARP - 1) / (4 * PM_WARP);
  dim3 grid ((unsigned) ((op->M + ROWS_PER_BLOCK - 1) / ROWS_PER_BLOCK)), block (ROWS_PER_BLOCK * PM_WARP);

  cudaError_t result = is_wide      ? PM_LAUNCH (wide_kernel, dim3 ((unsigned) op->M), dim3 (PM_THREADS), 0, cuda->stream, *op)
                       : quads <= 2 ? PM_LAUNCH (row_kernel<2>, grid, block, 0, cuda->stream, *op)
                       : quads <= 4 ? PM_LAUNCH (row_kernel<4>, grid, block, 0, cuda->stream, *op)
                       : quads <= 6 ? PM_LAUNCH (row_kernel<6>, grid, block, 0, cuda->stream, *op)
                       : quads <= 9 ? PM_LAUNCH (row_kernel<9>, grid, block, 0, cuda->stream, *op)
                                    : PM_LAUNCH (row_kernel<MOST_QUADS>, grid, block, 0, cuda->stream, *op);
  pm_cuda_check (cuda, result, "norm");
}

bool
pm_cuda_norm_modulate (PmCuda *cuda, const PmNorm *op)
{
  NormArgs args = {};

  if (! pm_cuda_begin (cuda))
    return true;
  args.M = op->M;
  args.D = op->D;
  args.rows_per_item = op->rows_per_item;
  args.x = op->x;
  args.shift = op->shift;
  args.scale = op->scale;
  args.mod_stride = op->mod_stride;
  args.eps = op->eps;
  args.y = op->y.data;
  args.y_dtype = op->y.dtype;
  run (cuda, &args);
  return true;
}

bool
pm_cuda_rms_norm (PmCuda *cuda, const PmRmsNorm *op)
{
  NormArgs args = {};

  if (! pm_cuda_begin (cuda))
    return true;
  args.M = op->M;
  args.D = op->D;
  args.rows_per_item = 1;
  args.x = op->x;
  args.weight = pm_cuda_weight_floats (op->weight);
  args.eps = op->eps;
  args.y = op->y.data;
  args.y_dtype = op->y.dtype;
  run (cuda, &args);
  return true;
}
