/* A set of byte strings with a number each, walked byte by byte: pieces of a vocabulary, added tokens, symbols. */
#ifndef PM_TRIE_H
#define PM_TRIE_H

#include <glib.h>

#define PM_TRIE_MAX_KEY 4096 /* bytes of a key; bounds the work at one place of a text */

typedef struct _PmTrie PmTrie;

typedef struct
{
  const char *bytes; /* [n] borrowed while the trie is made */
  gsize       n;
  gint32      value; /* >= 0 */
} PmTrieKey;

/* keys: [n_keys], sorted by this function; of equal keys the greatest value counts; empty keys are never met. NULL when a
 * key is longer than PM_TRIE_MAX_KEY or memory is short: PM_ERROR_UNSUPPORTED, PM_ERROR_MEMORY. */
PmTrie *pm_trie_new (PmTrieKey *keys, gsize n_keys, GError **error);
void    pm_trie_free (PmTrie *trie);

/* From *node (0 at the start) along one byte; FALSE when no key goes on so. */
gboolean pm_trie_step (const PmTrie *trie, guint32 *node, guint8 byte);

/* The value of the key that ends here, or -1. */
gint32 pm_trie_value (const PmTrie *trie, guint32 node);

/* The longest key that text [n] begins with: its bytes, or 0; trie may be NULL. */
gsize pm_trie_match (const PmTrie *trie, const char *text, gsize n, gint32 *value);

/* The value of exactly this key, or -1. */
gint32 pm_trie_find (const PmTrie *trie, const char *text, gsize n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTrie, pm_trie_free)

#endif
