/* A run: a request checked against a model, with everything it needs made ready. Shared by generate, estimate and eval. */
#ifndef PM_RUN_H
#define PM_RUN_H

#include "generate.h"
#include "model-private.h"
#include "sampler/loop.h"

typedef struct
{
  PmModel         *model;     /* borrowed */
  const PmRequest *request;   /* borrowed */
  const PmSampler *sampler;
  PmSteps          steps;
  int              class_index, class_row; /* of pm_model_find_class, and of the class table */
  int              max_items;
  float           *region;    /* [N] of the grid, or NULL */
  PmTapOptions     tap_options; /* but for the backend */
  gboolean         has_maps;
} PmRun;

/* Checks and plans; allocates no workspace. Errors as pm_generate_estimate. */
gboolean pm_run_init (PmRun *run, PmModel *model, const PmRequest *request, GError **error);
void     pm_run_clear (PmRun *run);

/* Floats of one x: C * h * w. */
gsize pm_run_size (const PmRun *run);

/* Bytes that the request's cache keeps. */
gsize pm_run_cache_bytes (const PmRun *run);

/* Runs the sampler from trajectory's first entry. tap is made by the caller when there is something to record. */
gboolean pm_run_sample (PmRun *run, PmBackend *backend, PmTap *tap, float *trajectory, PmJob *job, GError **error);

/* The start of a run that begins with noise: PyTorch's CPU generator seeded just before. */
void pm_run_noise (const PmRun *run, float *out /* [C, h, w] */);

#endif
