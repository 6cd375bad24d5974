/* From the core's result to layers: the picture, the group "Attention", one heat-map layer per map. */
#ifndef PM_LAYERS_H
#define PM_LAYERS_H

#include <libgimp/gimp.h>

#include "plugin/arguments.h"
#include "plugin/placement.h"

#define PM_LAYERS_ASK_ABOVE 64
#define PM_LAYERS_MAX 512

typedef struct
{
  GimpImage *image;
  GimpLayer *picture;
  GimpLayer *group;    /* NULL without maps */
  gboolean   baked;    /* the operation was missing: colours are in the pixels */
} PmLaid;

/* Bytes that n_maps layers, the picture and the masks take in GIMP. image: unused for a new image. */
guint64 pm_layers_estimate (GimpImage *image, PmTarget target, const PmPlacement *placement, int n_maps);

/* Lays result into image, or into a new one when look asks for it. In an existing image this is one undo group, and
 * nothing of it is left on failure. class_label: for the layer's name. drawables: the selected ones, to insert above.
 * placement: of the picture in image, or in a new one. */
gboolean pm_layers_add (const PmResult *result, const PmRequest *request, const char *class_label, const PmLook *look,
                        GimpImage *image, GimpDrawable **drawables, const PmPlacement *placement, PmLaid *laid, GError **error);

#endif
