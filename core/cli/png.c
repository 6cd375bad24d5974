/* PNG files through libpng's simplified interface (png.h, "Simplified API"), which reports errors without longjmp. */
#include "cli/cli.h"

#include <png.h>
#include <string.h>

#define MAX_SIDE 32768 /* of a picture that is read */

gboolean
pm_png_write_rgb (const char *path, const guint8 *rgb, int width, int height, GError **error)
{
  png_image image;

  memset (&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = (png_uint_32) width;
  image.height = (png_uint_32) height;
  image.format = PNG_FORMAT_RGB;

  gboolean ok = png_image_write_to_file (&image, path, 0, rgb, 0, NULL) != 0;
  if (! ok)
    g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write the PNG file “%s” (%s); look for a full disk."), path,
                 image.message);
  png_image_free (&image);
  return ok;
}

/* Grey, or colours: [height, width, n_channels]. */
static guint8 *
read_png (const char *path, gboolean is_grey, int *width, int *height, GError **error)
{
  png_image image;
  g_autofree guint8 *pixels = NULL;

  memset (&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file (&image, path) == 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot read “%s” as a PNG picture (%s); give another file."), path,
                   image.message);
      return NULL;
    }
  image.format = is_grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  gboolean ok = image.width <= MAX_SIDE && image.height <= MAX_SIDE;
  if (ok)
    pixels = g_try_malloc0 (PNG_IMAGE_SIZE (image));
  if (! pixels)
    g_set_error (error, PM_ERROR, PM_ERROR_MEMORY, _("“%s” is too large; scale it to the size that is painted."), path);
  else if (png_image_finish_read (&image, NULL, pixels, 0, NULL) == 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("“%s” is damaged (%s); save it anew."), path, image.message);
      g_clear_pointer (&pixels, g_free);
    }
  *width = (int) image.width;
  *height = (int) image.height;
  png_image_free (&image);
  return g_steal_pointer (&pixels);
}

guint8 *
pm_png_read_grey (const char *path, int *width, int *height, GError **error)
{
  return read_png (path, TRUE, width, height, error);
}

guint8 *
pm_png_read_rgb (const char *path, int *width, int *height, GError **error)
{
  return read_png (path, FALSE, width, height, error);
}
