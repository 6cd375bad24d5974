/* A picture of bytes to draw on: what exports are made of before they become files. */
#ifndef PM_BITMAP_H
#define PM_BITMAP_H

#include <glib.h>

typedef struct
{
  int     width, height;
  guint8 *rgb; /* [height, width, 3] sRGB */
} PmBitmap;

/* Filled with one colour. PM_ERROR_USAGE above 32767 pixels a side or 2^28 bytes, PM_ERROR_MEMORY. */
PmBitmap *pm_bitmap_new (int width, int height, const guint8 colour[3], GError **error);
void      pm_bitmap_free (PmBitmap *bitmap);

/* What lies outside is cut off. */
void pm_bitmap_fill (PmBitmap *bitmap, int x, int y, int width, int height, const guint8 colour[3]);
void pm_bitmap_put (PmBitmap *bitmap, int x, int y, int width, int height, const guint8 *rgb /* [height, width, 3] */);

/* Text with its baseline at y and capitals of that height, in pixels; align 0: x is the left end, 1: the right, 0.5: the
 * middle. Transliterated to ASCII. weight: of the strokes, in parts of the height; 0.13 is a text face. */
typedef struct
{
  double        size, weight;
  const guint8 *colour; /* [3] */
} PmFont;

void   pm_bitmap_write (PmBitmap *bitmap, double x, double y, double align, const PmFont *font, const char *text);
double pm_font_measure (const PmFont *font, const char *text); /* width in pixels */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmBitmap, pm_bitmap_free)

#endif
