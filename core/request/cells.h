/* What a picture or mask is over the cells of a coarser grid. */
#ifndef PM_REQUEST_CELLS_H
#define PM_REQUEST_CELLS_H

#include <glib.h>

/* Means over the values [height, width] that each cell of a grid of gw x gh covers, one at least; f32, or bytes that stand for
 * 0..1. Returns the sum of the means. */
double pm_cells_average (const void *values, gboolean is_bytes, int width, int height, int gw, int gh,
                         float *out /* [gh, gw] */);

#endif
