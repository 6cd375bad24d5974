/* From products to probabilities, along the rows of a tile: what is added to logits, the softmax that goes from tile to tile of
 * keys (Milakov and Gimelshein, arXiv 1805.02867; as arXiv 2307.08691 has it, divided only at the end), and what is recorded on
 * the way. Letters as in attention.h; a lane has two rows of a tile, four lanes share one.
 *
 * With x = c u - base and e = 2^x, sums over keys seen so far: sum = sum e, moment = sum e x. When the base grows by -change they
 * become a sum and a (moment + sum change), a = 2^change. In the end ln P = ln 2 (x - log2 sum), hence the entropy
 * ln sum - ln 2 moment / sum. */
#ifndef PM_CUDA_ATTENTION_SOFTMAX_H
#define PM_CUDA_ATTENTION_SOFTMAX_H

#include "backend/cuda/attention-tile.h"

#define PM_NOTHING    -1000.f /* an exponent of two that makes 0, and that may be multiplied with 0 */
#define PM_NO_ENTROPY 2e-7f   /* what sums near 1 are rounded by: one key alone has none */

PM_DEVICE float
pm_power (float x, const float *)
{
  return exp2f (x);
}

template <typename T>
PM_DEVICE float
pm_power (float x, const T *)
{
  return pm_exp2_approx (x);
}

/* u of query i and key j of item b and head h, from their product s. */
PM_DEVICE float
pm_attention_logit (const PmAttentionArgs &args, int b, int h, int i, int j, float s)
{
  if (args.is_plain)
    return s;

  float added = args.bias ? args.bias[((size_t) h * args.Tq + i) * args.Tk + j] : 0.f;
  if (args.key_bias)
    {
      size_t key = (size_t) b * args.Tk + j;
      int    region = args.key_region[key];
      added += args.key_bias[key];
      if (region >= 0)
        added += args.region_bias[((size_t) b * args.n_regions + region) * args.Tq + i];
    }
  return fmaf (s, args.scale, added);
}

/* Products to u for rows i and i + 8 and keys from j on; keys behind the item's are hidden. */
template <int N>
PM_DEVICE void
pm_attention_logits (const PmAttentionArgs &args, int b, int h, int i, int j, float (*s)[4])
{
  int n_keys = args.counts[b];

  if (args.is_plain && j + 8 * N <= n_keys)
    return;
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      {
        int key = j + n * 8 + pm_lane () % 4 * 2 + e % 2, query = min (i + e / 2 * 8, args.Tq - 1);
        s[n][e] = key < n_keys ? pm_attention_logit (args, b, h, query, key, s[n][e]) : -INFINITY;
      }
}

/* Of a lane's two rows. */
struct PmRows
{
  float base[2], sum[2], moment[2];
  float sums[2][PM_ATTENTION_SUMS];
};

PM_DEVICE void
pm_rows_clear (PmRows *rows)
{
#pragma unroll
  for (int r = 0; r < 2; r++)
    {
      rows->base[r] = -INFINITY;
      rows->sum[r] = rows->moment[r] = 0.f;
#pragma unroll
      for (int k = 0; k < PM_ATTENTION_SUMS; k++)
        rows->sums[r][k] = 0.f;
    }
}

/* Row r of a tile of u becomes e, and what was summed up before is to be multiplied by what is returned. */
template <int N, bool RECORDS, typename T>
PM_DEVICE float
pm_rows_soften (PmRows *rows, int r, float (*u)[4], float c)
{
  float top = -INFINITY, sum = 0.f, moment = 0.f;

#pragma unroll
  for (int n = 0; n < N; n++)
    top = fmaxf (top, fmaxf (u[n][2 * r], u[n][2 * r + 1]));
  top = fmaxf (top, __shfl_xor_sync (PM_ALL_LANES, top, 1));
  top = fmaxf (top, __shfl_xor_sync (PM_ALL_LANES, top, 2));

  float base = fmaxf (rows->base[r], top * c), shift = base == -INFINITY ? 0.f : base;
  float change = fmaxf (rows->base[r] - shift, PM_NOTHING), shrink = pm_power (change, (const T *) 0);
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int e = 2 * r; e < 2 * r + 2; e++)
      {
        float x = fmaf (u[n][e], c, -shift);
        u[n][e] = pm_power (x, (const T *) 0);
        sum += u[n][e];
        if (RECORDS)
          moment = fmaf (u[n][e], fmaxf (x, PM_NOTHING), moment);
      }
  if (RECORDS)
    rows->moment[r] = fmaf (fmaf (rows->sum[r], change, rows->moment[r]), shrink, moment);
  rows->sum[r] = fmaf (rows->sum[r], shrink, sum);
  rows->base[r] = base;
  return shrink;
}

/* Adds up a tile's e times weights [n_sums][stride] of its keys, in shared memory. */
template <int N>
PM_DEVICE void
pm_rows_weigh (PmRows *rows, const float (*e)[4], const float *shrink /* [2] */, const float *weights, int stride, int n_sums)
{
#pragma unroll
  for (int k = 0; k < PM_ATTENTION_SUMS; k++)
    if (k < n_sums)
      {
        float part[2] = { 0.f, 0.f };
#pragma unroll
        for (int n = 0; n < N; n++)
          {
            float2 w = *(const float2 *) (weights + k * stride + n * 8 + pm_lane () % 4 * 2);
            part[0] = fmaf (e[n][1], w.y, fmaf (e[n][0], w.x, part[0]));
            part[1] = fmaf (e[n][3], w.y, fmaf (e[n][2], w.x, part[1]));
          }
        rows->sums[0][k] = fmaf (rows->sums[0][k], shrink[0], part[0]);
        rows->sums[1][k] = fmaf (rows->sums[1][k], shrink[1], part[1]);
      }
}

/* Over the four lanes that share a row; all get the same bits. */
PM_DEVICE float
pm_row_total (float x)
{
  x += __shfl_xor_sync (PM_ALL_LANES, x, 1);
  return x + __shfl_xor_sync (PM_ALL_LANES, x, 2);
}

PM_DEVICE bool
pm_attention_is_recorded (const PmAttentionArgs &args, int b, int h)
{
  return (h >= 64 || (args.heads >> h & 1)) && (args.items >> b & 1);
}

/* Ends rows i and i + 8: inverse [2]; and writes what is recorded: base and inverse always, which second passes may need of other
 * heads, the rest where is_recorded. */
template <bool RECORDS>
PM_DEVICE void
pm_rows_end (PmRows *rows, const PmAttentionArgs &args, int b, int h, int i, bool is_recorded, float *inverse)
{
#pragma unroll
  for (int r = 0; r < 2; r++)
    {
      float  sum = pm_row_total (rows->sum[r]);
      size_t head = (size_t) b * args.H + h;
      inverse[r] = sum > 0.f ? 1.f / sum : 0.f;
      if (! RECORDS)
        continue;

      int  query = i + 8 * r;
      bool writes = pm_lane () % 4 == 0 && query < args.Tq;
      if (writes && args.base)
        {
          args.base[head * args.Tq + query] = sum > 0.f ? rows->base[r] : 0.f;
          args.inverse[head * args.Tq + query] = inverse[r];
        }
      if (! is_recorded)
        continue;
      float moment = pm_row_total (rows->moment[r]);
      float entropy = fmaf (-0.69314718f * moment, inverse[r], logf (sum));
      if (writes && args.entropy)
        args.entropy[b * args.entropy_item + (size_t) h * args.Tq + query] = entropy > PM_NO_ENTROPY ? entropy : 0.f;
#pragma unroll
      for (int k = 0; k < PM_ATTENTION_SUMS; k++)
        if (k < args.n_sums)
          {
            float total = pm_row_total (rows->sums[r][k]);
            if (writes)
              args.sums[b * args.sums_item + ((size_t) h * args.n_weights + k) * args.Tq + query] = total * inverse[r];
          }
    }
}

#endif
