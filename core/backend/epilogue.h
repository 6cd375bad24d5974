/* What follows a product, 16 columns at a time: y = residual + gate * activation (x + bias). */
#ifndef PM_EPILOGUE_H
#define PM_EPILOGUE_H

#include "backend/backend.h"
#include "base/simd.h"

PM_INLINE PmVec
pm_vec_activate (PmActivation activation, PmVec x)
{
  if (activation == PM_ACTIVATION_SILU)
    return x / (1.f + pm_vec_exp (-x));
  if (activation == PM_ACTIVATION_GELU_TANH) /* 0.5 (1 + tanh (u)) = 1 / (1 + exp (-2u)) */
    return x / (1.f + pm_vec_exp (-1.5957691216057308f * (x + 0.044715f * x * x * x)));
  if (activation == PM_ACTIVATION_RELU)
    return pm_vec_max (x, pm_vec_set (0.f));
  return x;
}

/* Pointers may be NULL. */
PM_INLINE PmVec
pm_vec_epilogue (PmActivation activation, PmVec x, const float *bias, const float *gate, const float *residual)
{
  if (bias)
    x += pm_vec_load (bias);
  x = pm_vec_activate (activation, x);
  if (gate)
    x *= pm_vec_load (gate);
  if (residual)
    x += pm_vec_load (residual);
  return x;
}

#endif
