/* Graphics cards of NVIDIA. All that knows CUDA is in a module of its own (cuda/abi.h), which is looked for at run time: without
 * it, or without a driver, nothing changes. Here it is found and loaded, its errors become sentences, and operations are
 * handed on. The CUDA runtime does not survive being unloaded, so a module that was loaded stays. */
#include "backend/cuda/abi.h"

#include <dlfcn.h>
#include <string.h>

#include <gio/gio.h>
#include <gmodule.h>

#include "backend/backend.h"
#include "base/error.h"
#include "base/i18n.h"

#define MODULE_FILE "libpentimento-cuda.so"
#define MODULE_VARIABLE "PENTIMENTO_CUDA_MODULE" /* its path, instead of looking for it */

#define SCRATCH_BYTES ((gsize) 24 << 20)
#define RING_WEIGHTS 6 /* as large as the largest: two blocks of a network */

typedef struct
{
  const PmCudaModule *module;
  PmCuda             *cuda;
  PmCudaDevice        device;
  PmDtype             compute;
  gsize               limit, ring;   /* bytes of memory: for everything, and of it for weights that are streamed */
  gboolean            never_streams;
  PmBackend          *backend;
  gint                unserved; /* 1 + PmOp of the first operation that the module did not take */
} PmCudaState;

static const char *const op_names[PM_N_OPS] = {
#define X(name, type) #name,
  PM_BACKEND_OPS (X)
#undef X
};

/* Of the core library. Free with g_free. */
static char *
own_folder (void)
{
  Dl_info info;
  return dladdr ((void *) (gsize) pm_backend_open, &info) && info.dli_fname ? g_path_get_dirname (info.dli_fname) : NULL;
}

/* Beside the core library, else wherever the system looks for libraries. Free with g_free. */
static char *
module_path (void)
{
  const char      *given = g_getenv (MODULE_VARIABLE);
  g_autofree char *folder = own_folder ();
  g_autofree char *beside = folder ? g_build_filename (folder, MODULE_FILE, NULL) : NULL;

  if (given)
    return g_strdup (given);
  return beside && g_file_test (beside, G_FILE_TEST_EXISTS) ? g_steal_pointer (&beside) : g_strdup (MODULE_FILE);
}

static void
set_missing (const char *path, GError **error)
{
  const char *reason = g_module_error ();

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                 _("The module for NVIDIA's GPUs, “%s”, cannot be loaded (%s); install it again."), path, reason ? reason : "?");
  else
    g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                 _("The module for NVIDIA's GPUs, “%s”, is not installed; install it, or compute on “cpu”."), path);
}

static const PmCudaModule *
module_load (GError **error)
{
  g_autofree char  *path = module_path ();
  g_autofree char  *folder = g_path_get_dirname (path);
  const char *const folders[] = { folder, NULL };
  const PmCudaHost  host = { .abi = PM_CUDA_ABI, .size = sizeof (PmCudaHost), .library_folders = folders };
  GModule          *file = g_module_open (path, G_MODULE_BIND_LOCAL);
  gpointer          symbol = NULL;

  if (! file)
    {
      set_missing (path, error);
      return NULL;
    }
  g_module_make_resident (file);
  const PmCudaModule *module
      = g_module_symbol (file, PM_CUDA_MODULE_SYMBOL, &symbol) && symbol ? ((PmCudaModuleFunc) symbol) (&host) : NULL;
  if (module && module->abi == PM_CUDA_ABI && module->size == sizeof (PmCudaModule))
    return module;
  g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
               _("The module for NVIDIA's GPUs, “%s”, belongs to another version of Pentimento; install both of one version."),
               path);
  return NULL;
}

/* failure->text is technical and not translated. */
static void
set_failure (const PmCudaModule *module, const PmCudaError *failure, GError **error)
{
  const char *text = failure->text;

  switch (failure->status)
    {
    case PM_CUDA_NO_DRIVER:
      g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                   _("NVIDIA's driver does not answer (%s); for a GPU of NVIDIA install its driver, %s or newer, else compute "
                     "on “cpu”."),
                   text, module->least_driver);
      break;
    case PM_CUDA_OLD_DRIVER:
      g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                   _("NVIDIA's driver is too old (%s); install %s or newer, which CUDA %s needs, or compute on “cpu”."), text,
                   module->least_driver, module->toolkit);
      break;
    case PM_CUDA_NO_DEVICE:
      g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                   _("There is no GPU here that this version can use (%s); compute on “cpu”."), text);
      break;
    case PM_CUDA_NO_LIBRARY:
      g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                   _("A GPU was found, but NVIDIA's library cuBLASLt was not (%s); install it with “pip install nvidia-cublas” "
                     "or the system's package of CUDA %s, or put it beside the module “%s”."),
                   text, module->toolkit, MODULE_FILE);
      break;
    case PM_CUDA_OUT_OF_MEMORY:
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("The GPU's memory is too small for this (%s); choose a smaller picture or fewer maps, close other programs "
                     "that use the GPU, or compute on “cpu”."),
                   text);
      break;
    case PM_CUDA_LOST:
      g_set_error (error, PM_ERROR, PM_ERROR_DEVICE,
                   _("The GPU does not answer any more (%s); start the program again, or compute on “cpu”."), text);
      break;
    case PM_CUDA_UNSUPPORTED:
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("This GPU cannot do what was asked for (%s); choose another precision, or compute on “cpu”."), text);
      break;
    case PM_CUDA_OK:
    case PM_CUDA_FAILED:
      g_set_error (error, PM_ERROR, PM_ERROR_FAILED, _("The GPU failed (%s); try again, or compute on “cpu”."), text);
      break;
    }
}

static void
add_problem (GPtrArray *devices, const GError *error)
{
  PmDevice *device = g_new0 (PmDevice, 1);

  device->id = g_strdup_printf ("cuda:%u", devices->len);
  device->name = g_strdup ("cuda");
  device->problem = g_strdup (error->message);
  g_ptr_array_add (devices, device);
}

static GPtrArray *
cuda_list (void)
{
  GPtrArray          *devices = g_ptr_array_new ();
  g_autoptr (GError)  error = NULL;
  const PmCudaModule *module = module_load (&error);
  PmCudaError         failure = { 0 };
  int                 n = 0;

  if (module && ! module->count (&n, &failure))
    set_failure (module, &failure, &error);
  if (error)
    add_problem (devices, error);
  for (int i = 0; i < n && ! error; i++)
    {
      PmCudaDevice found;
      PmDevice    *device = g_new0 (PmDevice, 1);

      g_ptr_array_add (devices, device);
      device->id = g_strdup_printf ("cuda:%d", i);
      if (module->describe (i, &found, &failure))
        {
          device->name = g_strdup (found.name);
          device->total_bytes = found.total_bytes;
          continue;
        }
      g_autoptr (GError) problem = NULL;
      set_failure (module, &failure, &problem);
      device->name = g_strdup (device->id);
      device->problem = g_strdup (problem->message);
    }
  return devices;
}

static bool
is_cancelled_cb (void *user)
{
  PmCudaState *state = user;
  return pm_job_is_cancelled (pm_backend_get_job (state->backend));
}

static PmDtype
choose_compute (const PmCudaDevice *device, PmPrecision precision)
{
  switch (precision)
    {
    case PM_PRECISION_F32:
      return PM_DTYPE_F32;
    case PM_PRECISION_F16:
      return PM_DTYPE_F16;
    case PM_PRECISION_BF16:
      return PM_DTYPE_BF16;
    case PM_PRECISION_AUTO:
    case PM_N_PRECISIONS:
      break;
    }
  return device->has_bf16 ? PM_DTYPE_BF16 : PM_DTYPE_F16;
}

static gpointer
cuda_open (PmBackend *backend, int index, const PmBackendOptions *options, GError **error)
{
  g_autofree PmCudaState *state = g_new0 (PmCudaState, 1);
  PmCudaError             failure = { 0 };
  int                     n = 0;

  state->module = module_load (error);
  if (! state->module)
    return NULL;
  state->backend = backend;
  gboolean is_there = state->module->count (&n, &failure);
  if (is_there && index >= n)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no “cuda:%d”, only %d GPUs; they count from 0."), index, n);
      return NULL;
    }
  if (is_there && state->module->describe (index, &state->device, &failure))
    {
      state->compute = choose_compute (&state->device, options->precision);
      state->never_streams = options->never_streams;
      state->ring = RING_WEIGHTS * options->n_largest * pm_dtype_size (state->compute);
      PmCudaOptions told = { .compute = state->compute, .resident_bytes = state->never_streams ? SIZE_MAX : 0,
                             .ring_bytes = state->ring, .limit_bytes = options->memory_limit,
                             .is_cancelled = is_cancelled_cb, .user = state };
      if (state->module->open (index, &told, &state->cuda, &failure))
        {
          PmCudaUsage usage;
          state->module->get_usage (state->cuda, &usage);
          state->limit = MIN (options->memory_limit ? options->memory_limit : G_MAXSIZE, usage.free_bytes);
          return g_steal_pointer (&state);
        }
    }
  set_failure (state->module, &failure, error);
  return NULL;
}

static void
cuda_close (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);

  state->module->close (state->cuda);
  g_free (state);
}

static gpointer
cuda_alloc (PmBackend *backend, gsize n_bytes, GError **error)
{
  PmCudaState *state = pm_backend_get_state (backend);
  PmCudaError  failure = { 0 };
  void        *memory = NULL;

  if (state->module->alloc (state->cuda, n_bytes, &memory, &failure))
    return memory;
  set_failure (state->module, &failure, error);
  return NULL;
}

static gpointer
cuda_alloc_far (PmBackend *backend, gsize n_bytes, GError **error)
{
  PmCudaState *state = pm_backend_get_state (backend);
  PmCudaError  failure = { 0 };
  void        *memory = NULL;

  if (state->module->alloc_far (state->cuda, n_bytes, &memory, &failure))
    return memory;
  set_failure (state->module, &failure, error);
  return NULL;
}

static void
cuda_free (PmBackend *backend, gpointer memory)
{
  PmCudaState *state = pm_backend_get_state (backend);
  if (memory)
    state->module->free (state->cuda, memory);
}

static void
cuda_upload (PmBackend *backend, gpointer to, const void *from, gsize n_bytes)
{
  PmCudaState *state = pm_backend_get_state (backend);
  state->module->upload (state->cuda, to, from, n_bytes);
}

static void
cuda_download (PmBackend *backend, void *to, gconstpointer from, gsize n_bytes)
{
  PmCudaState *state = pm_backend_get_state (backend);
  state->module->download (state->cuda, to, from, n_bytes);
}

static gboolean
cuda_prepare (PmBackend *backend, const PmTensor *tensor, PmWeight *weight, GError **error)
{
  PmCudaState *state = pm_backend_get_state (backend);
  PmCudaError  failure = { 0 };

  if (state->module->weight_new (state->cuda, tensor->dtype, weight->rows, weight->cols, tensor->data, weight, &failure))
    return TRUE;
  *weight = (PmWeight) { 0 };
  set_failure (state->module, &failure, error);
  return FALSE;
}

static void
cuda_release (PmBackend *backend, PmWeight *weight)
{
  PmCudaState *state = pm_backend_get_state (backend);
  state->module->weight_free (state->cuda, weight);
}

/* A share is left to what the module takes at the first use: operands in another type, parts of sums. */
static PmBackendRoom
cuda_estimate_room (PmBackend *backend, gsize n_elements, gsize n_bytes)
{
  PmCudaState  *state = pm_backend_get_state (backend);
  PmBackendRoom room = { .limit_bytes = state->limit };
  guint64       weights = (guint64) n_elements * pm_dtype_size (state->compute), others;
  PmCudaUsage   usage;

  state->module->get_usage (state->cuda, &usage);
  others = usage.used_bytes + n_bytes + n_bytes / 4 + SCRATCH_BYTES;
  room.needed_bytes = others + weights;
  if (room.needed_bytes <= room.limit_bytes || state->never_streams)
    return room;
  others += state->ring;
  room.streamed_bytes = others + weights - MIN (MAX (room.limit_bytes, others), others + weights);
  room.needed_bytes = others + weights - room.streamed_bytes;
  return room;
}

static gboolean
cuda_finish (PmBackend *backend, GError **error)
{
  PmCudaState *state = pm_backend_get_state (backend);
  PmCudaError  failure = { 0 };
  int          unserved = g_atomic_int_get (&state->unserved);

  if (! state->module->finish (state->cuda, &failure))
    {
      if (pm_job_check (pm_backend_get_job (backend), error)) /* what was cancelled is no failure */
        set_failure (state->module, &failure, error);
      return FALSE;
    }
  if (unserved == 0)
    return TRUE;
  g_atomic_int_set (&state->unserved, 0);
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The module for NVIDIA's GPUs has no “%s” of the shape that this model needs; compute on “cpu”."),
               op_names[unserved - 1]);
  return FALSE;
}

static gboolean
cuda_begin_step (PmBackend *backend, guint64 key)
{
  PmCudaState *state = pm_backend_get_state (backend);
  return state->module->begin_graph (state->cuda, key);
}

static void
cuda_end_step (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);
  state->module->end_graph (state->cuda);
}

static void
cuda_forget_steps (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);
  state->module->forget_graphs (state->cuda);
}

static PmDtype
cuda_get_activation_dtype (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);
  return state->compute;
}

static PmDtype
cuda_get_wide_dtype (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);

  if (state->compute != PM_DTYPE_F16)
    return state->compute;
  return state->device.has_bf16 ? PM_DTYPE_BF16 : PM_DTYPE_F32;
}

static const char *
cuda_get_name (PmBackend *backend)
{
  PmCudaState *state = pm_backend_get_state (backend);
  return state->device.name;
}

/* The reference cannot stand in: it reads the host's memory. */
#define X(name, type)                                                                      \
  static void                                                                              \
  cuda_##name (PmBackend *backend, const type *op)                                         \
  {                                                                                        \
    PmCudaState *state = pm_backend_get_state (backend);                                   \
    if (! state->module->name (state->cuda, op))                                           \
      g_atomic_int_compare_and_exchange (&state->unserved, 0, 1 + PM_OP_##name);           \
  }
PM_BACKEND_OPS (X)
#undef X

const PmBackendClass pm_backend_cuda = {
  .id = "cuda",
  .device = "cuda",
  .list = cuda_list,
  .open = cuda_open,
  .close = cuda_close,
  .alloc = cuda_alloc,
  .alloc_far = cuda_alloc_far,
  .free = cuda_free,
  .upload = cuda_upload,
  .download = cuda_download,
  .prepare = cuda_prepare,
  .release = cuda_release,
  .estimate_room = cuda_estimate_room,
  .finish = cuda_finish,
  .begin_step = cuda_begin_step,
  .end_step = cuda_end_step,
  .forget_steps = cuda_forget_steps,
  .get_activation_dtype = cuda_get_activation_dtype,
  .get_wide_dtype = cuda_get_wide_dtype,
  .get_name = cuda_get_name,
  .ops = {
#define X(name, type) .name = cuda_##name,
    PM_BACKEND_OPS (X)
#undef X
  },
};
