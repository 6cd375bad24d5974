/* The one sampling loop. */
#ifndef PM_LOOP_H
#define PM_LOOP_H

#include "base/random.h"
#include "family/family.h"
#include "sampler/sampler.h"

/* What a half of a run is told in words; everything borrowed. */
typedef struct
{
  PmItemTag         tag;
  int               n;         /* tokens; 0: there is no such half */
  const float      *embedding; /* [n, E] host memory; NULL: what the network stores for no text */
  const PmTextEdit *edit;      /* NULL: none */
} PmTold;

typedef struct
{
  const PmFamily      *family;
  const PmNetworkInfo *info;
  PmShape              shape;
  PmPrepared          *prepared;   /* for two items at least when guided */
  const PmSampler     *sampler;
  const PmSteps       *steps;
  int                  class_row;  /* without text */
  PmTold               told[2];    /* with text: the condition, and behind it, where there is guidance, what it is guided from */
  double               guidance;   /* 1: the conditional prediction alone */
  double               interval[2]; /* guided strictly inside, in unit time; 0 and 1 count as unbounded */
  PmRandom            *random;     /* of the noise drawn along the way */
  const float         *known;      /* [C, h, w] clean, where mask is below 1; NULL: nothing is known */
  const float         *known_noise; /* [C, h, w] with which it is mixed at every step */
  const float         *mask;       /* [h, w] 1: painted, 0: known; NULL: everything is painted */
  int                  preview_every; /* 0: no previews */
  PmTap               *tap;        /* NULL: record nothing */
  PmFeatureCache      *cache;      /* NULL: every step is computed */
  int                  cache_interval;
  PmJob               *job;
} PmSampling;

/* What the run itself allocates. */
gsize pm_sampling_work_floats (const PmSampling *sampling);

/* trajectory [n_steps + 1, C, h, w]: entry 0 is the start; the others are filled. */
gboolean pm_sampling_run (const PmSampling *sampling, float *trajectory, GError **error);

/* Whether step i runs the null half too. A run with guidance draws noise for both halves at every step, guided or not: seeds
 * then mean the same with any interval. It is what facebookresearch/DiT draws (sample_ddp.py: one item without guidance). */
gboolean pm_sampling_is_guided (const PmSampling *sampling, int i);

/* Whether the cache stands in for step i. The first quarter of the run, where the picture is laid out, is computed, and so are
 * the last and those whose maps are recorded; up to the middle one step of cache_interval, then one of cache_interval + 1. */
gboolean pm_sampling_is_predicted (const PmSampling *sampling, int i);

#endif
