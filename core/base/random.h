/* PyTorch's CPU generator: mt19937, and its normal distribution.
 * Source of truth: pytorch, aten/src/ATen/core/MT19937RNGEngine.h, CPUGeneratorImpl.cpp,
 * native/cpu/DistributionTemplates.h (normal_fill for 16 values and more, pairs of doubles below). */
#ifndef PM_RANDOM_H
#define PM_RANDOM_H

#include <glib.h>

typedef struct
{
  guint32  state[624];
  int      next;              /* index of the next word of state */
  gboolean has_cached_normal; /* the second of a pair drawn by the scalar path */
  double   cached_normal;
} PmRandom;

/* As torch.manual_seed (seed): only the low 32 bits seed mt19937. */
void pm_random_init (PmRandom *random, guint64 seed);

guint32 pm_random_u32 (PmRandom *random);
guint64 pm_random_u64 (PmRandom *random); /* first word drawn is the high half */

/* torch.rand: n floats in [0, 1), 24 bits each. */
void pm_random_uniform (PmRandom *random, gsize n, float *out /* [n] */);

/* torch.randn: n floats ~ N(0, 1). One call of n is not n calls of 1. */
void pm_random_normal (PmRandom *random, gsize n, float *out /* [n] */);

#endif
