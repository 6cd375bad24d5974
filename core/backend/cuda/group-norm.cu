/* Group norms: mean first, then the variance of what is left, each one pass over the features. A block adds up its share of the
 * pixels, 256 of them at most a thread, in f32; blocks are added in their order in f64: the same on every device.
 *
 * Bound: the features are read twice, at the memory's rate. */
#include <algorithm>

#include "backend/cuda/elements.h"
#include "backend/cuda/module.h"

#define MOST_BLOCKS 2048

typedef struct
{
  PmFeatures    x;
  int           per_group, n_groups, n_blocks;
  size_t        n_pixels, pixels_per_block;
  float        *parts; /* [n_blocks, n_groups] */
  double       *means; /* [n_groups] */
  float         eps;
  const float  *weight, *bias;
  float        *scale, *shift;
} GroupArgs;

/* Four channels of a pixel, or one. */
template <int N>
PM_DEVICE void
load_channels (const PmFeatures &x, size_t at, float *values /* [N] */)
{
  if (N == 1)
    values[0] = pm_load (x.data, x.dtype, at);
  else if (x.dtype == PM_DTYPE_F32)
    {
      float4 quad = *(const float4 *) ((const float *) x.data + at);
      values[0] = quad.x, values[1] = quad.y, values[2] = quad.z, values[3] = quad.w;
    }
  else
    {
      uint2  bits = *(const uint2 *) ((const __half *) x.data + at);
      float2 a = pm_unpack (bits.x, (const __half *) 0), b = pm_unpack (bits.y, (const __half *) 0);
      values[0] = a.x, values[1] = a.y, values[2] = b.x, values[3] = b.y;
    }
}

/* Sums over one block's pixels, of values (has_mean false) or of squares of what is left after the mean. Threads are `across`
 * units of N channels by as many pixels as there is room for. */
template <int N, bool has_mean>
static __global__ void __launch_bounds__ (PM_THREADS)
sum_kernel (GroupArgs op)
{
  PM_SHARED (float, unit_sums);         /* [C / N], then one of each thread */
  int    units = op.x.channels / N, across = min (units, PM_THREADS), deep = PM_THREADS / across;
  float *thread_sums = unit_sums + units, unit_factor = op.x.dtype == PM_DTYPE_F16 ? PM_FEATURES_UNIT : 1.f;
  int    column = threadIdx.x % across, row = threadIdx.x / across;
  size_t first = blockIdx.x * op.pixels_per_block, end = min (first + op.pixels_per_block, op.n_pixels);

  for (int unit0 = 0; unit0 < units; unit0 += across)
    {
      int   unit = unit0 + column;
      float sum = 0;
      if (unit < units && row < deep)
        {
          float mean = has_mean ? (float) op.means[unit * N / op.per_group] : 0.f;
          for (size_t p = first + row; p < end; p += deep)
            {
              float values[N];
              load_channels<N> (op.x, p * op.x.stride + unit * N, values);
#pragma unroll
              for (int i = 0; i < N; i++)
                {
                  float value = values[i] * unit_factor - mean;
                  sum += has_mean ? value * value : value;
                }
            }
        }
      thread_sums[threadIdx.x] = sum;
      __syncthreads ();
      if (row == 0 && unit < units)
        {
          for (int i = 1; i < deep; i++)
            sum += thread_sums[i * across + column];
          unit_sums[unit] = sum;
        }
      __syncthreads ();
    }
  for (int g = threadIdx.x; g < op.n_groups; g += PM_THREADS)
    {
      int   n = op.per_group / N;
      float sum = 0;
      for (int i = 0; i < n; i++)
        sum += unit_sums[g * n + i];
      op.parts[(size_t) blockIdx.x * op.n_groups + g] = sum;
    }
}

/* A block a group. After the second pass: the group's scales and shifts. */
static __global__ void __launch_bounds__ (PM_THREADS)
finish_kernel (GroupArgs op, bool has_mean)
{
  __shared__ double sums[PM_THREADS];
  int               g = blockIdx.x;
  double            sum = 0, n = (double) op.n_pixels * op.per_group;

  for (int i = threadIdx.x; i < op.n_blocks; i += PM_THREADS)
    sum += op.parts[(size_t) i * op.n_groups + g];
  sums[threadIdx.x] = sum;
  __syncthreads ();
  for (int i = PM_THREADS / 2; i > 0; i /= 2)
    {
      if ((int) threadIdx.x < i)
        sums[threadIdx.x] += sums[threadIdx.x + i];
      __syncthreads ();
    }
  if (! has_mean && threadIdx.x == 0)
    op.means[g] = sums[0] / n;
  for (int c = g * op.per_group + threadIdx.x; has_mean && c < (g + 1) * op.per_group; c += PM_THREADS)
    {
      double scale = op.weight[c] / sqrt (sums[0] / n + (double) op.eps);
      op.scale[c] = (float) scale;
      op.shift[c] = (float) (op.bias[c] - op.means[g] * scale);
    }
}

bool
pm_cuda_group_norm (PmCuda *cuda, const PmGroupNorm *op)
{
  GroupArgs args = {};
  int       C = op->x.channels;

  if (! pm_cuda_begin (cuda))
    return true;
  args.x = op->x;
  args.n_groups = op->n_groups;
  args.per_group = C / op->n_groups;
  args.n_pixels = (size_t) op->x.height * op->x.width;
  bool   is_wide = args.per_group % 4 == 0 && op->x.stride % 4 == 0 && pm_is_aligned (op->x.data);
  int    units = is_wide ? C / 4 : C, deep = PM_THREADS / std::min (units, PM_THREADS);
  size_t least = (size_t) deep * 8, n_blocks = std::min<size_t> ((args.n_pixels + least - 1) / least, MOST_BLOCKS);
  args.pixels_per_block = (args.n_pixels + n_blocks - 1) / n_blocks;
  args.n_blocks = (int) ((args.n_pixels + args.pixels_per_block - 1) / args.pixels_per_block);
  size_t means_bytes = PM_CUDA_ROUND (sizeof (double) * op->n_groups);
  char  *scratch = (char *) pm_cuda_scratch (cuda, PM_SCRATCH_PARTS, means_bytes + sizeof (float) * args.n_blocks * op->n_groups);
  size_t shared = sizeof (float) * (units + PM_THREADS);
  if (! scratch)
    return true;
  args.means = (double *) scratch;
  args.parts = (float *) (scratch + means_bytes);
  args.eps = op->eps;
  args.weight = pm_cuda_weight_floats (op->weight);
  args.bias = pm_cuda_weight_floats (op->bias);
  args.scale = op->scale;
  args.shift = op->shift;
  dim3 grid ((unsigned) args.n_blocks), groups ((unsigned) op->n_groups), block (PM_THREADS);
  pm_cuda_check (cuda, PM_LAUNCH (is_wide ? sum_kernel<4, false> : sum_kernel<1, false>, grid, block, shared, cuda->stream, args),
                 "group norm");
  pm_cuda_check (cuda, PM_LAUNCH (finish_kernel, groups, block, 0, cuda->stream, args, false), "group norm");
  pm_cuda_check (cuda, PM_LAUNCH (is_wide ? sum_kernel<4, true> : sum_kernel<1, true>, grid, block, shared, cuda->stream, args),
                 "group norm");
  pm_cuda_check (cuda, PM_LAUNCH (finish_kernel, groups, block, 0, cuda->stream, args, true), "group norm");
  return true;
}
