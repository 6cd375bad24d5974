/* Placement of a picture in an image, and the selection as the picture sees it.
 * The selection's mask spans the canvas, whatever the layers' offsets are (libgimp, gimp_image_get_selection). */
#include "plugin/placement.h"

#include <math.h>

#include "plugin/i18n.h"

gboolean
pm_placement_check (GimpImage *image, PmTarget target, GError **error)
{
  if (target == PM_TARGET_NEW_IMAGE)
    return TRUE;

  if (! image || ! gimp_image_is_valid (image))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("There is no image to paint into; open one, or paint into a new image."));
      return FALSE;
    }
  if (gimp_image_get_base_type (image) == GIMP_INDEXED)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                           _("The image is in indexed colours, which cannot hold the picture; "
                             "change it with Image > Mode > RGB, or paint into a new image."));
      return FALSE;
    }
  if (target == PM_TARGET_SELECTION && gimp_selection_is_empty (image))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("Nothing is selected; select where to paint, or paint into the whole image."));
      return FALSE;
    }
  return TRUE;
}

static void
cover (PmPlacement *placement, int picture_width, int picture_height)
{
  double scale = MAX ((double) placement->width / picture_width, (double) placement->height / picture_height);

  placement->scaled_width = (int) CLAMP (rint (picture_width * scale), placement->width, G_MAXINT);
  placement->scaled_height = (int) CLAMP (rint (picture_height * scale), placement->height, G_MAXINT);
  placement->crop_x = (placement->scaled_width - placement->width) / 2;
  placement->crop_y = (placement->scaled_height - placement->height) / 2;
}

static void
set_rectangle (PmPlacement *placement, GimpImage *image, gboolean of_selection)
{
  gboolean non_empty;
  int      x1, y1, x2, y2;

  placement->x = placement->y = 0;
  placement->width = gimp_image_get_width (image);
  placement->height = gimp_image_get_height (image);
  if (of_selection && gimp_selection_bounds (image, &non_empty, &x1, &y1, &x2, &y2) && non_empty)
    {
      placement->x = x1;
      placement->y = y1;
      placement->width = MAX (x2 - x1, 1);
      placement->height = MAX (y2 - y1, 1);
    }
}

void
pm_placement_compute (GimpImage *image, PmTarget target, int picture_width, int picture_height, PmPlacement *placement)
{
  if (! image || target == PM_TARGET_NEW_IMAGE)
    *placement = (PmPlacement) { 0, 0, picture_width, picture_height, picture_width, picture_height, 0, 0 };
  else
    {
      set_rectangle (placement, image, target == PM_TARGET_SELECTION);
      cover (placement, picture_width, picture_height);
    }
}

/* One row of the picture's mask from a row of the rectangle's selection. */
static void
cover_row (const PmPlacement *at, const guint8 *row, int picture_width, guint8 *mask)
{
  for (int x = 0; x < picture_width; x++)
    {
      int at_x = (int) ((x + 0.5) * at->scaled_width / picture_width) - at->crop_x;

      mask[x] = at_x >= 0 && at_x < at->width ? row[at_x] : 0;
    }
}

gboolean
pm_placement_set_region (GimpImage *image, PmTarget target, PmRequest *request, GError **error)
{
  PmPlacement    at;
  GimpSelection *selection;
  g_autoptr (GeglBuffer) buffer = NULL;
  g_autofree guint8 *row = NULL;  /* [width] of the placement's rectangle */
  g_autofree guint8 *mask = NULL; /* [request->height, request->width] */

  if (! image || ! gimp_image_is_valid (image) || request->width < 1 || request->height < 1
      || gimp_selection_is_empty (image))
    return TRUE;
  set_rectangle (&at, image, target == PM_TARGET_SELECTION);
  cover (&at, request->width, request->height);

  row = g_try_malloc (at.width);
  mask = g_try_malloc0 ((gsize) request->width * request->height);
  selection = gimp_image_get_selection (image);
  if (! row || ! mask || ! selection)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is too little memory to read the selection; close other images or paint a smaller picture."));
      return FALSE;
    }

  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (selection));
  for (int y = 0; y < request->height; y++)
    {
      int at_y = (int) ((y + 0.5) * at.scaled_height / request->height) - at.crop_y;

      if (at_y < 0 || at_y >= at.height)
        continue;
      gegl_buffer_get (buffer, GEGL_RECTANGLE (at.x, at.y + at_y, at.width, 1), 1.0, babl_format ("Y u8"), row,
                       GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
      cover_row (&at, row, request->width, mask + (gsize) y * request->width);
    }
  pm_request_set_region (request, mask, request->width, request->height);
  return TRUE;
}
