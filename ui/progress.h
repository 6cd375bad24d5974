/* A window that runs a long task in a thread of its own: steps, time left, Cancel. The main loop keeps running. */
#ifndef PM_PROGRESS_H
#define PM_PROGRESS_H

#include <gtk/gtk.h>

#include "pentimento.h"

/* Runs in the worker thread: must not touch GTK or GIMP. */
typedef gboolean (*PmTaskFunc) (PmJob *job, gpointer data, GError **error);

/* A GtkWindow, not yet shown. heading says what is done ("Painting fox"). */
GtkWidget *pm_progress_new (const char *title, const char *heading);

/* Shows the window, runs func to its end and hides the window; returns what func returned. Once Cancel was pressed or the
 * window closed, the result is FALSE with G_IO_ERROR_CANCELLED even when func had just finished. */
gboolean pm_progress_run (GtkWidget *window, PmTaskFunc func, gpointer data, GError **error);

/* "about 20 seconds left"; "" while unknown. Free with g_free. */
char *pm_progress_time_text (double seconds);

#endif
