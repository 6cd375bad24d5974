/* The CUDA module through its plain C door, for tests of it: PENTIMENTO_CUDA_MODULE names the file. */
#ifndef PM_TEST_CUDA_MODULE_H
#define PM_TEST_CUDA_MODULE_H

#include "backend/backend.h"
#include "backend/cuda/abi.h"
#include "base/random.h"

/* NULL: there is none. */
const PmCudaModule *pm_test_cuda_load (void);

/* Whether it is the host build, which does as PM_CUDA_HOST says. */
gboolean pm_test_cuda_is_host (void);

/* The first device; fails the program when it cannot be opened. */
PmCuda *pm_test_cuda_open (const PmCudaModule *module, const PmCudaOptions *options);

/* n normal numbers; free with g_free. */
float *pm_test_cuda_normals (PmRandom *random, gsize n, float scale);

/* As dtype, to nearest even; free with g_free. And there and back. */
gpointer pm_test_cuda_narrow (const float *values, gsize n, PmDtype dtype);
void     pm_test_cuda_round (float *values, gsize n, PmDtype dtype);

/* Memory of the device with these values as dtype; and back as f32, the memory being freed. */
gpointer pm_test_cuda_put (const PmCudaModule *module, PmCuda *cuda, const float *values, gsize n, PmDtype dtype);
float   *pm_test_cuda_take (const PmCudaModule *module, PmCuda *cuda, gpointer memory, gsize n, PmDtype dtype);

/* Waits; fails the program when something went wrong on the way. */
void pm_test_cuda_finish (const PmCudaModule *module, PmCuda *cuda);

#endif
