/* What the host build's devices say of themselves; see runtime.h for the settings. */
#include <stdio.h>

#include "host.h"

static thread_local int current_device;

static cudaError_t
driver_state (void)
{
  if (pm_host_setting ("driver", 13000) < 1)
    return cudaErrorInsufficientDriver; /* as the runtime says where no driver is installed */
  if (pm_host_setting ("driver", 13000) < 13000)
    return cudaErrorInsufficientDriver;
  return pm_host_setting ("devices", 1) < 1 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t
pm_host_context_state (void)
{
  cudaError_t state = driver_state ();
  return state == cudaSuccess && pm_host_setting ("contexts", 1) < 1 ? cudaErrorDevicesUnavailable : state;
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = (int) pm_host_setting ("driver", 13000);
  return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion (int *version)
{
  *version = 13000;
  return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount (int *count)
{
  cudaError_t state = driver_state ();
  *count = state == cudaSuccess ? (int) pm_host_setting ("devices", 1) : 0;
  return state;
}

cudaError_t
cudaGetDeviceProperties (cudaDeviceProp *properties, int device)
{
  int capability = (int) pm_host_setting ("capability", 90), count = 0, shared = 0;

  if (cudaGetDeviceCount (&count) != cudaSuccess || device < 0 || device >= count)
    return cudaErrorInvalidDevice;
  *properties = cudaDeviceProp ();
  snprintf (properties->name, sizeof properties->name, "Host device %d", device);
  cudaDeviceGetAttribute (&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  properties->sharedMemPerBlockOptin = (size_t) shared;
  properties->totalGlobalMem = (size_t) pm_host_setting ("memory", 8L << 30);
  properties->major = capability / 10;
  properties->minor = capability % 10;
  cudaDeviceGetAttribute (&properties->multiProcessorCount, cudaDevAttrMultiProcessorCount, device);
  properties->l2CacheSize = 1 << 20;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, cudaDeviceAttr attribute, int device)
{
  if (attribute == cudaDevAttrMultiProcessorCount)
    *value = (int) pm_host_setting ("processors", 4);
  else
    *value = pm_host_setting ("capability", 90) < 80 ? 64 << 10 : 227 << 10;
  return cudaSuccess;
}

cudaError_t
cudaSetDevice (int device)
{
  current_device = device;
  return pm_host_context_state ();
}

cudaError_t
cudaGetDevice (int *device)
{
  *device = current_device;
  return driver_state ();
}

/* Memory that is freed is gone at once here. */
cudaError_t
cudaDeviceGetDefaultMemPool (cudaMemPool_t *pool, int device)
{
  *pool = nullptr;
  return driver_state ();
}

cudaError_t
cudaMemPoolSetAttribute (cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value)
{
  return cudaSuccess;
}

cudaError_t
cudaMemPoolTrimTo (cudaMemPool_t pool, size_t n_bytes)
{
  return cudaSuccess;
}

const char *
cudaGetErrorName (cudaError_t error)
{
  switch (error)
    {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    default:
      return "cudaErrorUnknown";
    }
}

const char *
cudaGetErrorString (cudaError_t error)
{
  return cudaGetErrorName (error);
}
