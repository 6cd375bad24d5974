/* The statistics of a group norm on the CPU. Runs of pixels are summed up by themselves, mean first and then the squares
 * around it while the run is in cache, and put together in the order of the picture (Chan, Golub and LeVeque 1979). */
#include <math.h>
#include <string.h>

#include "backend/cpu.h"
#include "backend/features.h"
#include "base/pool.h"
#include "base/simd.h"

#define RUN_PIXELS 256

/* Of one group in one run. */
typedef struct
{
  double mean, squares; /* squares: sum of squared distances from mean */
} PmMoments;

typedef struct
{
  PmBackend         *backend;
  const PmGroupNorm *op;
  gsize              area;
  int                first_task; /* of the band that is worked on */
  PmMoments         *moments;    /* [n_runs, n_groups] */
} PmGroupNormJob;

PM_CLONES static void
add_row (int n, const float *x, float *sums)
{
  for (int i = 0; i < n; i++)
    sums[i] += x[i];
}

PM_CLONES static void
add_squares (int n, const float *x, const float *centre, float *sums)
{
  for (int i = 0; i < n; i++)
    {
      float d = x[i] - centre[i];
      sums[i] += d * d;
    }
}

/* Sums over the run's pixels, of the values (centre NULL) or of squared distances from centre [C]; row [C] is scratch. */
static void
sum_run (const PmFeatures *x, gsize first, gsize n, const float *centre, float *row, float *sums)
{
  int C = x->channels;

  memset (sums, 0, sizeof (float) * C);
  for (gsize p = first; p < first + n; p++)
    {
      const float *from = (const float *) x->data + p * x->stride;
      if (x->dtype != PM_DTYPE_F32)
        {
          pm_features_read (x, p, C, row);
          from = row;
        }
      if (centre)
        add_squares (C, from, centre, sums);
      else
        add_row (C, from, sums);
    }
}

static void
run_task_cb (int task, int worker, gpointer data)
{
  PmGroupNormJob *job = data;
  int             C = job->op->x.channels, G = job->op->n_groups, per_group = C / G;
  gsize           number = (gsize) job->first_task + task;
  gsize           first = number * RUN_PIXELS, n = MIN (RUN_PIXELS, job->area - first);
  float          *row = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, 3 * (gsize) C);
  PmMoments      *moments = job->moments + number * G;

  if (! row)
    return;
  float *sums = row + C, *centre = sums + C;
  sum_run (&job->op->x, first, n, NULL, row, sums);
  for (int g = 0; g < G; g++)
    {
      double sum = 0;
      for (int c = 0; c < per_group; c++)
        sum += sums[g * per_group + c];
      moments[g].mean = sum / ((double) n * per_group);
      for (int c = 0; c < per_group; c++)
        centre[g * per_group + c] = (float) moments[g].mean;
    }
  sum_run (&job->op->x, first, n, centre, row, sums);
  for (int g = 0; g < G; g++)
    {
      moments[g].squares = 0;
      for (int c = 0; c < per_group; c++)
        moments[g].squares += sums[g * per_group + c];
    }
}

static void
combine (const PmGroupNormJob *job, int g, double *mean, double *variance)
{
  int    G = job->op->n_groups, per_group = job->op->x.channels / G;
  double count = 0, squares = 0;

  *mean = 0;
  for (gsize first = 0; first < job->area; first += RUN_PIXELS)
    {
      const PmMoments *run = job->moments + first / RUN_PIXELS * G + g;
      double           n = (double) MIN (RUN_PIXELS, job->area - first) * per_group, distance = run->mean - *mean;
      squares += run->squares + distance * distance * count * n / (count + n);
      *mean += distance * n / (count + n);
      count += n;
    }
  *variance = squares / count;
}

static void
run_bands (PmGroupNormJob *job, int n_runs)
{
  const PmFeatures *x = &job->op->x;
  gsize             bytes = RUN_PIXELS * x->stride * pm_dtype_size (x->dtype);
  int               n = x->band ? (int) CLAMP (x->band / bytes, 1, (gsize) n_runs) : n_runs;

  for (; job->first_task < n_runs; job->first_task += n)
    {
      gint64 first_row = (gint64) job->first_task * RUN_PIXELS / x->width;
      pm_pool_run (pm_backend_get_pool (job->backend), MIN (n, n_runs - job->first_task), run_task_cb, job);
      pm_features_release (x, first_row, (gint64) n * RUN_PIXELS / x->width + 2);
    }
}

void
pm_cpu_group_norm (PmBackend *backend, const PmGroupNorm *op)
{
  int            C = op->x.channels, per_group = C / op->n_groups;
  PmGroupNormJob job = { .backend = backend, .op = op, .area = (gsize) op->x.height * op->x.width };
  gsize          n_runs = (job.area + RUN_PIXELS - 1) / RUN_PIXELS;

  gsize floats = n_runs * op->n_groups * (sizeof (PmMoments) / sizeof (float));
  float *shared = pm_cpu_scratch (backend, 0, PM_SCRATCH_SHARED, floats + 2 * (gsize) C);
  if (! shared)
    return;
  float *weight = shared + floats, *bias = weight + C;
  job.moments = (PmMoments *) shared;
  memset (shared, 0, floats * sizeof (float)); /* runs that a cancel skips */
  run_bands (&job, (int) n_runs);

  pm_convert_to_f32 (op->weight->data, op->weight->dtype, C, weight);
  pm_convert_to_f32 (op->bias->data, op->bias->dtype, C, bias);
  for (int g = 0; g < op->n_groups; g++)
    {
      double mean, variance;
      combine (&job, g, &mean, &variance);
      for (int c = g * per_group; c < (g + 1) * per_group; c++)
        {
          double scale = weight[c] / sqrt (variance + op->eps);
          op->scale[c] = (float) scale;
          op->shift[c] = (float) (bias[c] - mean * scale);
        }
    }
}
