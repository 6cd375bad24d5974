/* CUDA's small types for the host build of the kernels (toolchain.h): vectors, half precision, extents. Layout, alignment and
 * rounding are CUDA's: conversions to the narrow types round to nearest even. */
#ifndef PM_HOST_TYPES_H
#define PM_HOST_TYPES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

struct dim3
{
  unsigned x, y, z;
  constexpr dim3 (unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
    : x (x_), y (y_), z (z_)
  {
  }
};
typedef dim3 uint3;

#define PM_HOST_VECTORS(type, name)                                         \
  struct alignas (2 * sizeof (type)) name##2                                \
  {                                                                         \
    type x, y;                                                              \
  };                                                                        \
  struct alignas (4 * sizeof (type)) name##4                                \
  {                                                                         \
    type x, y, z, w;                                                        \
  };                                                                        \
  static inline name##2 make_##name##2 (type x, type y)                     \
  {                                                                         \
    return name##2 { x, y };                                                \
  }                                                                         \
  static inline name##4 make_##name##4 (type x, type y, type z, type w)     \
  {                                                                         \
    return name##4 { x, y, z, w };                                          \
  }
PM_HOST_VECTORS (float, float)
PM_HOST_VECTORS (int, int)
PM_HOST_VECTORS (unsigned, uint)
#undef PM_HOST_VECTORS

static inline uint32_t
__float_as_uint (float x)
{
  uint32_t bits;
  memcpy (&bits, &x, 4);
  return bits;
}

static inline float
__uint_as_float (uint32_t bits)
{
  float x;
  memcpy (&x, &bits, 4);
  return x;
}

static inline int
__float_as_int (float x)
{
  return (int) __float_as_uint (x);
}

static inline float
__int_as_float (int bits)
{
  return __uint_as_float ((uint32_t) bits);
}

struct __half
{
  uint16_t bits;
};
struct __nv_bfloat16
{
  uint16_t bits;
};
struct alignas (4) __half2
{
  __half x, y;
};
struct alignas (4) __nv_bfloat162
{
  __nv_bfloat16 x, y;
};
typedef __half         half;
typedef __half2        half2;
typedef __nv_bfloat16  nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

static inline float
__bfloat162float (__nv_bfloat16 x)
{
  return __uint_as_float ((uint32_t) x.bits << 16);
}

static inline __nv_bfloat16
__float2bfloat16 (float x)
{
  uint32_t bits = __float_as_uint (x);
  if (x != x)
    return __nv_bfloat16 { 0x7fff };
  return __nv_bfloat16 { (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) };
}

/* Exponents are moved by a product, which also makes subnormals right. */
static inline float
__half2float (__half x)
{
  uint32_t sign = (uint32_t) (x.bits & 0x8000) << 16, rest = (uint32_t) (x.bits & 0x7fff) << 13;
  float    value = __uint_as_float (rest) * 0x1p112f;
  if (rest >= 0x7c00u << 13)
    value = __uint_as_float (rest | 0x7f800000);
  return __uint_as_float (__float_as_uint (value) | sign);
}

static inline __half
__float2half (float x)
{
  uint32_t bits = __float_as_uint (x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return __half { 0x7fff };
  if (rest >= 0x477ff000) /* rounds to 65536 */
    return __half { (uint16_t) (sign | 0x7c00) };
  if (rest < 0x38800000) /* subnormal: the sum with 0.5 rounds at the right bit */
    return __half { (uint16_t) (sign | (__float_as_uint (__uint_as_float (rest) + 0.5f) - 0x3f000000)) };
  return __half { (uint16_t) (sign | ((rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13)) };
}

static inline __half2
__floats2half2_rn (float x, float y)
{
  return __half2 { __float2half (x), __float2half (y) };
}

static inline __nv_bfloat162
__floats2bfloat162_rn (float x, float y)
{
  return __nv_bfloat162 { __float2bfloat16 (x), __float2bfloat16 (y) };
}

static inline float2
__half22float2 (__half2 x)
{
  return float2 { __half2float (x.x), __half2float (x.y) };
}

static inline float2
__bfloat1622float2 (__nv_bfloat162 x)
{
  return float2 { __bfloat162float (x.x), __bfloat162float (x.y) };
}

static inline float
pm_host_widen (__half x)
{
  return __half2float (x);
}

static inline float
pm_host_widen (__nv_bfloat16 x)
{
  return __bfloat162float (x);
}

#endif
