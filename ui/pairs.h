/* Lists of names with values in one line of text, as arguments and entries have them: "cat=1.5, red hat=Layer 2". */
#ifndef PM_PAIRS_H
#define PM_PAIRS_H

#include <glib.h>

/* value: NULL where there is no "=". */
typedef struct
{
  char *name, *value;
} PmPair;

/* Of PmPair, which free themselves. A backslash takes the character after it as it is; white space around is left out, and so
 * are parts without a name. Never NULL. */
GPtrArray *pm_pairs_parse (const char *text);

/* Adds ", " where there is something before, name and, unless it is NULL, "=" and value, with backslashes where needed. */
void pm_pairs_append (GString *text, const char *name, const char *value);

/* NULL when it is not there. Names are compared in folded case. Borrowed. */
const PmPair *pm_pairs_find (GPtrArray *pairs, const char *name);

#endif
