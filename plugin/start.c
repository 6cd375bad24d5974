/* Parasites "pentimento-start-SUMS" of the image: a PNG with the picture in its colours and the mask in its alpha, so that any
 * program can look at it. The name comes from the record's checksums, so records of layers, groups and the image find it. */
#include "plugin/start.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <math.h>
#include <string.h>

#include "plugin/i18n.h"

#define MAX_PNG_BYTES (64 << 20)

/* Free with g_free. */
static char *
parasite_name (const PmRequest *sums)
{
  return g_strdup_printf ("pentimento-start-%.16s-%.16s", sums->start_sum ? sums->start_sum : "",
                          sums->mask_sum ? sums->mask_sum : "");
}

/* The request as a record has it: with checksums in place of pictures. */
static PmRequest *
summed (const PmRequest *request)
{
  g_autofree char *json = pm_request_to_json (request);

  return pm_request_from_json (json, NULL);
}

/* NULL when memory is short. */
static GdkPixbuf *
to_pixbuf (const PmRequest *request)
{
  int        width = request->start_width, height = request->start_height, n_channels = request->mask ? 4 : 3;
  GdkPixbuf *pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, request->mask != NULL, 8, width, height);

  for (int y = 0; pixbuf && y < height; y++)
    for (int x = 0; x < width; x++)
      {
        guint8 *pixel = gdk_pixbuf_get_pixels (pixbuf) + (gsize) y * gdk_pixbuf_get_rowstride (pixbuf) + x * n_channels;
        gsize   i = (gsize) y * width + x;

        for (int c = 0; c < 3; c++)
          pixel[c] = (guint8) lrintf (CLAMP (request->start[3 * i + c], 0.0f, 1.0f) * 255.0f);
        if (request->mask)
          pixel[3] = request->mask[i];
      }
  return pixbuf;
}

gboolean
pm_start_keep (GimpImage *image, const PmRequest *request)
{
  g_autoptr (PmRequest) sums = NULL;
  g_autoptr (GdkPixbuf) pixbuf = NULL;
  g_autofree char *name = NULL, *png = NULL;
  GimpParasite *parasite;
  gsize    n = 0;
  gboolean done;

  if (! request->start || request->start_channels != 0)
    return TRUE;
  sums = summed (request);
  pixbuf = to_pixbuf (request);
  if (! sums || ! pixbuf || ! gdk_pixbuf_save_to_buffer (pixbuf, &png, &n, "png", NULL, NULL) || n > MAX_PNG_BYTES)
    return FALSE;
  name = parasite_name (sums);
  parasite = gimp_parasite_new (name, GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE, (guint32) n, png);
  done = gimp_image_attach_parasite (image, parasite);
  gimp_parasite_free (parasite);
  return done;
}

/* A picture of another size is not even decoded. */
static void
size_prepared_cb (GdkPixbufLoader *loader, int width, int height, gpointer data)
{
  const PmRequest *request = data;

  if (width != request->width || height != request->height)
    gdk_pixbuf_loader_set_size (loader, 1, 1);
}

static GdkPixbuf *
read_png (const guchar *bytes, gsize n, PmRequest *request)
{
  g_autoptr (GdkPixbufLoader) loader = gdk_pixbuf_loader_new_with_type ("png", NULL);
  GdkPixbuf *pixbuf = NULL;
  gboolean   done;

  if (! loader)
    return NULL;
  g_signal_connect (loader, "size-prepared", G_CALLBACK (size_prepared_cb), request);
  done = gdk_pixbuf_loader_write (loader, bytes, n, NULL);
  done = gdk_pixbuf_loader_close (loader, NULL) && done;
  if (done)
    pixbuf = gdk_pixbuf_loader_get_pixbuf (loader);
  if (! pixbuf || gdk_pixbuf_get_width (pixbuf) != request->width || gdk_pixbuf_get_height (pixbuf) != request->height
      || gdk_pixbuf_get_bits_per_sample (pixbuf) != 8)
    return NULL;
  return g_object_ref (pixbuf);
}

static gboolean
from_pixbuf (GdkPixbuf *pixbuf, PmRequest *request)
{
  int      width = request->width, height = request->height, n_channels = gdk_pixbuf_get_n_channels (pixbuf);
  gsize    n = (gsize) width * height;
  gboolean has_mask = gdk_pixbuf_get_has_alpha (pixbuf);
  g_autofree float  *picture = g_try_malloc_n (n, 3 * sizeof (float)); /* [height, width, 3] */
  g_autofree guint8 *mask = g_try_malloc (n);                          /* [height, width] */

  if (! picture || ! mask)
    return FALSE;
  for (gsize i = 0; i < n; i++)
    {
      const guint8 *row = gdk_pixbuf_read_pixels (pixbuf) + i / width * gdk_pixbuf_get_rowstride (pixbuf);
      const guint8 *pixel = row + i % width * n_channels;

      for (int c = 0; c < 3; c++)
        picture[3 * i + c] = pixel[c] / 255.0f;
      mask[i] = has_mask ? pixel[3] : 255;
    }
  return pm_request_set_start (request, picture, width, height)
         && (! has_mask || pm_request_set_mask (request, mask, width, height));
}

gboolean
pm_start_take (GimpImage *image, PmRequest *request, GError **error)
{
  g_autoptr (PmRequest) recorded = NULL, taken = NULL;
  g_autoptr (GdkPixbuf) pixbuf = NULL;
  g_autofree char *name = NULL;
  GimpParasite *parasite;
  gconstpointer bytes;
  guint32       n = 0;

  if (! request->start_sum)
    return TRUE;
  recorded = summed (request);
  name = parasite_name (request);
  parasite = recorded && image ? gimp_image_get_parasite (image, name) : NULL;
  if (! parasite)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("The recorded run began with a picture that this image does not hold; open the image it was painted "
                             "in, or paint over a layer anew."));
      return FALSE;
    }
  bytes = gimp_parasite_get_data (parasite, &n);
  if (n > 0 && n <= MAX_PNG_BYTES)
    pixbuf = read_png (bytes, n, request);
  gimp_parasite_free (parasite);
  if (pixbuf && from_pixbuf (pixbuf, request))
    taken = summed (request);
  if (taken && g_strcmp0 (taken->start_sum, recorded->start_sum) == 0 && g_strcmp0 (taken->mask_sum, recorded->mask_sum) == 0)
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                       _("The picture that the recorded run began with is damaged in this image; paint over a layer anew."));
  return FALSE;
}
