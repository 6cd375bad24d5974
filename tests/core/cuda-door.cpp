/* See cuda-door.h. */
#include "cuda-door.h"

#include <stdlib.h>

#include "backend/cuda/attention.h"

/* Ends the test when a call of CUDA failed. */
static void
check (cudaError_t error)
{
  if (error != cudaSuccess)
    abort ();
}

/* Runs what is queued by way of a stream of its own. */
template <typename Queue>
static void
run (Queue queue)
{
  cudaStream_t stream;
  check (cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking));
  check (queue (stream));
  check (cudaStreamSynchronize (stream));
  check (cudaStreamDestroy (stream));
}

void *
pm_test_cuda_alloc (size_t n_bytes)
{
  void *memory;
  check (cudaMalloc (&memory, n_bytes));
  return memory;
}

void
pm_test_cuda_free (void *memory)
{
  check (cudaFree (memory));
}

void
pm_test_cuda_upload (void *to, const void *from, size_t n_bytes)
{
  if (n_bytes > 0)
    run ([=] (cudaStream_t stream) { return cudaMemcpyAsync (to, from, n_bytes, cudaMemcpyHostToDevice, stream); });
}

void
pm_test_cuda_download (void *to, const void *from, size_t n_bytes)
{
  run ([=] (cudaStream_t stream) { return cudaMemcpyAsync (to, from, n_bytes, cudaMemcpyDeviceToHost, stream); });
}

bool
pm_test_cuda_attention (const PmAttention *op, int n_multiprocessors, size_t shared_limit)
{
  size_t n_stats = pm_attention_count_stats (op);
  float *stats = n_stats ? (float *) pm_test_cuda_alloc (n_stats * sizeof (float)) : NULL;
  bool   can = false;

  run ([&] (cudaStream_t stream) {
    cudaError_t error = cudaSuccess;
    PmLaunch    launch = { stream, n_multiprocessors, shared_limit, &error };
    can = pm_attention_run (op, stats, &launch);
    return error;
  });
  if (stats)
    pm_test_cuda_free (stats);
  return can;
}
