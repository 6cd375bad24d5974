/* spiece.model: sentencepiece's file, a protocol buffer with the vocabulary and how text is normalised. */
#ifndef PM_SPIECE_H
#define PM_SPIECE_H

#include "text/aligned.h"
#include "text/charsmap.h"
#include "text/trie.h"
#include "text/vocabulary.h"

typedef struct
{
  PmVocabulary *vocabulary;
  int           model_type; /* trainer_spec: 1 unigram, 2 BPE, 3 word, 4 character */
  int           end, pad;   /* ids of the control symbols, or -1 */

  PmCharsMap *chars_map; /* NULL: characters stay as they are */
  PmTrie     *symbols;   /* user-defined ones, which no rule changes; NULL: none */
  gboolean    space_is_suffix, has_prefix, removes_spaces, marks_spaces;
} PmSpiece;

/* bytes: [n], not needed afterwards; path is for messages. Errors: PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED, PM_ERROR_MEMORY. */
PmSpiece *pm_spiece_new (const guint8 *bytes, gsize n, const char *path, GError **error);
void      pm_spiece_free (PmSpiece *spiece);

/* text [n]: UTF-8. Appends what sentencepiece's normaliser makes of it. Errors: PM_ERROR_DAMAGED. */
gboolean pm_spiece_normalize (const PmSpiece *spiece, const char *text, gsize n, PmAligned *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmSpiece, pm_spiece_free)

#endif
