/* Between the pickle machine (unpickle.c) and what knows PyTorch's names (unpickle-rebuild.c). */
#ifndef PM_UNPICKLE_PRIVATE_H
#define PM_UNPICKLE_PRIVATE_H

#include "format/unpickle.h"

/* A new value owned by the unpickler; NULL when there are too many. */
PmPickleValue *pm_unpickler_new_value (PmUnpickler *unpickler, PmPickleKind kind);

/* An OPAQUE that remembers the name of origin (a GLOBAL or OPAQUE, or NULL). */
PmPickleValue *pm_unpickler_new_opaque (PmUnpickler *unpickler, const PmPickleValue *origin);

/* What callable (*args) stands for; inert where it is not known. NULL when there are too many values. */
PmPickleValue *pm_unpickle_call (PmUnpickler *unpickler, const PmPickleValue *callable, const PmPickleValue *args);

/* What the persistent id stands for: a STORAGE, or an OPAQUE. */
PmPickleValue *pm_unpickle_persistent (PmUnpickler *unpickler, const PmPickleValue *id);

#endif
