/* Attention for every type and every size of heads: in f32, where each sum is made by FMA (never TF32), and in 16 bits where
 * heads are wider than attention-tensor.h's, as those of autoencoders. Never faster than memory is simple: q and k come in
 * chunks of their width, and a block makes 128 columns of the output, so that wider heads make the logits anew for each 128.
 *
 * Bound in f32: 4 B H Tq Tk d operations on the FMA units (60 TFLOP/s on an H200; shared memory feeds about half of that). */
#include "backend/cuda/attention-softmax.h"

#define ROWS   64  /* queries of a block, 16 a warp */
#define KEYS   32  /* of a tile */
#define VALUES 128 /* columns of the output of a block */

/* Shared memory of a block, in elements of T from its start. */
template <typename T>
struct Layout
{
  enum
  {
    CHUNK = 128 / sizeof (T), /* of q and k */
    IS_F32 = sizeof (T) == 4,
    Q = 0,
    K = Q + ROWS * (CHUNK + PmTile<T, 0>::PIECE),
    V = K + KEYS * (CHUNK + PmTile<T, 0>::PIECE),
    P = V + (IS_F32 ? VALUES * (KEYS + PmTile<T, 0>::PIECE) : KEYS * (VALUES + PmTile<T, 0>::PIECE)), /* f32 only */
    WEIGHTS = P + (IS_F32 ? ROWS * (KEYS + PmTile<T, 0>::PIECE) : 0),
    BYTES = WEIGHTS * sizeof (T) + PM_ATTENTION_SUMS * KEYS * sizeof (float)
  };
};

template <int N, typename T>
PM_DEVICE void
load_values (T *v, const T *from, size_t stride, int n_rows, int n_cols, bool is_aligned)
{
  pm_tile_load<N, VALUES> (v, from, stride, n_rows, n_cols, is_aligned);
}

template <int N>
PM_DEVICE void
load_values (float *v, const float *from, size_t stride, int n_rows, int n_cols, bool is_aligned)
{
  pm_tile_turn<N, VALUES> (v, from, stride, n_rows, n_cols);
}

/* o [16 tiles of 8 columns] += e [KEYS / 8 tiles] . v. The values lie as they are; p is not needed. */
template <typename T>
PM_DEVICE void
add_values (float (*o)[4], const float (*e)[4], const T *v, T *p, int n_cols)
{
  const int stride = PmTile<T, VALUES>::STRIDE;
  uint32_t  fa[4], fb[4];

  v += pm_tile_at_a (stride);
#pragma unroll
  for (int k = 0; k < KEYS / 16; k++)
    {
      pm_tile_pack (fa, e + 2 * k, (const T *) 0);
#pragma unroll
      for (int n = 0; n < VALUES / 8; n += 2)
        if (n * 8 < n_cols)
          {
            pm_ldmatrix_x4_trans (fb, v + k * 16 * stride + n * 8);
            pm_mma (o[n], fa, fb, (const T *) 0);
            pm_mma (o[n + 1], fa, fb + 2, (const T *) 0);
          }
    }
}

/* The values lie turned round, and e goes by way of p, [16, KEYS] of the warp. */
PM_DEVICE void
add_values (float (*o)[4], const float (*e)[4], const float *v, float *p, int n_cols)
{
  const int stride = PmTile<float, KEYS>::STRIDE;
  int       g = pm_lane () / 4, t = pm_lane () % 4;

#pragma unroll
  for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
    for (int r = 0; r < 2; r++)
      *(float2 *) (p + (g + 8 * r) * stride + n * 8 + 2 * t) = make_float2 (e[n][2 * r], e[n][2 * r + 1]);
  __syncwarp ();
#pragma unroll
  for (int n = 0; n < VALUES / 8; n += 4)
    if (n * 8 < n_cols)
      pm_tile_multiply<4, KEYS> (o + n, p, v + n * 8 * stride);
}

template <typename T>
PM_DEVICE void
load_weights (const PmAttentionArgs &args, int b, int j, float *weights)
{
  for (int at = threadIdx.x; at < PM_ATTENTION_SUMS * KEYS; at += PM_ATTENTION_THREADS)
    {
      int k = at / KEYS, key = j + at % KEYS;
      weights[at] = k < args.n_sums && key < args.Tk
                        ? args.weights[((size_t) b * args.n_weights + k) * args.Tk + key]
                        : 0.f;
    }
}

/* u [KEYS / 8] of the block's queries from i on and the keys from j on; what else the tile needs is loaded beside it. */
template <typename T>
PM_DEVICE void
make_logits (const PmAttentionArgs &args, int b, int h, int i, int j, int col, T *shared, float (*u)[4])
{
  typedef Layout<T> L;
  const T          *q = (const T *) args.q + b * args.q_item + i * args.q_row + (size_t) h * args.d;
  size_t            kv = b * args.kv_item + j * args.kv_row + (size_t) h * args.d;
  const T          *k = (const T *) args.k + kv, *v = (const T *) args.v + kv + col;

  pm_tile_clear<KEYS / 8> (u);
  for (int c = 0; c < args.d; c += L::CHUNK)
    {
      __syncthreads ();
      if (j == 0 || args.d > L::CHUNK)
        pm_tile_load<ROWS, L::CHUNK> (shared + L::Q, q + c, args.q_row, args.Tq - i, args.d - c, args.is_aligned);
      pm_tile_load<KEYS, L::CHUNK> (shared + L::K, k + c, args.kv_row, args.counts[b] - j, args.d - c, args.is_aligned);
      if (c == 0)
        load_values<KEYS> (shared + L::V, v, args.kv_row, args.counts[b] - j, args.d - col, args.is_aligned);
      if (c == 0 && args.n_sums > 0)
        load_weights<T> (args, b, j, (float *) (shared + L::WEIGHTS));
      pm_cp_async_commit ();
      pm_cp_async_wait<0> ();
      __syncthreads ();
      pm_tile_multiply<KEYS / 8, L::CHUNK> (u, shared + L::Q + pm_warp () * 16 * PmTile<T, L::CHUNK>::STRIDE, shared + L::K);
    }
  pm_attention_logits<KEYS / 8> (args, b, h, i + pm_warp () * 16 + pm_lane () / 4, j, u);
}

template <typename T>
PM_DEVICE void
store_out (const PmAttentionArgs &args, int b, int h, int i, int col, const float (*o)[4], const float *inverse)
{
  T *out = (T *) args.out + b * args.out_item + (size_t) h * args.d;

#pragma unroll
  for (int n = 0; n < VALUES / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      {
        int query = i + e / 2 * 8, c = col + n * 8 + pm_lane () % 4 * 2 + e % 2;
        if (query < args.Tq && c < args.d)
          pm_set (out + query * args.out_row + c, o[n][e] * inverse[e / 2]);
      }
}

template <typename T>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
attention_wide (const PmAttentionArgs args, int n_tiles, int n_slices)
{
  typedef Layout<T> L;
  PM_SHARED (T, shared);
  int    slice = blockIdx.x % n_slices, tile = blockIdx.x / n_slices % n_tiles, head = blockIdx.x / n_slices / n_tiles;
  int    b = head / args.H, h = head % args.H, i = tile * ROWS + pm_warp () * 16 + pm_lane () / 4, col = slice * VALUES;
  float  o[VALUES / 8][4], u[KEYS / 8][4], shrink[2], inverse[2];
  PmRows rows;

  pm_rows_clear (&rows);
  pm_tile_clear<VALUES / 8> (o);
  for (int j = 0; j < args.counts[b]; j += KEYS)
    {
      make_logits (args, b, h, tile * ROWS, j, col, shared, u);
#pragma unroll
      for (int r = 0; r < 2; r++)
        shrink[r] = pm_rows_soften<KEYS / 8, true, T> (&rows, r, u, args.c);
      pm_rows_weigh<KEYS / 8> (&rows, u, shrink, (const float *) (shared + L::WEIGHTS), KEYS, args.n_sums);
#pragma unroll
      for (int n = 0; n < VALUES / 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          o[n][e] *= shrink[e / 2];
      add_values (o, u, shared + L::V, shared + L::P + pm_warp () * 16 * PmTile<T, KEYS>::STRIDE, args.d - col);
    }
  pm_rows_end<true> (&rows, args, b, h, i, slice == 0 && pm_attention_is_recorded (args, b, h), inverse);
  store_out<T> (args, b, h, i, col, o, inverse);
}

template <typename T>
static void
launch (const PmAttentionArgs *args, const PmLaunch *launch)
{
  int n_tiles = (args->Tq + ROWS - 1) / ROWS, n_slices = (args->d + VALUES - 1) / VALUES;

  pm_attention_queue (launch, attention_wide<T>, args->B * args->H * n_tiles * n_slices, Layout<T>::BYTES, *args, n_tiles,
                      n_slices);
}

bool
pm_attention_launch (const PmAttentionArgs *args, PmDtype dtype, const PmLaunch *to)
{
  if (dtype == PM_DTYPE_F32)
    launch<float> (args, to);
  else if (dtype == PM_DTYPE_BF16)
    return pm_attention_launch_bf16 (args, to) || (launch<__nv_bfloat16> (args, to), true);
  else if (dtype == PM_DTYPE_F16)
    return pm_attention_launch_f16 (args, to) || (launch<__half> (args, to), true);
  else
    return false;
  return true;
}
