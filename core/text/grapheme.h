/* Grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29, extended clusters). */
#ifndef PM_GRAPHEME_H
#define PM_GRAPHEME_H

#include <glib.h>

/* Bytes of the first cluster of text [n], which is UTF-8 and not empty. */
gsize pm_grapheme_length (const char *text, gsize n);

#endif
