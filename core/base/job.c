/* Jobs: a flag and a callback, reference-counted because the thread that cancels may outlive the one that runs. */
#include "base/job.h"

#include <gio/gio.h>

#include "base/i18n.h"

struct _PmJob
{
  gint           ref_count;
  gint           cancelled; /* atomic */
  PmProgressFunc func;
  gpointer       data;
  gint64         start;     /* monotonic, microseconds; 0 until the first report */
  double         start_fraction;
  const float   *preview;   /* borrowed until the next report */
  int            preview_width, preview_height;
  double         first, last; /* the part of the whole that is being reported */
};

PmJob *
pm_job_new (PmProgressFunc func, gpointer data)
{
  PmJob *job = g_new0 (PmJob, 1);
  job->ref_count = 1;
  job->last = 1;
  job->func = func;
  job->data = data;
  return job;
}

PmJob *
pm_job_ref (PmJob *job)
{
  g_atomic_int_inc (&job->ref_count);
  return job;
}

void
pm_job_unref (PmJob *job)
{
  if (job && g_atomic_int_dec_and_test (&job->ref_count))
    g_free (job);
}

void
pm_job_cancel (PmJob *job)
{
  if (job)
    g_atomic_int_set (&job->cancelled, 1);
}

gboolean
pm_job_is_cancelled (PmJob *job)
{
  return job && g_atomic_int_get (&job->cancelled);
}

gboolean
pm_job_check (PmJob *job, GError **error)
{
  if (! pm_job_is_cancelled (job))
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("Cancelled; nothing was changed."));
  return FALSE;
}

void
pm_job_set_range (PmJob *job, double first, double last)
{
  if (! job)
    return;
  job->first = first;
  job->last = last;
}

void
pm_job_report (PmJob *job, const char *stage, int step, int n_steps, double fraction)
{
  if (! job || ! job->func)
    return;

  gint64 now = g_get_monotonic_time ();
  fraction = job->first + fraction * (job->last - job->first);
  if (job->start == 0)
    {
      job->start = now;
      job->start_fraction = fraction;
    }
  /* One step's worth of evidence is enough for an estimate; less would jump about. */
  double done = fraction - job->start_fraction, elapsed = (now - job->start) / 1e6;
  double left = done > 0.02 && elapsed > 0.1 ? elapsed * (1 - fraction) / done : -1;

  PmProgress progress = { .stage = stage,
                          .step = step,
                          .n_steps = n_steps,
                          .fraction = fraction,
                          .seconds_left = left,
                          .preview = job->preview,
                          .preview_width = job->preview_width,
                          .preview_height = job->preview_height };
  job->func (&progress, job->data);
  pm_job_set_preview (job, NULL, 0, 0);
}

void
pm_job_set_preview (PmJob *job, const float *preview, int width, int height)
{
  if (! job)
    return;
  job->preview = preview;
  job->preview_width = width;
  job->preview_height = height;
}

const gint *
pm_job_get_flag (PmJob *job)
{
  return job ? &job->cancelled : NULL;
}
