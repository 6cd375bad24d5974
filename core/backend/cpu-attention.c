/* Attention on the CPU, streamed: a tile of queries against all keys, softmax, and while the tile is in cache the five
 * primitives of PmReduce. One worker owns an (item, head), so every sum is made in one order. The averaged matrix, which adds
 * heads up, is a second pass in which one worker owns the rows of a tile and walks the heads in order. */
#include <math.h>

#include "backend/cpu.h"
#include "base/pool.h"
#include "base/simd.h"

#define HIDDEN 1e6f     /* a logit that -INFINITY was added to is minus this */
#define NOTHING 1e-30f  /* smaller probabilities of edited rows are 0: the exponential's floor, above 1e-38, is */
#define TILE_FLOATS (128 * 1024) /* half a MiB of probabilities: a quarter of a usual second-level cache */

typedef struct
{
  PmBackend         *backend;
  const PmAttention *op;
  int                tile; /* queries at a time; depends on Tk alone */
} PmAttentionJob;

static int
tile_rows (const PmAttention *op)
{
  return CLAMP (TILE_FLOATS / MAX (op->Tk, 1), 16, 256);
}

/* Logits s [n] to probabilities in place. Returns the entropy in nats. */
PM_CLONES static float
softmax_row (float *s, int n, float scale)
{
  int   whole = n / PM_LANES * PM_LANES;
  float max = s[0];
  PmVec maxima = pm_vec_set (max), sums = { 0 }, moments = { 0 };

  for (int j = 0; j < whole; j += PM_LANES)
    maxima = pm_vec_max (pm_vec_load (s + j), maxima);
  for (int i = 0; i < PM_LANES; i++)
    max = MAX (max, maxima[i]);
  for (int j = whole; j < n; j++)
    max = MAX (max, s[j]);

  for (int j = 0; j < whole; j += PM_LANES)
    {
      PmVec v = (pm_vec_load (s + j) - max) * scale;
      PmVec e = pm_vec_exp (v);
      sums += e;
      moments += e * v;
      pm_vec_store (s + j, e);
    }
  double sum = 0, moment = 0;
  for (int i = 0; i < PM_LANES; i++)
    {
      sum += sums[i];
      moment += moments[i];
    }
  for (int j = whole; j < n; j++)
    {
      float v = (s[j] - max) * scale;
      s[j] = expf (v);
      sum += s[j];
      moment += (double) s[j] * v;
    }
  float inverse = (float) (1 / sum);
  for (int j = 0; j < n; j++)
    s[j] *= inverse;
  return (float) (log (sum) - moment / sum);
}

/* y += weight * x, n elements. */
PM_CLONES static void
add_scaled (float *y, const float *x, float weight, int n)
{
  for (int j = 0; j < n; j++)
    y[j] += weight * x[j];
}

static int
count_keys (const PmAttention *op, int b)
{
  return op->key_counts ? op->key_counts[b] : op->Tk;
}

static void
drop_hidden (float *p, int n_keys)
{
  for (int j = 0; j < n_keys; j++)
    p[j] = p[j] < NOTHING ? 0.f : p[j];
}

/* Logits s [n_keys] of query i of item b times scale, and the edit added. What is hidden stays finite, so that nearly 0 times
 * its logit is nearly 0 in the entropy. */
static void
edit_row (const PmAttention *op, int b, int i, int n_keys, float *s)
{
  const PmLogitEdit *edit = op->edit;
  const float       *bias = edit->key_bias + (gsize) b * op->Tk;
  const int         *region = edit->key_region + (gsize) b * op->Tk;
  const float       *regions = edit->region_bias + (gsize) b * edit->n_regions * op->Tq + i;

  for (int j = 0; j < n_keys; j++)
    {
      float added = region[j] < 0 ? bias[j] : bias[j] + regions[(gsize) region[j] * op->Tq];
      s[j] = MAX (s[j] * op->scale + added, -HIDDEN);
    }
}

/* p = the network's bias of queries i0 .. i0 + n, such that scale times it is the bias. */
PM_CLONES static void
fill_bias (const PmAttention *op, int h, int i0, int n, int n_keys, float *p)
{
  float inverse = 1.f / op->scale;

  for (int i = 0; i < n; i++)
    {
      const float *bias = op->bias + ((gsize) h * op->Tq + i0 + i) * op->Tk;
      for (int j = 0; j < n_keys; j++)
        p[(gsize) i * op->Tk + j] = bias[j] * inverse;
    }
}

/* Probabilities of queries i0 .. i0 + n of one head into p [n, Tk], of which an item's own keys are written; entropy [n] or
 * NULL. */
static void
probabilities (const PmAttention *op, int b, int h, int i0, int n, float *p, float *entropy)
{
  int          n_keys = count_keys (op, b);
  const float *q = op->q + b * op->q_item + i0 * op->q_row + (gsize) h * op->d;
  const float *k = op->k + b * op->kv_item + (gsize) h * op->d;

  if (op->bias)
    fill_bias (op, h, i0, n, n_keys, p);
  (op->bias ? pm_cpu_gemm_nt_add : pm_cpu_gemm_nt) (n, n_keys, op->d, q, op->q_row, k, op->kv_row, p, op->Tk);
  for (int i = 0; i < n; i++)
    {
      if (op->edit)
        edit_row (op, b, i0 + i, n_keys, p + (gsize) i * op->Tk);
      float e = softmax_row (p + (gsize) i * op->Tk, n_keys, op->edit ? 1.f : op->scale);
      if (op->edit)
        drop_hidden (p + (gsize) i * op->Tk, n_keys);
      if (entropy)
        entropy[i] = e;
    }
}

static void
reduce_tile (const PmAttention *op, int b, int h, int i0, int n, const float *p)
{
  const PmReduce *reduce = op->reduce;
  gsize           head = (gsize) b * op->H + h;
  int             n_keys = count_keys (op, b);

  for (int k = 0; k < reduce->n_query_weights; k++)
    {
      const float *weights = reduce->query_weights + ((gsize) b * reduce->n_query_weights + k) * op->Tq + i0;
      float       *sums = reduce->query_sums + (head * reduce->n_query_weights + k) * op->Tk;
      for (int i = 0; i < n; i++)
        if (weights[i] != 0.f)
          add_scaled (sums, p + (gsize) i * op->Tk, weights[i], n_keys);
    }
  for (int i = 0; i < n && reduce->n_key_weights > 0; i++)
    for (int k = 0; k < reduce->n_key_weights; k++)
      pm_cpu_dots (1, n_keys, p + (gsize) i * op->Tk, 0, reduce->key_weights + ((gsize) b * reduce->n_key_weights + k) * op->Tk,
                   reduce->key_sums + (head * reduce->n_key_weights + k) * op->Tq + i0 + i);
  for (int k = 0; k < reduce->n_rows; k++)
    if (reduce->rows[k] >= i0 && reduce->rows[k] < i0 + n)
      {
        float *row = reduce->row_probs + (head * reduce->n_rows + k) * op->Tk;
        memcpy (row, p + (gsize) (reduce->rows[k] - i0) * op->Tk, sizeof (float) * n_keys);
        memset (row + n_keys, 0, sizeof (float) * (op->Tk - n_keys));
      }
}

static void
head_task_cb (int task, int worker, gpointer data)
{
  PmAttentionJob    *job = data;
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;
  int                b = task / op->H, h = task % op->H;
  float             *p = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, (gsize) job->tile * op->Tk);

  if (! p)
    return;
  if (reduce && reduce->n_query_weights > 0)
    memset (reduce->query_sums + (gsize) task * reduce->n_query_weights * op->Tk, 0,
            sizeof (float) * reduce->n_query_weights * op->Tk);
  for (int i0 = 0; i0 < op->Tq; i0 += job->tile)
    {
      int n = MIN (job->tile, op->Tq - i0);
      probabilities (op, b, h, i0, n, p, reduce && reduce->entropy ? reduce->entropy + (gsize) task * op->Tq + i0 : NULL);
      if (reduce)
        reduce_tile (op, b, h, i0, n, p);
      pm_cpu_gemm_nn (n, op->d, count_keys (op, b), p, op->Tk, op->v + b * op->kv_item + (gsize) h * op->d, op->kv_row,
                      op->out + b * op->out_item + i0 * op->out_row + (gsize) h * op->d, op->out_row);
    }
}

static void
matrix_task_cb (int task, int worker, gpointer data)
{
  PmAttentionJob    *job = data;
  const PmAttention *op = job->op;
  int                n_tiles = (op->Tq + job->tile - 1) / job->tile;
  int                b = task / n_tiles, i0 = task % n_tiles * job->tile, n = MIN (job->tile, op->Tq - i0);
  float             *p = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, (gsize) job->tile * op->Tk);

  for (int h = 0; p && h < op->H; h++)
    if (op->reduce->head_weights[h] != 0.f)
      {
        probabilities (op, b, h, i0, n, p, NULL);
        for (int i = 0; i < n; i++)
          add_scaled (op->reduce->matrix + ((gsize) b * op->Tq + i0 + i) * op->Tk, p + (gsize) i * op->Tk,
                      op->reduce->head_weights[h], count_keys (op, b));
      }
}

void
pm_cpu_attention (PmBackend *backend, const PmAttention *op)
{
  PmAttentionJob job = { .backend = backend, .op = op, .tile = tile_rows (op) };
  PmPool        *pool = pm_backend_get_pool (backend);

  pm_pool_run (pool, op->B * op->H, head_task_cb, &job);
  if (op->reduce && op->reduce->matrix)
    pm_pool_run (pool, op->B * ((op->Tq + job.tile - 1) / job.tile), matrix_task_cb, &job);
}
