/* The registry entry of a sampler: one file, one constant descriptor `pm_sampler_<file>`. */
#ifndef PM_SAMPLER_H
#define PM_SAMPLER_H

#include "format/config.h"

#define PM_SAMPLER_MAX_STEPS 1000

/* The steps of one run. Index i runs from 0 (noisiest) to n_steps - 1; arrays have n_steps + 1 entries, the last being the
 * picture (or next to it, see PmSchedule.ends_noisy). alpha and sigma: x_t = alpha * x0 + sigma * noise, in fp64. */
typedef struct
{
  int      n_steps;
  double  *alpha, *sigma;  /* [n_steps + 1] */
  double  *end_alpha, *end_sigma; /* [n_steps] where DDIM's step i ends, when that is not where the next begins; else NULL */
  double  *time;           /* [n_steps] what enters the timestep embedding */
  double  *unit_time;      /* [n_steps] the model's time in 0..1, for the guidance interval */
  double  *shown_time;     /* [n_steps + 1] noise level x 1000 */
  PmPrediction prediction;
  PmVariance   variance;
  gboolean     ends_in_first_order; /* of multistep solvers, which do so anyway when they reach the picture */
} PmSteps;

/* What a step is made of; n elements each, borrowed. */
typedef struct
{
  const PmSteps *steps;
  int            i;
  gsize          n;
  const float   *x;
  const float   *x0;        /* the predicted clean picture */
  const float   *variance;  /* what the network says of the variance, around -1..1; NULL when it says nothing */
  const float   *noise;     /* fresh, when the sampler draws_noise; else NULL */
  float         *memory;    /* [n_memory, n] the sampler's own: zero before step 0, then as the last step left it */
  float         *x_next;
} PmStep;

typedef struct
{
  const char *id;     /* "ddim" */
  const char *title;  /* marked with N_() */
  gboolean    draws_noise;
  int         n_memory;

  gboolean (*supports) (const PmSchedule *schedule);

  /* Errors: PM_ERROR_USAGE when the number of steps cannot be had. */
  gboolean (*plan) (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error);

  void (*step) (const PmStep *step);
} PmSampler;

extern const PmSampler *const pm_samplers[]; /* written by core/meson.build */

const PmSampler *pm_sampler_find (const char *id);

/* Steps with all arrays allocated and zeroed. */
void pm_steps_init (PmSteps *steps, int n_steps);
void pm_steps_clear (PmSteps *steps);

/* Leaves the first n out: a run that begins with less noise. n < n_steps. */
void pm_steps_skip (PmSteps *steps, int n);

#endif
