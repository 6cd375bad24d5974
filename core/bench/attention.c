/* The bench on attention alone, in the shape of DiT-XL/2: B = 2, H = 16, d = 72; and what streaming `received` adds to it. */
#include "bench/private.h"

#include "base/random.h"

#define ITEMS 2
#define HEADS 16
#define HEAD_WIDTH 72

typedef struct
{
  int T;
  float *qkv;     /* [B, T, 3, H, d] */
  float *out;     /* [B, T, H, d] */
  float *weights; /* [B, 1, T]: 1 / T */
  float *sums;    /* [B, H, 1, T] */
} Buffers;

static gboolean
buffers_alloc (Buffers *buffers, PmBackend *backend, int T, GError **error)
{
  const gsize n = (gsize) ITEMS * T * HEADS * HEAD_WIDTH;
  PmRandom random;

  buffers->T = T;
  if (! (buffers->qkv = pm_backend_alloc (backend, 3 * n * sizeof (float), error))
      || ! (buffers->out = pm_backend_alloc (backend, n * sizeof (float), error))
      || ! (buffers->weights = pm_backend_alloc (backend, (gsize) ITEMS * T * sizeof (float), error))
      || ! (buffers->sums = pm_backend_alloc (backend, (gsize) ITEMS * HEADS * T * sizeof (float), error)))
    return FALSE;
  pm_random_init (&random, 1);
  pm_random_normal (&random, 3 * n, buffers->qkv);
  for (int i = 0; i < ITEMS * T; i++)
    buffers->weights[i] = 1.0f / T;
  return TRUE;
}

static void
buffers_free (Buffers *buffers, PmBackend *backend)
{
  pm_backend_free (backend, buffers->qkv);
  pm_backend_free (backend, buffers->out);
  pm_backend_free (backend, buffers->weights);
  pm_backend_free (backend, buffers->sums);
}

static double
time_attention (PmBackend *backend, const Buffers *buffers, gboolean with_received)
{
  const gsize D = HEADS * HEAD_WIDTH;
  const PmActs qkv = pm_acts_f32 (buffers->qkv);
  const PmReduce reduce = { .n_query_weights = 1, .query_weights = buffers->weights, .query_sums = buffers->sums };
  const PmAttention op = {
    .B = ITEMS,
    .H = HEADS,
    .d = HEAD_WIDTH,
    .Tq = buffers->T,
    .Tk = buffers->T,
    .q = qkv,
    .k = pm_acts_at (qkv, D),
    .v = pm_acts_at (qkv, 2 * D),
    .q_item = 3 * D * buffers->T,
    .q_row = 3 * D,
    .kv_item = 3 * D * buffers->T,
    .kv_row = 3 * D,
    .scale = 0.1178511f,
    .out = pm_acts_f32 (buffers->out),
    .out_item = D * buffers->T,
    .out_row = D,
    .reduce = with_received ? &reduce : NULL,
  };

  double start = pm_bench_now ();
  pm_backend_attention (backend, &op);
  return pm_bench_now () - start;
}

static gboolean
run_length (PmBench *bench, int T, GError **error)
{
  Buffers buffers = { 0 };
  int n = bench->is_quick ? 9 : 41;
  double plain = G_MAXDOUBLE, sgemm = 0, ratios[41];
  double flops = 4.0 * ITEMS * HEADS * T * T * HEAD_WIDTH;
  gboolean ok = buffers_alloc (&buffers, bench->backend, T, error);

  if (ok)
    time_attention (bench->backend, &buffers, TRUE);
  for (int i = 0; ok && i < n; i++)
    {
      if (i % 8 == 0)
        sgemm = MAX (sgemm, pm_bench_sgemm (bench, NULL));
      double without = time_attention (bench->backend, &buffers, FALSE);
      ratios[i] = time_attention (bench->backend, &buffers, TRUE) / without;
      plain = MIN (plain, without);
      ok = pm_backend_finish (bench->backend, error) && pm_job_check (bench->job, error);
    }
  if (ok)
    {
      g_autofree char *speed = g_strdup_printf ("attention alone, %d tokens", T);
      g_autofree char *streamed = g_strdup_printf ("attention with `received`, %d tokens", T);
      double ratio = pm_bench_median (ratios, n);
      pm_bench_row (bench, speed, flops / plain / 1e9, "GFLOP/s", flops / plain / sgemm, "sgemm 2048");
      pm_bench_row (bench, streamed, plain * ratio * 1e3, "ms", ratio, "attention alone");
    }
  buffers_free (&buffers, bench->backend);
  return ok;
}

gboolean
pm_bench_run_attention (PmBench *bench, GError **error)
{
  return run_length (bench, 256, error) && run_length (bench, 1024, error);
}
