/* Words of the prompt that count more or less, or only in a part of the picture: from arguments and layers to the request. */
#ifndef PM_WORDS_H
#define PM_WORDS_H

#include <libgimp/gimp.h>

#include "plugin/placement.h"

/* Adds the steers that config asks for, with regions from the layers of place's image, its selection, or recorded (may be NULL).
 * Phrases with a region that the prompt does not have are added to it; told gets a sentence that says so, or NULL; free with
 * g_free. Nothing to do for a model of classes. PM_ERROR_USAGE for words that are not there, weights that are no numbers, layers
 * that are not there or empty. */
gboolean pm_words_apply (GimpProcedureConfig *config, const PmPlace *place, const PmRequest *recorded, PmModel *model,
                         PmRequest *request, char **told, GError **error);

#endif
