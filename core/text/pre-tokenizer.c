/* tokenizer.json's pre-tokenizers as huggingface/tokenizers (tokenizers/src/pre_tokenizers) applies them. */
#include "text/pre-tokenizer.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"

typedef enum
{
  PREPEND_ALWAYS,
  PREPEND_FIRST, /* to what begins where the text begins */
  PREPEND_NEVER
} PrependScheme;

struct _PmPreTokenizer
{
  void (*apply) (const PmPreTokenizer *pre_tokenizer, const PmAligned *in, gsize first, gsize n, PmSplits *out);
  char          mark[8]; /* of Metaspace: stands for a space */
  gsize         n_mark;
  PrependScheme scheme;
  gboolean      splits;
};

void
pm_pre_tokenizer_free (PmPreTokenizer *pre_tokenizer)
{
  g_free (pre_tokenizer);
}

static void
apply_white_space (const PmPreTokenizer *pre_tokenizer, const PmAligned *in, gsize first, gsize n, PmSplits *out)
{
  gsize from = out->text.n, n_char;

  for (gsize at = first; at < first + n; at += n_char)
    {
      n_char = (gsize) (g_utf8_next_char (in->bytes + at) - (in->bytes + at));
      if (! pm_is_white_space (g_utf8_get_char (in->bytes + at)))
        {
          pm_aligned_copy (&out->text, in, at, n_char);
          continue;
        }
      pm_splits_close (out, from);
      from = out->text.n;
    }
  pm_splits_close (out, from);
}

static gboolean
begins_with_mark (const PmPreTokenizer *pre_tokenizer, const PmAligned *text, gsize at, gsize end)
{
  return end - at >= pre_tokenizer->n_mark && memcmp (text->bytes + at, pre_tokenizer->mark, pre_tokenizer->n_mark) == 0;
}

/* Spaces become marks, one may be put in front, and every mark begins a part. */
static void
apply_metaspace (const PmPreTokenizer *pre_tokenizer, const PmAligned *in, gsize first, gsize n, PmSplits *out)
{
  const gsize end = first + n;
  const gboolean has_mark = in->bytes[first] == ' ' || begins_with_mark (pre_tokenizer, in, first, end);
  gsize from = out->text.n;

  if (! has_mark
      && (pre_tokenizer->scheme == PREPEND_ALWAYS || (pre_tokenizer->scheme == PREPEND_FIRST && in->begin[first] == 0)))
    pm_aligned_append (&out->text, pre_tokenizer->mark, pre_tokenizer->n_mark, in->begin[first], in->begin[first]);
  for (gsize at = first; at < end;)
    {
      const gboolean is_space = in->bytes[at] == ' ';
      const gboolean is_mark = ! is_space && begins_with_mark (pre_tokenizer, in, at, end);
      const gsize    n_now = is_mark ? pre_tokenizer->n_mark : 1;

      if ((is_space || is_mark) && pre_tokenizer->splits)
        {
          pm_splits_close (out, from);
          from = out->text.n;
        }
      if (is_space)
        pm_aligned_append (&out->text, pre_tokenizer->mark, pre_tokenizer->n_mark, in->begin[at], in->end[at]);
      else
        pm_aligned_copy (&out->text, in, at, n_now);
      at += n_now;
    }
  pm_splits_close (out, from);
}

static gboolean
read_metaspace (PmPreTokenizer *pre_tokenizer, JsonObject *object)
{
  const char *mark = pm_json_read_string (json_object_get_member (object, "replacement"));
  const char *scheme = pm_json_read_string (json_object_get_member (object, "prepend_scheme"));
  JsonNode   *prefix = json_object_get_member (object, "add_prefix_space");
  JsonNode   *splits = json_object_get_member (object, "split");

  if (! mark || g_utf8_strlen (mark, -1) != 1)
    return FALSE;
  pre_tokenizer->n_mark = g_strlcpy (pre_tokenizer->mark, mark, sizeof pre_tokenizer->mark);
  pre_tokenizer->splits = ! splits || JSON_NODE_HOLDS_NULL (splits) || pm_json_read_boolean (splits);
  if (! scheme || strcmp (scheme, "always") == 0)
    pre_tokenizer->scheme = PREPEND_ALWAYS;
  else if (strcmp (scheme, "first") == 0)
    pre_tokenizer->scheme = PREPEND_FIRST;
  else if (strcmp (scheme, "never") == 0)
    pre_tokenizer->scheme = PREPEND_NEVER;
  else
    return FALSE;
  if (prefix && ! JSON_NODE_HOLDS_NULL (prefix) && ! pm_json_read_boolean (prefix))
    pre_tokenizer->scheme = PREPEND_NEVER;
  return TRUE;
}

/* Recursion is bounded by PM_JSON_MAX_DEPTH. */
static gboolean
read_sequence (JsonObject *object, GPtrArray *list, const char *path, GError **error)
{
  JsonNode  *node = json_object_get_member (object, "pretokenizers");
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (! array)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("%s names a sequence of pre-tokenizers but has no list of them. Download the tokenizer again."), path);
  for (guint i = 0; array && i < json_array_get_length (array); i++)
    if (! pm_pre_tokenizers_read (json_array_get_element (array, i), list, path, error))
      return FALSE;
  return array != NULL;
}

gboolean
pm_pre_tokenizers_read (JsonNode *node, GPtrArray *list, const char *path, GError **error)
{
  JsonObject     *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char     *type = object ? pm_json_read_string (json_object_get_member (object, "type")) : NULL;
  PmPreTokenizer *pre_tokenizer;

  if (! node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (! type)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("A pre-tokenizer in %s has no type. Download the tokenizer again."),
                   path);
      return FALSE;
    }
  if (strcmp (type, "Sequence") == 0)
    return read_sequence (object, list, path, error);
  pre_tokenizer = g_new0 (PmPreTokenizer, 1);
  g_ptr_array_add (list, pre_tokenizer);
  if (strcmp (type, "WhitespaceSplit") == 0)
    pre_tokenizer->apply = apply_white_space;
  else if (strcmp (type, "Metaspace") == 0 && read_metaspace (pre_tokenizer, object))
    pre_tokenizer->apply = apply_metaspace;
  else
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s cuts text by \"%s\" in a way that is not known here. Use the spiece.model of the same tokenizer."), path,
                 type);
  return pre_tokenizer->apply != NULL;
}

PmSplits *
pm_pre_tokenizer_apply (const PmPreTokenizer *pre_tokenizer, const PmSplits *splits)
{
  PmSplits *out = pm_splits_new ();

  for (guint i = 0; i < splits->parts->len; i++)
    {
      const PmSplit *part = &g_array_index (splits->parts, PmSplit, i);
      const gsize    from = out->text.n;

      if (part->id < 0)
        {
          pre_tokenizer->apply (pre_tokenizer, &splits->text, part->first, part->n, out);
          continue;
        }
      pm_aligned_copy (&out->text, &splits->text, part->first, part->n);
      pm_splits_close_token (out, from, part->id, part->is_special);
    }
  out->text.is_full = out->text.is_full || splits->text.is_full;
  return out;
}
