/* What the plug-in's dialogs have in common. */
#ifndef PM_WIDGETS_H
#define PM_WIDGETS_H

#include <libgimp/gimpui.h>

/* Our procedure dialog: no button for a help page that GIMP's manual does not have. name: of the widget. */
GimpProcedureDialog *pm_dialog_new (GimpProcedure *procedure, GimpProcedureConfig *config, const char *name, const char *title,
                                    const char *ok_label);

/* Names a widget "pentimento-NAME", and what a screen reader says when accessible is given. */
void pm_widget_set_names (GtkWidget *widget, const char *name, const char *accessible);

/* The widget that GIMP makes for an argument, named after it and shown in box. */
GtkWidget *pm_widget_add_argument (GimpProcedureDialog *dialog, GimpProcedureConfig *config, GtkWidget *box,
                                   const char *argument);

#endif
