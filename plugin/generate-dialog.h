/* The dialog of Generate with Pentimento, also of Run again. */
#ifndef PM_GENERATE_DIALOG_H
#define PM_GENERATE_DIALOG_H

#include "plugin/paint.h"

/* Lets the user edit config; TRUE on OK, with paint's model, request and look set from it. G_IO_ERROR_CANCELLED when
 * the user would not. */
gboolean pm_generate_dialog_run (GimpProcedureConfig *config, PmPaint *paint, GError **error);

#endif
