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

/* Where the result goes. What is pointed to is borrowed. */
typedef struct
{
  GimpImage     *image;     /* NULL: none is open */
  GimpDrawable **drawables; /* selected, NULL-terminated; NULL: none */
  PmTarget       target;
} PmPlace;

/* Whether the picture begins with the layer's pixels. */
gboolean pm_target_has_start (PmTarget target);

/* Whether the result lies behind a layer mask from the selection. */
gboolean pm_target_has_mask (PmTarget target);

/* Errors when the target needs an image and there is none, the image is indexed, the selection is empty, or there is no layer
 * to begin with. */
gboolean pm_placement_check (const PmPlace *place, GError **error);

/* For a picture of picture_width x picture_height. A new image, or no image, is covered one to one. When painting into the
 * selection what is around it is covered too: the picture's own size if the selection leaves room in that, else half of the
 * selection more, as far as the layer goes. place must have passed the check. */
void pm_placement_compute (const PmPlace *place, int picture_width, int picture_height, PmPlacement *placement);

/* The selection of the image as the picture sees it when it covers the target's rectangle (the canvas for a new image):
 * sets the request's region. Leaves it alone when there is no image or nothing is selected. Errors: PM_ERROR_MEMORY. */
gboolean pm_placement_set_region (const PmPlace *place, PmRequest *request, GError **error);

/* What a layer covers, or with NULL the selection, as the picture sees it: [height, width] of the request, 0..255; free with
 * g_free. A layer's mask counts, whether it is visible does not. PM_ERROR_USAGE when nothing is selected, PM_ERROR_MEMORY. */
guint8 *pm_placement_read_coverage (const PmPlace *place, GimpLayer *layer, const PmRequest *request, GError **error);

/* What the picture covers as the picture that the request begins with, and for PM_TARGET_INTO_SELECTION the selection as its
 * mask: the layer's pixels, mirrored beyond its borders, on white where it is transparent, rounded to 8 bits so that a record can
 * hold them. Leaves the request alone for other targets. Errors: PM_ERROR_MEMORY. */
gboolean pm_placement_set_start (const PmPlace *place, PmRequest *request, GError **error);

#endif
