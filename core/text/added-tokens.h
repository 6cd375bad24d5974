/* tokenizer.json's added tokens: strings that are one token wherever they stand in a text. */
#ifndef PM_ADDED_TOKENS_H
#define PM_ADDED_TOKENS_H

#include <json-glib/json-glib.h>

#include "text/aligned.h"

typedef struct
{
  char    *content;
  int      id; /* -1 after reading, until it is given one */
  gboolean single_word, at_left, at_right, is_normalized, is_special;
} PmAddedToken;

typedef struct _PmAddedTokens PmAddedTokens;

/* node: the list, NULL or null: none. path is for messages. Errors: PM_ERROR_DAMAGED. */
PmAddedTokens *pm_added_tokens_read (JsonNode *node, const char *path, GError **error);
void           pm_added_tokens_free (PmAddedTokens *added);

/* For the owner, who gives the ids. */
guint         pm_added_tokens_get_n (const PmAddedTokens *added);
PmAddedToken *pm_added_tokens_get (PmAddedTokens *added, guint i);

/* Once all have ids. normalizers: list of PmNormalizer for those that are looked for in normalised text. */
gboolean pm_added_tokens_finish (PmAddedTokens *added, const GPtrArray *normalizers, GError **error);

/* Appends bytes first..first + n of text to out, cut where tokens are found: those that are looked for in the text as it was
 * written, or those in normalised text. */
void pm_added_tokens_split (const PmAddedTokens *added, gboolean is_normalized, const PmAligned *text, gsize first, gsize n,
                            PmSplits *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmAddedTokens, pm_added_tokens_free)

#endif
