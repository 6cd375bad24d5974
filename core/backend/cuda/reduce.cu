/* What is written of P itself in a second pass: chosen rows, and heads added up. */
#include "backend/cuda/attention-second.h"

template <typename T, int CHUNK>
struct Layout
{
  enum
  {
    TILE = PM_SIDE * (CHUNK + PmTile<T, 0>::PIECE), /* elements of a chunk of q or k */
    BYTES = 2 * TILE * sizeof (T)
  };
};

/* P of 64 queries (their rows, or those from row i on) and the keys from j on. A row's number is that of its query. */
template <typename T, int CHUNK>
PM_DEVICE void
make_probs (const PmAttentionArgs &args, int b, int h, int i, const int *rows, int n_rows, int j, T *shared, float (*u)[4])
{
  typedef Layout<T, CHUNK> X;
  const T *q = (const T *) args.q + b * args.q_item + (size_t) h * args.d;
  const T *k = (const T *) args.k + b * args.kv_item + j * args.kv_row + (size_t) h * args.d;
  size_t   head = (size_t) b * args.H + h;
  int      at = pm_warp () * 16 + pm_lane () / 4;

  pm_tile_clear<PM_SIDE / 8> (u);
  for (int c = 0; c < args.d; c += CHUNK)
    {
      __syncthreads ();
      if (rows)
        pm_tile_gather<PM_SIDE, CHUNK> (shared, q + c, args.q_row, rows, n_rows, args.d - c);
      else
        pm_tile_load<PM_SIDE, CHUNK> (shared, q + i * args.q_row + c, args.q_row, n_rows, args.d - c, args.is_aligned);
      pm_tile_load<PM_SIDE, CHUNK> (shared + X::TILE, k + c, args.kv_row, args.counts[b] - j, args.d - c, args.is_aligned);
      pm_cp_async_commit ();
      pm_cp_async_wait<0> ();
      __syncthreads ();
      pm_tile_multiply<PM_SIDE / 8, CHUNK> (u, shared + pm_warp () * 16 * PmTile<T, CHUNK>::STRIDE, shared + X::TILE);
    }
#pragma unroll
  for (int r = 0; r < 2; r++)
    {
      int   row = min (at + 8 * r, n_rows - 1), query = rows ? rows[row] : i + row;
      float base = args.base[head * args.Tq + query], inverse = args.inverse[head * args.Tq + query];
#pragma unroll
      for (int n = 0; n < PM_SIDE / 8; n++)
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; e++)
          {
            int   key = j + n * 8 + pm_lane () % 4 * 2 + e % 2;
            float logit = key < args.counts[b] ? pm_attention_logit (args, b, h, query, key, u[n][e]) : -INFINITY;
            u[n][e] = pm_power (fmaf (logit, args.c, -base), (const T *) 0) * inverse;
          }
    }
}

template <typename T, int CHUNK>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
attention_rows (const PmAttentionArgs args, const PmAttentionProbs probs, int n_row_tiles, int n_key_tiles)
{
  PM_SHARED (T, shared);
  int   j = blockIdx.x % n_key_tiles * PM_SIDE, row = blockIdx.x / n_key_tiles % n_row_tiles * PM_SIDE;
  int   head = blockIdx.x / n_key_tiles / n_row_tiles, b = head / args.H, h = head % args.H;
  float u[PM_SIDE / 8][4];

  if (! pm_attention_is_recorded (args, b, h))
    return;
  make_probs<T, CHUNK> (args, b, h, 0, probs.rows + row, min (probs.n - row, PM_SIDE), j, shared, u);
#pragma unroll
  for (int n = 0; n < PM_SIDE / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      {
        int r = row + pm_warp () * 16 + pm_lane () / 4 + e / 2 * 8, key = j + n * 8 + pm_lane () % 4 * 2 + e % 2;
        if (r < probs.n && key < args.Tk)
          probs.to[((size_t) head * probs.n_all + probs.first + r) * args.Tk + key] = u[n][e];
      }
}

template <typename T, int CHUNK>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
attention_matrix (const PmAttentionArgs args, const PmAttentionProbs probs, int n_row_tiles, int n_key_tiles)
{
  PM_SHARED (T, shared);
  int   j = blockIdx.x % n_key_tiles * PM_SIDE, i = blockIdx.x / n_key_tiles % n_row_tiles * PM_SIDE;
  int   b = blockIdx.x / n_key_tiles / n_row_tiles;
  float u[PM_SIDE / 8][4], sum[PM_SIDE / 8][4];

  if (! (args.items >> b & 1))
    return;
  pm_tile_clear<PM_SIDE / 8> (sum);
  for (int h = 0; h < probs.n; h++)
    {
      if (probs.weights[h] == 0.f)
        continue;
      make_probs<T, CHUNK> (args, b, probs.first + h, i, NULL, min (args.Tq - i, PM_SIDE), j, shared, u);
#pragma unroll
      for (int n = 0; n < PM_SIDE / 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          sum[n][e] = fmaf (probs.weights[h], u[n][e], sum[n][e]);
    }
#pragma unroll
  for (int n = 0; n < PM_SIDE / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      {
        int query = i + pm_warp () * 16 + pm_lane () / 4 + e / 2 * 8, key = j + n * 8 + pm_lane () % 4 * 2 + e % 2;
        if (query < args.Tq && key < args.Tk)
          probs.to[((size_t) b * args.Tq + query) * args.Tk + key] += sum[n][e];
      }
}

template <typename T, int CHUNK>
struct Rows
{
  static void
  run (const PmAttentionArgs *args, const PmAttentionProbs *probs, const PmLaunch *launch)
  {
    int n_rows = pm_second_count_tiles (probs->n), n_keys = pm_second_count_tiles (args->Tk);
    pm_attention_queue (launch, attention_rows<T, CHUNK>, args->B * args->H * n_rows * n_keys, Layout<T, CHUNK>::BYTES, *args,
                        *probs, n_rows, n_keys);
  }
};

template <typename T, int CHUNK>
struct Matrix
{
  static void
  run (const PmAttentionArgs *args, const PmAttentionProbs *probs, const PmLaunch *launch)
  {
    int n_rows = pm_second_count_tiles (args->Tq), n_keys = pm_second_count_tiles (args->Tk);
    pm_attention_queue (launch, attention_matrix<T, CHUNK>, args->B * n_rows * n_keys, Layout<T, CHUNK>::BYTES, *args, *probs,
                        n_rows, n_keys);
  }
};

void
pm_attention_launch_rows (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype, const PmLaunch *launch)
{
  pm_second_choose<Rows> (dtype, args->d, args, probs, launch);
}

void
pm_attention_launch_matrix (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype, const PmLaunch *launch)
{
  pm_second_choose<Matrix> (dtype, args->d, args, probs, launch);
}
