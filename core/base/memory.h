/* How much memory there is to have. */
#ifndef PM_MEMORY_H
#define PM_MEMORY_H

#include <glib.h>

/* Bytes that the system could give without swapping; G_MAXUINT64 where it does not say. */
guint64 pm_memory_available (void);

#endif
