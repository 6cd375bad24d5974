/* PyTorch's CPU generator. The order in which words are drawn is the contract; see random.h for the sources. */
#include "base/random.h"

#include <math.h>
#include <string.h>

void
pm_random_init (PmRandom *random, guint64 seed)
{
  memset (random, 0, sizeof *random);
  random->state[0] = (guint32) seed;
  for (guint32 i = 1; i < 624; i++)
    random->state[i] = 1812433253u * (random->state[i - 1] ^ (random->state[i - 1] >> 30)) + i;
  random->next = 624;
}

static void
random_refill (PmRandom *random)
{
  guint32 *s = random->state;
  for (int i = 0; i < 624; i++)
    {
      guint32 y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7fffffffu);
      s[i] = s[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
  random->next = 0;
}

guint32
pm_random_u32 (PmRandom *random)
{
  if (random->next == 624)
    random_refill (random);
  guint32 y = random->state[random->next++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

guint64
pm_random_u64 (PmRandom *random)
{
  guint64 high = pm_random_u32 (random);
  return high << 32 | pm_random_u32 (random);
}

void
pm_random_uniform (PmRandom *random, gsize n, float *out)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (pm_random_u32 (random) & 0xffffff) * 0x1p-24f;
}

/* Box and Muller on 8 pairs: the first halves are radii, the second halves angles. */
static void
random_normal_16 (float *x /* [16] uniform in, normal out */)
{
  for (int i = 0; i < 8; i++)
    {
      float radius = sqrtf (-2.f * logf (1.f - x[i]));
      float angle = (float) (2.0 * G_PI) * x[i + 8];
      x[i] = radius * cosf (angle);
      x[i + 8] = radius * sinf (angle);
    }
}

static double
random_normal_scalar (PmRandom *random)
{
  if (random->has_cached_normal)
    {
      random->has_cached_normal = FALSE;
      return random->cached_normal;
    }
  const guint64 mask = ((guint64) 1 << 53) - 1;
  double        angle = 2.0 * G_PI * ((pm_random_u64 (random) & mask) * 0x1p-53);
  double        radius = sqrt (-2.0 * log1p (-((pm_random_u64 (random) & mask) * 0x1p-53)));
  random->cached_normal = radius * sin (angle);
  random->has_cached_normal = TRUE;
  return radius * cos (angle);
}

void
pm_random_normal (PmRandom *random, gsize n, float *out)
{
  if (n < 16)
    {
      for (gsize i = 0; i < n; i++)
        out[i] = (float) random_normal_scalar (random);
      return;
    }
  pm_random_uniform (random, n, out);
  for (gsize i = 0; i + 16 <= n; i += 16)
    random_normal_16 (out + i);
  if (n % 16) /* the last 16 are drawn afresh, so that no partial block is needed */
    {
      pm_random_uniform (random, 16, out + n - 16);
      random_normal_16 (out + n - 16);
    }
}
