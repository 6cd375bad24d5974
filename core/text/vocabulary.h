/* The pieces of a tokenizer's vocabulary, in the order of their ids, whatever file they come from. */
#ifndef PM_VOCABULARY_H
#define PM_VOCABULARY_H

#include <glib.h>

#define PM_VOCABULARY_MAX (1 << 21) /* pieces; the largest published vocabularies have 2^18 */

typedef enum /* the numbers of google/sentencepiece: src/sentencepiece_model.proto */
{
  PM_PIECE_NORMAL = 1,
  PM_PIECE_UNKNOWN = 2,
  PM_PIECE_CONTROL = 3,
  PM_PIECE_USER_DEFINED = 4,
  PM_PIECE_UNUSED = 5,
  PM_PIECE_BYTE = 6
} PmPieceType;

typedef struct
{
  char       *text; /* UTF-8 */
  double      score;
  PmPieceType type; /* tokenizer.json knows none: PM_PIECE_NORMAL */
} PmPiece;

typedef struct
{
  GArray *pieces;       /* PmPiece; the index is the id */
  int     unknown;      /* id, or -1 */
  gboolean has_bytes;   /* an unknown character becomes its bytes' pieces <0x00> to <0xFF> */
} PmVocabulary;

PmVocabulary *pm_vocabulary_new (void);
void          pm_vocabulary_free (PmVocabulary *vocabulary);

/* Takes text. */
void pm_vocabulary_append (PmVocabulary *vocabulary, char *text, double score, PmPieceType type);

const PmPiece *pm_vocabulary_get (const PmVocabulary *vocabulary, guint id);

/* The byte that a piece "<0x41>" names, or -1. */
int pm_vocabulary_read_byte (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmVocabulary, pm_vocabulary_free)

#endif
