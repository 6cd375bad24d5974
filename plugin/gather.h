/* The maps of a run, read back from the layers of a document. */
#ifndef PM_GATHER_H
#define PM_GATHER_H

#include <libgimp/gimp.h>

#include "pentimento.h"

typedef struct
{
  GPtrArray *maps;      /* of PmMap, as the model gave them, in the order of the layers */
  PmPalette  palette;   /* that the first layer has now */
  char      *title;     /* "starter-pixel: fox, seed 7" */
  float     *picture;   /* [height, width, 3] 0..1 as it lies in the image, made smaller; NULL: it is not there any more */
  int        width, height;
} PmGathered;

/* Of the run that the first selected layer belongs to; else of the uppermost group of heat maps. PM_ERROR_USAGE when the image
 * has none, PM_ERROR_DAMAGED when a layer's values are lost, PM_ERROR_MEMORY. */
gboolean pm_gather (GimpImage *image, GimpDrawable **drawables, PmGathered *gathered, GError **error);
void     pm_gathered_clear (PmGathered *gathered);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PmGathered, pm_gathered_clear)

#endif
