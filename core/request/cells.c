/* See cells.h. */
#include "request/cells.h"

double
pm_cells_average (const void *values, gboolean is_bytes, int width, int height, int gw, int gh, float *out /* [gh, gw] */)
{
  gint64 w = width, h = height;
  double total = 0;

  for (int y = 0; y < gh; y++)
    for (int x = 0; x < gw; x++)
      {
        gint64 x0 = x * w / gw, x1 = MAX ((x + 1) * w / gw, x0 + 1), y0 = y * h / gh, y1 = MAX ((y + 1) * h / gh, y0 + 1);
        double sum = 0;
        for (gint64 v = y0; v < y1; v++)
          for (gint64 u = x0; u < x1; u++)
            sum += is_bytes ? ((const guint8 *) values)[v * w + u] / 255.0 : ((const float *) values)[v * w + u];
        total += out[(gsize) y * gw + x] = (float) (sum / ((x1 - x0) * (y1 - y0)));
      }
  return total;
}
