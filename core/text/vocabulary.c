/* The pieces of a tokenizer's vocabulary. */
#include "text/vocabulary.h"

#include <string.h>

static void
clear_piece_cb (gpointer piece)
{
  g_free (((PmPiece *) piece)->text);
}

PmVocabulary *
pm_vocabulary_new (void)
{
  PmVocabulary *vocabulary = g_new0 (PmVocabulary, 1);

  vocabulary->pieces = g_array_new (FALSE, FALSE, sizeof (PmPiece));
  g_array_set_clear_func (vocabulary->pieces, clear_piece_cb);
  vocabulary->unknown = -1;
  return vocabulary;
}

void
pm_vocabulary_free (PmVocabulary *vocabulary)
{
  if (vocabulary)
    g_array_unref (vocabulary->pieces);
  g_free (vocabulary);
}

void
pm_vocabulary_append (PmVocabulary *vocabulary, char *text, double score, PmPieceType type)
{
  PmPiece piece = { text, score, type };

  g_array_append_val (vocabulary->pieces, piece);
}

const PmPiece *
pm_vocabulary_get (const PmVocabulary *vocabulary, guint id)
{
  return &g_array_index (vocabulary->pieces, PmPiece, id);
}

int
pm_vocabulary_read_byte (const char *text)
{
  if (strlen (text) != strlen ("<0x00>") || ! g_str_has_prefix (text, "<0x") || text[5] != '>' || ! g_ascii_isxdigit (text[3])
      || ! g_ascii_isxdigit (text[4]) || g_ascii_islower (text[3]) || g_ascii_islower (text[4]))
    return -1;
  return g_ascii_xdigit_value (text[3]) * 16 + g_ascii_xdigit_value (text[4]);
}
