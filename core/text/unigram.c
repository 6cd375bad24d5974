/* Unigram (Kudo 2018, arXiv:1804.10959): of all ways to cut a text into pieces, the one whose scores have the greatest sum.
 *
 * The two libraries differ where sums tie or nearly do, so both are followed to the last bit. google/sentencepiece
 * (src/unigram_model.cc, EncodeOptimized) adds and compares in f32 (release 0.2.2; up to 0.2.1 it compared in f64 with what it
 * had rounded to f32, so that "666" could come out as 66, 6 there and as 6, 66 now); huggingface/tokenizers
 * (tokenizers/src/models/unigram/model.rs, encode_optimized) has f64 throughout, gives user-defined symbols no bonus and lets
 * every piece of the vocabulary match, special ones too. */
#include <float.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "text/tokenizer-kind.h"
#include "text/trie.h"

#define UNKNOWN_PENALTY 10.0 /* below the least score */
#define SYMBOL_PENALTY 0.1

struct _PmTokenModel
{
  const PmVocabulary *vocabulary; /* borrowed */
  PmTrie             *trie;       /* what may match */
  gboolean            is_spiece;
  double              unknown_score;
  float               max_score;
  int                 bytes[256]; /* ids, or -1 */
  gboolean            has_bytes;
};

/* The best way to a byte of the text. */
typedef struct
{
  double score;
  gint32 from; /* where its last piece begins; -1: not reached yet */
  int    id;
} Best;

static gboolean
read_piece (JsonNode *node, PmVocabulary *vocabulary)
{
  JsonArray  *pair = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const char *text;
  double      score;

  if (! pair || json_array_get_length (pair) != 2 || vocabulary->pieces->len >= PM_VOCABULARY_MAX
      || ! (text = pm_json_read_string (json_array_get_element (pair, 0)))
      || ! pm_json_read_number (json_array_get_element (pair, 1), &score))
    return FALSE;
  pm_vocabulary_append (vocabulary, g_strdup (text), score, PM_PIECE_NORMAL);
  return TRUE;
}

static gboolean
unigram_read_json (JsonObject *model, PmVocabulary *vocabulary, const char *path, GError **error)
{
  JsonNode  *list = json_object_get_member (model, "vocab");
  JsonNode  *unknown = json_object_get_member (model, "unk_id");
  JsonNode  *bytes = json_object_get_member (model, "byte_fallback");
  JsonArray *pieces = list && JSON_NODE_HOLDS_ARRAY (list) ? json_node_get_array (list) : NULL;
  gsize      id = 0;
  gboolean   is_read = pieces != NULL;

  for (guint i = 0; is_read && i < json_array_get_length (pieces); i++)
    is_read = read_piece (json_array_get_element (pieces, i), vocabulary);
  if (unknown && ! JSON_NODE_HOLDS_NULL (unknown))
    {
      is_read = is_read && pm_json_read_size (unknown, &id) && id < vocabulary->pieces->len;
      vocabulary->unknown = (int) id;
    }
  vocabulary->has_bytes = pm_json_read_boolean (bytes);
  if (! is_read)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("The vocabulary in %s is damaged: it is no list of pieces with their scores, or the number of the unknown "
                   "piece lies outside of it. Download the tokenizer again."),
                 path);
  return is_read;
}

static void
unigram_free (PmTokenModel *model)
{
  if (model)
    pm_trie_free (model->trie);
  g_free (model);
}

/* sentencepiece takes the least and greatest score of normal pieces only, the latter not below the least positive f32. */
static void
find_scores (PmTokenModel *model)
{
  double least = model->is_spiece ? FLT_MAX : G_MAXDOUBLE;

  model->max_score = FLT_MIN;
  for (guint i = 0; i < model->vocabulary->pieces->len; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (model->vocabulary, i);

      if (piece->type != PM_PIECE_NORMAL)
        continue;
      least = MIN (least, piece->score);
      model->max_score = MAX (model->max_score, (float) piece->score);
    }
  model->unknown_score = model->is_spiece ? (double) ((float) least - (float) UNKNOWN_PENALTY) : least - UNKNOWN_PENALTY;
}

static void
find_bytes (PmTokenModel *model)
{
  memset (model->bytes, -1, sizeof model->bytes);
  for (guint i = 0; i < model->vocabulary->pieces->len; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (model->vocabulary, i);
      const int      byte = model->is_spiece && piece->type != PM_PIECE_BYTE ? -1 : pm_vocabulary_read_byte (piece->text);

      if (byte >= 0)
        model->bytes[byte] = (int) i;
    }
}

static PmTokenModel *
unigram_load (const PmVocabulary *vocabulary, gboolean is_spiece, const char *path, GError **error)
{
  const guint n = vocabulary->pieces->len;
  g_autofree PmTrieKey *keys = g_try_new (PmTrieKey, MAX (n, 1));
  PmTokenModel *model = g_new0 (PmTokenModel, 1);
  gsize n_keys = 0;

  model->vocabulary = vocabulary;
  model->is_spiece = is_spiece;
  model->has_bytes = vocabulary->has_bytes;
  for (guint i = 0; keys && i < n; i++)
    {
      const PmPiece *piece = pm_vocabulary_get (vocabulary, i);

      if (! is_spiece || piece->type == PM_PIECE_NORMAL || piece->type == PM_PIECE_USER_DEFINED)
        keys[n_keys++] = (PmTrieKey){ piece->text, strlen (piece->text), (gint32) i };
    }
  if (keys)
    model->trie = pm_trie_new (keys, n_keys, error);
  else
    g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                         _("There is not enough memory for the tokenizer's vocabulary. Close other programs."));
  if (! model->trie)
    {
      unigram_free (model);
      return NULL;
    }
  find_scores (model);
  find_bytes (model);
  return model;
}

static int
unigram_find (const PmTokenModel *model, const char *text, gsize n)
{
  return pm_trie_find (model->trie, text, n);
}

static double
score_piece (const PmTokenModel *model, int id, gsize n)
{
  const PmPiece *piece = pm_vocabulary_get (model->vocabulary, (guint) id);

  return piece->type == PM_PIECE_USER_DEFINED ? (double) ((float) n * model->max_score) - SYMBOL_PENALTY : piece->score;
}

static void
offer (const PmTokenModel *model, Best *best, gsize from, gsize to, int id, double score)
{
  const double sum = model->is_spiece ? (double) ((float) score + (float) best[from].score) : score + best[from].score;
  Best *target = &best[to];

  if (target->from >= 0 && ! (sum > target->score))
    return;
  target->score = sum;
  target->from = (gint32) from;
  target->id = id;
}

/* All pieces that begin at a character of n_char bytes. best: [n + 1] */
static void
extend (const PmTokenModel *model, const char *text, gsize n, gsize from, gsize n_char, Best *best)
{
  gboolean has_single = FALSE;
  guint32  node = 0;

  for (gsize to = from; to < n && pm_trie_step (model->trie, &node, (guint8) text[to]); to++)
    {
      const gint32 id = pm_trie_value (model->trie, node);

      if (id < 0)
        continue;
      offer (model, best, from, to + 1, id, score_piece (model, id, to + 1 - from));
      has_single = has_single || to + 1 - from == n_char;
    }
  if (! has_single)
    offer (model, best, from, from + n_char, model->vocabulary->unknown, model->unknown_score);
}

/* An unknown run: bytes where the vocabulary has them, else one token. */
static gboolean
append_unknown (const PmTokenModel *model, const PmAligned *text, gsize first, gsize n, PmTokens *tokens, GError **error)
{
  const guint8 *bytes = (const guint8 *) text->bytes + first;
  gboolean      has_bytes = model->has_bytes;
  int           id = model->is_spiece ? -1 : unigram_find (model, text->bytes + first, n);

  for (gsize i = 0; has_bytes && i < n; i++)
    has_bytes = model->bytes[bytes[i]] >= 0;
  if (id < 0 && has_bytes)
    {
      for (gsize i = 0; i < n; i++)
        pm_tokens_append_part (tokens, model->bytes[bytes[i]], text, first + i, 1, FALSE);
      return TRUE;
    }
  id = id < 0 ? model->vocabulary->unknown : id;
  if (id >= 0)
    pm_tokens_append_part (tokens, id, text, first, n, FALSE);
  else
    g_set_error_literal (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                         _("The text has a character that the tokenizer does not know, and it has no token for such. Leave the "
                           "character out, or use the tokenizer that came with the model."));
  return id >= 0;
}

/* best: [n + 1], solved. */
static gboolean
trace (const PmTokenModel *model, const PmAligned *text, gsize first, gsize n, const Best *best, PmTokens *tokens, GError **error)
{
  g_autoptr (GArray) ends = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize unknown_from = 0, unknown_n = 0;

  for (guint32 end = (guint32) n; end > 0; end = (guint32) best[end].from)
    g_array_append_val (ends, end);
  for (guint i = ends->len; i-- > 0;)
    {
      const guint32 end = g_array_index (ends, guint32, i);
      const Best   *piece = &best[end];
      const gsize   n_piece = end - (gsize) piece->from;

      if (piece->id == model->vocabulary->unknown)
        {
          unknown_from = unknown_n == 0 ? (gsize) piece->from : unknown_from;
          unknown_n += n_piece;
          continue;
        }
      if (unknown_n > 0 && ! append_unknown (model, text, first + unknown_from, unknown_n, tokens, error))
        return FALSE;
      unknown_n = 0;
      pm_tokens_append_part (tokens, piece->id, text, first + (gsize) piece->from, n_piece, FALSE);
    }
  return unknown_n == 0 || append_unknown (model, text, first + unknown_from, unknown_n, tokens, error);
}

static gboolean
unigram_encode (const PmTokenModel *model, const PmAligned *text, gsize first, gsize n, PmTokens *tokens, GError **error)
{
  g_autofree Best *best = g_try_new (Best, n + 1);
  const char *bytes = text->bytes + first;
  gsize       n_char;

  if (! best)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for a text of this length. Shorten it."));
      return FALSE;
    }
  for (gsize i = 0; i <= n; i++)
    best[i] = (Best){ 0, -1, -1 };
  for (gsize from = 0; from < n; from += n_char)
    {
      n_char = (gsize) (g_utf8_next_char (bytes + from) - (bytes + from));
      extend (model, bytes, n, from, n_char, best);
    }
  return trace (model, text, first, n, best, tokens, error);
}

const PmTokenizerKind pm_tokenizer_unigram = {
  .id = "unigram",
  .json_type = "Unigram",
  .spiece_type = 1,
  .read_json = unigram_read_json,
  .load = unigram_load,
  .free = unigram_free,
  .find = unigram_find,
  .encode = unigram_encode,
};
