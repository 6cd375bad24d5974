/* What a run began with, kept in the image beside its records, which hold only checksums: Run again needs nothing else. */
#ifndef PM_START_H
#define PM_START_H

#include <libgimp/gimp.h>

#include "pentimento.h"

/* Keeps the start picture and mask of request in the image; nothing when it has none. A start must be in steps of 1 / 255, as
 * pm_placement_set_start() makes it. FALSE when GIMP or memory would not. */
gboolean pm_start_keep (GimpImage *image, const PmRequest *request);

/* Gives a request that was read from a record of image what it began with; nothing when it began with noise. PM_ERROR_USAGE
 * when the image does not hold it, PM_ERROR_DAMAGED when it is not what the record says. */
gboolean pm_start_take (GimpImage *image, PmRequest *request, GError **error);

#endif
