/* Characters that HTML has names or numbers for. */
#ifndef PM_ENTITIES_H
#define PM_ENTITIES_H

#include <glib.h>

extern const char pm_entity_table[]; /* written by tests/reference/entity_table.py */

typedef struct _PmEntities PmEntities;

PmEntities *pm_entities_new (void);
void        pm_entities_free (PmEntities *entities);

/* What a name [n] without & and semicolon stands for, or NULL. needs_semicolon (may be NULL): it counts only with one. */
const char *pm_entities_find (const PmEntities *entities, const char *name, gsize n, gboolean *needs_semicolon);

/* The number of up to n digits of a base, G_MAXUINT32 when it is larger than any character's. */
guint32 pm_entities_read_number (const char *digits, gsize n, guint base);

/* What number HTML means by 0x80 to 0x9f, which it reads as Windows-1252; others stay. */
guint32 pm_entities_fix_number (guint32 number);

/* Python's html.unescape: every reference, known by name or number, with and without semicolon. Free with g_free. */
char *pm_entities_unescape (const PmEntities *entities, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmEntities, pm_entities_free)

#endif
