/* Classifier-free guidance (Ho and Salimans, arXiv 2207.12598) inside an interval (Kynkaanniemi et al., arXiv 2404.07724):
 * outside it the null half is not computed at all. */
#include "sampler/loop.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "sampler/preview.h"
#include "sampler/schedule.h"

gboolean
pm_sampling_is_guided (const PmSampling *sampling, int i)
{
  const PmNetworkInfo *info = sampling->info;
  double               time = sampling->steps->unit_time[i], low = sampling->interval[0], high = sampling->interval[1];
  gboolean             is_null = ! info->text_width && sampling->class_row == info->null_class;

  return sampling->guidance != 1 && info->has_null && ! is_null
         && (low <= 0 || time > low) && (high >= 1 || time < high);
}

/* In starter-pixel one predicted step of 20 costs 35 to 50 dB in the first quarter of the run, 50 to 60 in the second, 60 in the
 * second half, and 48 where it is the last. */
#define CACHE_WARM_UP(n_steps) MAX (4, (n_steps) / 4)

gboolean
pm_sampling_is_predicted (const PmSampling *sampling, int i)
{
  int n_steps = sampling->steps->n_steps, interval = sampling->cache_interval, first = CACHE_WARM_UP (n_steps);
  int turn = first + MAX (0, n_steps / 2 - first) / interval * interval; /* from where on the interval is longer by one */

  if (! sampling->cache || i < first || i == n_steps - 1 || (sampling->tap && pm_tap_records_step (sampling->tap, i)))
    return FALSE;
  return i < turn ? (i - first + 1) % interval != 0 : (i - turn + 1) % (interval + 1) != 0;
}

/* The first guidance_channels of condition become null + guidance * (condition - null). */
static void
guide (const PmSampling *sampling, gsize area, float *condition, const float *null)
{
  float scale = (float) sampling->guidance;
  gsize n = area * sampling->info->guidance_channels;
  for (gsize i = 0; i < n; i++)
    condition[i] = null[i] + scale * (condition[i] - null[i]);
}

/* Predicts at step i from batch[0] (x is copied for both halves); the guided prediction is out's first item. */
static gboolean
predict (const PmSampling *sampling, int i, const float *x, float *batch, float *out, GError **error)
{
  const PmNetworkInfo *info = sampling->info;
  gsize     area = pm_shape_area (&sampling->shape, info), n = info->in_channels * area;
  gboolean  guided = pm_sampling_is_guided (sampling, i);
  float     times[2] = { (float) sampling->steps->time[i], (float) sampling->steps->time[i] };
  int       rows[2] = { sampling->class_row, info->null_class };
  PmItemTag tags[2] = { PM_ITEM_CONDITION, info->text_width ? sampling->told[1].tag : PM_ITEM_NULL };
  PmDenoise in
      = { .B = guided ? 2 : 1, .x = batch, .t = times, .y = info->text_width ? NULL : rows, .tags = tags, .tap = sampling->tap,
          .cache = sampling->cache, .position = i, .predict = pm_sampling_is_predicted (sampling, i), .job = sampling->job };

  memcpy (batch, x, sizeof (float) * n);
  if (guided)
    memcpy (batch + n, x, sizeof (float) * n);
  if (sampling->tap)
    pm_tap_begin_step (sampling->tap, i, tags, in.B);
  if (! sampling->family->denoise (sampling->prepared, &in, out, error))
    return FALSE;
  if (guided)
    guide (sampling, area, out, out + info->out_channels * area);
  return TRUE;
}

/* Tells the network every condition of the run. */
static gboolean
expect_conditions (const PmSampling *sampling, GError **error)
{
  const PmSteps    *steps = sampling->steps;
  gboolean          has_text = sampling->info->text_width > 0;
  g_autofree float *t = g_new (float, 2 * steps->n_steps);
  g_autofree int   *y = g_new (int, 2 * steps->n_steps);
  int               n = 0;

  for (guint i = 0; has_text && i < G_N_ELEMENTS (sampling->told); i++)
    if (sampling->told[i].n > 0
        && ! sampling->family->set_text (sampling->prepared, sampling->told[i].tag, sampling->told[i].embedding,
                                         sampling->told[i].n, sampling->told[i].edit, sampling->job, error))
      return FALSE;
  for (int i = 0; i < steps->n_steps; i++)
    for (int half = 0; half <= pm_sampling_is_guided (sampling, i); half++, n++)
      {
        t[n] = (float) steps->time[i];
        y[n] = half ? sampling->info->null_class : sampling->class_row;
      }
  return sampling->family->expect (sampling->prepared, n, t, has_text ? NULL : y, sampling->job, error);
}

static gboolean
check_finite (const float *x, gsize n, int step, GError **error)
{
  for (gsize i = 0; i < n; i++)
    if (! isfinite (x[i]))
      {
        g_set_error (error, PM_ERROR, PM_ERROR_FAILED,
                     _("At step %d the model gave values that are no numbers; its weights are damaged, or its configuration "
                       "(schedule, prediction) is not theirs. Download it again, or correct the configuration."),
                     step);
        return FALSE;
      }
  return TRUE;
}

/* Buffers of a run, in floats: batch [2, C, h, w], out [2, C', h, w], noise [2, C, h, w], memory [n_memory, C, h, w] and the
 * preview [h, w, 3]. */
typedef struct
{
  gsize  area, n; /* of one channel, of C channels */
  float *batch, *out, *noise, *memory, *preview;
} PmLoop;

static float *
take (float *memory, gsize *n_taken, gsize n)
{
  float *taken = memory ? memory + *n_taken : NULL;
  *n_taken += n;
  return taken;
}

/* memory: NULL to learn how much is needed. */
static gsize
loop_layout (const PmSampling *sampling, PmLoop *loop, float *memory)
{
  const PmNetworkInfo *info = sampling->info;
  const PmSampler     *sampler = sampling->sampler;
  gsize                n_taken = 0, area = pm_shape_area (&sampling->shape, info);

  loop->area = area;
  loop->n = info->in_channels * area;
  loop->batch = take (memory, &n_taken, 2 * loop->n);
  loop->out = take (memory, &n_taken, 2 * info->out_channels * area);
  loop->noise = take (memory, &n_taken, sampler->draws_noise ? 2 * loop->n : 0);
  loop->memory = take (memory, &n_taken, sampler->n_memory * loop->n);
  loop->preview = take (memory, &n_taken, sampling->preview_every > 0 ? 3 * area : 0);
  return n_taken;
}

gsize
pm_sampling_work_floats (const PmSampling *sampling)
{
  PmLoop loop;
  return loop_layout (sampling, &loop, NULL);
}

/* Where the picture is known, x at step i is the known one with that step's noise (Lugmayr et al., RePaint,
 * arXiv 2201.09865, equation 8, without going back). */
static void
keep_known (const PmSampling *sampling, int i, const PmLoop *loop, float *x)
{
  float alpha = (float) sampling->steps->alpha[i], sigma = (float) sampling->steps->sigma[i];
  for (gsize j = 0; sampling->mask && j < loop->n; j++)
    {
      float mask = sampling->mask[j % loop->area], known = alpha * sampling->known[j] + sigma * sampling->known_noise[j];
      x[j] = mask * x[j] + (1 - mask) * known;
    }
}

/* From x at step i, and the prediction in out, to x at step i + 1. */
static gboolean
take_step (const PmSampling *sampling, int i, const PmLoop *loop, const float *x, float *x_next, GError **error)
{
  const PmSampler *sampler = sampling->sampler;
  const PmSteps   *steps = sampling->steps;
  gboolean         has_variance = sampling->info->prediction == PM_PREDICTION_EPS_LEARNED_RANGE;

  pm_schedule_to_x0 (&sampling->info->schedule, steps, i, loop->n, x, loop->out, loop->batch);
  if (sampler->draws_noise)
    pm_random_normal (sampling->random, (sampling->guidance != 1 ? 2 : 1) * loop->n, loop->noise);
  sampler->step (&(PmStep) { .steps = steps,
                             .i = i,
                             .n = loop->n,
                             .x = x,
                             .x0 = loop->batch,
                             .variance = has_variance ? loop->out + loop->n : NULL,
                             .noise = sampler->draws_noise ? loop->noise : NULL,
                             .memory = loop->memory,
                             .x_next = x_next });
  keep_known (sampling, i + 1, loop, x_next);
  if (! check_finite (x_next, loop->n, i, error))
    return FALSE;
  if (sampling->preview_every > 0 && (i + 1) % sampling->preview_every == 0
      && pm_preview_make (sampling->info->in_channels, loop->area, loop->batch, loop->preview))
    pm_job_set_preview (sampling->job, loop->preview, sampling->shape.grid_w * sampling->info->patch,
                        sampling->shape.grid_h * sampling->info->patch);
  return TRUE;
}

gboolean
pm_sampling_run (const PmSampling *sampling, float *trajectory, GError **error)
{
  const PmSteps    *steps = sampling->steps;
  g_autofree float *memory = g_try_new0 (float, pm_sampling_work_floats (sampling));
  PmLoop            loop;

  if (! memory)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to run the model; close other programs and try again."));
      return FALSE;
    }
  loop_layout (sampling, &loop, memory);
  pm_job_report (sampling->job, _("Painting"), 0, steps->n_steps, 0);
  if (! expect_conditions (sampling, error))
    return FALSE;
  for (int i = 0; i < steps->n_steps; i++)
    {
      const float *x = trajectory + i * loop.n;
      pm_job_report (sampling->job, _("Painting"), i, steps->n_steps, (double) i / steps->n_steps);
      if (! predict (sampling, i, x, loop.batch, loop.out, error))
        return FALSE;
      if (! take_step (sampling, i, &loop, x, trajectory + (i + 1) * loop.n, error))
        return FALSE;
    }
  pm_job_report (sampling->job, _("Painting"), steps->n_steps, steps->n_steps, 1);
  return TRUE;
}
