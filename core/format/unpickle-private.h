/* Between the pickle machine (unpickle.c), its instructions (unpickle-opcodes.c) and what knows PyTorch's names
 * (unpickle-rebuild.c). */
#ifndef PM_UNPICKLE_PRIVATE_H
#define PM_UNPICKLE_PRIVATE_H

#include "format/unpickle.h"

#define PM_PICKLE_MAX_VALUES (4u << 20)

struct _PmUnpickler
{
  const guint8  *next, *end;
  GPtrArray     *values; /* owns every value */
  GPtrArray     *stack;  /* borrowed */
  GArray        *marks;  /* of guint: the stack's length at each mark */
  GHashTable    *memo;   /* number -> value */
  PmPickleValue *root;   /* set by STOP */
};

/* FALSE when the pickle makes no sense there. */
typedef gboolean (*PmOpcodeFunc) (PmUnpickler *u, guint8 opcode);

extern const PmOpcodeFunc pm_pickle_opcodes[256]; /* NULL for bytes that are no opcode */

gboolean pm_pickle_has_items (PmPickleKind kind); /* LIST, TUPLE, DICT */

/* A new value owned by the unpickler; NULL when there are too many. */
PmPickleValue *pm_unpickler_new_value (PmUnpickler *unpickler, PmPickleKind kind);

/* An OPAQUE that remembers the name of origin (a GLOBAL or OPAQUE, or NULL). */
PmPickleValue *pm_unpickler_new_opaque (PmUnpickler *unpickler, const PmPickleValue *origin);

/* What callable (*args) stands for; inert where it is not known. NULL when there are too many values. */
PmPickleValue *pm_unpickle_call (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args);

/* What the persistent id stands for: a STORAGE, or an OPAQUE. */
PmPickleValue *pm_unpickle_persistent (PmUnpickler *unpickler, const PmPickleValue *id);

#endif
