/* See position.h. */
#include "nn/position.h"

#include <math.h>
#include <string.h>

/* One coordinate in 2 n channels. */
static void
embed (float at, int n, float *out /* [2 n] */)
{
  for (int k = 0; k < n; k++)
    {
      double angle = at / pow (10000, (double) k / n);
      out[k] = (float) sin (angle);
      out[n + k] = (float) cos (angle);
    }
}

static float
scaled (int at, int size, double base, double scale)
{
  return base > 0 ? (float) at / (float) (size / base) / (float) scale : (float) at;
}

void
pm_nn_position_sincos (int grid_w, int grid_h, double base, double scale, int D, float *table)
{
  size_t half = sizeof (float) * (D / 2), row = (size_t) grid_w * D;

  for (int y = 0; y < grid_h; y++)
    for (int x = 0; x < grid_w; x++)
      {
        float *at = table + y * row + (size_t) x * D;
        if (y == 0)
          embed (scaled (x, grid_w, base, scale), D / 4, at);
        else
          memcpy (at, table + (size_t) x * D, half);
        if (x == 0)
          embed (scaled (y, grid_h, base, scale), D / 4, at + D / 2);
        else
          memcpy (at + D / 2, table + y * row + D / 2, half);
      }
}
