/* Weighted sums over the rows or the columns of P in a second pass: over queries, which the first one cannot have, and over keys
 * when there are more weights than it has registers for. A block has 64 tokens of one head, to which all those of the other side
 * pass by, so that its sums stay in registers; any number of weights is one launch, some blocks more for each group of them.
 *
 * Cost, a tile of 16 x 64 of a head of 72 (an H200 SM, as in attention-tensor.h): products 61 clocks, exponentials 64, and 8 for
 * each weight, of the chosen heads and items only. So sums over queries cost half of the attention, and 16 weights over keys as
 * much again, which matters little where words are: the few keys of a text. */
#include "backend/cuda/attention-second.h"

#define N_SUMS(of_keys) ((of_keys) ? PM_ATTENTION_MORE_SUMS : PM_ATTENTION_SUMS) /* of a block */

/* Shared memory of a block: two stages of what passes and of what is the block's own (which has only one where it comes in one
 * chunk), and of what is known of the passing tokens: weights, behind the bases of queries. */
template <typename T, int CHUNK, bool OF_KEYS>
struct Layout
{
  enum
  {
    TILE = PM_SIDE * (CHUNK + PmTile<T, 0>::PIECE), /* elements */
    WEIGHTS = OF_KEYS ? 0 : PM_SIDE,                /* floats of a stage before them */
    STATS = WEIGHTS + N_SUMS (OF_KEYS) * PM_SIDE,   /* of a stage */
    BYTES = 4 * TILE * sizeof (T) + 2 * STATS * sizeof (float)
  };
};

/* Which sums a block makes: n of them, the first being number `first` of all. */
struct Group
{
  int first, n;
};

/* A thread's share of what is known of a tile of passing tokens: of one the base, and every other weight. */
template <int N>
struct Held
{
  float base, weights[N / 2];
};

/* Of passing tokens from `at` on. Weights of queries are divided by the sum of the row; those of tokens that are not there are
 * 0, and so is their P. */
template <bool OF_KEYS>
PM_DEVICE void
stats_fetch (const PmAttentionArgs &args, int b, int h, int at, const Group &group, Held<N_SUMS (OF_KEYS)> *held)
{
  int    n = OF_KEYS ? args.Tk : args.Tq, token = at + threadIdx.x % PM_SIDE, odd = threadIdx.x / PM_SIDE;
  bool   is_there = token < (OF_KEYS ? args.counts[b] : args.Tq);
  size_t row = ((size_t) b * args.H + h) * n + token;
  float  inverse = OF_KEYS ? 1.f : is_there ? args.inverse[row] : 0.f;

  held->base = OF_KEYS || odd ? 0.f : is_there ? args.base[row] : INFINITY;
#pragma unroll
  for (int k = 0; k < N_SUMS (OF_KEYS) / 2; k++)
    held->weights[k] = is_there && 2 * k + odd < group.n
                           ? inverse * args.weights[((size_t) b * args.n_weights + group.first + 2 * k + odd) * n + token]
                           : 0.f;
}

template <bool OF_KEYS>
PM_DEVICE void
stats_put (float *stats, const Held<N_SUMS (OF_KEYS)> *held)
{
  int odd = threadIdx.x / PM_SIDE, i = threadIdx.x % PM_SIDE;

  if (! OF_KEYS && odd == 0)
    stats[i] = held->base;
#pragma unroll
  for (int k = 0; k < N_SUMS (OF_KEYS) / 2; k++)
    stats[((OF_KEYS ? 0 : 1) + 2 * k + odd) * PM_SIDE + i] = held->weights[k];
}

/* Products of a tile of keys (rows: j and j + 8) and queries (columns, from i on) become u. */
PM_DEVICE void
turned_logits (const PmAttentionArgs &args, int b, int h, int i, int j, float (*s)[4])
{
  if (args.is_plain)
    return;
#pragma unroll
  for (int n = 0; n < PM_SIDE / 8; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      s[n][e] = pm_attention_logit (args, b, h, min (i + n * 8 + pm_lane () % 4 * 2 + e % 2, args.Tq - 1),
                                    min (j + e / 2 * 8, args.Tk - 1), s[n][e]);
}

/* u to e; the base is that of the row [2], or of the column in shared memory. */
template <typename T, bool OF_KEYS>
PM_DEVICE void
raise (float (*u)[4], float c, const float *base, const float *bases)
{
#pragma unroll
  for (int n = 0; n < PM_SIDE / 8; n++)
    {
      float2 column = OF_KEYS ? make_float2 (0.f, 0.f) : *(const float2 *) (bases + n * 8 + pm_lane () % 4 * 2);
#pragma unroll
      for (int e = 0; e < 4; e++)
        u[n][e] = pm_power (fmaf (u[n][e], c, -(OF_KEYS ? base[e / 2] : e % 2 ? column.y : column.x)), (const T *) 0);
    }
}

/* sums [N][2] += e times weights [N][PM_SIDE] of the passing tokens. */
template <int N>
PM_DEVICE void
add_up (const float (*e)[4], const float *weights, int n_sums, float (*sums)[2])
{
#pragma unroll
  for (int k = 0; k < N; k++)
    if (k < n_sums)
      {
        float part[2] = { 0.f, 0.f };
#pragma unroll
        for (int n = 0; n < PM_SIDE / 8; n++)
          {
            float2 w = *(const float2 *) (weights + k * PM_SIDE + n * 8 + pm_lane () % 4 * 2);
            part[0] = fmaf (e[n][1], w.y, fmaf (e[n][0], w.x, part[0]));
            part[1] = fmaf (e[n][3], w.y, fmaf (e[n][2], w.x, part[1]));
          }
        sums[k][0] += part[0];
        sums[k][1] += part[1];
      }
}

/* The sums of a block's own tokens, of which this lane's are `at` and at + 8; 0 behind the n_valid first. */
template <bool OF_KEYS>
PM_DEVICE void
store (const PmAttentionArgs &args, int b, int h, int at, int n_valid, const Group &group, const float *inverse,
       const float (*sums)[2])
{
  int n = OF_KEYS ? args.Tq : args.Tk;

#pragma unroll
  for (int k = 0; k < N_SUMS (OF_KEYS); k++)
#pragma unroll
    for (int r = 0; r < 2; r++)
      if (k < group.n)
        {
          float total = pm_row_total (sums[k][r]) * inverse[r];
          int   token = at + 8 * r;
          if (pm_lane () % 4 == 0 && token < n)
            args.sums[b * args.sums_item + ((size_t) h * args.n_weights + group.first + k) * n + token]
                = token < n_valid ? total : 0.f;
        }
}

/* The base and the inverse sum of rows i and i + 8. */
PM_DEVICE void
fetch_rows (const PmAttentionArgs &args, int b, int h, int i, float *base, float *inverse)
{
#pragma unroll
  for (int r = 0; r < 2; r++)
    {
      size_t row = ((size_t) b * args.H + h) * args.Tq + i + 8 * r;
      base[r] = i + 8 * r < args.Tq ? args.base[row] : 0.f;
      inverse[r] = i + 8 * r < args.Tq ? args.inverse[row] : 0.f;
    }
}

/* Where a block's own tokens, from `first` on, and those that pass by begin; how far rows are apart, and how many there are. */
template <typename T>
struct Sides
{
  const T *own, *passing;
  size_t   own_row, passing_row;
  int      n_own, n_passing;
};

template <typename T, bool OF_KEYS>
PM_DEVICE Sides<T>
find_sides (const PmAttentionArgs &args, int b, int h, int first)
{
  const T *q = (const T *) args.q + b * args.q_item + (size_t) h * args.d;
  const T *k = (const T *) args.k + b * args.kv_item + (size_t) h * args.d;

  if (OF_KEYS)
    return Sides<T> { q + first * args.q_row, k, args.q_row, args.kv_row, args.Tq, args.counts[b] };
  return Sides<T> { k + first * args.kv_row, q, args.kv_row, args.q_row, args.counts[b], args.Tq };
}

/* OF_KEYS: keys pass by the queries of a block, else queries by its keys. */
template <typename T, int CHUNK, bool OF_KEYS>
__global__ void __launch_bounds__ (PM_ATTENTION_THREADS)
attention_sums (const PmAttentionArgs args, int n_tiles)
{
  typedef Layout<T, CHUNK, OF_KEYS> X;
  PM_SHARED (T, shared);
  float   *stats = (float *) (shared + 4 * X::TILE);
  int      first = blockIdx.x % n_tiles * PM_SIDE, head = blockIdx.x / n_tiles % (args.B * args.H), b = head / args.H;
  int      h = head % args.H, first_sum = args.first_sum + blockIdx.x / n_tiles / (args.B * args.H) * N_SUMS (OF_KEYS);
  Group    group = { first_sum, min (N_SUMS (OF_KEYS), args.n_weights - first_sum) };
  Sides<T> to = find_sides<T, OF_KEYS> (args, b, h, first);
  int      n_chunks = (args.d + CHUNK - 1) / CHUNK, n_steps = (to.n_passing + PM_SIDE - 1) / PM_SIDE * n_chunks;
  int      at = first + pm_warp () * 16 + pm_lane () / 4;
  float    u[PM_SIDE / 8][4], sums[N_SUMS (OF_KEYS)][2] = {}, base[2] = { 0.f, 0.f }, inverse[2] = { 1.f, 1.f };
  Held<N_SUMS (OF_KEYS)> held;

  if (! pm_attention_is_recorded (args, b, h))
    return;

  /* Stage n % 2 of what passes, and of the block's own where that has more chunks than one. */
  auto load = [&] (int step) {
    int i = step / n_chunks * PM_SIDE, c = step % n_chunks * CHUNK;
    T  *stage = shared + step % 2 * 2 * X::TILE;
    pm_tile_load<PM_SIDE, CHUNK> (stage, to.passing + i * to.passing_row + c, to.passing_row, to.n_passing - i, args.d - c,
                                  args.is_aligned);
    if (step == 0 || n_chunks > 1)
      pm_tile_load<PM_SIDE, CHUNK> (stage + X::TILE, to.own + c, to.own_row, to.n_own - first, args.d - c, args.is_aligned);
    pm_cp_async_commit ();
  };

  if (first < to.n_own)
    {
      load (0);
      stats_fetch<OF_KEYS> (args, b, h, 0, group, &held);
      stats_put<OF_KEYS> (stats, &held);
      if (OF_KEYS)
        fetch_rows (args, b, h, at, base, inverse);
    }
  for (int step = 0; first < to.n_own && step < n_steps; step++)
    {
      int    tile = step / n_chunks, chunk = step % n_chunks;
      T     *stage = shared + step % 2 * 2 * X::TILE, *mine = (n_chunks > 1 ? stage : shared) + X::TILE;
      float *known = stats + tile % 2 * X::STATS;
      pm_cp_async_wait<0> ();
      __syncthreads ();
      if (step + 1 < n_steps)
        load (step + 1);
      if (chunk == 0)
        {
          stats_fetch<OF_KEYS> (args, b, h, (tile + 1) * PM_SIDE, group, &held);
          pm_tile_clear<PM_SIDE / 8> (u);
        }
      pm_tile_multiply<PM_SIDE / 8, CHUNK> (u, mine + pm_warp () * 16 * PmTile<T, CHUNK>::STRIDE, stage);
      if (chunk < n_chunks - 1)
        continue;
      if (OF_KEYS)
        pm_attention_logits<PM_SIDE / 8> (args, b, h, at, tile * PM_SIDE, u);
      else
        turned_logits (args, b, h, tile * PM_SIDE, at, u);
      raise<T, OF_KEYS> (u, args.c, base, known);
      add_up<N_SUMS (OF_KEYS)> (u, known + X::WEIGHTS, group.n, sums);
      stats_put<OF_KEYS> (stats + (tile + 1) % 2 * X::STATS, &held);
    }
  store<OF_KEYS> (args, b, h, at, to.n_own, group, inverse, sums);
}

template <typename T, int CHUNK, bool OF_KEYS>
static void
launch_sums (const PmAttentionArgs *args, const PmLaunch *launch)
{
  int n_tiles = pm_second_count_tiles (OF_KEYS ? args->Tq : args->Tk);
  int n_groups = (args->n_weights - args->first_sum + N_SUMS (OF_KEYS) - 1) / N_SUMS (OF_KEYS);

  pm_attention_queue (launch, attention_sums<T, CHUNK, OF_KEYS>, n_groups * args->B * args->H * n_tiles,
                      Layout<T, CHUNK, OF_KEYS>::BYTES, *args, n_tiles);
}

template <typename T, int CHUNK>
struct OfQueries
{
  static void
  run (const PmAttentionArgs *args, const PmLaunch *launch)
  {
    launch_sums<T, CHUNK, false> (args, launch);
  }
};

template <typename T, int CHUNK>
struct OfKeys
{
  static void
  run (const PmAttentionArgs *args, const PmLaunch *launch)
  {
    launch_sums<T, CHUNK, true> (args, launch);
  }
};

void
pm_attention_launch_sums (const PmAttentionArgs *args, bool are_of_keys, PmDtype dtype, const PmLaunch *launch)
{
  if (are_of_keys)
    pm_second_choose<OfKeys> (dtype, args->d, args, launch);
  else
    pm_second_choose<OfQueries> (dtype, args->d, args, launch);
}
