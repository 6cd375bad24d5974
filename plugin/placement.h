/* Where a picture lies in an image: aspect kept, covering a rectangle of the canvas, cropped to it; never stretched. */
#ifndef PM_PLACEMENT_H
#define PM_PLACEMENT_H

#include <libgimp/gimp.h>

#include "plugin/arguments.h"

typedef struct
{
  int x, y, width, height;           /* the rectangle of the canvas that is covered */
  int scaled_width, scaled_height;   /* the whole picture at the size that covers it */
  int crop_x, crop_y;                /* the rectangle's corner inside the scaled picture */
} PmPlacement;

/* Errors when target needs an image and there is none, the image is indexed, or the selection is empty. image may be NULL. */
gboolean pm_placement_check (GimpImage *image, PmTarget target, GError **error);

/* For a picture of picture_width x picture_height. A new image, or no image, is covered one to one. */
void pm_placement_compute (GimpImage *image, PmTarget target, int picture_width, int picture_height, PmPlacement *placement);

/* The selection of image as the picture sees it when it covers the target's rectangle (the canvas for a new image):
 * sets the request's region. Leaves it alone when image is NULL or nothing is selected. Errors: PM_ERROR_MEMORY. */
gboolean pm_placement_set_region (GimpImage *image, PmTarget target, PmRequest *request, GError **error);

#endif
