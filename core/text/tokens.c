/* The tokens of one text. */
#include <string.h>

#include "text/tokenizer-kind.h"

#define FIRST_ROOM 64

void
pm_tokens_free (PmTokens *tokens)
{
  if (! tokens)
    return;
  g_free (tokens->ids);
  g_free (tokens->begin);
  g_free (tokens->end);
  g_free (tokens->is_special);
  g_free (tokens);
}

/* Room grows at powers of two, from FIRST_ROOM on. */
void
pm_tokens_append (PmTokens *tokens, int id, gsize begin, gsize end, gboolean is_special)
{
  const int n = tokens->n;

  if (n == 0 || (n >= FIRST_ROOM && (n & (n - 1)) == 0))
    {
      const gsize room = MAX ((gsize) n * 2, FIRST_ROOM);

      tokens->ids = g_renew (int, tokens->ids, room);
      tokens->begin = g_renew (gsize, tokens->begin, room);
      tokens->end = g_renew (gsize, tokens->end, room);
      tokens->is_special = g_renew (gboolean, tokens->is_special, room);
    }
  tokens->ids[n] = id;
  tokens->begin[n] = begin;
  tokens->end[n] = end;
  tokens->is_special[n] = is_special;
  tokens->n = n + 1;
}

void
pm_tokens_append_part (PmTokens *tokens, int id, const PmAligned *text, gsize first, gsize n, gboolean is_special)
{
  pm_tokens_append (tokens, id, text->begin[first], text->end[first + n - 1], is_special);
}

gboolean
pm_tokens_find (const PmTokens *tokens, gsize begin, gsize end, int *first, int *count)
{
  int i = 0;

  *count = 0;
  while (i < tokens->n && (tokens->end[i] <= begin || tokens->begin[i] == tokens->end[i]))
    i++;
  *first = i;
  for (; begin < end && i < tokens->n && tokens->begin[i] < end; i++)
    if (tokens->begin[i] < tokens->end[i])
      *count = i + 1 - *first;
  return *count > 0;
}
