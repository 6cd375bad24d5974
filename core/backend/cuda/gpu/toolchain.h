/* The CUDA language as nvcc gives it, and the steps that only PTX has (PTX ISA 9.0, sections 9.7.9.25 cp.async, 9.7.14 mma and
 * ldmatrix). host/toolchain.h gives the same to a C++ compiler. */
#ifndef PM_TOOLCHAIN_H
#define PM_TOOLCHAIN_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

extern __shared__ __align__ (16) unsigned char pm_shared_memory[];
#define PM_SHARED(type, name) type *name = (type *) pm_shared_memory

/* Queues kernel (args...). */
template <typename... P, typename... A>
static inline cudaError_t
pm_launch (void (*kernel) (P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, A... args)
{
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx (&config, kernel, (P) args...);
}

/* Below sm_80 two products of half the depth: their fragments are the halves of the deep one's. */
static __device__ __forceinline__ void
pm_mma (float *c, const uint32_t *a, const uint32_t *b, const __half *)
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                "{%0, %1, %2, %3};"
                : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#pragma unroll
  for (int half = 0; half < 2; half++)
    asm volatile ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                  : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                  : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
#endif
}

/* Not there below sm_80; the module opens such a device with f16. */
static __device__ __forceinline__ void
pm_mma (float *c, const uint32_t *a, const uint32_t *b, const __nv_bfloat16 *)
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                "{%0, %1, %2, %3};"
                : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap ();
#endif
}

/* 2^x within two units of the last place; 0 below -126. */
static __device__ __forceinline__ float
pm_exp2_approx (float x)
{
  float y;
  asm ("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

static __device__ __forceinline__ uint32_t
pm_shared_address (const void *at)
{
  return (uint32_t) __cvta_generic_to_shared (at);
}

static __device__ __forceinline__ void
pm_ldmatrix_x2 (uint32_t *r, const void *row)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                : "=r"(r[0]), "=r"(r[1])
                : "r"(pm_shared_address (row))
                : "memory");
}

static __device__ __forceinline__ void
pm_ldmatrix_x2_trans (uint32_t *r, const void *row)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                : "=r"(r[0]), "=r"(r[1])
                : "r"(pm_shared_address (row))
                : "memory");
}

static __device__ __forceinline__ void
pm_ldmatrix_x4 (uint32_t *r, const void *row)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                : "r"(pm_shared_address (row))
                : "memory");
}

static __device__ __forceinline__ void
pm_ldmatrix_x4_trans (uint32_t *r, const void *row)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                : "r"(pm_shared_address (row))
                : "memory");
}

/* from must be a valid address even where nothing is taken from it. */
static __device__ __forceinline__ void
pm_cp_async_16 (void *to, const void *from, bool is_valid)
{
#if __CUDA_ARCH__ >= 800
  int n_valid = is_valid ? 16 : 0;
  asm volatile ("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                :
                : "r"(pm_shared_address (to)), "l"(__cvta_generic_to_global (from)), "r"(n_valid)
                : "memory");
#else
  *(uint4 *) to = is_valid ? *(const uint4 *) from : make_uint4 (0, 0, 0, 0);
#endif
}

static __device__ __forceinline__ void
pm_cp_async_commit (void)
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("cp.async.commit_group;" ::: "memory");
#endif
}

template <int n_pending>
static __device__ __forceinline__ void
pm_cp_async_wait (void)
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("cp.async.wait_group %0;" ::"n"(n_pending) : "memory");
#endif
}

#endif
