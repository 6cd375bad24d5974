/* Failures as people and scripts see them: a log file, and GIMP's message, the PDB's error or our dialog. */
#ifndef PM_ERRORS_H
#define PM_ERRORS_H

#include <libgimp/gimp.h>

#include "pentimento.h"

/* $XDG_STATE_HOME/pentimento/pentimento.log; renamed to pentimento.log.1 above a megabyte. Free with g_free. */
char *pm_log_path (void);

/* One line with the time; failures to write are ignored, because a log must not stop the work. */
void pm_log (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Whole lines from the end of the log, as valid UTF-8, whatever is in the file. Free with g_free. */
char *pm_log_tail (void);

/* What "Copy report" copies: the message, versions, the machine, the log's place and its last lines. Free with g_free. */
char *pm_report_new (const char *procedure_name, const char *message);

/* Ends a procedure with error (consumed). Interactive: shows our dialog and returns "cancelled", so that GIMP does not say
 * it again. Else: the error with its sentence. A cancelled run is never shown. */
GimpValueArray *pm_procedure_fail (GimpProcedure *procedure, GimpRunMode run_mode, GError *error);

/* A calling error is the caller's: an argument that makes no sense. */
GimpPDBStatusType pm_error_status (const GError *error);

#endif
