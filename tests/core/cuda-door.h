/* What a test needs of the CUDA kernels' host build to run an attention: memory of the "device", and the operation. */
#ifndef PM_TEST_CUDA_DOOR_H
#define PM_TEST_CUDA_DOOR_H

#include "backend/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

void *pm_test_cuda_alloc (size_t n_bytes); /* filled with NaN */
void  pm_test_cuda_free (void *memory);
void  pm_test_cuda_upload (void *to, const void *from, size_t n_bytes);
void  pm_test_cuda_download (void *to, const void *from, size_t n_bytes);

/* Runs it on a device of so many multiprocessors, whose blocks may have so much shared memory. FALSE: not of these types. */
bool pm_test_cuda_attention (const PmAttention *op, int n_multiprocessors, size_t shared_limit);

#ifdef __cplusplus
}
#endif

#endif
