/* See position.h. */
#include "nn/position.h"

#include <math.h>

/* One coordinate in 2 n channels. */
static void
embed (int at, int n, float *out /* [2 n] */)
{
  for (int k = 0; k < n; k++)
    {
      double angle = at / pow (10000, (double) k / n);
      out[k] = (float) sin (angle);
      out[n + k] = (float) cos (angle);
    }
}

void
pm_nn_position_sincos (int grid_w, int grid_h, int D, float *table)
{
  for (int y = 0; y < grid_h; y++)
    for (int x = 0; x < grid_w; x++, table += D)
      {
        embed (x, D / 4, table);
        embed (y, D / 4, table + D / 2);
      }
}
