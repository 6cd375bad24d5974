/* The one sampling loop. */
#ifndef PM_LOOP_H
#define PM_LOOP_H

#include "family/family.h"
#include "sampler/sampler.h"

typedef struct
{
  const PmFamily      *family;
  const PmNetworkInfo *info;
  PmPrepared          *prepared;   /* for two items at least when guided */
  const PmSampler     *sampler;
  const PmSteps       *steps;
  int                  class_row;
  double               guidance;   /* 1: the conditional prediction alone */
  double               interval[2]; /* guided strictly inside, in unit time; 0 and 1 count as unbounded */
  PmTap               *tap;        /* NULL: record nothing */
  PmFeatureCache      *cache;      /* NULL: every step is computed */
  int                  cache_interval;
  PmJob               *job;
} PmSampling;

/* trajectory [n_steps + 1, C, h, w]: entry 0 is the start; the others are filled. */
gboolean pm_sampling_run (const PmSampling *sampling, float *trajectory, GError **error);

/* Whether step i runs the null half too. */
gboolean pm_sampling_is_guided (const PmSampling *sampling, int i);

/* Whether the cache may stand in for step i: not among the first steps, where the picture is laid out, and not where maps
 * are recorded. */
gboolean pm_sampling_is_predicted (const PmSampling *sampling, int i);

#endif
