/* The main deed. Everything is checked, and every map's memory taken, before the first step. */
#include "run/generate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/memory.h"
#include "backend/speed.h"
#include "run/record.h"
#include "run/run.h"

/* Of the VAE in that direction on a backend (NULL: the processor); nothing where the run has none. */
static PmVaeCost
vae_cost (const PmRun *run, PmBackend *backend, PmVaeDirection direction)
{
  PmVaeCall call = pm_run_vae_call (run, direction);

  if (run->model->vae && (direction == PM_VAE_DECODE ? ! run->request->maps_only : run->encodes))
    return pm_vae_measure (run->model->vae, backend, &call);
  return (PmVaeCost) { 0 };
}

/* It runs before there is a workspace of the sampler, and after that is free again. */
static void
add_vae (const PmRun *run, PmEstimate *estimate)
{
  PmVaeCost decode = vae_cost (run, NULL, PM_VAE_DECODE), encode = vae_cost (run, NULL, PM_VAE_ENCODE);

  estimate->floor_flops = decode.flops + encode.flops;
  estimate->weight_bytes += pm_vae_get_info (run->model->vae)->n_bytes;
  estimate->work_bytes = MAX (estimate->work_bytes, MAX (decode.work_bytes, encode.work_bytes));
  estimate->vae_file_bytes = MAX (decode.file_bytes, encode.file_bytes);
}

/* It too is over before there is a workspace of the sampler. */
static void
add_text (const PmRun *run, PmEstimate *estimate)
{
  PmTextCost cost = pm_run_measure_text (run, PM_DTYPE_F32);

  estimate->floor_flops += cost.flops;
  estimate->work_bytes = MAX (estimate->work_bytes, cost.work_bytes);
  if (run->model->encoder && cost.flops > 0)
    estimate->weight_bytes += pm_text_encoder_get_info (run->model->encoder)->n_bytes;
}

/* Fills everything but the speed; FALSE with PM_ERROR_MEMORY when it does not fit. */
static gboolean
estimate_run (PmRun *run, PmEstimate *estimate, GError **error)
{
  PmModel *model = run->model;
  gsize    n = pm_run_size (run);
  PmSampling    sampling = pm_run_sampling (run);
  PmTapEstimate maps = { 0 };

  *estimate = (PmEstimate) { .seconds = -1, .weight_bytes = model->info.n_bytes, .free_bytes = pm_memory_available () };
  if (run->has_maps && ! pm_tap_estimate (&run->request->show, &run->tap_options, &maps, error))
    return FALSE;
  estimate->n_maps = maps.n_maps;
  estimate->map_bytes = maps.n_bytes;
  estimate->map_file_bytes = maps.n_file_bytes;
  estimate->map_storage = maps.storage;
  if (run->has_maps && estimate->n_maps == 0)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("A reading was chosen, but no layer, head or step to show it of; choose one, or no reading."));
      return FALSE;
    }
  estimate->work_bytes = model->family->work_bytes (model->network, &run->shape, PM_DTYPE_F32) + pm_run_cache_bytes (run)
                         + (pm_sampling_work_floats (&sampling) + (run->steps.n_steps + 1) * n) * sizeof (float);
  if (model->vae)
    add_vae (run, estimate);
  add_text (run, estimate);
  for (int i = 0; i < run->steps.n_steps; i++)
    estimate->floor_flops += model->family->flops (model->network, &run->shape, pm_sampling_is_guided (&sampling, i) ? 2 : 1);

  if (estimate->work_bytes + estimate->map_bytes <= estimate->free_bytes)
    return TRUE;
  g_autofree char *needed = g_format_size (estimate->work_bytes + estimate->map_bytes);
  g_autofree char *there = g_format_size (estimate->free_bytes);
  g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
               _("This needs %s of memory, but only %s are free; close other programs, or show fewer maps."), needed, there);
  return FALSE;
}

/* Elements of the network's weights, all of them and the largest's. */
static gsize
count_elements (PmModel *model, gsize *n_largest)
{
  gsize n_elements = 0;

  *n_largest = 0;
  for (guint i = 0; i < pm_checkpoint_get_n_tensors (model->checkpoint); i++)
    {
      gsize n = pm_checkpoint_get_tensor (model->checkpoint, i)->n_elements;
      n_elements += n;
      *n_largest = MAX (*n_largest, n);
    }
  return n_elements;
}

static PmBackend *
open_backend (const PmRun *run, GError **error)
{
  const PmRequest *request = run->request;
  PmBackendOptions options = { .n_threads = request->n_threads, .precision = request->precision,
                               .memory_limit = request->vram_limit, .never_streams = request->shortage == PM_SHORTAGE_STOP };

  count_elements (run->model, &options.n_largest);
  return pm_backend_open_with (request->device, &options, error);
}

/* Adds something that has the device to itself for a while. */
static void
add_device (PmBackend *backend, gsize n_elements, gsize n_bytes, PmEstimate *estimate)
{
  PmBackendRoom room = pm_backend_estimate_room (backend, n_elements, n_bytes);

  estimate->device_free_bytes = room.limit_bytes;
  estimate->device_bytes = MAX (estimate->device_bytes, room.needed_bytes);
  estimate->streamed_bytes = MAX (estimate->streamed_bytes, room.streamed_bytes);
}

/* Where weights may be streamed, so may pictures inside the VAE lie in the host's memory. */
static void
add_device_vae (const PmRun *run, PmBackend *backend, PmVaeDirection direction, gsize map_bytes, PmEstimate *estimate)
{
  PmVaeCost  cost = vae_cost (run, backend, direction);
  PmEstimate own = { 0 };

  add_device (backend, cost.n_elements, map_bytes + cost.work_bytes, &own);
  guint64 most = run->request->shortage == PM_SHORTAGE_STOP ? own.device_bytes : MIN (own.device_bytes, own.device_free_bytes);
  estimate->device_bytes = MAX (estimate->device_bytes, most);
  estimate->streamed_bytes = MAX (estimate->streamed_bytes, own.streamed_bytes + own.device_bytes - most);
}

/* What the run takes of a GPU's memory: while the prompt is read, while a start is encoded, while it paints, or while the
 * picture is decoded, whichever is most. What is recorded has its memory all the time. */
static gboolean
estimate_device (PmRun *run, PmBackend *backend, PmEstimate *estimate, GError **error)
{
  PmDtype       acts = pm_backend_get_activation_dtype (backend), wide = pm_backend_get_wide_dtype (backend);
  gsize         n_bytes = run->model->family->work_bytes (run->model->network, &run->shape, acts) + pm_run_cache_bytes (run);
  PmTextCost    text = pm_run_measure_text (run, wide);
  PmTapOptions  options = run->tap_options;
  PmTapEstimate maps = { 0 };
  gsize         n_largest, n_elements = count_elements (run->model, &n_largest);

  if (! pm_backend_has_memory (backend))
    return TRUE;
  estimate->vae_file_bytes = 0;
  options.backend = backend;
  if (run->has_maps && ! pm_tap_estimate (&run->request->show, &options, &maps, error))
    return FALSE;
  add_device (backend, n_elements, maps.n_device_bytes + n_bytes, estimate);
  if (text.flops > 0)
    add_device (backend, text.n_elements * pm_dtype_size (wide) / pm_dtype_size (acts), maps.n_device_bytes + text.work_bytes,
                estimate);
  if (run->model->vae)
    {
      add_device_vae (run, backend, PM_VAE_ENCODE, maps.n_device_bytes, estimate);
      add_device_vae (run, backend, PM_VAE_DECODE, maps.n_device_bytes, estimate);
    }
  return TRUE;
}

static gboolean
estimate_speed (PmRun *run, PmEstimate *estimate, GError **error)
{
  g_autoptr (PmBackend) backend = open_backend (run, error);
  if (! backend)
    return FALSE;
  double rate = pm_backend_measure_rate (backend);
  estimate->seconds = rate > 0 ? estimate->floor_flops / rate : -1;
  return estimate_device (run, backend, estimate, error);
}

gboolean
pm_generate_estimate (PmModel *model, const PmRequest *request, PmEstimate *estimate, GError **error)
{
  PmRun run;
  if (! pm_run_init (&run, model, request, NULL, error))
    return FALSE;
  gboolean fits = estimate_run (&run, estimate, error) && estimate_speed (&run, estimate, error);
  pm_run_clear (&run);
  return fits;
}

/* [3, h, w] in -1..1 to [h, w, 3] in 0..1. */
static float *
make_picture (const float *latent, int width, int height, GError **error)
{
  gsize  area = (gsize) width * height;
  float *picture = g_try_new (float, 3 * area);
  if (! picture)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                         _("There is not enough memory for the picture; close other programs."));
  for (gsize i = 0; picture && i < 3 * area; i++)
    {
      float value = latent[i % 3 * area + i / 3] * 0.5f + 0.5f;
      picture[i] = CLAMP (value, 0.f, 1.f);
    }
  return picture;
}

/* Whether a GPU's memory was too small for what the processor may do instead. */
static gboolean
is_short (const PmRequest *request, const GError *failure)
{
  return request->shortage == PM_SHORTAGE_CPU && g_strcmp0 (request->device, "cpu") != 0
         && g_error_matches (failure, PM_ERROR, PM_ERROR_MEMORY);
}

/* The trajectory's end through the decoder. */
static gboolean
decode_result (PmResult *result, PmRun *run, PmBackend *backend, PmJob *job, GError **error)
{
  PmVaeCall         call = pm_run_vae_call (run, PM_VAE_DECODE);
  g_autofree float *picture = g_try_new (float, 3 * (gsize) result->width * result->height);
  g_autoptr (GError) failure = NULL;

  if (! picture)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture; close other programs."));
      return FALSE;
    }
  const float *latent = result->trajectory + run->steps.n_steps * pm_run_size (run);
  if (! pm_vae_decode (run->model->vae, backend, call.h, call.w, latent, call.memory, picture, job, &failure))
    {
      if (! is_short (run->request, failure))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      g_autoptr (PmBackend) processor = pm_backend_open ("cpu", run->request->n_threads, error);
      if (! processor
          || ! pm_vae_decode (run->model->vae, processor, call.h, call.w, latent, call.memory, picture, job, error))
        return FALSE;
    }
  result->picture = make_picture (picture, result->width, result->height, error);
  return result->picture != NULL;
}

/* flops: of the whole run. */
static gboolean
fill_result (PmResult *result, PmRun *run, const float *noise, double flops, PmBackend *backend, PmTap *tap, PmJob *job,
             GError **error)
{
  const PmNetworkInfo *info = &run->model->network_info;
  gsize                n = pm_run_size (run);
  double               text = pm_run_measure_text (run, PM_DTYPE_F32).flops / MAX (flops, 1);
  double               begin = text + vae_cost (run, NULL, PM_VAE_ENCODE).flops / MAX (flops, 1);
  double               end = 1 - vae_cost (run, NULL, PM_VAE_DECODE).flops / MAX (flops, 1);

  result->channels = info->in_channels;
  result->latent_width = pm_run_width (run);
  result->latent_height = pm_run_height (run);
  result->width = run->request->width;
  result->height = run->request->height;
  result->n_steps = run->steps.n_steps;
  result->times = g_memdup2 (run->steps.shown_time, sizeof (double) * (run->steps.n_steps + 1));
  result->trajectory = g_try_new (float, (run->steps.n_steps + 1) * n);
  if (! result->trajectory)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to keep the steps of the run; choose fewer steps."));
      return FALSE;
    }
  if (! pm_run_encode_text (run, backend, text, job, error))
    return FALSE;
  pm_job_set_range (job, text, begin);
  if (! pm_run_start (run, backend, noise, result->trajectory, job, error))
    return FALSE;
  pm_job_set_range (job, begin, end);
  if (! pm_run_sample (run, backend, tap, result->trajectory, job, error))
    return FALSE;
  pm_job_set_range (job, end, 1);
  result->maps = tap ? pm_tap_finish (tap, job, error) : g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  if (! result->maps)
    return FALSE;
  if (run->request->maps_only)
    return TRUE;
  if (run->model->vae)
    return decode_result (result, run, backend, job, error);
  if (run->model->info.makes_picture)
    result->picture = make_picture (result->trajectory + run->steps.n_steps * n, result->width, result->height, error);
  return ! run->model->info.makes_picture || result->picture != NULL;
}

static PmResult *
generate_run (PmRun *run, const float *noise, PmJob *job, GError **error)
{
  g_autoptr (PmResult)  result = g_new0 (PmResult, 1);
  g_autoptr (PmBackend) backend = NULL;
  g_autoptr (PmTap)      tap = NULL;
  g_autoptr (PmIdentity) identity = NULL, vae_identity = NULL, text_identity = NULL;
  PmEstimate            estimate;
  gint64                start = g_get_monotonic_time ();

  if (! estimate_run (run, &estimate, error))
    return NULL;
  backend = open_backend (run, error);
  if (! backend)
    return NULL;
  run->tap_options.backend = backend;
  if (run->has_maps && ! (tap = pm_tap_new (&run->request->show, &run->tap_options, error)))
    return NULL;
  identity = pm_identity_start (run->model->checkpoint);
  if (run->model->vae)
    vae_identity = pm_identity_start (pm_vae_get_checkpoint (run->model->vae));
  if (run->model->encoder)
    text_identity = pm_identity_start (pm_text_encoder_get_checkpoint (run->model->encoder));
  if (! fill_result (result, run, noise, estimate.floor_flops, backend, tap, job, error)
      || ! pm_identity_finish (identity, job, error)
      || (vae_identity && ! pm_identity_finish (vae_identity, job, error))
      || (text_identity && ! pm_identity_finish (text_identity, job, error)))
    return NULL;
  result->seconds = (g_get_monotonic_time () - start) / 1e6;
  result->record = pm_record_new (run, backend, &(PmRecordSums) { identity, vae_identity, text_identity }, result->seconds);
  return g_steal_pointer (&result);
}

static PmResult *
generate_once (PmModel *model, const PmRequest *request, const PmGiven *given, PmJob *job, GError **error)
{
  PmRun run;
  if (! pm_run_init (&run, model, request, given, error))
    return NULL;
  PmResult *result = generate_run (&run, given ? given->noise : NULL, job, error);
  pm_run_keep_text (&run); /* also of a run that was cancelled: reading a prompt may have taken a minute */
  pm_run_clear (&run);
  return result;
}

PmResult *
pm_generate_from (PmModel *model, const PmRequest *request, const PmGiven *given, PmJob *job, GError **error)
{
  g_autoptr (GError) failure = NULL;
  PmResult          *result = generate_once (model, request, given, job, &failure);

  if (! result && is_short (request, failure))
    {
      PmRequest own = *request; /* what it points to is borrowed */
      own.device = (char *) "cpu";
      pm_job_report (job, _("Painting on the processor, because the GPU's memory is too small"), 0, 0, 0);
      return generate_once (model, &own, given, job, error);
    }
  if (! result)
    g_propagate_error (error, g_steal_pointer (&failure));
  return result;
}

PmResult *
pm_generate (PmModel *model, const PmRequest *request, PmJob *job, GError **error)
{
  return pm_generate_from (model, request, NULL, job, error);
}

void
pm_result_free (PmResult *result)
{
  if (! result)
    return;
  g_free (result->picture);
  g_free (result->trajectory);
  g_free (result->times);
  g_clear_pointer (&result->maps, g_ptr_array_unref);
  g_free (result->record);
  g_free (result);
}
