/* Vectorised loops without intrinsics: GNU vectors of 16 floats, in functions that are PM_CLONES. */
#ifndef PM_SIMD_H
#define PM_SIMD_H

#include <string.h>

#include <glib.h>

#include "base/clones.h"

#define PM_INLINE static inline __attribute__ ((always_inline))

/* 16 lanes of f32; the compiler splits them where registers are narrower. */
#define PM_LANES 16
typedef float  PmVec __attribute__ ((vector_size (64)));
typedef gint32 PmVecInt __attribute__ ((vector_size (64)));

PM_INLINE PmVec
pm_vec_load (const float *from /* [16] any alignment */)
{
  PmVec v;
  memcpy (&v, from, sizeof v);
  return v;
}

PM_INLINE void
pm_vec_store (float *to /* [16] any alignment */, PmVec v)
{
  memcpy (to, &v, sizeof v);
}

PM_INLINE PmVec
pm_vec_set (float value)
{
  return value - (PmVec) { 0 }; /* adding would cost an instruction: -0 + 0 is another number */
}

PM_INLINE float
pm_vec_sum (PmVec v)
{
  float sum = 0.f;
  for (int i = 0; i < PM_LANES; i++)
    sum += v[i];
  return sum;
}

/* to[j][i] = from[i][j] for 8 rows of 8, strides in elements. */
PM_INLINE void
pm_transpose_8x8 (const float *from, gsize from_stride, float *to, gsize to_stride)
{
  typedef float Half __attribute__ ((vector_size (32)));
  Half          rows[8], pairs[8], fours[8];

#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    memcpy (&rows[i], from + i * from_stride, sizeof (Half));
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2)
    {
      pairs[i] = __builtin_shufflevector (rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      pairs[i + 1] = __builtin_shufflevector (rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    {
      int at = i / 2 * 4 + i % 2; /* pairs at and at + 2 */
      int out = i / 2 * 4 + i % 2 * 2;
      fours[out] = __builtin_shufflevector (pairs[at], pairs[at + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[out + 1] = __builtin_shufflevector (pairs[at], pairs[at + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    {
      Half low = __builtin_shufflevector (fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      Half high = __builtin_shufflevector (fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
      memcpy (to + i * to_stride, &low, sizeof low);
      memcpy (to + (i + 4) * to_stride, &high, sizeof high);
    }
}

/* Lane by lane: a where mask is all ones, b where it is zero. */
PM_INLINE PmVec
pm_vec_select (PmVecInt mask, PmVec a, PmVec b)
{
  return (PmVec) (((PmVecInt) a & mask) | ((PmVecInt) b & ~mask));
}

/* Written by lanes, a maximum is one instruction; by a mask it would be two. */
PM_INLINE PmVec
pm_vec_max (PmVec a, PmVec b)
{
  for (int i = 0; i < PM_LANES; i++)
    a[i] = a[i] > b[i] ? a[i] : b[i];
  return a;
}

PM_INLINE PmVec
pm_vec_min (PmVec a, PmVec b)
{
  for (int i = 0; i < PM_LANES; i++)
    a[i] = a[i] < b[i] ? a[i] : b[i];
  return a;
}

/* exp (x) to 2e-7 relative for -87 <= x <= 88, and nonsense outside. Range reduction by powers of two and a polynomial of
 * degree 6 (the minimax coefficients that Cephes publishes for expf). */
PM_INLINE PmVec
pm_vec_exp_inside (PmVec x)
{
  const PmVec magic = pm_vec_set (12582912.f); /* 1.5 * 2^23: adding it rounds to whole numbers, in the low bits of the sum */
  PmVec       rounded = x * 1.44269504088896341f + magic;
  PmVec       n = rounded - magic;
  PmVec       r = x - n * 0.693359375f + n * 2.12194440e-4f;
  PmVec       p = pm_vec_set (1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  return p * (PmVec) (((PmVecInt) rounded + 127) << 23);
}

/* The same, clamped outside. */
PM_INLINE PmVec
pm_vec_exp (PmVec x)
{
  return pm_vec_exp_inside (pm_vec_min (pm_vec_max (x, pm_vec_set (-87.f)), pm_vec_set (88.f)));
}

#endif
