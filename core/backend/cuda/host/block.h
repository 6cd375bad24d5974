/* Running a kernel on the host: every thread of a block is a fiber, blocks run one after another.
 *
 * Fibers run until a barrier or a warp's exchange, in an order shuffled by a seed, so that a missing barrier shows as a wrong
 * number. Reported, and the program ended: barriers that not all threads reach, exchanges that not all lanes of the mask
 * reach. Dynamic shared memory is NaN at a block's start and exactly as large as asked for, for the address sanitizer to see. */
#ifndef PM_HOST_BLOCK_H
#define PM_HOST_BLOCK_H

#include <functional>
#include <tuple>

#include "runtime.h"

struct PmHostLane
{
  dim3  thread; /* threadIdx */
  int   index;  /* in the block */
  void *fiber;
};

/* What all threads of the running block share. */
struct PmHostBlock
{
  dim3  grid, size, block; /* gridDim, blockDim, blockIdx */
  void *shared;
};

extern thread_local PmHostLane  *pm_host_lane;
extern thread_local PmHostBlock *pm_host_block;

#define threadIdx (pm_host_lane->thread)
#define blockIdx  (pm_host_block->block)
#define blockDim  (pm_host_block->size)
#define gridDim   (pm_host_block->grid)
#define warpSize  32

#define __global__
#define __device__
#define __host__
#define __forceinline__     inline
#define __constant__        static
#define __shared__          static thread_local
#define __launch_bounds__(...)
#define __align__(n) __attribute__ ((aligned (n)))

/* Dynamic shared memory. */
#define PM_SHARED(type, name) type *name = (type *) pm_host_block->shared

/* Every lane of the mask comes with what it brings and takes; the last to come combines for all. */
typedef void (*PmHostCombine) (unsigned mask, const void *const *in /* [32] */, void *const *out /* [32] */);
void pm_host_exchange (PmHostCombine combine, unsigned mask, const void *in, void *out);
void pm_host_barrier (const char *file, int line);
int  pm_host_lane_id (void);

#define __syncthreads() pm_host_barrier (__FILE__, __LINE__)

cudaError_t pm_host_launch (const void *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                            std::function<void (void)> thread);

/* Queues kernel (args...). */
template <typename... P, typename... A>
cudaError_t
pm_launch (void (*kernel) (P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, A... args)
{
  std::tuple<P...> values ((P) args...);
  return pm_host_launch ((const void *) kernel, grid, block, shared_bytes, stream,
                         [kernel, values] () { std::apply (kernel, values); });
}

/* Copies that a thread has begun and not yet waited for: they happen at the wait, as late as CUDA allows. */
void pm_host_copy_begin (void *to, const void *from, int n_bytes, int n_valid);
void pm_host_copy_commit (void);
void pm_host_copy_wait (int n_pending);

/* How often kernels were run, for tests; and ends the program with a message about the running kernel. */
uint64_t pm_host_count_launches (void);
[[noreturn]] void pm_host_fail (const char *what);

#endif
