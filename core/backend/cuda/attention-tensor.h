/* Fused attention on tensor cores, for q, k and v of 16 bits and heads of at most 128 (own code after arXiv 2307.08691). A
 * block has 64 or 128 queries, their fragments in registers; tiles of 64 keys and values come by asynchronous copies while the
 * tile before is worked on. Logits, softmax and sums are f32; e is rounded to 16 bits for the product with v only, never for
 * what is recorded.
 *
 * What bounds it, a tile of 16 queries x 64 keys of one head of 72 (an H200 SM, mma.sync at 1340 FMA a clock): products
 * 16 * 64 * (80 + 72) FMA = 116 clocks; exponentials 1024 / 16 = 64; k and v from shared memory 18.7 KB / 128 B = 150 clocks,
 * but half of that with 32 queries a warp, which share what they read. So about 120 of some 170 to be expected: N 1024, 16
 * heads, 2 items: 25 us; its q, k, v and out are 19 MB, 4 us of memory. N 256: 128 blocks of 4 tiles, some 4 us, most of it
 * latency. */
#ifndef PM_CUDA_ATTENTION_TENSOR_H
#define PM_CUDA_ATTENTION_TENSOR_H

#include "backend/cuda/attention-steps.h"

/* DK: d up to a multiple of 16. NV: tiles of 8 columns of values. NM: times 16 queries a warp. */
template <typename T, int DK, int NV, int NM>
struct PmTensor
{
  enum
  {
    STRIDE = DK + PmTile<T, 0>::PIECE,
    TILE = PM_KEYS * STRIDE, /* elements */
    ROWS = 64 * NM,
    WEIGHTS = PM_ATTENTION_SUMS * PM_KEYS, /* floats of a stage */
    BYTES = 4 * TILE * sizeof (T),         /* two stages of keys and values; q and out lie there too, before and after */
    BYTES_FULL = BYTES + 2 * WEIGHTS * sizeof (float),
    N_HELD = WEIGHTS / PM_ATTENTION_THREADS
  };
};

/* FULL: with bias, steering and recording; else none of them. */
template <typename T, int DK, int NV, int NM, bool FULL>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
pm_attention_tensor (const PmAttentionArgs args, int n_tiles)
{
  typedef PmTensor<T, DK, NV, NM> X;
  PM_SHARED (T, shared);
  float   *weights = (float *) (shared + 4 * X::TILE);
  int      head = blockIdx.x / n_tiles, b = head / args.H, h = head % args.H, first = blockIdx.x % n_tiles * X::ROWS;
  int      n_keys = args.counts[b], warp_row = pm_warp () * 16 * NM;
  size_t   kv = b * args.kv_item + (size_t) h * args.d;
  const T *q = (const T *) args.q + b * args.q_item + first * args.q_row + (size_t) h * args.d;
  const T *k = (const T *) args.k + kv, *v = (const T *) args.v + kv;
  float    o[NM][NV][4], u[NM][PM_KEYS / 8][4], held[X::N_HELD], inverse[NM][2];
  uint32_t fq[NM][DK / 16][4];
  PmRows   rows[NM];

  auto load = [&] (int j) {
    T *stage = shared + j / PM_KEYS % 2 * 2 * X::TILE;
    pm_tile_load<PM_KEYS, DK> (stage, k + j * args.kv_row, args.kv_row, n_keys - j, args.d, args.is_aligned);
    pm_tile_load<PM_KEYS, DK> (stage + X::TILE, v + j * args.kv_row, args.kv_row, n_keys - j, args.d, args.is_aligned);
    pm_cp_async_commit ();
  };

  pm_tile_load<X::ROWS, DK> (shared + 2 * X::TILE, q, args.q_row, args.Tq - first, args.d, args.is_aligned);
  load (0);
  if (FULL && args.n_sums > 0)
    {
      pm_weights_fetch<X::N_HELD> (args, b, 0, held);
      pm_weights_put<X::N_HELD> (weights, held);
    }
  pm_cp_async_wait<0> ();
  __syncthreads ();
  pm_tensor_queries<T, DK, NM> (fq, shared + 2 * X::TILE + warp_row * X::STRIDE);
  __syncthreads ();

#pragma unroll
  for (int m = 0; m < NM; m++)
    {
      pm_rows_clear (&rows[m]);
      pm_tile_clear<NV> (o[m]);
    }
  for (int j = 0; j < n_keys; j += PM_KEYS)
    {
      int      stage = j / PM_KEYS % 2;
      const T *keys = shared + stage * 2 * X::TILE;
      bool     goes_on = j + PM_KEYS < n_keys;
      if (goes_on)
        load (j + PM_KEYS);
      if (FULL && args.n_sums > 0 && goes_on)
        pm_weights_fetch<X::N_HELD> (args, b, j + PM_KEYS, held);
      pm_tensor_logits<T, DK, NM> (u, fq, keys);
      pm_tensor_soften<T, NV, NM, FULL> (rows, args, b, h, first + warp_row, j, u, weights + stage * X::WEIGHTS, o);
      pm_tensor_values<T, DK, NV, NM> (o, u, keys + X::TILE);
      if (FULL && args.n_sums > 0 && goes_on)
        pm_weights_put<X::N_HELD> (weights + (1 - stage) * X::WEIGHTS, held);
      pm_cp_async_wait<0> ();
      __syncthreads ();
    }

#pragma unroll
  for (int m = 0; m < NM; m++)
    pm_rows_end<FULL> (&rows[m], args, b, h, first + warp_row + m * 16 + pm_lane () / 4, pm_attention_is_recorded (args, b, h),
                       inverse[m]);
  pm_tensor_store<T, DK, NV, NM> (args, (T *) args.out + b * args.out_item + (first + warp_row) * args.out_row
                                            + (size_t) h * args.d,
                                  args.Tq - first - warp_row, o, inverse, shared + warp_row * X::STRIDE);
}

template <typename T, int DK, int NV, int NM>
static bool
pm_tensor_launch (const PmAttentionArgs *args, const PmLaunch *launch)
{
  typedef PmTensor<T, DK, NV, NM> X;
  bool   is_full = ! args->is_plain || args->base || args->entropy || args->n_sums > 0;
  size_t bytes = is_full ? X::BYTES_FULL : X::BYTES;
  int    n_tiles = (args->Tq + X::ROWS - 1) / X::ROWS, n_blocks = args->B * args->H * n_tiles;

  if (bytes > launch->shared_limit)
    return false;
  if (is_full)
    pm_attention_queue (launch, pm_attention_tensor<T, DK, NV, NM, true>, n_blocks, bytes, *args, n_tiles);
  else
    pm_attention_queue (launch, pm_attention_tensor<T, DK, NV, NM, false>, n_blocks, bytes, *args, n_tiles);
  return true;
}

/* 128 queries a block where there are enough to keep all multiprocessors busy. Not on sm_75, which has no copies that run
 * beside the work and 64 KiB of shared memory: two small blocks hide each other's waiting there. */
template <typename T, int DK, int NV>
static bool
pm_tensor_launch_either (const PmAttentionArgs *args, const PmLaunch *launch)
{
  bool is_many = launch->shared_limit > 64 * 1024
                 && (args->Tq + 127) / 128 * args->B * args->H >= launch->n_multiprocessors * 3 / 2;
  return (is_many && pm_tensor_launch<T, DK, NV, 2> (args, launch)) || pm_tensor_launch<T, DK, NV, 1> (args, launch);
}

template <typename T>
static bool
pm_tensor_choose (const PmAttentionArgs *args, const PmLaunch *launch)
{
  return args->d <= 32   ? pm_tensor_launch<T, 32, 4, 1> (args, launch)
         : args->d <= 48 ? pm_tensor_launch<T, 48, 6, 1> (args, launch)
         : args->d <= 64 ? pm_tensor_launch_either<T, 64, 8> (args, launch)
         : args->d <= 72 ? pm_tensor_launch_either<T, 80, 9> (args, launch)
         : args->d <= 96 ? pm_tensor_launch<T, 96, 12, 1> (args, launch)
                         : args->d <= 128 && pm_tensor_launch<T, 128, 16, 1> (args, launch);
}

#endif
