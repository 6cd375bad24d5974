/* What the files of the bench share. A machine that does other things too is noisy: whatever is compared is timed in turns in
 * one run, and the best (rates) or the median of the pairs (overheads) counts. */
#ifndef PM_BENCH_PRIVATE_H
#define PM_BENCH_PRIVATE_H

#include "backend/backend.h"
#include "eval/eval.h"

typedef struct
{
  PmBackend  *backend;
  gboolean    is_quick;
  int         n_threads;
  gboolean    is_one;    /* asked for by its name, not with all the others */
  const PmBenchOptions *options;
  PmBenchFunc func;
  gpointer    data;
  PmJob      *job;

  /* sgemm: operands of 2048 x 2048, made once. */
  float   *a, *b, *c;
  PmWeight b_weight;
} PmBench;

double pm_bench_now (void); /* seconds, monotonic */
double pm_bench_cpu (void); /* seconds of processor time of all threads: what other processes take is not in it */
void   pm_bench_row (PmBench *bench, const char *name, double value, const char *unit, double ratio, const char *ratio_of);
double pm_bench_median (double *values, int n); /* sorts values */

/* Operations per second of one product of 2048 cubed by BLAS on all threads, each with an equal share of the rows, or of the
 * columns: the better counts. cpu_rate: the same per second of processor time; may be NULL. */
double pm_bench_sgemm (PmBench *bench, double *cpu_rate);

/* To the JSON of hashed weights (format/hash.c), which begins with an opened object: a tensor of that shape ("72, 4, 2, 2"), and
 * a weight [rows, columns] that keeps unit variance with its bias. dtype: "F32", "F16", "BF16". */
void pm_bench_add_tensor (GString *json, const char *key, const char *shape, double scale, const char *dtype);
void pm_bench_add_linear (GString *json, const char *key, int rows, int columns, const char *dtype);

/* The measurements: FALSE with an error. */
gboolean pm_bench_run_sgemm (PmBench *bench, GError **error);
gboolean pm_bench_run_attention (PmBench *bench, GError **error);
gboolean pm_bench_run_dit_xl (PmBench *bench, GError **error);
gboolean pm_bench_run_dit_xl_512 (PmBench *bench, GError **error);
gboolean pm_bench_run_dit_s (PmBench *bench, GError **error);
gboolean pm_bench_run_pixart (PmBench *bench, GError **error);
gboolean pm_bench_run_starter (PmBench *bench, GError **error);
gboolean pm_bench_run_vae (PmBench *bench, GError **error);
gboolean pm_bench_run_sizes (PmBench *bench, GError **error);
gboolean pm_bench_run_threads (PmBench *bench, GError **error);
gboolean pm_bench_run_open (PmBench *bench, GError **error);
gboolean pm_bench_run_device (PmBench *bench, GError **error);

#endif
