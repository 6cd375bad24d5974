/* See run.h. */
#include "run/run.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "request/cells.h"

#define TAYLOR_ORDER 1

static gboolean
find_sampler (PmRun *run, GError **error)
{
  const PmSchedule   *schedule = &run->model->network_info.schedule;
  g_autoptr (GString) usable = g_string_new (NULL);

  run->sampler = pm_sampler_find (run->request->sampler);
  if (run->sampler && run->sampler->supports (schedule))
    return TRUE;
  for (int i = 0; pm_samplers[i]; i++)
    if (pm_samplers[i]->supports (schedule))
      g_string_append_printf (usable, "%s%s", usable->len ? ", " : "", pm_samplers[i]->id);
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The model “%s” cannot be sampled with “%s”; choose %s."), run->model->name,
               run->request->sampler, usable->str);
  return FALSE;
}

/* The sides in pixels, and from them the grid. */
static gboolean
choose_shape (PmRun *run, GError **error)
{
  const PmRequest     *request = run->request;
  const PmNetworkInfo *info = &run->model->network_info;
  const PmModelInfo   *shown = &run->model->info;
  int                  w = request->width, h = request->height, multiple = shown->size_multiple;

  run->shape = pm_shape_trained (info, request->guidance != 1 ? 2 : 1);
  if (! shown->any_size && (w != shown->default_size || h != shown->default_size))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” paints %d × %d pixels, not %d × %d; choose that size, and scale the picture afterwards."),
                 run->model->name, shown->default_size, shown->default_size, w, h);
  else if (shown->any_size && (w % multiple != 0 || h % multiple != 0))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” paints sides that are multiples of %d pixels, not %d × %d; choose such a size, and crop or "
                   "scale the picture afterwards."),
                 run->model->name, multiple, w, h);
  else if (shown->any_size && (w < shown->min_size || h < shown->min_size || w > shown->max_size || h > shown->max_size))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” paints sides of %d to %d pixels, not %d × %d; choose such a size, and scale the picture "
                   "afterwards."),
                 run->model->name, shown->min_size, shown->max_size, w, h);
  else
    {
      run->shape.grid_w = w / multiple;
      run->shape.grid_h = h / multiple;
      return TRUE;
    }
  return FALSE;
}

static gboolean
check_numbers (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;

  if (! isfinite (request->guidance) || fabs (request->guidance) > 1000)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                         _("The guidance is out of range; choose from -1000 to 1000, usually 1 to 10."));
  else if (! (request->guidance_interval[0] <= request->guidance_interval[1]))
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                         _("The guidance interval ends before it begins; give two numbers from 0 to 1, the smaller first."));
  else if (request->cache != PM_CACHE_NONE && request->cache_interval < 2)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("The interval of the cache must be 2 steps at least."));
  else if (request->guidance != 1 && ! run->model->network_info.has_null)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” was trained without a null class and cannot be guided; set the guidance to 1."),
                 run->model->name);
  else
    return TRUE;
  return FALSE;
}

static gboolean
has_text (const char *text)
{
  return text && *text;
}

/* A model is told a class or a prompt; the other one would be ignored in silence. */
static gboolean
check_words (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;
  gboolean         reads = run->model->network_info.text_width > 0;

  if (reads && has_text (request->class_name))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” paints what a prompt says and knows no classes; write a prompt instead of the class “%s”."),
                 run->model->name, request->class_name);
  else if (! reads && (has_text (request->prompt) || has_text (request->negative_prompt) || request->n_steers > 0))
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("The model “%s” paints classes and reads no words; choose a class instead of a prompt."), run->model->name);
  else
    return TRUE;
  return FALSE;
}

/* Maps of the null half need a chosen step that runs it. */
static gboolean
check_halves (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;
  PmSampling       sampling = pm_run_sampling (run);
  g_autofree int  *chosen = NULL;
  int              n_chosen = 0;

  if (! run->has_maps || request->show.which == PM_WHICH_CONDITION)
    return TRUE;
  chosen = pm_axis_resolve (&request->show.steps, "steps", run->steps.n_steps, NULL, 0, &n_chosen, error);
  if (! chosen)
    return FALSE;
  for (int i = 0; i < n_chosen; i++)
    if (pm_sampling_is_guided (&sampling, chosen[i]))
      return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                       _("Maps without the class or prompt, or of the difference, need guidance at a chosen step: choose what to "
                         "paint, a guidance other than 1 and steps inside its interval, or show which=condition."));
  return FALSE;
}

/* The region in the picture's pixels, whatever its size, to the share of each patch that it covers. */
static gboolean
make_region (PmRun *run, GError **error)
{
  const PmRequest *request = run->request;

  if (! request->region)
    return TRUE;
  run->region = g_new0 (float, pm_shape_tokens (&run->shape));
  if (pm_cells_average (request->region, FALSE, request->region_width, request->region_height, run->shape.grid_w,
                            run->shape.grid_h, run->region) > 0)
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("The region is empty; select a part of the picture first."));
  return FALSE;
}

/* The class of a model that has classes. */
static gboolean
find_class (PmRun *run, GError **error)
{
  run->class_index = run->class_row = -1;
  if (! check_words (run, error))
    return FALSE;
  if (run->model->network_info.text_width > 0)
    return TRUE;
  run->class_index = pm_model_find_class (run->model, run->request->class_name, error);
  if (run->class_index < 0)
    return FALSE;
  run->class_row = pm_model_get_class_row (run->model, run->class_index);
  return TRUE;
}

gboolean
pm_run_init (PmRun *run, PmModel *model, const PmRequest *request, const PmGiven *given, GError **error)
{
  const PmNetworkInfo *info = &model->network_info;
  int                  n_sites = 0;

  *run = (PmRun) { .model = model, .request = request, .has_maps = request->show.readings && request->show.readings[0] };
  if (! find_class (run, error) || ! find_sampler (run, error) || ! choose_shape (run, error) || ! check_numbers (run, error)
      || ! pm_run_read_text (run, given, error)
      || ! run->sampler->plan (&info->schedule, request->num_steps, &run->steps, error) || ! pm_run_read_start (run, error)
      || ! check_halves (run, error) || ! make_region (run, error) || ! pm_run_read_words (run, error))
    {
      pm_run_clear (run);
      return FALSE;
    }
  run->steps.prediction = info->prediction;
  run->sites = model->family->sites (model->network, &run->shape, &n_sites);
  pm_random_init (&run->random, request->seed);
  run->tap_options = (PmTapOptions) { .sites = run->sites,
                                      .n_sites = n_sites,
                                      .n_items = run->shape.max_items,
                                      .n_steps = run->steps.n_steps,
                                      .times = run->steps.shown_time,
                                      .recommended_layers = model->info.recommended_layers,
                                      .n_recommended_layers = model->info.n_recommended_layers,
                                      .region = run->region,
                                      .region_items = 1,
                                      .words = run->words.words,
                                      .n_words = run->words.n_words,
                                      .content = run->words.content,
                                      .n_text = run->words.n_text,
                                      .budget = request->map_budget };
  return TRUE;
}

void
pm_run_clear (PmRun *run)
{
  pm_steps_clear (&run->steps);
  pm_run_words_clear (&run->words);
  pm_run_clear_text (run);
  g_clear_pointer (&run->sites, g_free);
  g_clear_pointer (&run->region, g_free);
  g_clear_pointer (&run->known, g_free);
  g_clear_pointer (&run->known_noise, g_free);
  g_clear_pointer (&run->mask, g_free);
}

int
pm_run_width (const PmRun *run)
{
  return run->shape.grid_w * run->model->network_info.patch;
}

int
pm_run_height (const PmRun *run)
{
  return run->shape.grid_h * run->model->network_info.patch;
}

gsize
pm_run_size (const PmRun *run)
{
  return run->model->network_info.in_channels * pm_shape_area (&run->shape, &run->model->network_info);
}

PmSampling
pm_run_sampling (PmRun *run)
{
  const PmRequest *request = run->request;
  return (PmSampling) { .family = run->model->family,
                        .info = &run->model->network_info,
                        .shape = run->shape,
                        .sampler = run->sampler,
                        .steps = &run->steps,
                        .class_row = run->class_row,
                        .told = { run->told[0], run->told[1] },
                        .guidance = request->guidance,
                        .interval = { request->guidance_interval[0], request->guidance_interval[1] },
                        .random = &run->random,
                        .known = run->known,
                        .known_noise = run->known_noise,
                        .mask = run->mask,
                        .preview_every = request->preview_every,
                        .cache_interval = request->cache_interval };
}

/* Of one item's stream: T * D. */
static gsize
stream_floats (const PmRun *run)
{
  return pm_shape_tokens (&run->shape) * run->model->network_info.width;
}

static int
cache_order (const PmRequest *request)
{
  return request->cache == PM_CACHE_TAYLOR ? TAYLOR_ORDER : 0;
}

gsize
pm_run_cache_bytes (const PmRun *run)
{
  return run->request->cache == PM_CACHE_NONE ? 0 : pm_feature_cache_bytes (stream_floats (run), cache_order (run->request));
}

gboolean
pm_run_sample (PmRun *run, PmBackend *backend, PmTap *tap, float *trajectory, PmJob *job, GError **error)
{
  PmModel   *model = run->model;
  PmSampling sampling = pm_run_sampling (run);
  g_autoptr (PmFeatureCache) cache = NULL;

  if (! pm_checkpoint_verify (model->checkpoint, error))
    return FALSE;
  pm_backend_set_job (backend, job);
  if (run->request->cache != PM_CACHE_NONE
      && ! (cache = pm_feature_cache_new (backend, stream_floats (run), cache_order (run->request), error)))
    return FALSE;
  sampling.prepared = model->family->prepare (model->network, backend, &run->shape, error);
  if (! sampling.prepared)
    return FALSE;
  sampling.tap = tap;
  sampling.cache = cache;
  sampling.job = job;
  gboolean done = pm_sampling_run (&sampling, trajectory, error);
  model->family->release (sampling.prepared);
  pm_backend_set_job (backend, NULL);
  return done;
}
