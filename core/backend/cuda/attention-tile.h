/* Tiles of attention: rows of q, k or v in shared memory, and products of them in registers.
 *
 * A tile is [rows, COLS] with 16 bytes behind each row, so that the eight rows that one instruction reads lie in different banks.
 * A product belongs to a warp: 16 rows of one tile times all rows of another. Its 16 x 8 pieces lie in the lanes as those of
 * PTX's mma.m16n8k16 do, in f32 too: lane 4 g + t has columns 2 t and 2 t + 1 of rows g (elements 0, 1) and g + 8 (2, 3).
 * What works on logits and probabilities is thus the same for every type. */
#ifndef PM_CUDA_ATTENTION_TILE_H
#define PM_CUDA_ATTENTION_TILE_H

#include "backend/cuda/attention.h"

/* Elements in 16 bytes, and from one row of a tile to the next. */
template <typename T, int COLS>
struct PmTile
{
  enum
  {
    PIECE = 16 / sizeof (T),
    STRIDE = COLS + PIECE
  };
};

PM_DEVICE int
pm_lane (void)
{
  return threadIdx.x % PM_WARP;
}

PM_DEVICE int
pm_warp (void)
{
  return threadIdx.x / PM_WARP;
}

/* Begins to copy rows at from + row * stride into a tile; zeros behind n_rows and n_cols. Ends with pm_cp_async_wait and a
 * barrier. is_aligned: whole pieces of 16 bytes, and n_cols of whole pieces. */
template <int ROWS, int COLS, typename T>
PM_DEVICE void
pm_tile_load (T *tile, const T *from, size_t stride, int n_rows, int n_cols, bool is_aligned)
{
  const int piece = PmTile<T, 0>::PIECE, pieces = COLS / PmTile<T, 0>::PIECE;

#pragma unroll
  for (int first = 0; first < ROWS * pieces; first += PM_ATTENTION_THREADS)
    {
      int at = first + threadIdx.x, row = at / pieces, col = at % pieces * piece;
      T  *to = tile + row * PmTile<T, COLS>::STRIDE + col;
      if (ROWS * pieces % PM_ATTENTION_THREADS != 0 && at >= ROWS * pieces)
        break;
      int left = row < n_rows ? n_cols - col : 0;
      if (is_aligned)
        pm_cp_async_16 (to, left > 0 ? from + row * stride + col : from, left > 0);
      else
        for (int i = 0; i < piece; i++)
          pm_set (to + i, i < left ? pm_get (from[row * stride + col + i]) : 0.f);
    }
}

/* The same for chosen rows: row r is rows[r] of `from`. */
template <int ROWS, int COLS, typename T>
PM_DEVICE void
pm_tile_gather (T *tile, const T *from, size_t stride, const int *rows, int n_rows, int n_cols)
{
  for (int at = threadIdx.x; at < ROWS * COLS; at += PM_ATTENTION_THREADS)
    {
      int row = at / COLS, col = at % COLS;
      pm_set (tile + row * PmTile<T, COLS>::STRIDE + col,
              row < n_rows && col < n_cols ? pm_get (from[rows[row] * stride + col]) : 0.f);
    }
}

/* The same turned round, [COLS, ROWS]; at once, only a barrier ends it. */
template <int ROWS, int COLS, typename T>
PM_DEVICE void
pm_tile_turn (T *tile, const T *from, size_t stride, int n_rows, int n_cols)
{
  for (int at = threadIdx.x; at < ROWS * COLS; at += PM_ATTENTION_THREADS)
    {
      int row = at / COLS, col = at % COLS;
      pm_set (tile + col * PmTile<T, ROWS>::STRIDE + row, row < n_rows && col < n_cols ? pm_get (from[row * stride + col]) : 0.f);
    }
}

/* e of two neighbouring tiles of 8 columns as the `a` of a product, 16 deep. */
template <typename T>
PM_DEVICE void
pm_tile_pack (uint32_t *a, const float (*e)[4], const T *type)
{
  a[0] = pm_pack (e[0][0], e[0][1], type);
  a[1] = pm_pack (e[0][2], e[0][3], type);
  a[2] = pm_pack (e[1][0], e[1][1], type);
  a[3] = pm_pack (e[1][2], e[1][3], type);
}

/* Which row of a tile, and from which element on, a lane names for pm_ldmatrix_x4: of 16 rows by 16 columns as `a` is, or as the
 * `b` of two products turned round (_trans); and of two times 8 rows by 16 columns as the `b` of two products. */
PM_DEVICE int
pm_tile_at_a (int stride)
{
  return pm_lane () % 16 * stride + pm_lane () / 16 * 8;
}

PM_DEVICE int
pm_tile_at_b (int stride)
{
  return (pm_lane () / 16 * 8 + pm_lane () % 8) * stride + pm_lane () / 8 % 2 * 8;
}

/* s [N tiles of 8 columns][4] += a [16, COLS] . b [8 N, COLS]^T by tensor cores. */
template <int N, int COLS, typename T>
PM_DEVICE void
pm_tile_multiply (float (*s)[4], const T *a, const T *b)
{
  const int stride = PmTile<T, COLS>::STRIDE;
  uint32_t  fa[4], fb[4];

  a += pm_tile_at_a (stride);
  b += pm_tile_at_b (stride);
#pragma unroll
  for (int k = 0; k < COLS; k += 16)
    {
      pm_ldmatrix_x4 (fa, a + k);
#pragma unroll
      for (int n = 0; n < N; n += 2)
        {
          pm_ldmatrix_x4 (fb, b + n * 8 * stride + k);
          pm_mma (s[n], fa, fb, (const T *) 0);
          pm_mma (s[n + 1], fa, fb + 2, (const T *) 0);
        }
    }
}

PM_DEVICE float
pm_dot4 (float4 a, float4 b, float sum)
{
  return fmaf (a.w, b.w, fmaf (a.z, b.z, fmaf (a.y, b.y, fmaf (a.x, b.x, sum))));
}

/* The same in f32, every sum in the order of k. */
template <int N, int COLS>
PM_DEVICE void
pm_tile_multiply (float (*s)[4], const float *a, const float *b)
{
  const int stride = PmTile<float, COLS>::STRIDE;
  int       g = pm_lane () / 4, t = pm_lane () % 4;

  a += g * stride;
  b += 2 * t * stride;
#pragma unroll
  for (int k = 0; k < COLS; k += 4)
    {
      float4 a0 = *(const float4 *) (a + k), a1 = *(const float4 *) (a + 8 * stride + k);
#pragma unroll
      for (int n = 0; n < N; n++)
        {
          float4 b0 = *(const float4 *) (b + n * 8 * stride + k), b1 = *(const float4 *) (b + (n * 8 + 1) * stride + k);
          s[n][0] = pm_dot4 (a0, b0, s[n][0]);
          s[n][1] = pm_dot4 (a0, b1, s[n][1]);
          s[n][2] = pm_dot4 (a1, b0, s[n][2]);
          s[n][3] = pm_dot4 (a1, b1, s[n][3]);
        }
    }
}

template <int N>
PM_DEVICE void
pm_tile_clear (float (*s)[4])
{
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      s[n][e] = 0.f;
}

#endif
