/* What is recorded in a second pass, from the base and the inverse sum that attention saved for each row (attention.h): weighted
 * sums over queries, chosen rows, and heads added up. P is made anew, tile by tile; nothing of N x N is kept that was not asked
 * for, and every sum is made by one thread or one warp in one order, whatever the order of blocks.
 *
 * Weighted sums cost half of the attention's products and all of its exponentials: a tile of 16 keys x 64 queries of a head of
 * 72 some 80 to 100 clocks (attention-tensor.h), of the chosen heads and items only. */
#include "backend/cuda/attention-softmax.h"

#define SIDE 64 /* of a tile of P */

/* Elements of a chunk of q or k. */
template <typename T, int CHUNK>
struct Layout
{
  enum
  {
    TILE = SIDE * (CHUNK + PmTile<T, 0>::PIECE),
    STATS = (1 + PM_ATTENTION_SUMS) * SIDE, /* floats of a stage: the base of each query, and its weights over its sum */
    BYTES = 4 * TILE * sizeof (T) + 2 * STATS * sizeof (float),
    BYTES_ONE = 2 * TILE * sizeof (T)
  };
};

/* A thread's share of a tile's stats: of one query the base, and two weights. */
struct Held
{
  float base, weights[PM_ATTENTION_SUMS / 2];
};

PM_DEVICE void
stats_fetch (const PmAttentionArgs &args, size_t head, int i, Held *held)
{
  int    query = i + threadIdx.x % SIDE, odd = threadIdx.x / SIDE;
  size_t row = head * args.Tq + query, b = head / args.H;
  bool   is_there = query < args.Tq;
  float  inverse = is_there ? args.inverse[row] : 0.f;

  held->base = is_there && odd == 0 ? args.base[row] : 0.f;
#pragma unroll
  for (int n = 0; n < PM_ATTENTION_SUMS / 2; n++)
    {
      int k = 2 * n + odd;
      held->weights[n] = is_there && k < args.n_sums
                             ? inverse * args.weights[(b * args.n_weights + args.first_sum + k) * args.Tq + query]
                             : 0.f;
    }
}

PM_DEVICE void
stats_put (float *stats, const Held *held)
{
  int odd = threadIdx.x / SIDE, i = threadIdx.x % SIDE;

  if (odd == 0)
    stats[i] = held->base;
#pragma unroll
  for (int n = 0; n < PM_ATTENTION_SUMS / 2; n++)
    stats[(1 + 2 * n + odd) * SIDE + i] = held->weights[n];
}

/* Logits of a tile of keys (rows: j and j + 8) and queries (columns, from i on). */
PM_DEVICE void
turned_logits (const PmAttentionArgs &args, int b, int h, int i, int j, float (*s)[4])
{
  if (args.is_plain)
    return;
#pragma unroll
  for (int n = 0; n < SIDE / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      s[n][e] = pm_attention_logit (args, b, h, min (i + n * 8 + pm_lane () % 4 * 2 + e % 2, args.Tq - 1),
                                    min (j + e / 2 * 8, args.Tk - 1), s[n][e]);
}

/* sums [k][2] += over the queries of a tile. */
template <typename T>
PM_DEVICE void
add_columns (const PmAttentionArgs &args, float (*u)[4], const float *stats, float (*sums)[2])
{
  const float *lane = stats + pm_lane () % 4 * 2;

#pragma unroll
  for (int n = 0; n < SIDE / 8; n++)
    {
      float2 base = *(const float2 *) (lane + n * 8);
#pragma unroll
      for (int e = 0; e < 4; e++)
        u[n][e] = pm_power (fmaf (u[n][e], args.c, e % 2 ? -base.y : -base.x), (const T *) 0);
    }
#pragma unroll
  for (int k = 0; k < PM_ATTENTION_SUMS; k++)
    if (k < args.n_sums)
      {
        float part[2] = { 0.f, 0.f };
#pragma unroll
        for (int n = 0; n < SIDE / 8; n++)
          {
            float2 w = *(const float2 *) (lane + (1 + k) * SIDE + n * 8);
            part[0] = fmaf (u[n][1], w.y, fmaf (u[n][0], w.x, part[0]));
            part[1] = fmaf (u[n][3], w.y, fmaf (u[n][2], w.x, part[1]));
          }
        sums[k][0] += part[0];
        sums[k][1] += part[1];
      }
}

/* The sums of a block's keys, of which this lane's are j and j + 8. */
PM_DEVICE void
store_columns (const PmAttentionArgs &args, int b, int h, int j, int n_keys, const float (*sums)[2])
{
#pragma unroll
  for (int n = 0; n < PM_ATTENTION_SUMS; n++)
#pragma unroll
    for (int r = 0; r < 2; r++)
      if (n < args.n_sums)
        {
          float total = pm_row_total (sums[n][r]);
          int   key = j + 8 * r;
          if (pm_lane () % 4 == 0 && key < args.Tk)
            args.sums[b * args.sums_item + ((size_t) h * args.n_weights + args.first_sum + n) * args.Tk + key]
                = key < n_keys ? total : 0.f;
        }
}

/* A block has 64 keys of one head, and all queries pass it: the sums stay in registers. */
template <typename T, int CHUNK>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
attention_columns (const PmAttentionArgs args, int n_tiles)
{
  typedef Layout<T, CHUNK> X;
  PM_SHARED (T, shared);
  float   *stats = (float *) (shared + 4 * X::TILE);
  int      head = blockIdx.x / n_tiles, b = head / args.H, h = head % args.H, first = blockIdx.x % n_tiles * SIDE;
  int      n_chunks = (args.d + CHUNK - 1) / CHUNK, n_steps = (args.Tq + SIDE - 1) / SIDE * n_chunks;
  int      j = first + pm_warp () * 16 + pm_lane () / 4, n_keys = args.counts[b];
  const T *q = (const T *) args.q + b * args.q_item + (size_t) h * args.d;
  const T *k = (const T *) args.k + b * args.kv_item + first * args.kv_row + (size_t) h * args.d;
  float    u[SIDE / 8][4], sums[PM_ATTENTION_SUMS][2] = {};
  Held     held;

  if (! pm_attention_is_recorded (args, b, h))
    return;

  /* Stage n % 2 of q, and of k where that has more chunks than one. */
  auto load = [&] (int step) {
    int i = step / n_chunks * SIDE, c = step % n_chunks * CHUNK;
    T  *stage = shared + step % 2 * 2 * X::TILE;
    pm_tile_load<SIDE, CHUNK> (stage, q + i * args.q_row + c, args.q_row, args.Tq - i, args.d - c, args.is_aligned);
    if (step == 0 || n_chunks > 1)
      pm_tile_load<SIDE, CHUNK> (stage + X::TILE, k + c, args.kv_row, n_keys - first, args.d - c, args.is_aligned);
    pm_cp_async_commit ();
  };

  if (first < n_keys)
    {
      load (0);
      stats_fetch (args, head, 0, &held);
      stats_put (stats, &held);
    }
  for (int step = 0; first < n_keys && step < n_steps; step++)
    {
      int tile = step / n_chunks, chunk = step % n_chunks;
      T  *stage = shared + step % 2 * 2 * X::TILE, *keys = (n_chunks > 1 ? stage : shared) + X::TILE;
      pm_cp_async_wait<0> ();
      __syncthreads ();
      if (step + 1 < n_steps)
        load (step + 1);
      if (chunk == 0)
        {
          stats_fetch (args, head, (tile + 1) * SIDE, &held);
          pm_tile_clear<SIDE / 8> (u);
        }
      pm_tile_multiply<SIDE / 8, CHUNK> (u, keys + pm_warp () * 16 * PmTile<T, CHUNK>::STRIDE, stage);
      if (chunk < n_chunks - 1)
        continue;
      turned_logits (args, b, h, tile * SIDE, j, u);
      add_columns<T> (args, u, stats + tile % 2 * X::STATS, sums);
      stats_put (stats + (tile + 1) % 2 * X::STATS, &held);
    }
  store_columns (args, b, h, j, n_keys, sums);
}

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

  pm_tile_clear<SIDE / 8> (u);
  for (int c = 0; c < args.d; c += CHUNK)
    {
      __syncthreads ();
      if (rows)
        pm_tile_gather<SIDE, CHUNK> (shared, q + c, args.q_row, rows, n_rows, args.d - c);
      else
        pm_tile_load<SIDE, CHUNK> (shared, q + i * args.q_row + c, args.q_row, n_rows, args.d - c, args.is_aligned);
      pm_tile_load<SIDE, CHUNK> (shared + X::TILE, k + c, args.kv_row, args.counts[b] - j, args.d - c, args.is_aligned);
      pm_cp_async_commit ();
      pm_cp_async_wait<0> ();
      __syncthreads ();
      pm_tile_multiply<SIDE / 8, CHUNK> (u, shared + pm_warp () * 16 * PmTile<T, CHUNK>::STRIDE, shared + X::TILE);
    }
#pragma unroll
  for (int r = 0; r < 2; r++)
    {
      int   row = min (at + 8 * r, n_rows - 1), query = rows ? rows[row] : i + row;
      float base = args.base[head * args.Tq + query], inverse = args.inverse[head * args.Tq + query];
#pragma unroll
      for (int n = 0; n < SIDE / 8; n++)
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
  int   j = blockIdx.x % n_key_tiles * SIDE, row = blockIdx.x / n_key_tiles % n_row_tiles * SIDE;
  int   head = blockIdx.x / n_key_tiles / n_row_tiles, b = head / args.H, h = head % args.H;
  float u[SIDE / 8][4];

  if (! pm_attention_is_recorded (args, b, h))
    return;
  make_probs<T, CHUNK> (args, b, h, 0, probs.rows + row, min (probs.n - row, SIDE), j, shared, u);
#pragma unroll
  for (int n = 0; n < SIDE / 8; n++)
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
  int   j = blockIdx.x % n_key_tiles * SIDE, i = blockIdx.x / n_key_tiles % n_row_tiles * SIDE;
  int   b = blockIdx.x / n_key_tiles / n_row_tiles;
  float u[SIDE / 8][4], sum[SIDE / 8][4];

  if (! (args.items >> b & 1))
    return;
  pm_tile_clear<SIDE / 8> (sum);
  for (int h = 0; h < probs.n; h++)
    {
      if (probs.weights[h] == 0.f)
        continue;
      make_probs<T, CHUNK> (args, b, probs.first + h, i, NULL, min (args.Tq - i, SIDE), j, shared, u);
#pragma unroll
      for (int n = 0; n < SIDE / 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          sum[n][e] = fmaf (probs.weights[h], u[n][e], sum[n][e]);
    }
#pragma unroll
  for (int n = 0; n < SIDE / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      {
        int query = i + pm_warp () * 16 + pm_lane () / 4 + e / 2 * 8, key = j + n * 8 + pm_lane () % 4 * 2 + e % 2;
        if (query < args.Tq && key < args.Tk)
          probs.to[((size_t) b * args.Tq + query) * args.Tk + key] += sum[n][e];
      }
}

static int
count_tiles (int n)
{
  return (n + SIDE - 1) / SIDE;
}

/* Calls of Launch<T, CHUNK>::run for the type and the width of heads. */
template <template <typename, int> class Launch, typename... A>
static void
choose (PmDtype dtype, int d, A... rest)
{
  if (dtype == PM_DTYPE_F32)
    Launch<float, 32>::run (rest...);
  else if (dtype == PM_DTYPE_BF16 && d > 64 && d <= 80)
    Launch<__nv_bfloat16, 80>::run (rest...);
  else if (dtype == PM_DTYPE_BF16)
    Launch<__nv_bfloat16, 64>::run (rest...);
  else if (d > 64 && d <= 80)
    Launch<__half, 80>::run (rest...);
  else
    Launch<__half, 64>::run (rest...);
}

template <typename T, int CHUNK>
struct Columns
{
  static void
  run (const PmAttentionArgs *args, const PmLaunch *launch)
  {
    int n_tiles = count_tiles (args->Tk);
    pm_attention_queue (launch, attention_columns<T, CHUNK>, args->B * args->H * n_tiles, Layout<T, CHUNK>::BYTES, *args,
                        n_tiles);
  }
};

template <typename T, int CHUNK>
struct Rows
{
  static void
  run (const PmAttentionArgs *args, const PmAttentionProbs *probs, const PmLaunch *launch)
  {
    int n_rows = count_tiles (probs->n), n_keys = count_tiles (args->Tk);
    pm_attention_queue (launch, attention_rows<T, CHUNK>, args->B * args->H * n_rows * n_keys, Layout<T, CHUNK>::BYTES_ONE, *args,
                        *probs, n_rows, n_keys);
  }
};

template <typename T, int CHUNK>
struct Matrix
{
  static void
  run (const PmAttentionArgs *args, const PmAttentionProbs *probs, const PmLaunch *launch)
  {
    int n_rows = count_tiles (args->Tq), n_keys = count_tiles (args->Tk);
    pm_attention_queue (launch, attention_matrix<T, CHUNK>, args->B * n_rows * n_keys, Layout<T, CHUNK>::BYTES_ONE, *args, *probs,
                        n_rows, n_keys);
  }
};

void
pm_attention_launch_columns (const PmAttentionArgs *args, PmDtype dtype, const PmLaunch *launch)
{
  choose<Columns> (dtype, args->d, args, launch);
}

void
pm_attention_launch_rows (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype, const PmLaunch *launch)
{
  choose<Rows> (dtype, args->d, args, probs, launch);
}

void
pm_attention_launch_matrix (const PmAttentionArgs *args, const PmAttentionProbs *probs, PmDtype dtype, const PmLaunch *launch)
{
  choose<Matrix> (dtype, args->d, args, probs, launch);
}
