/* The steps of attention-tensor.h's kernel: what a warp does with a tile of keys and values, and its rows of the output. */
#ifndef PM_CUDA_ATTENTION_STEPS_H
#define PM_CUDA_ATTENTION_STEPS_H

#include "backend/cuda/attention-softmax.h"

#define PM_KEYS 64 /* of a tile */

/* Key weights of a tile, on their way: they wait in registers while the tile before is worked on. */
template <int N>
PM_DEVICE void
pm_weights_fetch (const PmAttentionArgs &args, int b, int j, float *held)
{
#pragma unroll
  for (int n = 0; n < N; n++)
    {
      int at = n * PM_ATTENTION_THREADS + threadIdx.x, k = at / PM_KEYS, key = j + at % PM_KEYS;
      held[n] = k < args.n_sums && key < args.Tk
                    ? args.weights[((size_t) b * args.n_weights + k) * args.Tk + key]
                    : 0.f;
    }
}

template <int N>
PM_DEVICE void
pm_weights_put (float *to, const float *held)
{
#pragma unroll
  for (int n = 0; n < N; n++)
    to[n * PM_ATTENTION_THREADS + threadIdx.x] = held[n];
}

/* u [NM][8] = q . k of a tile. */
template <typename T, int DK, int NM>
PM_DEVICE void
pm_tensor_logits (float (*u)[PM_KEYS / 8][4], const uint32_t (*q)[DK / 16][4], const T *k)
{
  const int stride = PmTile<T, DK>::STRIDE;
  uint32_t  fb[4];

  k += pm_tile_at_b (stride);
#pragma unroll
  for (int m = 0; m < NM; m++)
    pm_tile_clear<PM_KEYS / 8> (u[m]);
#pragma unroll
  for (int c = 0; c < DK / 16; c++)
#pragma unroll
    for (int n = 0; n < PM_KEYS / 8; n += 2)
      {
        pm_ldmatrix_x4 (fb, k + n * 8 * stride + c * 16);
#pragma unroll
        for (int m = 0; m < NM; m++)
          {
            pm_mma (u[m][n], q[m][c], fb, (const T *) 0);
            pm_mma (u[m][n + 1], q[m][c], fb + 2, (const T *) 0);
          }
      }
}

/* A warp's rows of a tile of queries in registers, as the `a` of products. */
template <typename T, int DK, int NM>
PM_DEVICE void
pm_tensor_queries (uint32_t (*fq)[DK / 16][4], const T *q)
{
  const int stride = PmTile<T, DK>::STRIDE;

#pragma unroll
  for (int m = 0; m < NM; m++)
#pragma unroll
    for (int c = 0; c < DK / 16; c++)
      pm_ldmatrix_x4 (fq[m][c], q + m * 16 * stride + pm_tile_at_a (stride) + c * 16);
}

/* Products u of a tile of keys, from j on, with the warp's queries, from i on, become e; what was summed up before shrinks. */
template <typename T, int NV, int NM, bool FULL>
PM_DEVICE void
pm_tensor_soften (PmRows *rows, const PmAttentionArgs &args, int b, int h, int i, int j, float (*u)[PM_KEYS / 8][4],
                  const float *weights, float (*o)[NV][4])
{
#pragma unroll
  for (int m = 0; m < NM; m++)
    {
      float shrink[2];
      if (FULL || j + PM_KEYS > args.counts[b])
        pm_attention_logits<PM_KEYS / 8> (args, b, h, i + m * 16 + pm_lane () / 4, j, u[m]);
#pragma unroll
      for (int r = 0; r < 2; r++)
        shrink[r] = pm_rows_soften<PM_KEYS / 8, FULL, T> (&rows[m], r, u[m], args.c);
      if (FULL)
        pm_rows_weigh<PM_KEYS / 8> (&rows[m], u[m], shrink, weights, PM_KEYS, args.n_sums);
#pragma unroll
      for (int n = 0; n < NV; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          o[m][n][e] *= shrink[e / 2];
    }
}

/* o [NM][NV] += e . v of a tile. */
template <typename T, int DK, int NV, int NM>
PM_DEVICE void
pm_tensor_values (float (*o)[NV][4], const float (*e)[PM_KEYS / 8][4], const T *v)
{
  const int stride = PmTile<T, DK>::STRIDE;
  uint32_t  fa[NM][4], fb[4];

  v += pm_tile_at_a (stride);
#pragma unroll
  for (int k = 0; k < PM_KEYS / 16; k++)
    {
#pragma unroll
      for (int m = 0; m < NM; m++)
        pm_tile_pack (fa[m], e[m] + 2 * k, (const T *) 0);
#pragma unroll
      for (int n = 0; n < NV; n += 2)
        {
          pm_ldmatrix_x4_trans (fb, v + k * 16 * stride + n * 8);
#pragma unroll
          for (int m = 0; m < NM; m++)
            {
              pm_mma (o[m][n], fa[m], fb, (const T *) 0);
              if (n + 1 < NV)
                pm_mma (o[m][n + 1 < NV ? n + 1 : n], fa[m], fb + 2, (const T *) 0);
            }
        }
    }
}

/* Rows of o of a warp, by way of shared memory, which is free then: whole pieces of 16 bytes where `out` allows. */
template <typename T, int DK, int NV, int NM>
PM_DEVICE void
pm_tensor_store (const PmAttentionArgs &args, T *out /* row 0 of the warp */, int n_rows, const float (*o)[NV][4],
                 const float (*inverse)[2], T *shared)
{
  const int stride = PmTile<T, DK>::STRIDE, pieces = NV;
  int       g = pm_lane () / 4, t = pm_lane () % 4;

#pragma unroll
  for (int m = 0; m < NM; m++)
#pragma unroll
    for (int n = 0; n < NV; n++)
#pragma unroll
      for (int r = 0; r < 2; r++)
        *(uint32_t *) (shared + (m * 16 + g + 8 * r) * stride + n * 8 + 2 * t)
            = pm_pack (o[m][n][2 * r] * inverse[m][r], o[m][n][2 * r + 1] * inverse[m][r], (const T *) 0);
  __syncwarp ();
  for (int at = pm_lane (); at < 16 * NM * pieces; at += PM_WARP)
    {
      int row = at / pieces, col = at % pieces * 8;
      if (row < n_rows && args.is_out_aligned && col < args.d)
        *(uint4 *) (out + row * args.out_row + col) = *(const uint4 *) (shared + row * stride + col);
      for (int i = col; ! args.is_out_aligned && row < n_rows && i < min (col + 8, args.d); i++)
        out[row * args.out_row + i] = shared[row * stride + i];
    }
}

#endif
