/* sentencepiece's normaliser (google/sentencepiece: src/normalizer.cc): user-defined symbols stay, then the longest rule of the
 * character map, then the character itself; white space at the ends and in runs goes; a space mark comes in front, or behind. */
#include "text/spiece.h"

#include <string.h>

typedef struct
{
  const char *to;       /* [n_to] borrowed */
  gsize       n_to, n;  /* n bytes of the text are read */
} Step;

static gboolean
read_step (const PmSpiece *spiece, const char *text, gsize n, Step *step, GError **error)
{
  gint32 symbol;
  PmCharsMapMatch match = PM_CHARS_MAP_NONE;

  step->to = text;
  step->n_to = step->n = pm_trie_match (spiece->symbols, text, n, &symbol);
  if (step->n > 0)
    return TRUE;
  if (spiece->chars_map)
    match = pm_chars_map_match (spiece->chars_map, text, n, TRUE, &step->n, &step->to, &step->n_to);
  if (match == PM_CHARS_MAP_NONE)
    step->n_to = step->n = (gsize) (g_utf8_next_char (text) - text);
  if (match == PM_CHARS_MAP_DAMAGED)
    pm_chars_map_set_error (error);
  return match != PM_CHARS_MAP_DAMAGED;
}

static void
append_space (const PmSpiece *spiece, PmAligned *out, gsize begin, gsize end)
{
  if (spiece->marks_spaces)
    pm_aligned_append (out, PM_SPACE_MARK, PM_SPACE_MARK_BYTES, (guint32) begin, (guint32) end);
  else
    pm_aligned_append (out, " ", 1, (guint32) begin, (guint32) end);
}

static void
append_step (const PmSpiece *spiece, const Step *step, PmAligned *out, gsize begin)
{
  const gsize end = begin + step->n;

  for (gsize i = 0; i < step->n_to;)
    {
      gsize run = 0;

      while (i + run < step->n_to && step->to[i + run] != ' ')
        run++;
      pm_aligned_append (out, step->to + i, run, (guint32) begin, (guint32) end);
      if (i + run < step->n_to)
        append_space (spiece, out, begin, end);
      i += run + 1;
    }
}

static void
remove_spaces_behind (const PmSpiece *spiece, PmAligned *out)
{
  const char *space = spiece->marks_spaces ? PM_SPACE_MARK : " ";
  const gsize n = strlen (space);

  while (out->n >= n && memcmp (out->bytes + out->n - n, space, n) == 0)
    out->n -= n;
}

gboolean
pm_spiece_normalize (const PmSpiece *spiece, const char *text, gsize n, PmAligned *out, GError **error)
{
  gboolean after_space = spiece->removes_spaces, is_begun = ! spiece->removes_spaces;
  Step     step;

  for (gsize at = 0; at < n; at += step.n)
    {
      if (! read_step (spiece, text + at, n - at, &step, error))
        return FALSE;
      if (! is_begun && step.n_to == 1 && *step.to == ' ')
        continue;
      if ((at == 0 || ! is_begun) && ! spiece->space_is_suffix && spiece->has_prefix)
        append_space (spiece, out, at, at);
      is_begun = TRUE;
      for (; after_space && step.n_to > 0 && *step.to == ' '; step.to++)
        step.n_to--;
      if (step.n_to > 0)
        {
          append_step (spiece, &step, out, at);
          after_space = step.to[step.n_to - 1] == ' ';
        }
      after_space = after_space && spiece->removes_spaces;
    }
  if (! is_begun)
    return TRUE;
  if (spiece->removes_spaces)
    remove_spaces_behind (spiece, out);
  if (n > 0 && spiece->space_is_suffix && spiece->has_prefix)
    append_space (spiece, out, n, n);
  return TRUE;
}
