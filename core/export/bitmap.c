/* See bitmap.h; text is in text.c. */
#include "export/bitmap.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

#define MAX_SIDE 32767
#define MAX_BYTES ((gsize) 1 << 28)

PmBitmap *
pm_bitmap_new (int width, int height, const guint8 colour[3], GError **error)
{
  PmBitmap *bitmap;
  gsize     n = (gsize) MAX (width, 0) * MAX (height, 0) * 3;

  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE || n > MAX_BYTES)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("A sheet of all these maps would be %d × %d pixels; choose fewer layers, heads or steps."), width, height);
      return NULL;
    }

  bitmap = g_new0 (PmBitmap, 1);
  *bitmap = (PmBitmap) { width, height, g_try_malloc (n) };
  if (! bitmap->rgb)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to draw the sheet; choose fewer maps or close other programs."));
      g_free (bitmap);
      return NULL;
    }
  pm_bitmap_fill (bitmap, 0, 0, width, height, colour);

  return bitmap;
}

void
pm_bitmap_free (PmBitmap *bitmap)
{
  if (! bitmap)
    return;

  g_free (bitmap->rgb);
  g_free (bitmap);
}

void
pm_bitmap_fill (PmBitmap *bitmap, int x, int y, int width, int height, const guint8 colour[3])
{
  for (int row = MAX (y, 0); row < MIN (y + height, bitmap->height); row++)
    for (int column = MAX (x, 0); column < MIN (x + width, bitmap->width); column++)
      memcpy (bitmap->rgb + 3 * ((gsize) row * bitmap->width + column), colour, 3);
}

void
pm_bitmap_put (PmBitmap *bitmap, int x, int y, int width, int height, const guint8 *rgb)
{
  int first = MAX (x, 0), last = MIN (x + width, bitmap->width);

  for (int row = MAX (y, 0); first < last && row < MIN (y + height, bitmap->height); row++)
    memcpy (bitmap->rgb + 3 * ((gsize) row * bitmap->width + first), rgb + 3 * ((gsize) (row - y) * width + first - x),
            3 * (gsize) (last - first));
}
