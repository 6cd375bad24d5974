/* A precompiled character map, as google/sentencepiece: src/normalizer.cc and its darts_clone lay it out: a unit has its label
 * in bits 0-7 (and 31 for a leaf, whose bits 0-30 are the value), "a leaf hangs below" in bit 8, and the distance to its
 * children in bits 10-30, shifted left by 8 when bit 9 is set. The references trust the file; here every step is checked. */
#include "text/charsmap.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

#define MAX_MATCH 512 /* bytes; rules are a few characters, and a trie that loops must end */

struct _PmCharsMap
{
  guint32 *units;   /* [n_units] */
  gsize    n_units;
  char    *strings; /* [n_strings] and a 0 */
  gsize    n_strings;
};

void
pm_chars_map_free (PmCharsMap *map)
{
  if (map)
    {
      g_free (map->units);
      g_free (map->strings);
    }
  g_free (map);
}

/* UTF-8 between the zeros. */
static gboolean
is_text (const char *strings, gsize n)
{
  for (gsize at = 0; at < n;)
    {
      gsize length = strnlen (strings + at, n - at);

      if (! g_utf8_validate_len (strings + at, length, NULL))
        return FALSE;
      at += length + 1;
    }
  return TRUE;
}

PmCharsMap *
pm_chars_map_new (const guint8 *bytes, gsize n, const char *path, GError **error)
{
  g_autoptr (PmCharsMap) map = g_new0 (PmCharsMap, 1);
  guint32 n_trie = 0;

  if (n > sizeof n_trie)
    {
      memcpy (&n_trie, bytes, sizeof n_trie);
      n_trie = GUINT32_FROM_LE (n_trie);
    }
  if (n_trie < sizeof *map->units || n_trie % sizeof *map->units != 0 || n_trie > n - sizeof n_trie
      || ! is_text ((const char *) bytes + sizeof n_trie + n_trie, n - sizeof n_trie - n_trie))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("The character map in %s contradicts its own size or holds no text. Download the tokenizer again."), path);
      return NULL;
    }
  map->n_units = n_trie / sizeof *map->units;
  map->n_strings = n - sizeof n_trie - n_trie;
  map->units = g_try_malloc (n_trie);
  map->strings = g_try_malloc0 (map->n_strings + 1);
  if (! map->units || ! map->strings)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the tokenizer's character map. Close other programs."));
      return NULL;
    }
  memcpy (map->units, bytes + sizeof n_trie, n_trie);
  for (gsize i = 0; i < map->n_units; i++)
    map->units[i] = GUINT32_FROM_LE (map->units[i]);
  memcpy (map->strings, bytes + sizeof n_trie + n_trie, map->n_strings);
  return g_steal_pointer (&map);
}

static guint32
offset_of (guint32 unit)
{
  return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}

PmCharsMapMatch
pm_chars_map_match (const PmCharsMap *map, const char *text, gsize n, gboolean longest, gsize *length, const char **to,
                    gsize *n_to)
{
  PmCharsMapMatch match = PM_CHARS_MAP_NONE;
  guint32 node = offset_of (map->units[0]), value = 0;

  for (gsize i = 0; i < MIN (n, MAX_MATCH) && (longest || match == PM_CHARS_MAP_NONE); i++)
    {
      guint32 unit;

      node ^= (guint8) text[i];
      if (node >= map->n_units)
        return PM_CHARS_MAP_DAMAGED;
      unit = map->units[node];
      if ((unit & (1U << 31 | 0xff)) != (guint8) text[i])
        break;
      node ^= offset_of (unit);
      if (! (unit >> 8 & 1))
        continue;
      if (node >= map->n_units)
        return PM_CHARS_MAP_DAMAGED;
      value = map->units[node] & G_MAXINT32;
      match = PM_CHARS_MAP_FOUND;
      *length = i + 1;
    }
  if (match != PM_CHARS_MAP_FOUND)
    return match;
  if (value > map->n_strings || ((guint8) map->strings[value] & 0xc0) == 0x80 || ((guint8) text[*length - 1] >= 0x80
      && *length < n && ((guint8) text[*length] & 0xc0) == 0x80))
    return PM_CHARS_MAP_DAMAGED;
  *to = map->strings + value;
  *n_to = strlen (*to);
  return PM_CHARS_MAP_FOUND;
}

void
pm_chars_map_set_error (GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_DAMAGED,
                       _("The tokenizer's character map points outside itself. Download the tokenizer again."));
}
