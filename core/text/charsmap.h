/* A precompiled character map: sentencepiece's normalisation rules as a double-array trie over bytes and the strings that
 * replace what it matches. Comes inside spiece.model and, as base64, inside tokenizer.json. */
#ifndef PM_CHARSMAP_H
#define PM_CHARSMAP_H

#include <glib.h>

typedef struct _PmCharsMap PmCharsMap;

typedef enum
{
  PM_CHARS_MAP_NONE,
  PM_CHARS_MAP_FOUND,
  PM_CHARS_MAP_DAMAGED /* the map points outside itself */
} PmCharsMapMatch;

/* bytes: [n], copied. Layout: size of the trie in bytes (u32, little endian), its units (u32), strings that end with 0.
 * Errors: PM_ERROR_DAMAGED. */
PmCharsMap *pm_chars_map_new (const guint8 *bytes, gsize n, const char *path, GError **error);
void        pm_chars_map_free (PmCharsMap *map);

/* The rule for the beginning of text [n]: the longest, or the shortest. *length: bytes matched, *to [n_to] what replaces them,
 * borrowed. */
PmCharsMapMatch pm_chars_map_match (const PmCharsMap *map, const char *text, gsize n, gboolean longest, gsize *length,
                                    const char **to, gsize *n_to);

/* For a caller who met PM_CHARS_MAP_DAMAGED. */
void pm_chars_map_set_error (GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmCharsMap, pm_chars_map_free)

#endif
