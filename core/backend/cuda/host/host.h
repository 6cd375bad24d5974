/* Inside of the host build: what its files tell each other. */
#ifndef PM_HOST_H
#define PM_HOST_H

#include "block.h"

/* Runs `thread` for every thread of every block, now. */
void pm_host_run_grid (dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, const std::function<void (void)> &thread);

/* Queues work that is no kernel: a library's product. */
cudaError_t pm_host_queue (cudaStream_t stream, std::function<void (void)> work);

/* A number of PM_CUDA_HOST, see runtime.h. */
long pm_host_setting (const char *name, long otherwise);

#endif
