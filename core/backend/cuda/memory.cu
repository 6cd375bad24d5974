/* Memory of the device from CUDA's stream-ordered pool, which keeps what is freed, and copies by way of pinned staging, whose
 * four parts take turns. */
#include <string.h>

#include "backend/cuda/module.h"

bool
pm_cuda_memory_init (PmCuda *cuda, PmCudaError *error)
{
  uint64_t      keep_all = UINT64_MAX;
  cudaMemPool_t pool;

  cudaError_t result = cudaDeviceGetDefaultMemPool (&pool, cuda->device);
  result = result == cudaSuccess ? cudaMemPoolSetAttribute (pool, cudaMemPoolAttrReleaseThreshold, &keep_all) : result;
  for (int i = 0; i < PM_CUDA_STAGES && result == cudaSuccess; i++)
    {
      result = cudaHostAlloc (&cuda->stages[i], PM_CUDA_STAGE_BYTES, cudaHostAllocDefault);
      result = result == cudaSuccess ? cudaEventCreateWithFlags (&cuda->staged[i], cudaEventDisableTiming) : result;
    }
  if (result != cudaSuccess)
    pm_cuda_set_error (error, pm_cuda_status (result), "pinned staging: %s", cudaGetErrorName (result));
  return result == cudaSuccess;
}

void
pm_cuda_memory_clear (PmCuda *cuda)
{
  cudaMemPool_t pool;

  for (auto &memory : cuda->memory)
    if (memory.second.is_far)
      cudaFreeHost (memory.first);
    else
      cudaFreeAsync (memory.first, cuda->stream);
  cuda->memory.clear ();
  cudaDeviceSynchronize ();
  for (int i = 0; i < PM_CUDA_STAGES; i++)
    {
      if (cuda->stages[i])
        cudaFreeHost (cuda->stages[i]);
      if (cuda->staged[i])
        cudaEventDestroy (cuda->staged[i]);
    }
  if (cudaDeviceGetDefaultMemPool (&pool, cuda->device) == cudaSuccess)
    cudaMemPoolTrimTo (pool, 0);
}

static cudaError_t
take (PmCuda *cuda, size_t size, void **memory)
{
  size_t limit = cuda->options.limit_bytes;

  if (limit > 0 && (size > limit || cuda->usage.used_bytes > limit - size))
    return cudaErrorMemoryAllocation;
  cudaError_t result = cudaMallocAsync (memory, size, cuda->stream);
  if (result != cudaErrorMemoryAllocation)
    return result;
  cudaGetLastError ();
  result = cudaStreamSynchronize (cuda->stream); /* what is freed behind queued work comes back with it */
  return result == cudaSuccess ? cudaMallocAsync (memory, size, cuda->stream) : result;
}

/* Resident weights make room as long as there are some. */
bool
pm_cuda_alloc (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error)
{
  size_t      size = PM_CUDA_ROUND (n_bytes > 0 ? n_bytes : 1);
  cudaError_t result = n_bytes > SIZE_MAX / 2 ? cudaErrorMemoryAllocation : cudaSetDevice (cuda->device);

  *memory = NULL;
  result = result == cudaSuccess ? take (cuda, size, memory) : result;
  while (result == cudaErrorMemoryAllocation && ! cuda->is_capturing && pm_cuda_weight_make_room (cuda))
    result = take (cuda, size, memory);
  if (result != cudaSuccess)
    {
      cudaGetLastError ();
      *memory = NULL;
      pm_cuda_set_error (error, pm_cuda_status (result), "%zu bytes beside %zu that are used, limit %zu: %s", size,
                         cuda->usage.used_bytes, cuda->options.limit_bytes, cudaGetErrorName (result));
      return false;
    }
  cuda->memory[*memory] = PmCudaMemory { size, ++cuda->serial, false };
  cuda->usage.used_bytes += size;
  if (cuda->usage.used_bytes > cuda->usage.peak_bytes)
    cuda->usage.peak_bytes = cuda->usage.used_bytes;
  return true;
}

bool
pm_cuda_alloc_far (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error)
{
  size_t      size = PM_CUDA_ROUND (n_bytes > 0 ? n_bytes : 1);
  cudaError_t result = n_bytes > SIZE_MAX / 2 || cuda->options.resident_bytes == SIZE_MAX ? cudaErrorMemoryAllocation
                                                                                          : cudaSetDevice (cuda->device);

  *memory = NULL;
  result = result == cudaSuccess ? cudaHostAlloc (memory, size, cudaHostAllocDefault) : result;
  if (result != cudaSuccess)
    {
      cudaGetLastError ();
      *memory = NULL;
      pm_cuda_set_error (error, pm_cuda_status (result), "%zu bytes of pinned memory: %s", size, cudaGetErrorName (result));
      return false;
    }
  cuda->memory[*memory] = PmCudaMemory { size, ++cuda->serial, true };
  cuda->far_bytes += size;
  if (cuda->far_bytes > cuda->usage.peak_far_bytes)
    cuda->usage.peak_far_bytes = cuda->far_bytes;
  return true;
}

bool
pm_cuda_is_far (const PmCuda *cuda, const void *memory)
{
  auto found = cuda->memory.find ((void *) memory);
  return found != cuda->memory.end () && found->second.is_far;
}

void
pm_cuda_free (PmCuda *cuda, void *memory)
{
  auto found = cuda->memory.find (memory);

  if (found == cuda->memory.end ())
    return;
  PmCudaMemory freed = found->second;
  pm_cuda_forget_graphs_of (cuda, freed.serial);
  cuda->memory.erase (found);
  cudaSetDevice (cuda->device);
  if (freed.is_far)
    {
      cuda->far_bytes -= freed.n_bytes;
      pm_cuda_check (cuda, cudaStreamSynchronize (cuda->stream), "work that was queued before");
      cudaFreeHost (memory);
      return;
    }
  cuda->usage.used_bytes -= freed.n_bytes;
  pm_cuda_check (cuda, cudaFreeAsync (memory, cuda->stream), "cudaFreeAsync");
}

void *
pm_cuda_scratch (PmCuda *cuda, PmScratch which, size_t n_bytes)
{
  PmCudaError error;

  if (n_bytes <= cuda->scratch_bytes[which])
    return cuda->scratch[which];
  if (cuda->is_capturing)
    {
      pm_cuda_fail (cuda, PM_CUDA_FAILED, "an operation needs more memory while a graph is captured than it did before");
      return NULL;
    }
  pm_cuda_free (cuda, cuda->scratch[which]);
  cuda->scratch[which] = NULL;
  cuda->scratch_bytes[which] = 0;
  if (! pm_cuda_alloc (cuda, n_bytes, &cuda->scratch[which], &error))
    {
      pm_cuda_fail (cuda, error.status, error.text);
      return NULL;
    }
  cuda->scratch_bytes[which] = n_bytes;
  return cuda->scratch[which];
}

/* Of n_bytes, what goes through one stage from `at` on. */
static size_t
piece (size_t n_bytes, size_t at)
{
  return n_bytes - at < PM_CUDA_STAGE_BYTES ? n_bytes - at : PM_CUDA_STAGE_BYTES;
}

void
pm_cuda_upload (PmCuda *cuda, void *to, const void *from, size_t n_bytes)
{
  if (! pm_cuda_begin (cuda))
    return;
  if (cuda->is_capturing)
    pm_cuda_fail (cuda, PM_CUDA_FAILED, "an upload while a graph is captured");
  for (size_t at = 0; at < n_bytes && cuda->error.status == PM_CUDA_OK; at += PM_CUDA_STAGE_BYTES)
    {
      unsigned stage = cuda->next_stage++ % PM_CUDA_STAGES;
      size_t   n = piece (n_bytes, at);
      if (! pm_cuda_check (cuda, cudaEventSynchronize (cuda->staged[stage]), "cudaEventSynchronize"))
        return;
      memcpy (cuda->stages[stage], (const char *) from + at, n);
      if (pm_cuda_check (cuda, cudaMemcpyAsync ((char *) to + at, cuda->stages[stage], n, cudaMemcpyHostToDevice, cuda->stream),
                         "cudaMemcpyAsync to the device"))
        pm_cuda_check (cuda, cudaEventRecord (cuda->staged[stage], cuda->stream), "cudaEventRecord");
    }
}

/* While one part is copied out of the staging memory, the next is on its way into it. */
void
pm_cuda_download (PmCuda *cuda, void *to, const void *from, size_t n_bytes)
{
  size_t   n_parts = (n_bytes + PM_CUDA_STAGE_BYTES - 1) / PM_CUDA_STAGE_BYTES;
  unsigned first = cuda->next_stage;

  if (cuda->is_capturing)
    pm_cuda_fail (cuda, PM_CUDA_FAILED, "a download while a graph is captured");
  if (cuda->error.status != PM_CUDA_OK)
    memset (to, 0, n_bytes); /* finish tells why */
  cudaSetDevice (cuda->device);
  for (size_t part = 0; part < n_parts + 1 && cuda->error.status == PM_CUDA_OK; part++)
    {
      if (part < n_parts)
        {
          unsigned stage = (first + part) % PM_CUDA_STAGES;
          size_t   at = part * PM_CUDA_STAGE_BYTES;
          pm_cuda_check (cuda, cudaEventSynchronize (cuda->staged[stage]), "cudaEventSynchronize");
          pm_cuda_check (cuda, cudaMemcpyAsync (cuda->stages[stage], (const char *) from + at, piece (n_bytes, at),
                                                cudaMemcpyDeviceToHost, cuda->stream), "cudaMemcpyAsync from the device");
          pm_cuda_check (cuda, cudaEventRecord (cuda->staged[stage], cuda->stream), "cudaEventRecord");
        }
      if (part > 0 && cuda->error.status == PM_CUDA_OK)
        {
          unsigned stage = (first + part - 1) % PM_CUDA_STAGES;
          size_t   at = (part - 1) * PM_CUDA_STAGE_BYTES;
          if (pm_cuda_check (cuda, cudaEventSynchronize (cuda->staged[stage]), "work that was queued before"))
            memcpy ((char *) to + at, cuda->stages[stage], piece (n_bytes, at));
        }
    }
  cuda->next_stage = first + (unsigned) n_parts;
}

void
pm_cuda_copy (PmCuda *cuda, void *to, const void *from, size_t n_bytes)
{
  if (pm_cuda_begin (cuda))
    pm_cuda_check (cuda, cudaMemcpyAsync (to, from, n_bytes, cudaMemcpyDefault, cuda->stream), "cudaMemcpyAsync");
}
