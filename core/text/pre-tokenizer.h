/* tokenizer.json's pre-tokenizers: where a normalised text is cut before the vocabulary is asked. */
#ifndef PM_PRE_TOKENIZER_H
#define PM_PRE_TOKENIZER_H

#include <json-glib/json-glib.h>

#include "text/aligned.h"

typedef struct _PmPreTokenizer PmPreTokenizer;

void pm_pre_tokenizer_free (PmPreTokenizer *pre_tokenizer);

/* Appends what the node (NULL or null: nothing; a Sequence: all in it) says to list (of PmPreTokenizer). Known are Sequence,
 * WhitespaceSplit and Metaspace. Errors: PM_ERROR_UNSUPPORTED names any other; PM_ERROR_DAMAGED. */
gboolean pm_pre_tokenizers_read (JsonNode *node, GPtrArray *list, const char *path, GError **error);

/* One of them: the parts of splits that are text, cut further; tokens stay. */
PmSplits *pm_pre_tokenizer_apply (const PmPreTokenizer *pre_tokenizer, const PmSplits *splits);

#endif
