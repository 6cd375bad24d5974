/* A job carries progress out of a long call and cancellation into it. */
#ifndef PM_JOB_H
#define PM_JOB_H

#include <glib.h>

typedef struct _PmJob PmJob;

/* stage: a translated word or two ("Painting"). fraction: 0..1 of the whole job.
 * seconds_left: estimated, or < 0 while unknown. step: finished steps of n_steps (0 of 0 outside the sampler). */
typedef struct
{
  const char *stage;
  int         step, n_steps;
  double      fraction;
  double      seconds_left;

  const float *preview; /* [preview_height, preview_width, 3] 0..1, the clean picture as foreseen at this step, in any size;
                           borrowed for the call; NULL in most reports */
  int          preview_width, preview_height;
} PmProgress;

/* Called from the thread that runs the job, never from another. */
typedef void (*PmProgressFunc) (const PmProgress *progress, gpointer data);

PmJob *pm_job_new (PmProgressFunc func, gpointer data);
PmJob *pm_job_ref (PmJob *job);
void   pm_job_unref (PmJob *job);

/* From any thread; the running call returns within a second with G_IO_ERROR_CANCELLED. NULL is a no-op. */
void     pm_job_cancel (PmJob *job);
gboolean pm_job_is_cancelled (PmJob *job);

/* For the core: FALSE with G_IO_ERROR_CANCELLED once cancelled. A NULL job never is. */
gboolean pm_job_check (PmJob *job, GError **error);

/* For the core: report; keeps the clock for seconds_left. */
void pm_job_report (PmJob *job, const char *stage, int step, int n_steps, double fraction);

/* For the core: the next report, and only that, carries this preview, which is kept until then. */
void pm_job_set_preview (PmJob *job, const float *preview, int width, int height);

/* For the core: fractions reported from now on are of this part of the whole. */
void pm_job_set_range (PmJob *job, double first, double last);

/* For the worker pool: nonzero once cancelled, to be read atomically. */
const gint *pm_job_get_flag (PmJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmJob, pm_job_unref)

#endif
