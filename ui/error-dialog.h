/* An error as a dialog: what happened and what helps, the log's place, and a button that copies a report. */
#ifndef PM_ERROR_DIALOG_H
#define PM_ERROR_DIALOG_H

#include <gtk/gtk.h>

/* A GtkDialog. message: whole sentences, cause and remedy. report: what Copy report puts on the clipboard. */
GtkWidget *pm_error_dialog_new (GtkWindow *parent, const char *title, const char *message, const char *report,
                                const char *log_path);

/* Runs and destroys it. */
void pm_error_dialog_run (GtkWidget *dialog);

#endif
