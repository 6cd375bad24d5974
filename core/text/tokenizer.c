/* Tokenizers: which file it is, and the way from a text through it. */
#include "text/tokenizer.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "format/link.h"
#include "text/pipeline.h"
#include "text/spiece.h"

#define MAX_FILE_BYTES (64 * 1024 * 1024)

struct _PmTokenizer
{
  char                  *file, *sum;
  const PmTokenizerKind *kind;
  const PmVocabulary    *vocabulary; /* of one of the two */
  const PmTokenModel    *model;
  PmSpiece              *spiece;
  PmTokenModel          *spiece_model;
  PmPipeline            *pipeline;
};

void
pm_tokenizer_free (PmTokenizer *tokenizer)
{
  if (! tokenizer)
    return;
  if (tokenizer->spiece_model)
    tokenizer->kind->free (tokenizer->spiece_model);
  pm_spiece_free (tokenizer->spiece);
  pm_pipeline_free (tokenizer->pipeline);
  g_free (tokenizer->file);
  g_free (tokenizer->sum);
  g_free (tokenizer);
}

static gboolean
load_pipeline (PmTokenizer *tokenizer, const char *text, gsize n, const char *shown, GError **error)
{
  JsonNode *root = pm_json_parse (text, n, shown, error);

  if (! root)
    return FALSE;
  tokenizer->pipeline = pm_pipeline_new (root, shown, error);
  json_node_unref (root);
  if (! tokenizer->pipeline)
    return FALSE;
  tokenizer->kind = tokenizer->pipeline->kind;
  tokenizer->vocabulary = tokenizer->pipeline->vocabulary;
  tokenizer->model = tokenizer->pipeline->model;
  return TRUE;
}

static gboolean
load_spiece (PmTokenizer *tokenizer, const char *bytes, gsize n, const char *shown, GError **error)
{
  tokenizer->spiece = pm_spiece_new ((const guint8 *) bytes, n, shown, error);
  if (! tokenizer->spiece)
    return FALSE;
  for (int i = 0; pm_tokenizers[i]; i++)
    if (pm_tokenizers[i]->spiece_type == tokenizer->spiece->model_type)
      tokenizer->kind = pm_tokenizers[i];
  if (! tokenizer->kind)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("%s is a sentencepiece model of type %d, which is not known here. Known is type 1, unigram, as T5 has it."),
                   shown, tokenizer->spiece->model_type);
      return FALSE;
    }
  tokenizer->spiece_model = tokenizer->kind->load (tokenizer->spiece->vocabulary, TRUE, shown, error);
  tokenizer->vocabulary = tokenizer->spiece->vocabulary;
  tokenizer->model = tokenizer->spiece_model;
  return tokenizer->model != NULL;
}

static const char *const names[] = { "spiece.model", "tokenizer.json" };

/* The file that path names or holds, or NULL. */
static char *
find_file (const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names) && g_file_test (path, G_FILE_TEST_IS_DIR); i++)
    {
      g_autofree char *name = g_build_filename (path, names[i], NULL);

      if (g_file_test (name, G_FILE_TEST_EXISTS))
        return g_steal_pointer (&name);
    }
  return g_file_test (path, G_FILE_TEST_EXISTS) && ! g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : NULL;
}

/* Why there is none: links that lead nowhere, or nothing at all. */
static void
set_no_file (const char *path, GError **error)
{
  g_autofree char *shown = g_filename_display_name (path);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *name = g_build_filename (path, names[i], NULL);

      if (! pm_link_check (name, error))
        return;
    }
  if (pm_link_check (path, error))
    g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                 _("No tokenizer was found at %s. It should be a file spiece.model or tokenizer.json, or a folder with one."),
                 shown);
}

static gboolean
read_file (const char *file, const char *shown, char **bytes, gsize *n, GError **error)
{
  g_autoptr (GError) cause = NULL;
  GStatBuf info;

  if (g_stat (file, &info) == 0 && (! S_ISREG (info.st_mode) || info.st_size > MAX_FILE_BYTES))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is not a file of at most %d MiB, as tokenizers are. Download the tokenizer again."), shown,
                   MAX_FILE_BYTES / (1024 * 1024));
      return FALSE;
    }
  if (g_file_get_contents (file, bytes, n, &cause))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_IO, _("%s cannot be read (%s). Check its permissions."), shown, cause->message);
  return FALSE;
}

PmTokenizer *
pm_tokenizer_open (const char *path, GError **error)
{
  g_autoptr (PmTokenizer) tokenizer = g_new0 (PmTokenizer, 1);
  g_autofree char *file = find_file (path);
  g_autofree char *shown = g_filename_display_name (file ? file : path);
  g_autofree char *bytes = NULL;
  gboolean is_json;
  gsize    n = 0;

  if (! file)
    {
      set_no_file (path, error);
      return NULL;
    }
  if (! read_file (file, shown, &bytes, &n, error))
    return NULL;
  is_json = g_str_has_suffix (file, ".json") || (n > 0 && bytes[0] == '{');
  if (! (is_json ? load_pipeline (tokenizer, bytes, n, shown, error) : load_spiece (tokenizer, bytes, n, shown, error)))
    return NULL;
  tokenizer->file = g_steal_pointer (&file);
  tokenizer->sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, n);
  return g_steal_pointer (&tokenizer);
}

static void
append_ids (PmTokens *tokens, const GArray *ids, gsize at)
{
  for (guint i = 0; i < ids->len; i++)
    pm_tokens_append (tokens, g_array_index (ids, int, i), at, at, TRUE);
}

static gboolean
set_full (GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The text becomes longer than %d MiB when the tokenizer writes its characters out. Shorten it."),
               PM_ALIGNED_MAX_BYTES / (1024 * 1024));
  return FALSE;
}

static gboolean
encode_pipeline (const PmTokenizer *tokenizer, const char *text, gsize n, PmTokens *tokens, GError **error)
{
  g_autoptr (PmSplits) whole = pm_splits_new ();
  g_autoptr (PmSplits) splits = NULL;
  const PmPipeline *pipeline = tokenizer->pipeline;

  for (gsize at = 0; at < n;)
    {
      const gsize n_char = (gsize) (g_utf8_next_char (text + at) - (text + at));

      pm_aligned_append (&whole->text, text + at, n_char, (guint32) at, (guint32) (at + n_char));
      at += n_char;
    }
  splits = pm_pipeline_split (pipeline, &whole->text, error);
  if (! splits || splits->text.is_full)
    return splits ? set_full (error) : FALSE;
  append_ids (tokens, pipeline->before, 0);
  for (guint i = 0; i < splits->parts->len; i++)
    {
      const PmSplit *part = &g_array_index (splits->parts, PmSplit, i);

      if (part->id >= 0)
        pm_tokens_append_part (tokens, part->id, &splits->text, part->first, part->n, part->is_special);
      else if (! tokenizer->kind->encode (tokenizer->model, &splits->text, part->first, part->n, tokens, error))
        return FALSE;
    }
  append_ids (tokens, pipeline->after, n);
  return TRUE;
}

static gboolean
encode_spiece (const PmTokenizer *tokenizer, const char *text, gsize n, PmTokens *tokens, GError **error)
{
  g_autoptr (PmSplits) normalized = pm_splits_new ();
  PmAligned *out = &normalized->text;

  if (! pm_spiece_normalize (tokenizer->spiece, text, n, out, error))
    return FALSE;
  if (out->is_full)
    return set_full (error);
  if (out->n > 0 && ! tokenizer->kind->encode (tokenizer->model, out, 0, out->n, tokens, error))
    return FALSE;
  pm_tokens_append (tokens, tokenizer->spiece->end, n, n, TRUE);
  return TRUE;
}

PmTokens *
pm_tokenizer_encode (const PmTokenizer *tokenizer, const char *text, GError **error)
{
  g_autoptr (PmTokens) tokens = g_new0 (PmTokens, 1);
  const gsize n = strlen (text);

  if (n > PM_TEXT_MAX_BYTES || ! g_utf8_validate (text, (gssize) n, NULL))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   n > PM_TEXT_MAX_BYTES ? _("The text is longer than %d KiB. Shorten it.")
                                         : _("The text is not UTF-8, or longer than %d KiB. Write it in that encoding."),
                   PM_TEXT_MAX_BYTES / 1024);
      return NULL;
    }
  if (tokenizer->pipeline ? encode_pipeline (tokenizer, text, n, tokens, error)
                          : encode_spiece (tokenizer, text, n, tokens, error))
    return g_steal_pointer (&tokens);
  return NULL;
}

const char *
pm_tokenizer_get_file (const PmTokenizer *tokenizer)
{
  return tokenizer->file;
}

const char *
pm_tokenizer_get_sum (const PmTokenizer *tokenizer)
{
  return tokenizer->sum;
}

const char *
pm_tokenizer_get_format (const PmTokenizer *tokenizer)
{
  return tokenizer->pipeline ? "tokenizer.json" : "spiece.model";
}

const char *
pm_tokenizer_get_kind (const PmTokenizer *tokenizer)
{
  return tokenizer->kind->id;
}

int
pm_tokenizer_get_n_ids (const PmTokenizer *tokenizer)
{
  return tokenizer->pipeline ? tokenizer->pipeline->n_ids : (int) tokenizer->vocabulary->pieces->len;
}

int
pm_tokenizer_get_pad_id (const PmTokenizer *tokenizer)
{
  return tokenizer->pipeline ? tokenizer->pipeline->pad : tokenizer->spiece->pad;
}

int
pm_tokenizer_get_end_id (const PmTokenizer *tokenizer)
{
  return tokenizer->pipeline ? tokenizer->pipeline->end : tokenizer->spiece->end;
}

int
pm_tokenizer_get_unknown_id (const PmTokenizer *tokenizer)
{
  return tokenizer->vocabulary->unknown;
}

const char *
pm_tokenizer_get_piece (const PmTokenizer *tokenizer, int id)
{
  if (id >= 0 && id < (int) tokenizer->vocabulary->pieces->len)
    return pm_vocabulary_get (tokenizer->vocabulary, (guint) id)->text;
  return tokenizer->pipeline ? pm_pipeline_get_added (tokenizer->pipeline, id) : NULL;
}

char *
pm_tokenizer_show_piece (const PmTokenizer *tokenizer, int id)
{
  const char *piece = pm_tokenizer_get_piece (tokenizer, id);
  g_auto (GStrv) words = piece ? g_strsplit (piece, PM_SPACE_MARK, -1) : NULL;

  return words ? g_strjoinv (" ", words) : NULL;
}
