/* Elements of a type that is known only when a kernel runs: every thread of a launch takes the same branch, and what waits for
 * memory does not notice. Eight at a time are 16 or 32 bytes, so they must be aligned to 16. */
#ifndef PM_CUDA_ELEMENTS_H
#define PM_CUDA_ELEMENTS_H

#include "backend/cuda/device.h"
#include "backend/ops.h"

#define PM_THREADS 256 /* of a block of kernels that go over elements */

PM_DEVICE float
pm_load (const void *from, PmDtype dtype, size_t at)
{
  if (dtype == PM_DTYPE_F32)
    return ((const float *) from)[at];
  if (dtype == PM_DTYPE_F16)
    return pm_get (((const __half *) from)[at]);
  return pm_get (((const __nv_bfloat16 *) from)[at]);
}

PM_DEVICE void
pm_store (void *to, PmDtype dtype, size_t at, float value)
{
  if (dtype == PM_DTYPE_F32)
    ((float *) to)[at] = value;
  else if (dtype == PM_DTYPE_F16)
    pm_set ((__half *) to + at, value);
  else
    pm_set ((__nv_bfloat16 *) to + at, value);
}

template <typename T>
PM_DEVICE void
pm_unpack8 (const uint4 &bits, float *values /* [8] */)
{
  const uint32_t words[4] = { bits.x, bits.y, bits.z, bits.w };
#pragma unroll
  for (int i = 0; i < 4; i++)
    {
      float2 pair = pm_unpack (words[i], (const T *) 0);
      values[2 * i] = pair.x;
      values[2 * i + 1] = pair.y;
    }
}

template <typename T>
PM_DEVICE uint4
pm_pack8 (const float *values /* [8] */)
{
  return make_uint4 (pm_pack (values[0], values[1], (const T *) 0), pm_pack (values[2], values[3], (const T *) 0),
                     pm_pack (values[4], values[5], (const T *) 0), pm_pack (values[6], values[7], (const T *) 0));
}

PM_DEVICE void
pm_load8 (const void *from, PmDtype dtype, size_t at, float *values /* [8] */)
{
  if (dtype == PM_DTYPE_F32)
    {
      const float4 *quads = (const float4 *) ((const float *) from + at);
      float4        a = quads[0], b = quads[1];
      values[0] = a.x, values[1] = a.y, values[2] = a.z, values[3] = a.w;
      values[4] = b.x, values[5] = b.y, values[6] = b.z, values[7] = b.w;
    }
  else if (dtype == PM_DTYPE_F16)
    pm_unpack8<__half> (*(const uint4 *) ((const __half *) from + at), values);
  else
    pm_unpack8<__nv_bfloat16> (*(const uint4 *) ((const __nv_bfloat16 *) from + at), values);
}

PM_DEVICE void
pm_store8 (void *to, PmDtype dtype, size_t at, const float *values /* [8] */)
{
  if (dtype == PM_DTYPE_F32)
    {
      float4 *quads = (float4 *) ((float *) to + at);
      quads[0] = make_float4 (values[0], values[1], values[2], values[3]);
      quads[1] = make_float4 (values[4], values[5], values[6], values[7]);
    }
  else if (dtype == PM_DTYPE_F16)
    *(uint4 *) ((__half *) to + at) = pm_pack8<__half> (values);
  else
    *(uint4 *) ((__nv_bfloat16 *) to + at) = pm_pack8<__nv_bfloat16> (values);
}

/* As core/backend/epilogue.h has them. */
PM_DEVICE float
pm_activate (PmActivation activation, float x)
{
  if (activation == PM_ACTIVATION_SILU)
    return x / (1.f + expf (-x));
  if (activation == PM_ACTIVATION_GELU_TANH)
    return x / (1.f + expf (-1.5957691216057308f * (x + 0.044715f * x * x * x)));
  if (activation == PM_ACTIVATION_RELU)
    return fmaxf (x, 0.f);
  return x;
}

static inline bool
pm_is_aligned (const void *data)
{
  return ((uintptr_t) data & 15) == 0;
}

/* Blocks for n threads, at most so many that each has some work; kernels step by the whole grid. */
static inline dim3
pm_blocks (size_t n)
{
  size_t blocks = (n + PM_THREADS - 1) / PM_THREADS;
  return dim3 ((unsigned) (blocks < 1 ? 1 : blocks > 65536 ? 65536 : blocks));
}

/* The first element of this thread, and the distance to its next. */
PM_DEVICE size_t
pm_first (void)
{
  return (size_t) blockIdx.x * blockDim.x + threadIdx.x;
}

PM_DEVICE size_t
pm_step (void)
{
  return (size_t) gridDim.x * blockDim.x;
}

#endif
