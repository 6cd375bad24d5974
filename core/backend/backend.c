/* Opening backends, and the one place where an operation is dispatched. */
#include "backend/backend.h"

#include <stdlib.h>
#include <string.h>

#include <gio/gio.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/memory.h"
#include "base/pool.h"

extern const PmBackendClass pm_backend_ref;

struct _PmBackend
{
  const PmBackendClass *klass;
  int                   index; /* of the device */
  PmBackendOptions      options;
  gpointer              state;
  PmPool               *pool;
  PmJob                *job;
  PmBackendOps          ops;
  gboolean              is_fallback[PM_N_OPS];
  gint                  n_fallbacks[PM_N_OPS]; /* calls that `ref` had to serve */
};

static const char *const op_names[PM_N_OPS] = {
#define X(name, type) #name,
  PM_BACKEND_OPS (X)
#undef X
};

/* The number behind "DEVICE:", 0 where there is none; -1: another device. */
static int
match_device (const PmBackendClass *klass, const char *device)
{
  gsize   length = strlen (klass->device);
  guint64 index;

  if (g_ascii_strcasecmp (device, klass->id) == 0 || (! klass->is_hidden && g_ascii_strcasecmp (device, klass->device) == 0))
    return 0;
  if (klass->list && g_ascii_strncasecmp (device, klass->device, length) == 0 && device[length] == ':'
      && g_ascii_string_to_unsigned (device + length + 1, 10, 0, 255, &index, NULL))
    return (int) index;
  return -1;
}

/* The id of the device that people know by that name; NULL: none. Free with g_free. */
static char *
find_named (const char *name)
{
  g_autoptr (GPtrArray) devices = pm_device_find_all ();

  for (guint i = 0; i < devices->len; i++)
    {
      const PmDevice *device = g_ptr_array_index (devices, i);
      if (g_ascii_strcasecmp (device->name, name) == 0)
        return g_strdup (device->id);
    }
  return NULL;
}

/* By id; NULL or "": the first. */
static const PmBackendClass *
backend_find (const char *device, int *index)
{
  for (int i = 0; pm_backends[i]; i++)
    {
      const PmBackendClass *klass = pm_backends[i];
      *index = device && *device ? match_device (klass, device) : klass->is_hidden ? -1 : 0;
      if (*index >= 0 && (! klass->is_available || klass->is_available ()))
        return klass;
    }
  return NULL;
}

static void
set_unknown (const char *device, GError **error)
{
  g_auto (GStrv)   there = pm_device_list ();
  g_autofree char *list = g_strjoinv (", ", there);

  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no device named “%s” here; there is: %s."), device, list);
}

/* Takes what the class leaves out from the reference loops. */
static void
backend_fill_ops (PmBackend *backend)
{
  backend->ops = backend->klass->ops;
#define X(name, type)                              \
  if (! backend->ops.name)                         \
    {                                              \
      backend->ops.name = pm_backend_ref.ops.name; \
      backend->is_fallback[PM_OP_##name] = TRUE;   \
    }
  PM_BACKEND_OPS (X)
#undef X
}

static PmBackend *
open_class (const PmBackendClass *klass, int index, const PmBackendOptions *options, GError **error)
{
  PmBackend *backend = g_new0 (PmBackend, 1);

  backend->klass = klass;
  backend->index = index;
  backend->options = *options;
  backend->pool = pm_pool_new (options->n_threads, error);
  if (! backend->pool || (klass->open && ! (backend->state = klass->open (backend, index, options, error))))
    {
      pm_pool_free (backend->pool);
      g_free (backend);
      return NULL;
    }
  backend_fill_ops (backend);
  return backend;
}

PmBackend *
pm_backend_open (const char *device, int n_threads, GError **error)
{
  return pm_backend_open_with (device, &(PmBackendOptions) { .n_threads = n_threads }, error);
}

PmBackend *
pm_backend_open_with (const char *device, const PmBackendOptions *options, GError **error)
{
  int                   index;
  g_autofree char      *id = NULL;
  const PmBackendClass *klass = backend_find (device, &index);
  if (! klass && (id = find_named (device)))
    klass = backend_find (id, &index);
  if (! klass)
    {
      set_unknown (device, error);
      return NULL;
    }
  return open_class (klass, index, options, error);
}

PmBackend *
pm_backend_open_wide (PmBackend *backend, GError **error)
{
  PmBackendOptions options = backend->options;

  options.precision = pm_backend_get_wide_dtype (backend) == PM_DTYPE_BF16 ? PM_PRECISION_BF16 : PM_PRECISION_F32;
  if (options.memory_limit > 0)
    options.memory_limit -= MIN (options.memory_limit - 1, pm_backend_estimate_room (backend, 0, 0).needed_bytes);
  return open_class (backend->klass, backend->index, &options, error);
}

void
pm_backend_close (PmBackend *backend)
{
  if (! backend)
    return;
  if (backend->klass->close)
    backend->klass->close (backend);
  pm_pool_free (backend->pool);
  g_free (backend);
}

const PmBackendClass *
pm_backend_get_class (PmBackend *backend)
{
  return backend->klass;
}

gpointer
pm_backend_get_state (PmBackend *backend)
{
  return backend->state;
}

const char *
pm_backend_get_name (PmBackend *backend)
{
  return backend->klass->get_name ? backend->klass->get_name (backend) : backend->klass->device;
}

PmPool *
pm_backend_get_pool (PmBackend *backend)
{
  return backend->pool;
}

void
pm_backend_set_job (PmBackend *backend, PmJob *job)
{
  backend->job = job;
  pm_pool_set_cancel_flag (backend->pool, pm_job_get_flag (job));
}

PmJob *
pm_backend_get_job (PmBackend *backend)
{
  return backend->job;
}

gboolean
pm_backend_begin_step (PmBackend *backend, guint64 key)
{
  return ! backend->klass->begin_step || backend->klass->begin_step (backend, key);
}

void
pm_backend_end_step (PmBackend *backend)
{
  if (backend->klass->end_step)
    backend->klass->end_step (backend);
}

void
pm_backend_forget_steps (PmBackend *backend)
{
  if (backend->klass->forget_steps)
    backend->klass->forget_steps (backend);
}

PmDtype
pm_backend_get_activation_dtype (PmBackend *backend)
{
  return backend->klass->get_activation_dtype ? backend->klass->get_activation_dtype (backend) : PM_DTYPE_F32;
}

PmDtype
pm_backend_get_wide_dtype (PmBackend *backend)
{
  return backend->klass->get_wide_dtype ? backend->klass->get_wide_dtype (backend) : pm_backend_get_activation_dtype (backend);
}

gboolean
pm_backend_likes_panels (PmBackend *backend)
{
  return backend->klass->likes_panels;
}

static void
set_no_memory (gsize n_bytes, GError **error)
{
  g_autofree char *size = g_format_size (n_bytes);
  g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
               _("There is not enough memory for %s more; close other programs, or choose a smaller picture or fewer maps."),
               size);
}

gpointer
pm_backend_alloc (PmBackend *backend, gsize n_bytes, GError **error)
{
  if (backend->klass->alloc)
    return backend->klass->alloc (backend, n_bytes, error);

  void *memory = NULL;
  if (posix_memalign (&memory, 64, MAX (n_bytes, 64)) != 0)
    {
      set_no_memory (n_bytes, error);
      return NULL;
    }
  return memory;
}

gpointer
pm_backend_alloc_far (PmBackend *backend, gsize n_bytes, GError **error)
{
  if (! backend->klass->alloc_far)
    return pm_backend_alloc (backend, n_bytes, error);
  if (n_bytes <= pm_memory_available ())
    return backend->klass->alloc_far (backend, n_bytes, error);
  set_no_memory (n_bytes, error);
  return NULL;
}

gboolean
pm_backend_has_memory (PmBackend *backend)
{
  return backend->klass->alloc != NULL;
}

void
pm_backend_free (PmBackend *backend, gpointer memory)
{
  if (backend->klass->free)
    backend->klass->free (backend, memory);
  else
    free (memory);
}

void
pm_backend_upload (PmBackend *backend, gpointer to, const void *from, gsize n_bytes)
{
  if (backend->klass->upload)
    backend->klass->upload (backend, to, from, n_bytes);
  else
    memcpy (to, from, n_bytes);
}

void
pm_backend_download (PmBackend *backend, void *to, gconstpointer from, gsize n_bytes)
{
  if (backend->klass->download)
    backend->klass->download (backend, to, from, n_bytes);
  else
    memcpy (to, from, n_bytes);
}

gboolean
pm_backend_finish (PmBackend *backend, GError **error)
{
  return ! backend->klass->finish || backend->klass->finish (backend, error);
}

gboolean
pm_backend_prepare (PmBackend *backend, const PmTensor *tensor, PmWeight *weight, GError **error)
{
  *weight = (PmWeight) { .dtype = tensor->dtype, .rows = 1, .cols = tensor->n_elements, .data = tensor->data };
  if (tensor->rank > 1 && tensor->shape[0] > 0)
    {
      weight->rows = tensor->shape[0];
      weight->cols = tensor->n_elements / tensor->shape[0];
    }
  if (pm_dtype_size (tensor->dtype) == 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("The weight “%s” is stored in a type that cannot be computed with; convert the model to f32, f16 or bf16."),
                   tensor->name);
      return FALSE;
    }
  return ! backend->klass->prepare || backend->klass->prepare (backend, tensor, weight, error);
}

void
pm_backend_release (PmBackend *backend, PmWeight *weight)
{
  if (weight->owned)
    backend->klass->release (backend, weight);
  *weight = (PmWeight) { 0 };
}

PmBackendRoom
pm_backend_estimate_room (PmBackend *backend, gsize n_elements, gsize n_bytes)
{
  return backend->klass->estimate_room ? backend->klass->estimate_room (backend, n_elements, n_bytes) : (PmBackendRoom) { 0 };
}

#define X(name, type)                                            \
  void                                                           \
  pm_backend_##name (PmBackend *backend, const type *op)         \
  {                                                              \
    if (backend->is_fallback[PM_OP_##name])                      \
      g_atomic_int_inc (&backend->n_fallbacks[PM_OP_##name]);    \
    backend->ops.name (backend, op);                             \
  }
PM_BACKEND_OPS (X)
#undef X

char **
pm_backend_get_fallbacks (PmBackend *backend)
{
  GStrvBuilder *builder = g_strv_builder_new ();
  for (int i = 0; i < PM_N_OPS; i++)
    if (g_atomic_int_get (&backend->n_fallbacks[i]) > 0)
      g_strv_builder_add (builder, op_names[i]);
  char **names = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return names;
}
