/* Inside of the host build: what its files tell each other. */
#ifndef PM_HOST_H
#define PM_HOST_H

#include "block.h"

/* Runs `thread` for every thread of every block, now. */
void pm_host_run_grid (dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, const std::function<void (void)> &thread);

/* Queues work that is no kernel: a library's product. */
cudaError_t pm_host_queue (cudaStream_t stream, std::function<void (void)> work);

/* A device's memory, the first n_poisoned bytes of it NaN; NULL: there is none left. It can be touched while it is open only. */
void *pm_host_memory_take (size_t n_bytes, size_t n_poisoned);
void  pm_host_memory_give (void *memory);
void  pm_host_memory_open (bool is_open);

/* What calls say that need a context. */
cudaError_t pm_host_context_state (void);

/* A number of PM_CUDA_HOST, see runtime.h. */
long pm_host_setting (const char *name, long otherwise);

#endif
