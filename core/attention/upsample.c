/* Enlarging a map smoothly: the cubic B-spline that takes the map's values at the patch centres (Unser, "Splines: a
 * perfect fit for signal and image processing", 1999), with the picture's border as a mirror. */
#include "attention/map.h"

#include <math.h>

/* Weights of four neighbouring coefficients for one output pixel along an axis. */
typedef struct
{
  int    index[4];
  double weight[4];
} Tap;

/* Mirrored at the outer edges of the first and the last patch. */
static int
reflect (int i, int n)
{
  i = i < 0 ? -1 - i : i;
  i = i >= n ? 2 * n - 1 - i : i;

  return CLAMP (i, 0, n - 1);
}

/* Turns values (n of them, stride apart) into coefficients in place: (c[i-1] + 4 c[i] + c[i+1]) / 6 = value[i] with
 * c[-1] = c[0] and c[n] = c[n-1], a tridiagonal system. scratch: [n]. */
static void
prefilter (double *values, int n, int stride, double *scratch)
{
  for (int i = 0; i < n; i++)
    {
      double diagonal = 4.0 + (i == 0) + (i == n - 1);
      double before = i ? scratch[i - 1] : 0.0;
      double value = 6.0 * values[i * stride] - (i ? values[(i - 1) * stride] : 0.0);

      scratch[i] = 1.0 / (diagonal - before);
      values[i * stride] = value * scratch[i];
    }

  for (int i = n - 2; i >= 0; i--)
    values[i * stride] -= scratch[i] * values[(i + 1) * stride];
}

/* Of the pixels first .. first + count - 1 out of size. NULL when there is too little memory; free with g_free. */
static Tap *
make_taps (int n, int size, int first, int count)
{
  Tap *taps = g_try_new (Tap, count);

  for (int x = 0; taps && x < count; x++)
    {
      double at = (first + x + 0.5) * n / size - 0.5;
      int    left = (int) floor (at);
      double t = at - left, u = 1.0 - t;

      for (int k = 0; k < 4; k++)
        taps[x].index[k] = reflect (left - 1 + k, n);
      taps[x].weight[0] = u * u * u / 6.0;
      taps[x].weight[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0;
      taps[x].weight[2] = (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0;
      taps[x].weight[3] = t * t * t / 6.0;
    }

  return taps;
}

/* Spline coefficients of the map [grid_h, grid_w], and the range of its values; free with g_free. */
static double *
make_coefficients (const float *values, int grid_w, int grid_h, double *low, double *high)
{
  double            *coefficients = g_new (double, (gsize) grid_w *grid_h);
  g_autofree double *scratch = g_new (double, MAX (grid_w, grid_h));

  *low = G_MAXDOUBLE;
  *high = -G_MAXDOUBLE;
  for (int i = 0; i < grid_w * grid_h; i++)
    {
      coefficients[i] = isfinite (values[i]) ? values[i] : 0.0;
      *low = fmin (*low, coefficients[i]);
      *high = fmax (*high, coefficients[i]);
    }

  for (int y = 0; y < grid_h; y++)
    prefilter (coefficients + (gsize) y * grid_w, grid_w, 1, scratch);
  for (int x = 0; x < grid_w; x++)
    prefilter (coefficients + x, grid_h, grid_w, scratch);

  return coefficients;
}

gboolean
pm_map_upsample_window (const float *values, int grid_w, int grid_h, int scaled_w, int scaled_h, int x0, int y0, int width,
                        int height, float *out)
{
  double             low, high;
  g_autofree double *coefficients = make_coefficients (values, grid_w, grid_h, &low, &high);
  g_autofree Tap    *columns = make_taps (grid_w, scaled_w, x0, width);
  g_autofree Tap    *rows = make_taps (grid_h, scaled_h, y0, height);
  g_autofree double *line = g_new (double, grid_w);

  if (! columns || ! rows)
    return FALSE;

  for (int y = 0; y < height; y++)
    {
      const Tap *row = &rows[y];

      for (int x = 0; x < grid_w; x++)
        {
          line[x] = 0.0;
          for (int k = 0; k < 4; k++)
            line[x] += row->weight[k] * coefficients[(gsize) row->index[k] * grid_w + x];
        }

      for (int x = 0; x < width; x++)
        {
          const Tap *column = &columns[x];
          double     sum = 0.0;

          for (int k = 0; k < 4; k++)
            sum += column->weight[k] * line[column->index[k]];
          out[(gsize) y * width + x] = (float) fmin (fmax (sum, low), high);
        }
    }
  return TRUE;
}

gboolean
pm_map_upsample (const float *values, int grid_w, int grid_h, int width, int height, float *out)
{
  return pm_map_upsample_window (values, grid_w, grid_h, width, height, 0, 0, width, height, out);
}
