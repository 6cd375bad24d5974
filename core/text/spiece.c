/* spiece.model read with bounds: google/sentencepiece: src/sentencepiece_model.proto for the fields and their defaults,
 * src/model_interface.cc for what a vocabulary must have. Both specifications must be there: writers put them behind the pieces,
 * so a file that was cut off does not pass for a shorter vocabulary. */
#include "text/spiece.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "text/protobuf.h"

/* What is read along the way. */
typedef struct
{
  char                *end_piece, *pad_piece;
  PmProtobufField      chars_map;
  gboolean             has_trainer, has_normalizer;
} Draft;

void
pm_spiece_free (PmSpiece *spiece)
{
  if (! spiece)
    return;
  pm_vocabulary_free (spiece->vocabulary);
  pm_chars_map_free (spiece->chars_map);
  pm_trie_free (spiece->symbols);
  g_free (spiece);
}

static gboolean
read_piece (PmProtobuf message, PmVocabulary *vocabulary)
{
  PmProtobufField field;
  g_autofree char *text = NULL;
  float score = 0;
  int   type = PM_PIECE_NORMAL;

  while (pm_protobuf_next (&message, &field))
    if ((field.number == 1 && ! pm_protobuf_get_string (&field, &text))
        || (field.number == 2 && ! pm_protobuf_get_float (&field, &score))
        || (field.number == 3 && ! pm_protobuf_get_int (&field, &type)))
      return FALSE;
  if (message.at < message.end || ! text || ! *text || type < PM_PIECE_NORMAL || type > PM_PIECE_BYTE || ! isfinite (score))
    return FALSE;
  if (vocabulary->pieces->len >= PM_VOCABULARY_MAX)
    return FALSE;
  pm_vocabulary_append (vocabulary, g_steal_pointer (&text), score, (PmPieceType) type);
  return TRUE;
}

static gboolean
read_trainer (PmProtobuf message, PmSpiece *spiece, Draft *draft)
{
  PmProtobufField field;

  while (pm_protobuf_next (&message, &field))
    if ((field.number == 3 && ! pm_protobuf_get_int (&field, &spiece->model_type))
        || (field.number == 24 && ! pm_protobuf_get_bool (&field, &spiece->space_is_suffix))
        || (field.number == 35 && ! pm_protobuf_get_bool (&field, &spiece->vocabulary->has_bytes))
        || (field.number == 47 && ! pm_protobuf_get_string (&field, &draft->end_piece))
        || (field.number == 48 && ! pm_protobuf_get_string (&field, &draft->pad_piece)))
      return FALSE;
  draft->has_trainer = TRUE;
  return message.at == message.end;
}

static gboolean
read_normalizer (PmProtobuf message, PmSpiece *spiece, Draft *draft)
{
  PmProtobufField field;

  while (pm_protobuf_next (&message, &field))
    {
      if ((field.number == 3 && ! pm_protobuf_get_bool (&field, &spiece->has_prefix))
          || (field.number == 4 && ! pm_protobuf_get_bool (&field, &spiece->removes_spaces))
          || (field.number == 5 && ! pm_protobuf_get_bool (&field, &spiece->marks_spaces))
          || (field.number == 2 && field.wire != PM_WIRE_BYTES))
        return FALSE;
      if (field.number == 2)
        draft->chars_map = field;
    }
  draft->has_normalizer = TRUE;
  return message.at == message.end;
}

static gboolean
read_all (PmProtobuf file, PmSpiece *spiece, Draft *draft)
{
  PmProtobufField field;

  while (pm_protobuf_next (&file, &field))
    {
      PmProtobuf message;

      if (field.number < 1 || field.number > 3)
        continue;
      if (! pm_protobuf_get_message (&field, &message)
          || (field.number == 1 && ! read_piece (message, spiece->vocabulary))
          || (field.number == 2 && ! read_trainer (message, spiece, draft))
          || (field.number == 3 && ! read_normalizer (message, spiece, draft)))
        return FALSE;
    }
  return file.at == file.end && draft->has_trainer && draft->has_normalizer && spiece->vocabulary->pieces->len > 0;
}

/* A control symbol of that name, or -1. */
static int
find_control (const PmVocabulary *vocabulary, const char *text)
{
  for (guint i = 0; i < vocabulary->pieces->len; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (vocabulary, i);

      if (piece->type == PM_PIECE_CONTROL && strcmp (piece->text, text) == 0)
        return (int) i;
    }
  return -1;
}

/* One piece for what is unknown, every byte once or none, no piece twice. */
static gboolean
check_vocabulary (PmVocabulary *vocabulary)
{
  g_autoptr (GHashTable) normal = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) reserved = g_hash_table_new (g_str_hash, g_str_equal);
  guint n_bytes = 0, n_unknown = 0;

  for (guint i = 0; i < vocabulary->pieces->len; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (vocabulary, i);
      const gboolean is_reserved
          = piece->type == PM_PIECE_UNKNOWN || piece->type == PM_PIECE_CONTROL || piece->type == PM_PIECE_BYTE;

      if (! g_hash_table_add (is_reserved ? reserved : normal, piece->text)
          || (piece->type == PM_PIECE_BYTE && pm_vocabulary_read_byte (piece->text) < 0))
        return FALSE;
      n_bytes += piece->type == PM_PIECE_BYTE;
      if (piece->type != PM_PIECE_UNKNOWN)
        continue;
      vocabulary->unknown = (int) i;
      n_unknown++;
    }
  return n_unknown == 1 && n_bytes == (vocabulary->has_bytes ? 256 : 0);
}

static gboolean
finish (PmSpiece *spiece, const Draft *draft, const char *path, GError **error)
{
  g_autofree PmTrieKey *keys = g_new (PmTrieKey, spiece->vocabulary->pieces->len);
  gsize n_keys = 0;

  if (! check_vocabulary (spiece->vocabulary))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The vocabulary in %s is damaged: a piece occurs twice, or the pieces for what is unknown or for single "
                     "bytes are not what they should be. Download the tokenizer again."),
                   path);
      return FALSE;
    }
  spiece->end = find_control (spiece->vocabulary, draft->end_piece);
  spiece->pad = find_control (spiece->vocabulary, draft->pad_piece);
  if (spiece->end < 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("The vocabulary in %s has no symbol for the end of a text, which text encoders need. Use the tokenizer that "
                     "came with the model."),
                   path);
      return FALSE;
    }
  for (guint i = 0; i < spiece->vocabulary->pieces->len; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (spiece->vocabulary, i);

      if (piece->type == PM_PIECE_USER_DEFINED)
        keys[n_keys++] = (PmTrieKey){ piece->text, strlen (piece->text), (gint32) i };
    }
  if (n_keys > 0 && ! (spiece->symbols = pm_trie_new (keys, n_keys, error)))
    return FALSE;
  if (draft->chars_map.n > 0)
    spiece->chars_map = pm_chars_map_new (draft->chars_map.bytes, draft->chars_map.n, path, error);
  return draft->chars_map.n == 0 || spiece->chars_map;
}

PmSpiece *
pm_spiece_new (const guint8 *bytes, gsize n, const char *path, GError **error)
{
  g_autoptr (PmSpiece) spiece = g_new0 (PmSpiece, 1);
  Draft    draft = { g_strdup ("</s>"), g_strdup ("<pad>"), { 0 }, FALSE, FALSE };
  gboolean is_read;

  spiece->vocabulary = pm_vocabulary_new ();
  spiece->model_type = 1;
  spiece->has_prefix = spiece->removes_spaces = spiece->marks_spaces = TRUE;
  is_read = read_all ((PmProtobuf){ bytes, bytes + n }, spiece, &draft);
  if (! is_read)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("%s is no sentencepiece model, or it is damaged or cut off. Download the tokenizer again."), path);
  is_read = is_read && finish (spiece, &draft, path, error);
  g_free (draft.end_piece);
  g_free (draft.pad_piece);
  return is_read ? g_steal_pointer (&spiece) : NULL;
}
