/* What kernels are written against: the CUDA language (from nvcc by gpu/toolchain.h, from the host compiler by
 * host/toolchain.h; the build's include path decides), and the small steps that all kernels share.
 *
 * toolchain.h gives, beside CUDA's own words:
 *   pm_launch (kernel, grid, block, shared_bytes, stream, args...)  queues a kernel, returns the cudaError_t
 *   PM_SHARED (type, name)                                          dynamic shared memory, 16-byte aligned
 *   pm_mma (float c[4], const uint32_t a[4], const uint32_t b[2], (const T *) 0)
 *       c += a b for the whole warp, T __half or __nv_bfloat16, fragments of PTX's mma.m16n8k16 (row, col). bf16 needs sm_80.
 *   pm_ldmatrix_x2|x4[_trans] (uint32_t *registers, const void *row)  lane l gives the address of row l % 8 of matrix l / 8
 *   pm_cp_async_16 (to, from, is_valid), _commit (), _wait<n> ()      16 bytes into shared memory, zeros where not valid; on
 *                                                                     sm_75 a plain copy
 *   pm_exp2_approx (x)                                              2^x in one instruction, within two units of the last place
 * Static __shared__ arrays keep what the last block left, on the host too. */
#ifndef PM_CUDA_DEVICE_H
#define PM_CUDA_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "toolchain.h"

#define PM_LAUNCH(...) pm_launch (__VA_ARGS__)
#define PM_WARP        32
#define PM_ALL_LANES   0xffffffffu
#define PM_DEVICE      static __device__ __forceinline__

/* An element to and from f32. */
PM_DEVICE float
pm_get (float x)
{
  return x;
}

PM_DEVICE float
pm_get (__half x)
{
  return __half2float (x);
}

PM_DEVICE float
pm_get (__nv_bfloat16 x)
{
  return __bfloat162float (x);
}

PM_DEVICE void
pm_set (float *to, float x)
{
  *to = x;
}

PM_DEVICE void
pm_set (__half *to, float x)
{
  *to = __float2half (x);
}

PM_DEVICE void
pm_set (__nv_bfloat16 *to, float x)
{
  *to = __float2bfloat16 (x);
}

/* Two elements in a register, the first in the low half: pm_pack (a, b, (const T *) 0). */
PM_DEVICE uint32_t
pm_pack (float a, float b, const __half *)
{
  __half2  pair = __floats2half2_rn (a, b);
  uint32_t bits;
  memcpy (&bits, &pair, 4);
  return bits;
}

PM_DEVICE uint32_t
pm_pack (float a, float b, const __nv_bfloat16 *)
{
  __nv_bfloat162 pair = __floats2bfloat162_rn (a, b);
  uint32_t       bits;
  memcpy (&bits, &pair, 4);
  return bits;
}

PM_DEVICE float2
pm_unpack (uint32_t bits, const __half *)
{
  __half2 pair;
  memcpy (&pair, &bits, 4);
  return __half22float2 (pair);
}

PM_DEVICE float2
pm_unpack (uint32_t bits, const __nv_bfloat16 *)
{
  return make_float2 (__uint_as_float (bits << 16), __uint_as_float (bits & 0xffff0000u));
}

/* Over all 32 lanes; every lane gets the same bits. */
PM_DEVICE float
pm_warp_sum (float x)
{
#pragma unroll
  for (int lanes = PM_WARP / 2; lanes > 0; lanes /= 2)
    x += __shfl_xor_sync (PM_ALL_LANES, x, lanes);
  return x;
}

PM_DEVICE float
pm_warp_max (float x)
{
#pragma unroll
  for (int lanes = PM_WARP / 2; lanes > 0; lanes /= 2)
    x = fmaxf (x, __shfl_xor_sync (PM_ALL_LANES, x, lanes));
  return x;
}

#endif
