/* Attention on the CPU, streamed: a panel of queries (see kernel.h) against all keys, so that P lies as [keys, queries] and
 * every step runs down its columns: logits, steering, softmax; then, while it is in cache, the five primitives of PmReduce
 * (cpu-reduce.c) and the output. P is kept as exp (logit - max): the sums of its columns divide what is made of it.
 *
 * One worker owns an (item, head), or a part of its queries that Tq alone decides, so every sum is made in one order. The
 * averaged matrix, which adds heads up, is a second pass in which one worker owns a panel and walks the heads in order. */
#include <math.h>

#include "backend/cpu-attention.h"
#include "base/pool.h"

#define NOTHING 1e-37f /* smaller probabilities of steered rows are 0: the exponential's floor, above 1e-38, is */
#define LEAST_TASKS 16 /* heads are cut into parts where there are fewer, */
#define PART_FLOPS 1e10 /* and where a part would keep a cancellation waiting */
#define OWN_FLOATS (512 * 1024) /* of a head's keys: longer ones stay where they are, and workers share the values */
#define PANEL_FLOATS (512 * 1024) /* of probabilities: panels are narrower where there are many keys */
#define SHARED_ROWS 16 /* of values, turned round by one task */
#define SUM_KEYS 8 /* added up before they are added to the rest: neither few nor thousands of keys cost digits */

static int
count_keys (const PmAttention *op, int b)
{
  return op->key_counts ? op->key_counts[b] : op->Tk;
}

static gsize
padded (int n)
{
  return (gsize) pm_panel_vectors (n) * PM_LANES;
}

/* Takes the worker's memory for one head after another. FALSE when there is none. */
static gboolean
head_init (PmAttentionHead *head, const PmAttentionJob *job, int worker)
{
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;
  gsize              keys = padded (op->Tk), d = padded (op->d), width = job->width;
  gsize              own = job->values ? 0 : op->d * keys, n_regions = op->edit ? op->edit->n_regions : 0;
  const gsize        sizes[] = { own, own, d * width, keys * width, d * width, n_regions * width, 2 * width,
                                 reduce ? reduce->n_query_weights * keys * PM_LANES : 0,
                                 reduce ? reduce->n_key_weights * width : 0 };
  float            **parts[] = { &head->own_k, &head->own_v, &head->q, &head->p, &head->out, &head->regions, &head->inverse,
                                 &head->sums, &head->key_sums };
  gsize              total = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    total += sizes[i];
  float *next = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, total);
  for (guint i = 0; next && i < G_N_ELEMENTS (sizes); i++)
    {
      *parts[i] = next;
      next += sizes[i];
    }
  head->entropy = head->inverse + width;
  return next != NULL;
}

/* Keys and values of a head, brought together where they are not too many: they are read once for every panel of queries. */
static void
head_load (PmAttentionHead *head, const PmAttentionJob *job, int b, int h, gboolean with_values)
{
  const PmAttention *op = job->op;
  gsize              at = b * op->kv_item + (gsize) h * op->d;

  head->b = b;
  head->h = h;
  head->n_keys = count_keys (op, b);
  head->k = job->values ? job->k + at : head->own_k;
  head->k_stride = job->values ? op->kv_row : (gsize) op->d;
  for (int j = 0; j < head->n_keys && ! job->values; j++)
    memcpy (head->own_k + (gsize) j * op->d, job->k + at + j * op->kv_row, sizeof (float) * op->d);
  head->v = job->values ? job->values + ((gsize) b * op->H + h) * op->d * padded (op->Tk) : head->own_v;
  if (with_values && ! job->values)
    pm_panel_pack (head->n_keys, op->d, job->v + at, op->kv_row, head->own_v);
}

/* Some rows of the values that workers share. */
static void
values_task_cb (int task, int worker, gpointer data)
{
  PmAttentionJob    *job = data;
  const PmAttention *op = job->op;
  int                n_parts = (op->d + SHARED_ROWS - 1) / SHARED_ROWS, c = task % n_parts * SHARED_ROWS, head = task / n_parts;
  int                b = head / op->H, h = head % op->H, n_keys = count_keys (op, b);

  pm_panel_pack (n_keys, MIN (SHARED_ROWS, op->d - c), job->v + b * op->kv_item + (gsize) h * op->d + c, op->kv_row,
                 job->values + (gsize) head * op->d * padded (op->Tk) + c * padded (n_keys));
}

/* What steering adds to the logits of a panel, into its P; regions' biases of its queries lie in head->regions. */
PM_CLONES static void
add_edit (const PmAttentionJob *job, const PmAttentionHead *head)
{
  const PmLogitEdit *edit = job->op->edit;
  const float       *bias = edit->key_bias + (gsize) head->b * job->op->Tk;
  const int         *region = edit->key_region + (gsize) head->b * job->op->Tk;

  for (int j = 0; j < head->n_keys; j++)
    {
      float       *p = head->p + (gsize) j * head->width;
      const float *regions = region[j] < 0 ? NULL : head->regions + (gsize) region[j] * head->width;
      for (int i = 0; i < head->width; i++)
        p[i] += regions ? bias[j] + regions[i] : bias[j];
    }
}

/* P's start, to which logits are added: what the network itself and the artist put on them. FALSE: nothing. */
static gboolean
start_logits (const PmAttentionJob *job, PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  gsize              n = (gsize) head->n_keys * head->width;

  if (op->bias)
    pm_panel_pack (head->n, head->n_keys, op->bias + ((gsize) head->h * op->Tq + head->i0) * op->Tk, op->Tk, head->p);
  else if (op->edit)
    memset (head->p, 0, n * sizeof (float));
  if (op->edit)
    {
      for (int r = 0; r < op->edit->n_regions; r++)
        {
          float *to = head->regions + (gsize) r * head->width;
          memset (to, 0, head->width * sizeof (float));
          memcpy (to, op->edit->region_bias + ((gsize) head->b * op->edit->n_regions + r) * op->Tq + head->i0,
                  head->n * sizeof (float));
        }
      add_edit (job, head);
    }
  return op->bias || op->edit;
}

/* Logits of one vector of queries, [n_keys] of [16] stride apart, to exp (logit - max) in place. inverse [16]: of their sums;
 * entropy [16] in nats. */
PM_CLONES static void
softmax_column (float *p, gsize stride, int n_keys, gboolean is_steered, float *inverse, float *entropy)
{
  PmVec max = pm_vec_load (p), sum = { 0 }, moment = { 0 };

  for (int j = 1; j < n_keys; j++)
    max = pm_vec_max (pm_vec_load (p + j * stride), max);
  for (int first = 0; first < n_keys; first += SUM_KEYS)
    {
      PmVec part = { 0 }, part_moment = { 0 };
      for (int j = first; j < MIN (first + SUM_KEYS, n_keys); j++)
        {
          PmVec v = pm_vec_max (pm_vec_load (p + j * stride) - max, pm_vec_set (-87.f));
          PmVec e = pm_vec_exp_inside (v);
          if (is_steered)
            e = pm_vec_select (e < NOTHING, pm_vec_set (0.f), e);
          part += e;
          part_moment += e * v;
          pm_vec_store (p + j * stride, e);
        }
      sum += part;
      moment += part_moment;
    }
  pm_vec_store (inverse, 1.f / sum);
  for (int i = 0; i < PM_LANES; i++)
    entropy[i] = (float) (log (sum[i]) - (double) moment[i] / sum[i]);
}

PM_CLONES static void
scale_by (float *x, gsize n, float scale)
{
  for (gsize i = 0; i < n; i++)
    x[i] *= scale;
}

/* P of the n queries from i0, and their `inverse` and `entropy`. */
static void
head_probabilities (PmAttentionHead *head, const PmAttentionJob *job, int i0, int n)
{
  const PmAttention *op = job->op;
  int                n_vectors = pm_panel_vectors (n);

  head->i0 = i0;
  head->n = n;
  head->width = n_vectors * PM_LANES;
  pm_panel_pack (n, op->d, job->q + head->b * op->q_item + i0 * op->q_row + (gsize) head->h * op->d, op->q_row, head->q);
  scale_by (head->q, (gsize) op->d * head->width, op->scale);
  gboolean adds = start_logits (job, head);
  pm_kernel_run (job->kernel, n_vectors, head->n_keys, op->d, head->k, head->k_stride, head->q, head->p, adds);
  for (int v = 0; v < n_vectors; v++)
    softmax_column (head->p + v * PM_LANES, head->width, head->n_keys, op->edit != NULL, head->inverse + v * PM_LANES,
                    head->entropy + v * PM_LANES);
}

/* `out` in panels: up to 16 rows from row m of all items on, of head->out [d, width] from lane i on. A vector of a panel belongs
 * to more than one task where items begin within it; behind the last row of all lies 0. */
PM_CLONES static void
store_panel (const PmAttentionJob *job, const PmAttentionHead *head, int m, int i, int n)
{
  const PmAttention *op = job->op;
  int                M = op->B * op->Tq, d = op->d, width, next = PM_LANES - m % PM_LANES;

  if (n > next) /* the rest is another vector's */
    {
      store_panel (job, head, m + next, i + next, n - next);
      n = next;
    }
  float *to = pm_cpu_panels_at (job->kernel, job->out, M, op->H * d, m, &width) + (gsize) head->h * d * width;
  int    n_zeros = m + n == M ? next - n : 0;
  for (int c = 0; c < d; c++, to += width)
    if (n == PM_LANES)
      pm_vec_store (to, pm_vec_load (head->out + (gsize) c * head->width + i) * pm_vec_load (head->inverse + i));
    else
      {
        for (int r = 0; r < n; r++)
          to[r] = head->out[(gsize) c * head->width + i + r] * head->inverse[i + r];
        memset (to + n, 0, n_zeros * sizeof (float));
      }
}

/* Rows of `out` from head->out [d, width], divided by the sums of P's columns. */
PM_CLONES static void
store_out (const PmAttentionJob *job, const PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  float              rows[PM_LANES * PM_LANES];

  for (int i = 0; i < head->n; i += PM_LANES)
    for (int c = 0; c < op->d; c += PM_LANES)
      {
        pm_panel_unpack (head->out + (gsize) c * head->width + i, head->width, rows, PM_LANES);
        for (int r = 0; r < MIN (PM_LANES, head->n - i); r++)
          {
            float *to = job->out + head->b * op->out_item + (head->i0 + i + r) * op->out_row + (gsize) head->h * op->d + c;
            PmVec  row = pm_vec_load (rows + r * PM_LANES) * head->inverse[i + r];
            if (c + PM_LANES <= op->d)
              pm_vec_store (to, row);
            else
              memcpy (to, &row, sizeof (float) * (op->d - c));
          }
      }
}

static void
head_task_cb (int task, int worker, gpointer data)
{
  PmAttentionJob    *job = data;
  const PmAttention *op = job->op;
  int                part = task % job->n_parts, head_at = task / job->n_parts;
  int                first = part * job->part, end = MIN (first + job->part, op->Tq);
  PmAttentionHead    head;

  if (! head_init (&head, job, worker))
    return;
  head_load (&head, job, head_at / op->H, head_at % op->H, TRUE);
  if (op->reduce)
    pm_attention_reduce_begin (job, &head);
  for (int i0 = first; i0 < end; i0 += job->width)
    {
      head_probabilities (&head, job, i0, MIN (job->width, end - i0));
      if (op->reduce)
        pm_attention_reduce_panel (job, &head);
      pm_kernel_run (job->kernel, head.width / PM_LANES, op->d, head.n_keys, head.v, padded (head.n_keys), head.p, head.out,
                     FALSE);
      if (op->out.in_panels)
        for (int i = 0; i < head.n; i += PM_LANES)
          store_panel (job, &head, head.b * op->Tq + i0 + i, i, MIN (PM_LANES, head.n - i));
      else
        store_out (job, &head);
    }
  if (op->reduce)
    pm_attention_reduce_end (job, &head, part);
}

static void
matrix_task_cb (int task, int worker, gpointer data)
{
  PmAttentionJob    *job = data;
  const PmAttention *op = job->op;
  int                n_tiles = (op->Tq + job->width - 1) / job->width, i0 = task % n_tiles * job->width;
  PmAttentionHead    head;

  for (int h = 0; h < op->H; h++)
    if (op->reduce->head_weights[h] != 0.f && head_init (&head, job, worker))
      {
        head_load (&head, job, task / n_tiles, h, FALSE);
        head_probabilities (&head, job, i0, MIN (job->width, op->Tq - i0));
        pm_attention_reduce_matrix (job, &head);
      }
}

/* How wide panels are, and into how many parts heads are cut: by the shapes alone. */
static void
cut (PmAttentionJob *job)
{
  const PmAttention *op = job->op;
  int                n_vectors = CLAMP (PANEL_FLOATS / MAX (op->Tk, 1) / PM_LANES, 1, job->kernel->n_vectors);
  int                n_tasks = (int) MIN (4.0 * op->Tq * op->Tk * op->d / PART_FLOPS, op->Tq);

  job->width = n_vectors * PM_LANES;
  int n_tiles = (op->Tq + job->width - 1) / job->width;
  int n_parts = CLAMP (MAX (n_tasks, LEAST_TASKS / (op->B * op->H)), 1, n_tiles);
  job->part = (n_tiles + n_parts - 1) / n_parts * job->width;
  job->n_parts = (op->Tq + job->part - 1) / job->part;
}

/* Items with the same keys that follow one another in memory are one item with more queries. */
static PmAttention
join_items (const PmAttention *op)
{
  PmAttention joined = *op;
  if (op->kv_item == 0 && op->q_item == op->Tq * op->q_row && op->out_item == op->Tq * op->out_row && ! op->key_counts
      && ! op->bias && ! op->edit && ! op->reduce)
    {
      joined.Tq *= op->B;
      joined.B = 1;
    }
  return joined;
}

void
pm_cpu_attention (PmBackend *backend, const PmAttention *given)
{
  PmAttention    joined = join_items (given), *op = &joined;
  PmAttentionJob job = { .backend = backend, .op = op, .kernel = pm_cpu_get_kernel (backend), .q = pm_acts_floats (op->q),
                         .k = pm_acts_floats (op->k), .v = pm_acts_floats (op->v), .out = op->out.data };
  PmPool        *pool = pm_backend_get_pool (backend);
  gsize          n_heads = (gsize) op->B * op->H;

  cut (&job);
  gsize  n_values = (gsize) op->Tk * op->d > OWN_FLOATS ? n_heads * op->d * padded (op->Tk) : 0;
  gsize  n_partial = op->reduce && job.n_parts > 1 ? n_heads * job.n_parts * op->reduce->n_query_weights * op->Tk : 0;
  float *shared = n_values + n_partial > 0 ? pm_cpu_scratch (backend, 0, PM_SCRATCH_SHARED, n_values + n_partial) : NULL;
  if (n_values + n_partial > 0 && ! shared)
    return;
  job.values = n_values > 0 ? shared : NULL;
  job.partial = n_partial > 0 ? shared + n_values : NULL;
  if (job.values)
    pm_pool_run (pool, (int) n_heads * ((op->d + SHARED_ROWS - 1) / SHARED_ROWS), values_task_cb, &job);
  pm_pool_run (pool, (int) n_heads * job.n_parts, head_task_cb, &job);
  if (job.partial)
    pm_attention_reduce_join (&job);
  if (op->reduce && op->reduce->matrix)
    pm_pool_run (pool, op->B * ((op->Tq + job.width - 1) / job.width), matrix_task_cb, &job);
}
