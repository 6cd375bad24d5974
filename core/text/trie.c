/* A trie whose nodes lie level after level; the children of one node lie side by side, in the order of their bytes, and are found
 * by halving. */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

typedef struct
{
  guint32 first;      /* child */
  gint32  value;      /* -1: no key ends here */
  guint16 n_children;
  guint8  label;      /* byte that leads here */
} Node;

struct _PmTrie
{
  Node *nodes; /* [n] */
};

/* The keys below a node while it waits for its children. */
typedef struct
{
  gsize first, end, depth;
} Range;

static int
compare_keys (const void *a, const void *b)
{
  const PmTrieKey *x = a, *y = b;
  int order = memcmp (x->bytes, y->bytes, MIN (x->n, y->n));

  if (order != 0)
    return order;
  if (x->n != y->n)
    return x->n < y->n ? -1 : 1;
  return (x->value > y->value) - (x->value < y->value);
}

/* Of sorted keys; 0 when one is too long. */
static gsize
count_nodes (const PmTrieKey *keys, gsize n_keys)
{
  gsize n = 1;

  for (gsize i = 0; i < n_keys; i++)
    {
      gsize common = 0;

      if (keys[i].n > PM_TRIE_MAX_KEY)
        return 0;
      while (i > 0 && common < MIN (keys[i].n, keys[i - 1].n) && keys[i].bytes[common] == keys[i - 1].bytes[common])
        common++;
      n += keys[i].n - common;
    }
  return n;
}

static void
fill (Node *nodes, Range *ranges, const PmTrieKey *keys)
{
  gsize n = 1;

  for (gsize at = 0; at < n; at++)
    {
      Range range = ranges[at];

      nodes[at].value = -1;
      nodes[at].first = (guint32) n;
      for (; range.first < range.end && keys[range.first].n == range.depth; range.first++)
        nodes[at].value = keys[range.first].value;
      while (range.first < range.end)
        {
          const char byte = keys[range.first].bytes[range.depth];
          gsize      end = range.first;

          while (end < range.end && keys[end].bytes[range.depth] == byte)
            end++;
          nodes[n].label = (guint8) byte;
          ranges[n] = (Range){ range.first, end, range.depth + 1 };
          nodes[at].n_children++;
          range.first = end;
          n++;
        }
    }
}

PmTrie *
pm_trie_new (PmTrieKey *keys, gsize n_keys, GError **error)
{
  g_autoptr (PmTrie) trie = g_new0 (PmTrie, 1);
  g_autofree Range *ranges = NULL;
  gsize n;

  if (n_keys > 0)
    qsort (keys, n_keys, sizeof *keys, compare_keys);
  n = count_nodes (keys, n_keys);
  if (n == 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("The tokenizer has a piece of more than %d bytes, which no published one has. Use another tokenizer file."),
                   PM_TRIE_MAX_KEY);
      return NULL;
    }
  ranges = n <= G_MAXUINT32 ? g_try_new (Range, n) : NULL;
  trie->nodes = ranges ? g_try_new0 (Node, n) : NULL;
  if (! trie->nodes)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the tokenizer's vocabulary. Close other programs."));
      return NULL;
    }
  ranges[0] = (Range){ 0, n_keys, 0 };
  fill (trie->nodes, ranges, keys);
  return g_steal_pointer (&trie);
}

void
pm_trie_free (PmTrie *trie)
{
  if (trie)
    g_free (trie->nodes);
  g_free (trie);
}

gboolean
pm_trie_step (const PmTrie *trie, guint32 *node, guint8 byte)
{
  const Node *from = &trie->nodes[*node];
  guint32 first = from->first, n = from->n_children;

  while (n > 0)
    {
      const guint32 half = n / 2;
      const guint8  label = trie->nodes[first + half].label;

      if (label == byte)
        {
          *node = first + half;
          return TRUE;
        }
      if (label < byte)
        {
          first += half + 1;
          n -= half + 1;
        }
      else
        n = half;
    }
  return FALSE;
}

gint32
pm_trie_value (const PmTrie *trie, guint32 node)
{
  return node == 0 ? -1 : trie->nodes[node].value;
}

gsize
pm_trie_match (const PmTrie *trie, const char *text, gsize n, gint32 *value)
{
  guint32 node = 0;
  gsize   longest = 0;

  for (gsize i = 0; trie && i < n && pm_trie_step (trie, &node, (guint8) text[i]); i++)
    if (pm_trie_value (trie, node) >= 0)
      {
        longest = i + 1;
        *value = pm_trie_value (trie, node);
      }
  return longest;
}

gint32
pm_trie_find (const PmTrie *trie, const char *text, gsize n)
{
  guint32 node = 0;

  for (gsize i = 0; i < n; i++)
    if (! pm_trie_step (trie, &node, (guint8) text[i]))
      return -1;
  return pm_trie_value (trie, node);
}
