/* The operation `attention`: which kernels with which arguments. Everything that the core keeps in its own memory (counts of
 * keys, chosen rows, weights of heads) travels by value with the launches, so nothing is copied, nothing waits, and a graph can
 * hold all of it. */
#include "backend/cuda/attention.h"

#include <math.h>

#include "backend/cuda/module.h"

static bool
is_aligned (const void *data, size_t n, size_t item, size_t row, size_t size)
{
  return (uintptr_t) data % 16 == 0 && n * size % 16 == 0 && item * size % 16 == 0 && row * size % 16 == 0;
}

static const float *
step_by (const float *from, size_t n)
{
  return from ? from + n : NULL;
}

/* One bit for each of the first 64 of n; NULL: all. */
static unsigned long long
collect_bits (const bool *chosen, int n)
{
  unsigned long long bits = 0;
  for (int i = 0; i < 64 && i < n; i++)
    bits |= (unsigned long long) (! chosen || chosen[i]) << i;
  return bits;
}

/* n items from `first` on; nothing of what is recorded yet. */
static void
args_init (PmAttentionArgs *args, const PmAttention *op, int first, int n)
{
  const PmReduce *reduce = op->reduce;
  const size_t    size = pm_dtype_size (op->q.dtype), b = first;

  memset (args, 0, sizeof *args);
  args->B = n;
  args->H = op->H;
  args->d = op->d;
  args->Tq = op->Tq;
  args->Tk = op->Tk;
  args->q = pm_acts_at (op->q, b * op->q_item).data;
  args->k = pm_acts_at (op->k, b * op->kv_item).data;
  args->v = pm_acts_at (op->v, b * op->kv_item).data;
  args->out = pm_acts_at (op->out, b * op->out_item).data;
  args->q_item = op->q_item;
  args->q_row = op->q_row;
  args->kv_item = op->kv_item;
  args->kv_row = op->kv_row;
  args->out_item = op->out_item;
  args->out_row = op->out_row;
  args->scale = op->scale;
  args->is_plain = ! op->bias && ! op->edit && op->scale > 0;
  args->c = (float) ((args->is_plain ? op->scale : 1.0) * 1.4426950408889634);
  args->is_aligned = is_aligned (args->q, op->d, op->q_item, op->q_row, size)
                     && is_aligned (args->k, op->d, op->kv_item, op->kv_row, size)
                     && is_aligned (args->v, op->d, op->kv_item, op->kv_row, size);
  args->is_out_aligned = is_aligned (args->out, op->d, op->out_item, op->out_row, size);
  for (int i = 0; i < n; i++)
    args->counts[i] = op->key_counts ? op->key_counts[first + i] : op->Tk;
  args->bias = op->bias;
  if (op->edit)
    {
      args->key_bias = op->edit->key_bias + b * op->Tk;
      args->key_region = op->edit->key_region + b * op->Tk;
      args->n_regions = op->edit->n_regions;
      args->region_bias = step_by (op->edit->region_bias, b * op->edit->n_regions * op->Tq);
    }
  args->heads = collect_bits (reduce ? reduce->heads : NULL, op->H);
  args->items = collect_bits (reduce && reduce->items ? reduce->items + first : NULL, n);
}

/* Weights over queries or keys: [n_weights, n_in] to [H, n_weights, n_out] of each item. */
static void
args_set_sums (PmAttentionArgs *args, const PmReduce *reduce, int first_item, bool are_of_keys)
{
  size_t       n_in = are_of_keys ? args->Tk : args->Tq, n_out = are_of_keys ? args->Tq : args->Tk;
  const float *weights = are_of_keys ? reduce->key_weights : reduce->query_weights;
  float       *sums = are_of_keys ? reduce->key_sums : reduce->query_sums;

  args->n_weights = are_of_keys ? reduce->n_key_weights : reduce->n_query_weights;
  args->weights = weights + (size_t) first_item * args->n_weights * n_in;
  args->sums_item = pm_reduce_at (reduce, 1, args->H * args->n_weights * n_out);
  args->sums = sums + first_item * args->sums_item;
}

/* With base and inverse known. */
static void
launch_second (PmAttentionArgs *args, const PmReduce *reduce, int first, PmDtype dtype, const PmLaunch *launch)
{
  PmAttentionProbs probs;

  args->first_sum = PM_ATTENTION_SUMS;
  if (reduce->n_key_weights > PM_ATTENTION_SUMS)
    pm_attention_launch_sums (args, true, dtype, launch);
  args->first_sum = 0;
  if (reduce->n_query_weights > 0)
    {
      args_set_sums (args, reduce, first, false);
      pm_attention_launch_sums (args, false, dtype, launch);
    }
  probs.n_all = reduce->n_rows;
  probs.to = reduce->row_probs + (size_t) first * args->H * reduce->n_rows * args->Tk;
  for (probs.first = 0; probs.first < reduce->n_rows; probs.first += PM_ATTENTION_ROWS)
    {
      probs.n = reduce->n_rows - probs.first < PM_ATTENTION_ROWS ? reduce->n_rows - probs.first : PM_ATTENTION_ROWS;
      memcpy (probs.rows, reduce->rows + probs.first, sizeof (int) * probs.n);
      pm_attention_launch_rows (args, &probs, dtype, launch);
    }
  if (! reduce->matrix)
    return;
  probs.n_all = args->H;
  probs.to = reduce->matrix + (size_t) first * args->Tq * args->Tk;
  for (probs.first = 0; probs.first < args->H; probs.first += PM_ATTENTION_ITEMS)
    {
      probs.n = args->H - probs.first < PM_ATTENTION_ITEMS ? args->H - probs.first : PM_ATTENTION_ITEMS;
      memcpy (probs.weights, reduce->head_weights + probs.first, sizeof (float) * probs.n);
      pm_attention_launch_matrix (args, &probs, dtype, launch);
    }
}

/* stats: as much as pm_attention_count_stats says; NULL when nothing is recorded in a second pass. */
static void
launch_items (const PmAttention *op, int first, int n, float *stats, const PmLaunch *launch)
{
  const PmReduce *reduce = op->reduce;
  PmDtype         dtype = op->q.dtype;
  PmAttentionArgs args;

  args_init (&args, op, first, n);
  if (reduce)
    {
      args.base = stats;
      args.inverse = stats ? stats + (size_t) n * op->H * op->Tq : NULL;
      args.entropy_item = pm_reduce_at (reduce, 1, (size_t) op->H * op->Tq);
      args.entropy = reduce->entropy ? reduce->entropy + first * args.entropy_item : NULL;
      if (reduce->n_key_weights > 0)
        args_set_sums (&args, reduce, first, true);
      args.n_sums = reduce->n_key_weights < PM_ATTENTION_SUMS ? reduce->n_key_weights : PM_ATTENTION_SUMS;
    }
  pm_attention_launch (&args, dtype, launch);
  if (stats)
    launch_second (&args, reduce, first, dtype, launch);
}

size_t
pm_attention_count_stats (const PmAttention *op)
{
  const PmReduce *reduce = op->reduce;
  size_t          n_items = op->B < PM_ATTENTION_ITEMS ? op->B : PM_ATTENTION_ITEMS;
  bool            is_seen_again = reduce && (reduce->n_query_weights > 0 || reduce->n_key_weights > PM_ATTENTION_SUMS
                                             || reduce->n_rows > 0 || reduce->matrix);

  return is_seen_again ? 2 * n_items * op->H * op->Tq : 0;
}

bool
pm_attention_run (const PmAttention *op, float *stats, const PmLaunch *launch)
{
  PmDtype dtype = op->q.dtype;

  if (op->k.dtype != dtype || op->v.dtype != dtype || op->out.dtype != dtype
      || (dtype != PM_DTYPE_F32 && dtype != PM_DTYPE_F16 && dtype != PM_DTYPE_BF16))
    return false;
  for (int first = 0; first < op->B; first += PM_ATTENTION_ITEMS)
    launch_items (op, first, op->B - first < PM_ATTENTION_ITEMS ? op->B - first : PM_ATTENTION_ITEMS, stats, launch);
  return true;
}

bool
pm_cuda_attention (PmCuda *cuda, const PmAttention *op)
{
  size_t      n_stats = pm_attention_count_stats (op);
  float      *stats = NULL;
  cudaError_t error = cudaSuccess;
  PmLaunch    launch = { cuda->stream, cuda->n_processors, cuda->shared_limit, &error };

  if (! pm_cuda_begin (cuda))
    return true;
  if (n_stats > 0)
    stats = (float *) pm_cuda_scratch (cuda, PM_SCRATCH_ATTENTION, n_stats * sizeof (float));
  if (n_stats > 0 && ! stats)
    return true;
  bool is_done = pm_attention_run (op, stats, &launch);
  pm_cuda_check (cuda, error, "attention");
  return is_done;
}
