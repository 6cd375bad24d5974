/* Resampling by boxes: a pixel of the picture is the mean of the image under it; where pixels of the picture are smaller than
 * the image's, the box stays one pixel wide, which is linear interpolation. Rows and columns are treated alike, one after
 * the other, and at most two rows of the image are in memory. */
#include "plugin/window.h"

#include <math.h>
#include <string.h>

/* The pixels first .. first + n - 1 of the canvas below one pixel of the picture. */
typedef struct
{
  int    first, n;
  double begin, end;
} Box;

static Box
box_at (double origin, double scale, int i)
{
  double centre = origin + (i + 0.5) * scale, half = MAX (scale, 1.0) / 2.0;
  Box    box = { .begin = centre - half, .end = centre + half };

  box.first = (int) floor (box.begin);
  box.n = MAX ((int) ceil (box.end) - box.first, 1);
  return box;
}

static double
box_weight (const Box *box, int k)
{
  double from = MAX (box->begin, box->first + k), to = MIN (box->end, box->first + k + 1.0);

  return MAX (to - from, 0.0) / (box->end - box->begin);
}

/* The index in 0 .. n - 1 of what is at i; -1: nothing is. */
static int
fold (int i, int n, gboolean is_mirrored)
{
  int period = 2 * n, at;

  if (i >= 0 && i < n)
    return i;
  if (! is_mirrored)
    return -1;
  at = ((i % period) + period) % period;
  return at < n ? at : period - 1 - at;
}

/* One row of the image [domain.width, n_channels] as the picture's columns see it: out [out_w, n_channels]. */
static void
read_columns (const PmWindowSource *source, const float *row, double x, double scale, int out_w, float *out)
{
  int n_channels = source->n_channels;

  memset (out, 0, (gsize) out_w * n_channels * sizeof (float));
  for (int i = 0; i < out_w; i++)
    {
      Box box = box_at (x - source->domain.x, scale, i);

      for (int k = 0; k < box.n; k++)
        {
          int   at = fold (box.first + k, source->domain.width, source->is_mirrored);
          float weight = (float) box_weight (&box, k);

          for (int c = 0; at >= 0 && c < n_channels; c++)
            out[i * n_channels + c] += weight * row[(gsize) at * n_channels + c];
        }
    }
}

gboolean
pm_window_read (const PmWindowSource *source, double x, double y, double width, double height, int out_w, int out_h, float *out)
{
  const GeglRectangle *domain = &source->domain;
  gsize n_row = (gsize) domain->width * source->n_channels, n_line = (gsize) out_w * source->n_channels;
  g_autofree float *row = g_try_new (float, n_row);         /* [domain.width, n_channels] */
  g_autofree float *lines = g_try_malloc_n (n_line, 2 * sizeof (float)); /* [2, out_w, n_channels]: of even, of odd rows */
  int held[2] = { -1, -1 };

  if (! row || ! lines)
    return FALSE;
  memset (out, 0, n_line * out_h * sizeof (float));
  for (int j = 0; j < out_h; j++)
    {
      Box box = box_at (y - domain->y, height / out_h, j);

      for (int k = 0; k < box.n; k++)
        {
          int    at = fold (box.first + k, domain->height, source->is_mirrored);
          float *line = lines + (at & 1) * n_line, weight = (float) box_weight (&box, k);

          if (at < 0)
            continue;
          if (held[at & 1] != at)
            {
              gegl_buffer_get (source->buffer, GEGL_RECTANGLE (0, at, domain->width, 1), 1.0, source->format, row,
                               GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
              read_columns (source, row, x, width / out_w, out_w, line);
              held[at & 1] = at;
            }
          for (gsize i = 0; i < n_line; i++)
            out[j * n_line + i] += weight * line[i];
        }
    }
  return TRUE;
}
