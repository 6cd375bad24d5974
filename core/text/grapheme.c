/* Grapheme clusters by the rules GB3 to GB13 of Unicode Standard Annex 29 (revision 45, Unicode 16.0), which are those that the
 * library `tokenizers` cuts text by before it applies a character map. */
#include "text/grapheme.h"

typedef enum
{
  A,   /* any other */
  CR, LF,
  C,   /* control */
  E,   /* extends; K: and links Indic consonants; F: extends, but not between Indic consonants */
  K, F,
  Z,   /* zero width joiner */
  R,   /* regional indicator */
  P,   /* stands before what it belongs to */
  S,   /* spacing mark */
  L, V, T, LV, LVT, /* Hangul */
  N,   /* Indic consonant */
  X    /* pictograph */
} PmGraphemeClass;

typedef struct
{
  gunichar        first, last;
  PmGraphemeClass kind;
} PmGraphemeRange;

#include "text/grapheme-table.h"

#define HANGUL_FIRST 0xac00
#define HANGUL_LAST 0xd7a3
#define HANGUL_TAILS 28 /* syllables with the same beginning */

static PmGraphemeClass
classify (gunichar c)
{
  gsize low = 0, high = G_N_ELEMENTS (ranges);

  if (c < 0x80)
    return c == '\r' ? CR : c == '\n' ? LF : c < 0x20 || c == 0x7f ? C : A;
  if (c >= HANGUL_FIRST && c <= HANGUL_LAST)
    return (c - HANGUL_FIRST) % HANGUL_TAILS == 0 ? LV : LVT;
  while (low < high)
    {
      const gsize half = low + (high - low) / 2;

      if (c > ranges[half].last)
        low = half + 1;
      else if (c < ranges[half].first)
        high = half;
      else
        return ranges[half].kind;
    }
  return A;
}

/* What of the cluster's past decides about its next character. */
typedef struct
{
  PmGraphemeClass last;
  gboolean        is_odd;      /* regional indicators so far */
  gboolean        has_picture; /* a pictograph and then only what extends, a joiner at the end (GB11) */
  gboolean        has_consonant, has_linker; /* an Indic consonant, then only what extends it, a linker among that (GB9c) */
} State;

static gboolean
goes_on (const State *state, PmGraphemeClass next)
{
  const PmGraphemeClass last = state->last;

  if (last == CR && next == LF)
    return TRUE;
  if (last == C || last == CR || last == LF || next == C || next == CR || next == LF)
    return FALSE;
  if ((last == L && (next == L || next == V || next == LV || next == LVT))
      || ((last == LV || last == V) && (next == V || next == T)) || ((last == LVT || last == T) && next == T))
    return TRUE;
  if (next == E || next == K || next == F || next == Z || next == S || last == P)
    return TRUE;
  if (next == N)
    return state->has_consonant && state->has_linker;
  if (next == X)
    return last == Z && state->has_picture;
  return last == R && next == R && state->is_odd;
}

static void
advance (State *state, PmGraphemeClass next)
{
  const gboolean extends = next == E || next == K || next == F;

  state->is_odd = next == R && ! (state->last == R && state->is_odd);
  state->has_picture = next == X || (state->has_picture && (extends || next == Z) && state->last != Z);
  state->has_linker = state->has_consonant && (next == K || (state->has_linker && (next == E || next == Z)));
  state->has_consonant = next == N || (state->has_consonant && (next == E || next == K || next == Z));
  state->last = next;
}

gsize
pm_grapheme_length (const char *text, gsize n)
{
  const char *at = g_utf8_next_char (text);
  State       state = { A, FALSE, FALSE, FALSE, FALSE };

  advance (&state, classify (g_utf8_get_char (text)));
  while (at < text + n)
    {
      const PmGraphemeClass next = classify (g_utf8_get_char (at));

      if (! goes_on (&state, next))
        break;
      advance (&state, next);
      at = g_utf8_next_char (at);
    }
  return (gsize) (at - text);
}
