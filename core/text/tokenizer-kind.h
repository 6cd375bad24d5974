/* What cuts a word into pieces: the registry entry of a kind of model (one published algorithm, one constant descriptor
 * `pm_tokenizer_<file>`). Finding tokens in a prompt, normalising and splitting it come before and are the file's business. */
#ifndef PM_TOKENIZER_KIND_H
#define PM_TOKENIZER_KIND_H

#include <json-glib/json-glib.h>

#include "text/aligned.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

typedef struct _PmTokenModel PmTokenModel; /* defined by the kind */

typedef struct
{
  const char *id;           /* "unigram" */
  const char *json_type;    /* model.type in tokenizer.json */
  int         spiece_type;  /* trainer_spec.model_type in spiece.model; 0: never there */

  /* Fills an empty vocabulary from tokenizer.json's model; path is for messages. */
  gboolean (*read_json) (JsonObject *model, PmVocabulary *vocabulary, const char *path, GError **error);

  /* Checks the vocabulary and keeps it borrowed. is_spiece: sentencepiece's arithmetic, otherwise that of `tokenizers`. */
  PmTokenModel *(*load) (const PmVocabulary *vocabulary, gboolean is_spiece, const char *path, GError **error);
  void (*free) (PmTokenModel *model);

  /* The id that a text has as a whole, or -1. */
  int (*find) (const PmTokenModel *model, const char *text, gsize n);

  /* Appends the tokens of bytes first..first + n of text; reentrant. */
  gboolean (*encode) (const PmTokenModel *model, const PmAligned *text, gsize first, gsize n, PmTokens *tokens, GError **error);
} PmTokenizerKind;

extern const PmTokenizerKind *const pm_tokenizers[]; /* written by core/meson.build */

/* One more token; tokens of bytes first..first + n (n > 0) of text have their origin. */
void pm_tokens_append (PmTokens *tokens, int id, gsize begin, gsize end, gboolean is_special);
void pm_tokens_append_part (PmTokens *tokens, int id, const PmAligned *text, gsize first, gsize n, gboolean is_special);

#endif
