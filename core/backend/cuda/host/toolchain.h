/* The CUDA language for a C++ compiler: what gpu/toolchain.h takes from nvcc, made of host code, so that the kernels' index and
 * reduction arithmetic can be tested where there is no GPU. A test's tool, in no release.
 * Source: CUDA C++ Programming Guide (warp functions), PTX ISA (mma, ldmatrix, cp.async). */
#ifndef PM_TOOLCHAIN_H
#define PM_TOOLCHAIN_H

#include "block.h"
#include "runtime.h"
#include "types.h"
#include "watch.h"

template <typename T>
static inline T
min (T a, T b)
{
  return b < a ? b : a;
}

template <typename T>
static inline T
max (T a, T b)
{
  return a < b ? b : a;
}

/* The C library has functions of these names that it does not export. */
#define __expf(x) expf (x)
#define __logf(x) logf (x)

static inline float
pm_exp2_approx (float x)
{
  return exp2f (x);
}

static inline float
__fdividef (float x, float y)
{
  return x / y;
}

static inline float
rsqrtf (float x)
{
  return 1 / sqrtf (x);
}

template <typename T>
static inline T
__ldg (const T *from)
{
  return *from;
}

/* Blocks run one after another, and fibers do not interrupt each other. */
template <typename T>
static inline T
atomicAdd (T *to, T value)
{
  T before = *to;
  *to += value;
  return before;
}

template <typename T>
static inline T
atomicMax (T *to, T value)
{
  T before = *to;
  *to = max (before, value);
  return before;
}

static inline void
__threadfence (void)
{
}

struct PmHostShuffle
{
  uint64_t value;
  int      source; /* lane, already of the right segment */
};
void pm_host_shuffle (unsigned mask, const void *const *in, void *const *out);
void pm_host_ballot (unsigned mask, const void *const *in, void *const *out);
void pm_host_meet (unsigned mask, const void *const *in, void *const *out);

template <typename T>
static inline T
pm_host_shuffle_from (unsigned mask, T value, int source)
{
  PmHostShuffle in = { 0, source };
  uint64_t      out = 0;
  static_assert (sizeof (T) <= 8, "shuffles move at most 8 bytes");
  memcpy (&in.value, &value, sizeof (T));
  pm_host_exchange (pm_host_shuffle, mask, &in, &out);
  memcpy (&value, &out, sizeof (T));
  return value;
}

template <typename T>
static inline T
__shfl_sync (unsigned mask, T value, int source, int width = 32)
{
  int lane = pm_host_lane_id ();
  return pm_host_shuffle_from (mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}

template <typename T>
static inline T
__shfl_xor_sync (unsigned mask, T value, int lanes, int width = 32)
{
  int lane = pm_host_lane_id (), source = lane ^ lanes;
  return pm_host_shuffle_from (mask, value, source > (lane | (width - 1)) ? lane : source);
}

template <typename T>
static inline T
__shfl_down_sync (unsigned mask, T value, int delta, int width = 32)
{
  int lane = pm_host_lane_id (), source = lane + delta;
  return pm_host_shuffle_from (mask, value, source > (lane | (width - 1)) ? lane : source);
}

template <typename T>
static inline T
__shfl_up_sync (unsigned mask, T value, int delta, int width = 32)
{
  int lane = pm_host_lane_id (), source = lane - delta;
  return pm_host_shuffle_from (mask, value, source < (lane & ~(width - 1)) ? lane : source);
}

static inline unsigned
__ballot_sync (unsigned mask, int predicate)
{
  unsigned out = 0;
  pm_host_exchange (pm_host_ballot, mask, &predicate, &out);
  return out;
}

static inline int
__any_sync (unsigned mask, int predicate)
{
  return __ballot_sync (mask, predicate) != 0;
}

static inline int
__all_sync (unsigned mask, int predicate)
{
  return __ballot_sync (mask, predicate) == mask;
}

static inline void
__syncwarp (unsigned mask = 0xffffffffu)
{
  pm_host_exchange (pm_host_meet, mask, NULL, NULL);
}

/* One lane's registers in a product of the whole warp. */
struct PmHostMma
{
  float          *c;    /* [4] */
  const uint32_t *a, *b; /* [4], [2] */
};
void pm_host_mma_half (unsigned mask, const void *const *in, void *const *out);
void pm_host_mma_bfloat (unsigned mask, const void *const *in, void *const *out);
void pm_host_ldmatrix_x2 (unsigned mask, const void *const *in, void *const *out);
void pm_host_ldmatrix_x4 (unsigned mask, const void *const *in, void *const *out);
void pm_host_ldmatrix_x2_trans (unsigned mask, const void *const *in, void *const *out);
void pm_host_ldmatrix_x4_trans (unsigned mask, const void *const *in, void *const *out);

/* c[16,8] += a[16,16] b[16,8]; see device.h. */
static inline void
pm_mma (float *c, const uint32_t *a, const uint32_t *b, const __half *)
{
  PmHostMma registers = { c, a, b };
  pm_host_exchange (pm_host_mma_half, 0xffffffffu, &registers, NULL);
}

static inline void
pm_mma (float *c, const uint32_t *a, const uint32_t *b, const __nv_bfloat16 *)
{
  PmHostMma registers = { c, a, b };
  pm_host_exchange (pm_host_mma_bfloat, 0xffffffffu, &registers, NULL);
}

#define PM_HOST_LDMATRIX(name, n_rows)                                             \
  static inline void pm_##name (uint32_t *registers, const void *row)              \
  {                                                                                \
    if (pm_host_lane_id () < n_rows)                                               \
      PM_WATCH_READ_16 (row);                                                      \
    pm_host_exchange (pm_host_##name, 0xffffffffu, row, registers);                \
  }
PM_HOST_LDMATRIX (ldmatrix_x2, 16)
PM_HOST_LDMATRIX (ldmatrix_x4, 32)
PM_HOST_LDMATRIX (ldmatrix_x2_trans, 16)
PM_HOST_LDMATRIX (ldmatrix_x4_trans, 32)
#undef PM_HOST_LDMATRIX

static inline void
pm_cp_async_16 (void *to, const void *from, bool is_valid)
{
  pm_host_copy_begin (to, from, 16, is_valid ? 16 : 0);
}

static inline void
pm_cp_async_commit (void)
{
  pm_host_copy_commit ();
}

template <int n_pending>
static inline void
pm_cp_async_wait (void)
{
  pm_host_copy_wait (n_pending);
}

#endif
