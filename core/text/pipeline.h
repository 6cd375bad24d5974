/* tokenizer.json: Hugging Face's file, a vocabulary and the steps from a text to it. */
#ifndef PM_PIPELINE_H
#define PM_PIPELINE_H

#include "text/added-tokens.h"
#include "text/tokenizer-kind.h"

typedef struct
{
  const PmTokenizerKind *kind;
  PmVocabulary          *vocabulary;
  PmTokenModel          *model;
  PmAddedTokens         *added;
  GPtrArray             *normalizers, *pre_tokenizers;
  GArray                *before, *after; /* int: ids that the template puts around a text */
  int                    n_ids, end, pad;
} PmPipeline;

/* root: the file, an object. path is for messages. Errors: PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED, PM_ERROR_MEMORY. */
PmPipeline *pm_pipeline_new (JsonNode *root, const char *path, GError **error);
void        pm_pipeline_free (PmPipeline *pipeline);

/* The text, which stands for itself, normalised and cut into tokens that were found and parts for the model. */
PmSplits *pm_pipeline_split (const PmPipeline *pipeline, const PmAligned *text, GError **error);

/* The content of an added token, or NULL. */
const char *pm_pipeline_get_added (const PmPipeline *pipeline, int id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmPipeline, pm_pipeline_free)

#endif
