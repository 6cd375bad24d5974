/* The quark behind PM_ERROR. */
#include "base/error.h"

G_DEFINE_QUARK (pm-error-quark, pm_error)
