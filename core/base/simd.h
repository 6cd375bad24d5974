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
  return (PmVec) { 0 } + value;
}

PM_INLINE float
pm_vec_sum (PmVec v)
{
  float sum = 0.f;
  for (int i = 0; i < PM_LANES; i++)
    sum += v[i];
  return sum;
}

/* Lane by lane: a where mask is all ones, b where it is zero. */
PM_INLINE PmVec
pm_vec_select (PmVecInt mask, PmVec a, PmVec b)
{
  return (PmVec) (((PmVecInt) a & mask) | ((PmVecInt) b & ~mask));
}

PM_INLINE PmVec
pm_vec_max (PmVec a, PmVec b)
{
  return pm_vec_select (a > b, a, b);
}

PM_INLINE PmVec
pm_vec_min (PmVec a, PmVec b)
{
  return pm_vec_select (a < b, a, b);
}

/* exp (x) to 2e-7 relative for -87 <= x <= 88, clamped outside. Range reduction by powers of two and a polynomial of
 * degree 6 (the minimax coefficients that Cephes publishes for expf). */
PM_INLINE PmVec
pm_vec_exp (PmVec x)
{
  const PmVec magic = pm_vec_set (12582912.f); /* 1.5 * 2^23: adding it rounds to whole numbers */
  x = pm_vec_min (pm_vec_max (x, pm_vec_set (-87.f)), pm_vec_set (88.f));
  PmVec n = (x * 1.44269504088896341f + magic) - magic;
  PmVec r = x - n * 0.693359375f + n * 2.12194440e-4f;
  PmVec p = pm_vec_set (1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  PmVecInt exponent = (__builtin_convertvector (n, PmVecInt) + 127) << 23;
  return p * (PmVec) exponent;
}

#endif
