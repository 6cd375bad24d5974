/* Private to the dialog: its state, shared by its arguments' side (generate-dialog.c) and its widgets (generate-columns.c). */
#ifndef PM_GENERATE_DIALOG_PRIVATE_H
#define PM_GENERATE_DIALOG_PRIVATE_H

#include <libgimp/gimpui.h>

#include "plugin/paint.h"

typedef struct
{
  GimpProcedureDialog *dialog;
  GimpProcedureConfig *config;
  PmPaint   *paint;
  GtkWidget *model, *classes, *sampler, *readings, *note;
  GtkWidget *device;        /* NULL where there is only the processor */
  GtkWidget *what;          /* a stack: "class" or "prompt" */
  GtkWidget *prompt, *negative, *words;
  GtkWidget *width, *height; /* with their labels, as the next two */
  GtkWidget *fit;           /* the button: NULL without an image */
  GtkWidget *strength, *cache_interval;
  char      *opened;        /* the name that paint->model was opened with; NULL before the first */
  gboolean   is_refreshing;
  guint      timer;
} PmDialog;

/* The string argument of that name, never NULL; free with g_free. */
char *pm_dialog_get_string (PmDialog *self, const char *name);

/* Brings model, request and widgets to what the arguments say now, tells what the run would take, and lets OK be pressed or
 * not. */
void pm_dialog_refresh (PmDialog *self);

/* The stack's page for models that read words. */
GtkWidget *pm_dialog_new_prompt (PmDialog *self);

/* Brings that page to the arguments; is_other: the model has just been opened. */
void pm_dialog_show_prompt (PmDialog *self, gboolean is_other);

/* Fills self->dialog. */
void pm_dialog_build (PmDialog *self);

#endif
