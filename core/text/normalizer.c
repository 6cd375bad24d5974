/* tokenizer.json's normalizers as huggingface/tokenizers (tokenizers/src/normalizers) applies them. Precompiled walks the map
 * otherwise than sentencepiece: a grapheme cluster of less than 6 bytes is looked up first, else each of its characters, and the
 * shortest rule that its bytes begin with replaces all of it (huggingface/spm_precompiled: src/lib.rs). */
#include "text/normalizer.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "text/charsmap.h"
#include "text/grapheme.h"

#define MAX_CLUSTER 6 /* bytes; longer ones are looked up character by character */
#define SPACE_RUNS " {2,}" /* the one regular expression that converters write */

typedef gboolean (*ApplyFunc) (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error);

struct _PmNormalizer
{
  ApplyFunc   apply;
  PmCharsMap *map;
  gboolean    at_left, at_right; /* of Strip */
  char       *pattern;           /* of Replace; NULL: runs of two spaces and more */
  char       *content;           /* of Replace and Prepend */
};

void
pm_normalizer_free (PmNormalizer *normalizer)
{
  pm_chars_map_free (normalizer->map);
  g_free (normalizer->pattern);
  g_free (normalizer->content);
  g_free (normalizer);
}

/* A character of the replacement begins where its counterpart does, those in excess where the last one does. */
static void
append_replacement (const PmAligned *in, gsize at, gsize n, const char *to, gsize n_to, PmAligned *out)
{
  const gsize end = at + n;

  for (gsize i = 0; i < n_to;)
    {
      const gsize n_char = (gsize) (g_utf8_next_char (to + i) - (to + i));
      const gsize next = at + (gsize) (g_utf8_next_char (in->bytes + at) - (in->bytes + at));

      pm_aligned_append (out, to + i, n_char, in->begin[at], in->end[end - 1]);
      i += n_char;
      at = next < end ? next : at;
    }
}

static gboolean
apply_rule (const PmNormalizer *normalizer, const PmAligned *in, gsize at, gsize n, gboolean may_keep, PmAligned *out,
            gboolean *is_found, GError **error)
{
  gsize       length, n_to;
  const char *to;
  PmCharsMapMatch match = pm_chars_map_match (normalizer->map, in->bytes + at, n, FALSE, &length, &to, &n_to);

  *is_found = match == PM_CHARS_MAP_FOUND;
  if (match == PM_CHARS_MAP_DAMAGED)
    pm_chars_map_set_error (error);
  if (match == PM_CHARS_MAP_FOUND)
    append_replacement (in, at, n, to, n_to, out);
  else if (may_keep)
    pm_aligned_copy (out, in, at, n);
  return match != PM_CHARS_MAP_DAMAGED;
}

static gboolean
apply_cluster (const PmNormalizer *normalizer, const PmAligned *in, gsize at, gsize n, PmAligned *out, GError **error)
{
  gboolean is_found = FALSE;
  gsize    n_char;

  if (n < MAX_CLUSTER && ! apply_rule (normalizer, in, at, n, FALSE, out, &is_found, error))
    return FALSE;
  for (gsize end = at + n; ! is_found && at < end; at += n_char)
    {
      gboolean is_any;

      n_char = (gsize) (g_utf8_next_char (in->bytes + at) - (in->bytes + at));
      if (! apply_rule (normalizer, in, at, n_char, TRUE, out, &is_any, error))
        return FALSE;
    }
  return TRUE;
}

/* What goes at the very beginning counts for the first character that stays, so that a text still begins where it begins. */
static gboolean
apply_precompiled (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error)
{
  const gsize first = out->n;
  guint32     begin;
  gsize       n;

  for (gsize at = 0; at < in->n; at += n)
    {
      n = pm_grapheme_length (in->bytes + at, in->n - at);
      if (! apply_cluster (normalizer, in, at, n, out, error))
        return FALSE;
    }
  begin = first < out->n ? out->begin[first] : 0;
  for (gsize i = first; in->n > 0 && i < out->n && out->begin[i] == begin; i++)
    out->begin[i] = in->begin[0];
  return TRUE;
}

static gboolean
apply_strip (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error)
{
  gsize first = 0, end = in->n;

  while (normalizer->at_left && first < end && pm_is_white_space (g_utf8_get_char (in->bytes + first)))
    first = (gsize) (g_utf8_next_char (in->bytes + first) - in->bytes);
  while (normalizer->at_right && end > first)
    {
      const char *last = g_utf8_find_prev_char (in->bytes + first, in->bytes + end);

      if (! pm_is_white_space (g_utf8_get_char (last)))
        break;
      end = (gsize) (last - in->bytes);
    }
  pm_aligned_copy (out, in, first, end - first);
  return TRUE;
}

/* Bytes of the match at the beginning of text [n], or 0. */
static gsize
match_pattern (const PmNormalizer *normalizer, const char *text, gsize n)
{
  gsize n_spaces = 0;

  if (normalizer->pattern)
    {
      const gsize n_pattern = strlen (normalizer->pattern);

      return n_pattern <= n && memcmp (text, normalizer->pattern, n_pattern) == 0 ? n_pattern : 0;
    }
  while (n_spaces < n && text[n_spaces] == ' ')
    n_spaces++;
  return n_spaces >= 2 ? n_spaces : 0;
}

static gboolean
apply_replace (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error)
{
  const gsize n_content = strlen (normalizer->content);
  gsize       kept_from = 0;

  for (gsize at = 0; at < in->n;)
    {
      const gsize n = match_pattern (normalizer, in->bytes + at, in->n - at);

      if (n > 0)
        {
          pm_aligned_copy (out, in, kept_from, at - kept_from);
          pm_aligned_append (out, normalizer->content, n_content, in->begin[at], in->end[at + n - 1]);
          kept_from = at + n;
        }
      at += MAX (n, 1);
    }
  pm_aligned_copy (out, in, kept_from, in->n - kept_from);
  return TRUE;
}

static gboolean
apply_prepend (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error)
{
  if (in->n > 0)
    pm_aligned_append (out, normalizer->content, strlen (normalizer->content), in->begin[0], in->begin[0]);
  pm_aligned_copy (out, in, 0, in->n);
  return TRUE;
}

/* Character by character: a sigma at the end of a word has no form of its own, and only U+0130 becomes two characters. */
static gboolean
apply_lowercase (const PmNormalizer *normalizer, const PmAligned *in, PmAligned *out, GError **error)
{
  for (gsize at = 0; at < in->n;)
    {
      const gunichar c = g_utf8_get_char (in->bytes + at);
      const gsize    n = (gsize) (g_utf8_next_char (in->bytes + at) - (in->bytes + at));
      char           lower[8];
      gsize          n_lower = (gsize) g_unichar_to_utf8 (c == 0x130 ? 'i' : g_unichar_tolower (c), lower);

      if (c == 0x130)
        n_lower += (gsize) g_unichar_to_utf8 (0x307, lower + n_lower);
      pm_aligned_append (out, lower, n_lower, in->begin[at], in->end[at + n - 1]);
      at += n;
    }
  return TRUE;
}

static gboolean
read_map (PmNormalizer *normalizer, JsonObject *object, const char *path, GError **error)
{
  const char *text = pm_json_read_string (json_object_get_member (object, "precompiled_charsmap"));
  g_autofree guint8 *bytes = NULL;
  gsize n = 0;

  bytes = text ? g_base64_decode (text, &n) : NULL;
  normalizer->map = pm_chars_map_new (bytes, n, path, error);
  return normalizer->map != NULL;
}

static void
read_replace (PmNormalizer *normalizer, JsonObject *object)
{
  JsonNode   *node = json_object_get_member (object, "pattern");
  JsonObject *pattern = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *text = pattern ? pm_json_read_string (json_object_get_member (pattern, "String")) : NULL;
  const char *regex = pattern ? pm_json_read_string (json_object_get_member (pattern, "Regex")) : NULL;

  normalizer->pattern = g_strdup (text && *text ? text : NULL);
  normalizer->content = g_strdup (pm_json_read_string (json_object_get_member (object, "content")));
  if (normalizer->content && (normalizer->pattern || g_strcmp0 (regex, SPACE_RUNS) == 0))
    normalizer->apply = apply_replace;
}

/* apply stays NULL where this is not known. */
static gboolean
read_one (PmNormalizer *normalizer, const char *type, JsonObject *object, const char *path, GError **error)
{
  if (strcmp (type, "Precompiled") == 0)
    {
      normalizer->apply = apply_precompiled;
      return read_map (normalizer, object, path, error);
    }
  if (strcmp (type, "Strip") == 0)
    {
      normalizer->apply = apply_strip;
      normalizer->at_left = pm_json_read_boolean (json_object_get_member (object, "strip_left"));
      normalizer->at_right = pm_json_read_boolean (json_object_get_member (object, "strip_right"));
    }
  else if (strcmp (type, "Replace") == 0)
    read_replace (normalizer, object);
  else if (strcmp (type, "Prepend") == 0)
    {
      normalizer->content = g_strdup (pm_json_read_string (json_object_get_member (object, "prepend")));
      normalizer->apply = normalizer->content ? apply_prepend : NULL;
    }
  else if (strcmp (type, "Lowercase") == 0)
    normalizer->apply = apply_lowercase;
  if (! normalizer->apply)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s normalises text by \"%s\" in a way that is not known here. Use the spiece.model of the same tokenizer."),
                 path, type);
  return normalizer->apply != NULL;
}

/* Recursion is bounded by PM_JSON_MAX_DEPTH. */
static gboolean
read_sequence (JsonObject *object, GPtrArray *list, const char *path, GError **error)
{
  JsonNode  *node = json_object_get_member (object, "normalizers");
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (! array)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("%s names a sequence of normalizers but has no list of them. Download the tokenizer again."), path);
  for (guint i = 0; array && i < json_array_get_length (array); i++)
    if (! pm_normalizers_read (json_array_get_element (array, i), list, path, error))
      return FALSE;
  return array != NULL;
}

gboolean
pm_normalizers_read (JsonNode *node, GPtrArray *list, const char *path, GError **error)
{
  JsonObject   *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char   *type = object ? pm_json_read_string (json_object_get_member (object, "type")) : NULL;
  PmNormalizer *normalizer;

  if (! node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (! type)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("A normalizer in %s has no type. Download the tokenizer again."), path);
      return FALSE;
    }
  if (strcmp (type, "Sequence") == 0)
    return read_sequence (object, list, path, error);
  normalizer = g_new0 (PmNormalizer, 1);
  g_ptr_array_add (list, normalizer);
  return read_one (normalizer, type, object, path, error);
}

gboolean
pm_normalizers_apply (const GPtrArray *list, const PmAligned *text, gsize first, gsize n, PmAligned *out, GError **error)
{
  PmAligned now = { 0 };
  gboolean  is_done = TRUE;

  pm_aligned_copy (&now, text, first, n);
  for (guint i = 0; is_done && i < list->len; i++)
    {
      const PmNormalizer *normalizer = g_ptr_array_index (list, i);
      PmAligned           next = { 0 };

      is_done = normalizer->apply (normalizer, &now, &next, error);
      next.is_full = next.is_full || now.is_full;
      pm_aligned_clear (&now);
      now = next;
    }
  pm_aligned_copy (out, &now, 0, now.n);
  out->is_full = out->is_full || now.is_full;
  pm_aligned_clear (&now);
  return is_done;
}
