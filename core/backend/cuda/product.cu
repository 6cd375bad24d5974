/* See product.h. In 16 bits by tensor cores (mma.sync): a block makes 128 places by 128 or 64 channels, K in steps of 32 through
 * three stages of shared memory that cp.async fills while the products run. Rows of shared memory are 80 bytes apart, so that
 * the eight rows of an ldmatrix meet all banks. In f32 by FMA, for proof: sums of 16 are added up, which keeps f32's rounding
 * out of long sums.
 *
 * Bound: 2 P N K operations at the rate of mma.sync, which on Hopper is about 0.6 of the matrix rate (only wgmma has it all). */
#include "backend/cuda/elements.h"
#include "backend/cuda/product.h"

#define PLACES  128
#define DEPTH   32
#define STAGES  3
#define ROW     (DEPTH + 8) /* of shared memory, in elements */
#define F32_TILE  64
#define F32_DEPTH 16
#define F32_ROW   (F32_TILE + 4)

/* Where a place reads from: its first tap's pixel. */
typedef struct
{
  int  row, column;
  bool is_valid;
} Place;

PM_DEVICE Place
find_place (const PmProduct &op, size_t p)
{
  Place place;
  place.is_valid = p < (size_t) op.rows * op.columns;
  place.row = (op.out_row + (int) (p / op.columns)) * op.stride - op.pad_y;
  place.column = (int) (p % op.columns) * op.stride - op.pad_x;
  return place;
}

/* The element of `a` under a tap, or -1 where that is outside. */
PM_DEVICE long long
find_element (const PmProduct &op, const Place &place, int tap, int c)
{
  int y = place.row + tap / op.side_x, x = place.column + tap % op.side_x;

  if (! place.is_valid || y < 0 || y >= op.height || x < 0 || x >= op.width)
    return -1;
  return ((long long) (y - op.first_row) * op.width + x) * (long long) op.a_stride + c;
}

PM_DEVICE size_t
find_output (const PmProduct &op, size_t p, int n)
{
  size_t y = (op.out_row + p / op.columns) * op.y_step + op.y_row, x = p % op.columns * op.y_step + op.y_column;
  return (y * op.y.width + x) * op.y.stride + n;
}

PM_DEVICE void
store_output (const PmProduct &op, size_t p, int n, float sum)
{
  size_t at = find_output (op, p, n);
  float  unit = op.y.dtype == PM_DTYPE_F16 ? PM_FEATURES_UNIT : 1.f, value = sum * op.factor + (op.bias ? op.bias[n] : 0.f);

  if (op.adds)
    value += pm_load (op.y.data, op.y.dtype, at) * unit;
  pm_store (op.y.data, op.y.dtype, at, value / unit);
}

/* Step k of K into one stage: [PLACES, ROW] of a, then [N_TILE, ROW] of w. */
template <typename T, int N_TILE>
PM_DEVICE void
load_stage (const PmProduct &op, T *stage, const Place *places /* [2] */, int n0, int k, int K)
{
  int row = threadIdx.x / 4, at = threadIdx.x % 4 * 8;
  int tap = (k + at) / op.C, c = (k + at) % op.C;

#pragma unroll
  for (int i = 0; i < PLACES / 64; i++)
    {
      long long element = k + at < K ? find_element (op, places[i], tap, c) : -1;
      pm_cp_async_16 (stage + (row + 64 * i) * ROW + at, (const T *) op.a + (element < 0 ? 0 : element), element >= 0);
    }
#pragma unroll
  for (int i = 0; i < N_TILE / 64; i++)
    {
      int    n = n0 + row + 64 * i;
      bool   is_valid = k + at < K && n < op.N;
      size_t element = is_valid ? ((size_t) n * op.n_taps_all + op.first_tap) * op.C + k + at : 0;
      pm_cp_async_16 (stage + (PLACES + row + 64 * i) * ROW + at, (const T *) op.w + element, is_valid);
    }
}

/* A warp's products with one stage: 32 places by N_TILE / 2 channels. */
template <typename T, int N_TILE>
PM_DEVICE void
multiply_stage (const T *stage, float (*sums)[N_TILE / 16][4] /* [2] */)
{
  int      lane = threadIdx.x % PM_WARP, warp = threadIdx.x / PM_WARP;
  const T *a = stage + (warp / 2 * 32 + lane % 16) * ROW + lane / 16 * 8;
  const T *b = stage + (PLACES + warp % 2 * (N_TILE / 2) + lane / 16 * 8 + lane % 8) * ROW + lane / 8 % 2 * 8;

#pragma unroll
  for (int k = 0; k < DEPTH; k += 16)
    {
      uint32_t fa[2][4], fb[4];
      pm_ldmatrix_x4 (fa[0], a + k);
      pm_ldmatrix_x4 (fa[1], a + 16 * ROW + k);
#pragma unroll
      for (int j = 0; j < N_TILE / 32; j++)
        {
          pm_ldmatrix_x4 (fb, b + j * 16 * ROW + k);
#pragma unroll
          for (int i = 0; i < 2; i++)
            {
              pm_mma (sums[i][2 * j], fa[i], fb, (const T *) 0);
              pm_mma (sums[i][2 * j + 1], fa[i], fb + 2, (const T *) 0);
            }
        }
    }
}

template <typename T, int N_TILE>
static __global__ void __launch_bounds__ (PM_THREADS)
tensor_kernel (PmProduct op)
{
  const int stage_size = (PLACES + N_TILE) * ROW;
  PM_SHARED (T, stages);
  int    K = op.side_y * op.side_x * op.C, n_steps = (K + DEPTH - 1) / DEPTH, n0 = blockIdx.y * N_TILE;
  size_t p0 = (size_t) blockIdx.x * PLACES;
  Place  places[2] = { find_place (op, p0 + threadIdx.x / 4), find_place (op, p0 + threadIdx.x / 4 + 64) };
  float  sums[2][N_TILE / 16][4] = {};

  for (int step = 0; step < STAGES - 1; step++)
    {
      if (step < n_steps)
        load_stage<T, N_TILE> (op, stages + step * stage_size, places, n0, step * DEPTH, K);
      pm_cp_async_commit ();
    }
  for (int step = 0; step < n_steps; step++)
    {
      int ahead = step + STAGES - 1;
      pm_cp_async_wait<STAGES - 2> ();
      __syncthreads (); /* this stage has come, and all are done with the one that is overwritten now */
      if (ahead < n_steps)
        load_stage<T, N_TILE> (op, stages + ahead % STAGES * stage_size, places, n0, ahead * DEPTH, K);
      pm_cp_async_commit ();
      multiply_stage<T, N_TILE> (stages + step % STAGES * stage_size, sums);
    }
  pm_cp_async_wait<0> ();

  int lane = threadIdx.x % PM_WARP, warp = threadIdx.x / PM_WARP;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < N_TILE / 16; j++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        {
          size_t p = p0 + warp / 2 * 32 + i * 16 + lane / 4 + e / 2 * 8;
          int    n = n0 + warp % 2 * (N_TILE / 2) + j * 8 + lane % 4 * 2 + e % 2;
          if (p < (size_t) op.rows * op.columns && n < op.N)
            store_output (op, p, n, sums[i][j][e]);
        }
}

/* [F32_DEPTH, F32_ROW] of a, and of w behind it, turned round. */
PM_DEVICE void
load_f32 (const PmProduct &op, float *tile, const Place *places /* [4] */, int n0, int k, int K)
{
  int at = threadIdx.x % F32_DEPTH, row = threadIdx.x / F32_DEPTH, tap = (k + at) / op.C, c = (k + at) % op.C;

#pragma unroll
  for (int i = 0; i < F32_TILE / 16; i++)
    {
      long long element = k + at < K ? find_element (op, places[i], tap, c) : -1;
      int       n = n0 + row + 16 * i;
      tile[at * F32_ROW + row + 16 * i] = element < 0 ? 0.f : ((const float *) op.a)[element];
      tile[(F32_DEPTH + at) * F32_ROW + row + 16 * i]
          = k + at < K && n < op.N ? ((const float *) op.w)[((size_t) n * op.n_taps_all + op.first_tap) * op.C + k + at] : 0.f;
    }
}

static __global__ void __launch_bounds__ (PM_THREADS)
f32_kernel (PmProduct op)
{
  __shared__ __align__ (16) float tile[2 * F32_DEPTH * F32_ROW];
  int    K = op.side_y * op.side_x * op.C, n0 = blockIdx.y * F32_TILE, x = threadIdx.x % 16 * 4, y = threadIdx.x / 16 * 4;
  size_t p0 = (size_t) blockIdx.x * F32_TILE;
  Place  places[4];
  float  sums[4][4] = {};

#pragma unroll
  for (int i = 0; i < 4; i++)
    places[i] = find_place (op, p0 + threadIdx.x / F32_DEPTH + 16 * i);
  for (int k = 0; k < K; k += F32_DEPTH)
    {
      float parts[4][4] = {};
      __syncthreads ();
      load_f32 (op, tile, places, n0, k, K);
      __syncthreads ();
#pragma unroll
      for (int depth = 0; depth < F32_DEPTH; depth++)
        {
          float4 a = *(const float4 *) &tile[depth * F32_ROW + y], b = *(const float4 *) &tile[(F32_DEPTH + depth) * F32_ROW + x];
          const float as[4] = { a.x, a.y, a.z, a.w }, bs[4] = { b.x, b.y, b.z, b.w };
#pragma unroll
          for (int i = 0; i < 16; i++)
            parts[i / 4][i % 4] = fmaf (as[i / 4], bs[i % 4], parts[i / 4][i % 4]);
        }
#pragma unroll
      for (int i = 0; i < 16; i++)
        sums[i / 4][i % 4] += parts[i / 4][i % 4];
    }
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (p0 + y + i < (size_t) op.rows * op.columns && n0 + x + j < op.N)
        store_output (op, p0 + y + i, n0 + x + j, sums[i][j]);
}

template <typename T, int N_TILE>
static cudaError_t
launch (PmCuda *cuda, const PmProduct *op, unsigned n_blocks)
{
  const int   n_bytes = STAGES * (PLACES + N_TILE) * ROW * (int) sizeof (T);
  cudaError_t result = cudaFuncSetAttribute (tensor_kernel<T, N_TILE>, cudaFuncAttributeMaxDynamicSharedMemorySize, n_bytes);

  return result != cudaSuccess ? result
                               : PM_LAUNCH (tensor_kernel<T, N_TILE>, dim3 (n_blocks, (op->N + N_TILE - 1) / N_TILE),
                                            dim3 (PM_THREADS), (size_t) n_bytes, cuda->stream, *op);
}

bool
pm_cuda_product (PmCuda *cuda, const PmProduct *op, PmDtype dtype)
{
  size_t   n_places = (size_t) op->rows * op->columns, tile = dtype == PM_DTYPE_F32 ? F32_TILE : PLACES;
  unsigned n_blocks = (unsigned) ((n_places + tile - 1) / tile);
  bool     is_narrow = op->N <= 64;

  cudaError_t result = dtype == PM_DTYPE_F32 ? PM_LAUNCH (f32_kernel, dim3 (n_blocks, (op->N + F32_TILE - 1) / F32_TILE),
                                                          dim3 (PM_THREADS), 0, cuda->stream, *op)
                       : dtype == PM_DTYPE_F16
                           ? is_narrow ? launch<__half, 64> (cuda, op, n_blocks) : launch<__half, 128> (cuda, op, n_blocks)
                       : is_narrow ? launch<__nv_bfloat16, 64> (cuda, op, n_blocks)
                                   : launch<__nv_bfloat16, 128> (cuda, op, n_blocks);
  return pm_cuda_check (cuda, result, "product");
}
