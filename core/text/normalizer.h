/* tokenizer.json's normalizers: what is done to a text before it is cut, in the order of the file. */
#ifndef PM_NORMALIZER_H
#define PM_NORMALIZER_H

#include <json-glib/json-glib.h>

#include "text/aligned.h"

typedef struct _PmNormalizer PmNormalizer;

void pm_normalizer_free (PmNormalizer *normalizer);

/* Appends what the node (NULL or null: nothing; a Sequence: all in it) says to list (of PmNormalizer). Known are Sequence,
 * Precompiled, Strip, Replace (of a string, or of runs of spaces), Prepend and Lowercase. path is for messages. Errors:
 * PM_ERROR_UNSUPPORTED names any other; PM_ERROR_DAMAGED. */
gboolean pm_normalizers_read (JsonNode *node, GPtrArray *list, const char *path, GError **error);

/* Appends bytes first..first + n of text, normalised, to out. */
gboolean pm_normalizers_apply (const GPtrArray *list, const PmAligned *text, gsize first, gsize n, PmAligned *out,
                               GError **error);

#endif
