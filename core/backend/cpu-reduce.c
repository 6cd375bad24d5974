/* What is streamed out of a panel of probabilities while it is in cache: see PmReduce. The panel is [keys, queries], its
 * columns still to be multiplied by head->inverse. */
#include "backend/cpu-attention.h"

static gsize
padded_keys (const PmAttentionHead *head)
{
  return (gsize) pm_panel_vectors (head->n_keys) * PM_LANES;
}

void
pm_attention_reduce_begin (const PmAttentionJob *job, PmAttentionHead *head)
{
  memset (head->sums, 0, job->op->reduce->n_query_weights * padded_keys (head) * PM_LANES * sizeof (float));
}

/* sums [n_keys] of [16] += the panel's rows times weights [width], folded to 16 lanes. */
PM_CLONES static void
add_query_sums (const PmAttentionHead *head, const float *weights, float *sums)
{
  for (int j = 0; j < head->n_keys; j++)
    {
      const float *p = head->p + (gsize) j * head->width;
      PmVec        sum = pm_vec_load (sums + j * PM_LANES);
      for (int i = 0; i < head->width; i += PM_LANES)
        sum += pm_vec_load (p + i) * pm_vec_load (weights + i);
      pm_vec_store (sums + j * PM_LANES, sum);
    }
}

static void
reduce_queries (const PmAttentionJob *job, PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;

  for (int k = 0; k < reduce->n_query_weights; k++)
    {
      const float *weights = reduce->query_weights + ((gsize) head->b * reduce->n_query_weights + k) * op->Tq + head->i0;
      float       *scaled = head->out; /* not yet in use */
      gboolean     any = FALSE;
      memset (scaled, 0, head->width * sizeof (float));
      for (int i = 0; i < head->n; i++)
        {
          scaled[i] = weights[i] * head->inverse[i];
          any = any || weights[i] != 0.f;
        }
      if (any)
        add_query_sums (head, scaled, head->sums + k * padded_keys (head) * PM_LANES);
    }
}

static void
reduce_keys (const PmAttentionJob *job, PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;
  gsize              to = pm_reduce_at (reduce, head->b, (gsize) op->H * reduce->n_key_weights * op->Tq)
             + (gsize) head->h * reduce->n_key_weights * op->Tq;

  if (reduce->n_key_weights == 0)
    return;
  pm_kernel_run (job->kernel, head->width / PM_LANES, reduce->n_key_weights, head->n_keys,
                 reduce->key_weights + (gsize) head->b * reduce->n_key_weights * op->Tk, op->Tk, head->p, head->key_sums, FALSE);
  for (int k = 0; k < reduce->n_key_weights; k++)
    for (int i = 0; i < head->n; i++)
      reduce->key_sums[to + (gsize) k * op->Tq + head->i0 + i] = head->key_sums[k * head->width + i] * head->inverse[i];
}

/* Rows of P, from key j on, of the 16 queries from lane i: rows [16, 16]. */
static void
probability_rows (const PmAttentionHead *head, int i, int j, float *rows)
{
  pm_panel_unpack (head->p + (gsize) j * head->width + i, head->width, rows, PM_LANES);
  for (int r = 0; r < PM_LANES; r++)
    pm_vec_store (rows + r * PM_LANES, pm_vec_load (rows + r * PM_LANES) * head->inverse[i + r]);
}

/* Those of the chosen rows that are among the 16 queries from lane i. */
static void
reduce_rows (const PmAttentionJob *job, PmAttentionHead *head, int i)
{
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;
  float             *to = reduce->row_probs + ((gsize) head->b * op->H + head->h) * reduce->n_rows * op->Tk;
  int                first = head->i0 + i, n = MIN (PM_LANES, head->n - i), n_chosen = 0;
  float              rows[PM_LANES * PM_LANES];

  for (int k = 0; k < reduce->n_rows; k++)
    if (reduce->rows[k] >= first && reduce->rows[k] < first + n)
      {
        n_chosen++;
        memset (to + (gsize) k * op->Tk + head->n_keys, 0, sizeof (float) * (op->Tk - head->n_keys));
      }
  for (int j = 0; n_chosen > 0 && j < head->n_keys; j += PM_LANES)
    {
      probability_rows (head, i, j, rows);
      for (int k = 0; k < reduce->n_rows; k++)
        if (reduce->rows[k] >= first && reduce->rows[k] < first + n)
          memcpy (to + (gsize) k * op->Tk + j, rows + (reduce->rows[k] - first) * PM_LANES,
                  sizeof (float) * MIN (PM_LANES, head->n_keys - j));
    }
}

void
pm_attention_reduce_panel (const PmAttentionJob *job, PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  const PmReduce    *reduce = op->reduce;

  reduce_queries (job, head);
  reduce_keys (job, head);
  for (int i = 0; i < head->n && reduce->n_rows > 0; i += PM_LANES)
    reduce_rows (job, head, i);
  if (reduce->entropy)
    memcpy (reduce->entropy + pm_reduce_at (reduce, head->b, (gsize) op->H * op->Tq) + (gsize) head->h * op->Tq + head->i0,
            head->entropy, head->n * sizeof (float));
}

/* to [n] = the sums of lanes [n up to 16] of [16]. */
PM_CLONES static void
fold_lanes (const float *lanes, int n, float *to)
{
  float rows[PM_LANES * PM_LANES];

  for (int j = 0; j < n; j += PM_LANES)
    {
      PmVec sum = { 0 };
      pm_panel_unpack (lanes + (gsize) j * PM_LANES, PM_LANES, rows, PM_LANES);
      for (int r = 0; r < PM_LANES; r++)
        sum += pm_vec_load (rows + r * PM_LANES);
      memcpy (to + j, &sum, sizeof (float) * MIN (PM_LANES, n - j));
    }
}

void
pm_attention_reduce_end (const PmAttentionJob *job, PmAttentionHead *head, int part)
{
  const PmAttention *op = job->op;
  int                n_weights = op->reduce->n_query_weights;
  gsize              n = (gsize) n_weights * op->Tk, at = ((gsize) head->b * op->H + head->h) * job->n_parts + part;
  float             *to = job->partial ? job->partial + at * n
                                       : op->reduce->query_sums + pm_reduce_at (op->reduce, head->b, op->H * n) + head->h * n;

  for (int k = 0; k < n_weights; k++, to += op->Tk)
    {
      fold_lanes (head->sums + k * padded_keys (head) * PM_LANES, head->n_keys, to);
      memset (to + head->n_keys, 0, sizeof (float) * (op->Tk - head->n_keys));
    }
}

void
pm_attention_reduce_join (const PmAttentionJob *job)
{
  const PmAttention *op = job->op;
  gsize              n = (gsize) op->reduce->n_query_weights * op->Tk;

  for (gsize head = 0; head < (gsize) op->B * op->H; head++)
    for (gsize i = 0; i < n; i++)
      {
        float sum = 0;
        for (int part = 0; part < job->n_parts; part++)
          sum += job->partial[(head * job->n_parts + part) * n + i];
        op->reduce->query_sums[pm_reduce_at (op->reduce, head / op->H, op->H * n) + head % op->H * n + i] = sum;
      }
}

void
pm_attention_reduce_matrix (const PmAttentionJob *job, const PmAttentionHead *head)
{
  const PmAttention *op = job->op;
  float              weight = op->reduce->head_weights[head->h], rows[PM_LANES * PM_LANES];

  for (int i = 0; i < head->n; i += PM_LANES)
    for (int j = 0; j < head->n_keys; j += PM_LANES)
      {
        probability_rows (head, i, j, rows);
        for (int r = 0; r < MIN (PM_LANES, head->n - i); r++)
          {
            float *to = op->reduce->matrix + ((gsize) head->b * op->Tq + head->i0 + i + r) * op->Tk + j;
            for (int c = 0; c < MIN (PM_LANES, head->n_keys - j); c++)
              to[c] += weight * rows[r * PM_LANES + c];
          }
      }
}
