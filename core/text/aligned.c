/* Text that remembers where it comes from. Sizes are bounded by a constant, so growth needs no checks by its callers: they look
 * at is_full once, at the end. */
#include "text/aligned.h"

#include <string.h>

void
pm_aligned_clear (PmAligned *text)
{
  g_free (text->bytes);
  g_free (text->begin);
  g_free (text->end);
  memset (text, 0, sizeof *text);
}

/* Room for n more bytes; FALSE and full when that is too much. */
static gboolean
reserve (PmAligned *text, gsize n)
{
  if (text->is_full || n > PM_ALIGNED_MAX_BYTES - text->n)
    {
      text->is_full = TRUE;
      return FALSE;
    }
  if (text->n + n > text->capacity)
    {
      text->capacity = MAX (text->n + n, text->capacity * 2);
      text->bytes = g_realloc (text->bytes, text->capacity);
      text->begin = g_renew (guint32, text->begin, text->capacity);
      text->end = g_renew (guint32, text->end, text->capacity);
    }
  return TRUE;
}

void
pm_aligned_append (PmAligned *text, const char *bytes, gsize n, guint32 begin, guint32 end)
{
  if (n == 0 || ! reserve (text, n))
    return;
  memcpy (text->bytes + text->n, bytes, n);
  for (gsize i = text->n; i < text->n + n; i++)
    {
      text->begin[i] = begin;
      text->end[i] = end;
    }
  text->n += n;
}

void
pm_aligned_copy (PmAligned *text, const PmAligned *from, gsize first, gsize n)
{
  if (n == 0 || ! reserve (text, n))
    return;
  memcpy (text->bytes + text->n, from->bytes + first, n);
  memcpy (text->begin + text->n, from->begin + first, n * sizeof *text->begin);
  memcpy (text->end + text->n, from->end + first, n * sizeof *text->end);
  text->n += n;
}

PmSplits *
pm_splits_new (void)
{
  PmSplits *splits = g_new0 (PmSplits, 1);

  splits->parts = g_array_new (FALSE, FALSE, sizeof (PmSplit));
  return splits;
}

void
pm_splits_free (PmSplits *splits)
{
  if (! splits)
    return;
  pm_aligned_clear (&splits->text);
  g_array_unref (splits->parts);
  g_free (splits);
}

void
pm_splits_close_token (PmSplits *splits, gsize first, int id, gboolean is_special)
{
  PmSplit part = { first, splits->text.n - first, id, is_special };

  if (part.n > 0)
    g_array_append_val (splits->parts, part);
}

void
pm_splits_close (PmSplits *splits, gsize first)
{
  pm_splits_close_token (splits, first, -1, FALSE);
}

gboolean
pm_is_white_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a)
         || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
