/* Pixels of an image as a picture laid over it sees them: averaged where the picture is coarser, interpolated where finer. */
#ifndef PM_WINDOW_H
#define PM_WINDOW_H

#include <libgimp/gimp.h>

/* What lies under the picture. domain is on the canvas, and its corner is the buffer's. */
typedef struct
{
  GeglBuffer   *buffer;
  GeglRectangle domain;
  gboolean      is_mirrored; /* beyond the domain; else there are zeros */
  const Babl   *format;      /* n_channels floats */
  int           n_channels;
} PmWindowSource;

/* Reads the rectangle [x, y, width, height] of the canvas, whose sides need not be whole pixels, as out: [out_h, out_w,
 * n_channels]. FALSE when memory is short. */
gboolean pm_window_read (const PmWindowSource *source, double x, double y, double width, double height, int out_w, int out_h,
                         float *out);

#endif
