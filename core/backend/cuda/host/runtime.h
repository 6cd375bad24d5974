/* The part of CUDA's runtime API that the module calls, for its host build.
 *
 * Streams are queues: nothing runs before something waits, and then the queues advance in an order that a seed decides, as far as
 * events allow. What works here only because two streams happened to be in step fails for some seed. Memory is filled with NaN,
 * and a device's is out of the program's reach (memory.cpp).
 * The environment's PM_CUDA_HOST sets a device's behaviour, for tests of errors: "seed=7,devices=2,memory=100000000,
 * driver=13000,capability=90,processors=4,lost=500,library=0,contexts=0" (lost: that many launches succeed; library=0: there is
 * no cuBLASLt; contexts=0: what needs a context on a device fails). devices=0 and driver=0 are what machines without a device or
 * a driver say. */
#ifndef PM_HOST_RUNTIME_H
#define PM_HOST_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "types.h"

enum cudaError_t
{
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorCudartUnloading = 4,
  cudaErrorInsufficientDriver = 35,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorLaunchFailure = 719,
  cudaErrorSystemDriverMismatch = 803,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorUnknown = 999
};

enum cudaMemcpyKind
{
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};

enum cudaStreamCaptureMode
{
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};

enum cudaFuncAttribute
{
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8
};

enum cudaDeviceAttr
{
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMultiProcessorCount = 16
};

enum cudaMemPoolAttr
{
  cudaMemPoolAttrReleaseThreshold = 4
};

struct cudaDeviceProp
{
  char   name[256];
  size_t totalGlobalMem, sharedMemPerBlockOptin;
  int    major, minor, multiProcessorCount, l2CacheSize;
};

typedef struct PmHostPool      *cudaMemPool_t;
typedef struct PmHostStream    *cudaStream_t;
typedef struct PmHostEvent     *cudaEvent_t;
typedef struct PmHostGraph     *cudaGraph_t;
typedef struct PmHostGraphExec *cudaGraphExec_t;

#define cudaStreamNonBlocking   1u
#define cudaEventDefault        0u
#define cudaEventDisableTiming  2u
#define cudaHostAllocDefault    0u
#define cudaHostAllocPortable   1u

const char *cudaGetErrorName (cudaError_t error);
const char *cudaGetErrorString (cudaError_t error);
cudaError_t cudaGetLastError (void);
cudaError_t cudaPeekAtLastError (void);

cudaError_t cudaDriverGetVersion (int *version);
cudaError_t cudaRuntimeGetVersion (int *version);
cudaError_t cudaGetDeviceCount (int *count);
cudaError_t cudaGetDeviceProperties (cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetAttribute (int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice (int device);
cudaError_t cudaGetDevice (int *device);
cudaError_t cudaMemGetInfo (size_t *free_bytes, size_t *total_bytes);
cudaError_t cudaDeviceSynchronize (void);

cudaError_t cudaDeviceGetDefaultMemPool (cudaMemPool_t *pool, int device);
cudaError_t cudaMemPoolSetAttribute (cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value);
cudaError_t cudaMemPoolTrimTo (cudaMemPool_t pool, size_t n_bytes);
cudaError_t cudaMalloc (void **memory, size_t n_bytes);
cudaError_t cudaFree (void *memory);
cudaError_t cudaMallocAsync (void **memory, size_t n_bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync (void *memory, cudaStream_t stream);
cudaError_t cudaHostAlloc (void **memory, size_t n_bytes, unsigned flags);
cudaError_t cudaFreeHost (void *memory);
cudaError_t cudaMemcpyAsync (void *to, const void *from, size_t n_bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync (void *memory, int value, size_t n_bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy (cudaStream_t stream);
cudaError_t cudaStreamSynchronize (cudaStream_t stream);
cudaError_t cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy (cudaEvent_t event);
cudaError_t cudaEventRecord (cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize (cudaEvent_t event);
cudaError_t cudaEventQuery (cudaEvent_t event);

cudaError_t cudaStreamBeginCapture (cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags = 0);
cudaError_t cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy (cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy (cudaGraphExec_t exec);

cudaError_t pm_host_set_shared_limit (const void *kernel, int n_bytes);
template <typename Kernel>
cudaError_t
cudaFuncSetAttribute (Kernel *kernel, cudaFuncAttribute attribute, int value)
{
  return attribute == cudaFuncAttributeMaxDynamicSharedMemorySize ? pm_host_set_shared_limit ((const void *) kernel, value)
                                                                  : cudaErrorInvalidValue;
}

#endif
