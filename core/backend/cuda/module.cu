/* The module's one door (abi.h): what devices there are, opening them, and errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/module.h"

/* What CUDA 13 needs: release notes of the toolkit, "CUDA Toolkit and Corresponding Driver Versions". */
#define LEAST_DRIVER  "580"
#define TOOLKIT       "13.0"
#define LEAST_VERSION 13000

/* Turing: the first with the products of 16-bit fragments that the kernels are made of. */
#define LEAST_CAPABILITY 75

void
pm_cuda_set_error (PmCudaError *error, PmCudaStatus status, const char *format, ...)
{
  va_list args;

  if (! error)
    return;
  error->status = status;
  va_start (args, format);
  vsnprintf (error->text, sizeof error->text, format, args);
  va_end (args);
}

PmCudaStatus
pm_cuda_status (cudaError_t error)
{
  switch (error)
    {
    case cudaSuccess:
      return PM_CUDA_OK;
    case cudaErrorMemoryAllocation:
      return PM_CUDA_OUT_OF_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorNoKernelImageForDevice:
      return PM_CUDA_NO_DEVICE;
    case cudaErrorInsufficientDriver:
    case cudaErrorSystemDriverMismatch:
      return PM_CUDA_OLD_DRIVER;
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorDevicesUnavailable:
      return PM_CUDA_LOST;
    default:
      return PM_CUDA_FAILED;
    }
}

void
pm_cuda_fail (PmCuda *cuda, PmCudaStatus status, const char *what)
{
  if (cuda->error.status == PM_CUDA_OK)
    pm_cuda_set_error (&cuda->error, status, "%s", what);
}

bool
pm_cuda_check (PmCuda *cuda, cudaError_t result, const char *what)
{
  if (result == cudaSuccess)
    return true;
  if (cuda->error.status == PM_CUDA_OK)
    pm_cuda_set_error (&cuda->error, pm_cuda_status (result), "%s: %s", what, cudaGetErrorName (result));
  cudaGetLastError (); /* taken note of */
  return false;
}

bool
pm_cuda_begin (PmCuda *cuda)
{
  if (cuda->error.status != PM_CUDA_OK)
    return false;
  if (! cuda->is_capturing && cuda->options.is_cancelled && cuda->options.is_cancelled (cuda->options.user))
    return false;
  cuda->usage.n_operations += ! cuda->is_capturing;
  return pm_cuda_check (cuda, cudaSetDevice (cuda->device), "cudaSetDevice");
}

/* The runtime says "insufficient driver" where there is none at all, too. */
static bool
module_count (int *n_devices, PmCudaError *error)
{
  int version = 0;

  *n_devices = 0;
  cudaError_t result = cudaDriverGetVersion (&version);
  if (result == cudaSuccess && version == 0)
    {
      pm_cuda_set_error (error, PM_CUDA_NO_DRIVER, "cudaDriverGetVersion: 0");
      return false;
    }
  if (result == cudaSuccess && version < LEAST_VERSION)
    {
      pm_cuda_set_error (error, PM_CUDA_OLD_DRIVER, "the driver is made for CUDA %d.%d", version / 1000, version % 1000 / 10);
      return false;
    }
  result = result == cudaSuccess ? cudaGetDeviceCount (n_devices) : result;
  cudaGetLastError ();
  if (result == cudaSuccess && *n_devices > 0)
    return true;
  pm_cuda_set_error (error, result == cudaSuccess ? PM_CUDA_NO_DEVICE : pm_cuda_status (result), "cudaGetDeviceCount: %s",
                     cudaGetErrorName (result));
  return false;
}

static bool
module_describe (int index, PmCudaDevice *device, PmCudaError *error)
{
  cudaDeviceProp properties;

  memset (device, 0, sizeof *device);
  cudaError_t result = cudaGetDeviceProperties (&properties, index);
  if (result != cudaSuccess)
    {
      cudaGetLastError ();
      pm_cuda_set_error (error, pm_cuda_status (result), "device %d: %s", index, cudaGetErrorName (result));
      return false;
    }
  snprintf (device->name, sizeof device->name, "%s", properties.name);
  device->major = properties.major;
  device->minor = properties.minor;
  device->n_processors = properties.multiProcessorCount;
  device->total_bytes = properties.totalGlobalMem;
  device->has_bf16 = properties.major >= 8;
  if (properties.major * 10 + properties.minor >= LEAST_CAPABILITY)
    return true;
  pm_cuda_set_error (error, PM_CUDA_NO_DEVICE, "%s has compute capability %d.%d; 7.5 is the least", properties.name,
                     properties.major, properties.minor);
  return false;
}

static void
module_close (PmCuda *cuda)
{
  if (! cuda)
    return;
  cudaSetDevice (cuda->device);
  cudaDeviceSynchronize ();
  pm_cuda_forget_graphs (cuda);
  while (! cuda->weights.empty ())
    {
      PmWeight weight = {};
      weight.owned = cuda->weights.back ();
      pm_cuda_weight_free (cuda, &weight);
    }
  pm_cuda_ring_clear (cuda);
  pm_cuda_linear_clear (cuda);
  pm_cuda_memory_clear (cuda);
  if (cuda->stream)
    cudaStreamDestroy (cuda->stream);
  if (cuda->copies)
    cudaStreamDestroy (cuda->copies);
  cudaGetLastError ();
  delete cuda;
}

static bool
open_streams (PmCuda *cuda)
{
  int    limit = 0;
  size_t total;

  if (! pm_cuda_check (cuda, cudaSetDevice (cuda->device), "cudaSetDevice")
      || ! pm_cuda_check (cuda, cudaMemGetInfo (&cuda->usage.free_bytes, &total), "cudaMemGetInfo")
      || ! pm_cuda_check (cuda, cudaDeviceGetAttribute (&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda->device),
                          "cudaDeviceGetAttribute")
      || ! pm_cuda_check (cuda, cudaStreamCreateWithFlags (&cuda->stream, cudaStreamNonBlocking), "cudaStreamCreate")
      || ! pm_cuda_check (cuda, cudaStreamCreateWithFlags (&cuda->copies, cudaStreamNonBlocking), "cudaStreamCreate"))
    return false;
  cuda->shared_limit = (size_t) limit;
  return true;
}

/* Where the core would have cuBLASLt be looked for; filled once, when the module is loaded. */
static std::vector<std::string> library_folders;

static bool
module_open (int index, const PmCudaOptions *options, PmCuda **opened, PmCudaError *error)
{
  PmCudaDevice device;

  *opened = NULL;
  if (! module_describe (index, &device, error))
    return false;
  if (options && options->compute == PM_DTYPE_BF16 && ! device.has_bf16)
    {
      pm_cuda_set_error (error, PM_CUDA_UNSUPPORTED, "%s has compute capability %d.%d; bf16 needs 8.0", device.name, device.major,
                         device.minor);
      return false;
    }

  PmCuda *cuda = new PmCuda ();
  cuda->device = index;
  cuda->capability = device.major * 10 + device.minor;
  cuda->n_processors = device.n_processors;
  if (options)
    cuda->options = *options;
  cuda->compute = cuda->options.compute;
  if (open_streams (cuda) && pm_lt_open (&cuda->lt, library_folders, &cuda->error) && pm_cuda_memory_init (cuda, &cuda->error)
      && pm_cuda_linear_init (cuda, &cuda->error))
    {
      *opened = cuda;
      return true;
    }
  if (error)
    *error = cuda->error;
  module_close (cuda);
  return false;
}

/* A lost device stays lost. */
static bool
module_finish (PmCuda *cuda, PmCudaError *error)
{
  cudaSetDevice (cuda->device);
  pm_cuda_check (cuda, cudaStreamSynchronize (cuda->stream), "work that was queued before");
  pm_cuda_check (cuda, cudaStreamSynchronize (cuda->copies), "copies that were queued before");
  pm_cuda_check (cuda, cudaGetLastError (), "work that was queued before");
  bool is_ok = cuda->error.status == PM_CUDA_OK;
  if (! is_ok && error)
    *error = cuda->error;
  if (cuda->error.status != PM_CUDA_LOST)
    cuda->error = PmCudaError ();
  return is_ok;
}

static void
module_get_usage (PmCuda *cuda, PmCudaUsage *usage)
{
  *usage = cuda->usage;
}

extern "C" __attribute__ ((visibility ("default"))) const PmCudaModule *
pentimento_cuda_module (const PmCudaHost *host)
{
  static const PmCudaModule module = {
    PM_CUDA_ABI,
    sizeof (PmCudaModule),
    LEAST_DRIVER,
    TOOLKIT,
    module_count,
    module_describe,
    module_open,
    module_close,
    module_finish,
    module_get_usage,
    pm_cuda_alloc,
    pm_cuda_free,
    pm_cuda_alloc_far,
    pm_cuda_upload,
    pm_cuda_download,
    pm_cuda_copy,
    pm_cuda_weight_new,
    pm_cuda_weight_free,
    pm_cuda_begin_graph,
    pm_cuda_end_graph,
    pm_cuda_forget_graphs,
#define X(name, type) pm_cuda_##name,
    PM_BACKEND_OPS (X)
#undef X
  };

  if (! host || host->abi != PM_CUDA_ABI || host->size != sizeof (PmCudaHost))
    return NULL;
  library_folders.clear ();
  for (int i = 0; host->library_folders && host->library_folders[i]; i++)
    library_folders.push_back (host->library_folders[i]);
  return &module;
}
