/* tokenizer.json's added tokens as huggingface/tokenizers (tokenizers/src/tokenizer/added_vocabulary.rs) finds them: from left to
 * right the longest, never two that overlap; then what is asked of its neighbours, and the white space that it takes along. */
#include "text/added-tokens.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "text/normalizer.h"
#include "text/trie.h"

struct _PmAddedTokens
{
  GArray    *list;     /* PmAddedToken */
  PmTrie    *tries[2]; /* of those in raw and in normalised text; the value is the index in list */
  PmAligned *contents; /* [n] normalised */
};

static void
clear_token_cb (gpointer token)
{
  g_free (((PmAddedToken *) token)->content);
}

void
pm_added_tokens_free (PmAddedTokens *added)
{
  if (! added)
    return;
  for (guint i = 0; added->contents && i < added->list->len; i++)
    pm_aligned_clear (&added->contents[i]);
  g_free (added->contents);
  g_array_unref (added->list);
  pm_trie_free (added->tries[0]);
  pm_trie_free (added->tries[1]);
  g_free (added);
}

static gboolean
read_token (JsonNode *node, GArray *list)
{
  JsonObject  *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char  *content = object ? pm_json_read_string (json_object_get_member (object, "content")) : NULL;
  PmAddedToken token = { .id = -1 };

  if (! content)
    return FALSE;
  token.content = g_strdup (content);
  token.single_word = pm_json_read_boolean (json_object_get_member (object, "single_word"));
  token.at_left = pm_json_read_boolean (json_object_get_member (object, "lstrip"));
  token.at_right = pm_json_read_boolean (json_object_get_member (object, "rstrip"));
  token.is_normalized = pm_json_read_boolean (json_object_get_member (object, "normalized"));
  token.is_special = pm_json_read_boolean (json_object_get_member (object, "special"));
  g_array_append_val (list, token);
  return TRUE;
}

PmAddedTokens *
pm_added_tokens_read (JsonNode *node, const char *path, GError **error)
{
  g_autoptr (PmAddedTokens) added = g_new0 (PmAddedTokens, 1);
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gboolean   is_read = array || ! node || JSON_NODE_HOLDS_NULL (node);

  added->list = g_array_new (FALSE, FALSE, sizeof (PmAddedToken));
  g_array_set_clear_func (added->list, clear_token_cb);
  for (guint i = 0; is_read && array && i < json_array_get_length (array); i++)
    is_read = read_token (json_array_get_element (array, i), added->list);
  if (is_read)
    return g_steal_pointer (&added);
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
               _("The added tokens in %s are no list, or one has no content. Download the tokenizer again."), path);
  return NULL;
}

guint
pm_added_tokens_get_n (const PmAddedTokens *added)
{
  return added->list->len;
}

PmAddedToken *
pm_added_tokens_get (PmAddedTokens *added, guint i)
{
  return &g_array_index (added->list, PmAddedToken, i);
}

gboolean
pm_added_tokens_finish (PmAddedTokens *added, const GPtrArray *normalizers, GError **error)
{
  const guint n = added->list->len;
  g_autofree PmTrieKey *keys = g_new (PmTrieKey, MAX (n, 1));

  added->contents = g_new0 (PmAligned, MAX (n, 1));
  for (int is_normalized = 0; is_normalized < 2; is_normalized++)
    {
      gsize n_keys = 0;

      for (guint i = 0; i < n; i++)
        {
          const PmAddedToken *token = pm_added_tokens_get (added, i);
          PmAligned raw = { 0 };
          gboolean  is_done = TRUE;

          if (token->is_normalized != is_normalized || token->id < 0)
            continue;
          pm_aligned_append (&raw, token->content, strlen (token->content), 0, 0);
          if (is_normalized)
            is_done = pm_normalizers_apply (normalizers, &raw, 0, raw.n, &added->contents[i], error);
          else
            pm_aligned_copy (&added->contents[i], &raw, 0, raw.n);
          pm_aligned_clear (&raw);
          if (! is_done)
            return FALSE;
          keys[n_keys++] = (PmTrieKey){ added->contents[i].bytes, added->contents[i].n, (gint32) i };
        }
      added->tries[is_normalized] = pm_trie_new (keys, n_keys, error);
      if (! added->tries[is_normalized])
        return FALSE;
    }
  return TRUE;
}

/* \w of the regex crate: letters, marks, decimal digits, connectors, joiners. */
static gboolean
is_word (gunichar c)
{
  const GUnicodeType type = g_unichar_type (c);

  return g_unichar_isalpha (c) || g_unichar_ismark (c) || type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER
         || type == G_UNICODE_CONNECT_PUNCTUATION || c == 0x200c || c == 0x200d;
}

static gboolean
stands_alone (const char *text, gsize n, gsize start, gsize stop)
{
  if (start > 0 && is_word (g_utf8_get_char (g_utf8_find_prev_char (text, text + start))))
    return FALSE;
  return stop == n || ! is_word (g_utf8_get_char (text + stop));
}

static gsize
skip_left (const char *text, gsize from, gsize start)
{
  while (start > from)
    {
      const char *last = g_utf8_find_prev_char (text + from, text + start);

      if (! pm_is_white_space (g_utf8_get_char (last)))
        break;
      start = (gsize) (last - text);
    }
  return start;
}

static gsize
skip_right (const char *text, gsize n, gsize stop)
{
  while (stop < n && pm_is_white_space (g_utf8_get_char (text + stop)))
    stop = (gsize) (g_utf8_next_char (text + stop) - text);
  return stop;
}

static void
copy_part (const PmAligned *text, gsize first, gsize n, PmSplits *out, const PmAddedToken *token)
{
  const gsize from = out->text.n;

  pm_aligned_copy (&out->text, text, first, n);
  if (token)
    pm_splits_close_token (out, from, token->id, token->is_special);
  else
    pm_splits_close (out, from);
}

void
pm_added_tokens_split (const PmAddedTokens *added, gboolean is_normalized, const PmAligned *text, gsize first, gsize n,
                       PmSplits *out)
{
  const char *bytes = text->bytes + first;
  gsize       done = 0;

  for (gsize at = 0; at < n && ! out->text.is_full;)
    {
      const PmAddedToken *token;
      gint32 which;
      gsize  length = pm_trie_match (added->tries[is_normalized], bytes + at, n - at, &which), start = at, stop = at + length;

      if (length == 0)
        {
          at++;
          continue;
        }
      token = &g_array_index (added->list, PmAddedToken, which);
      at = stop;
      if (token->single_word && ! stands_alone (bytes, n, start, stop))
        continue;
      if (token->at_left)
        start = MIN (MAX (skip_left (bytes, MIN (done, start), start), done), stop);
      if (token->at_right)
        stop = skip_right (bytes, n, stop);
      if (done < start)
        copy_part (text, first + done, start - done, out, NULL);
      copy_part (text, first + start, stop - start, out, token);
      done = stop;
    }
  if (done < n)
    copy_part (text, first + done, n - done, out, NULL);
}
