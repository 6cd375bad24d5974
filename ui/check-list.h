/* A column of check buttons that stands for a comma-separated list of ids, such as readings. */
#ifndef PM_CHECK_LIST_H
#define PM_CHECK_LIST_H

#include <gtk/gtk.h>

typedef void (*PmCheckListFunc) (GtkWidget *list, gpointer data);

/* name: of the widget; buttons are called NAME-ID. func (may be NULL) is called after every change by the user. */
GtkWidget *pm_check_list_new (const char *name, PmCheckListFunc func, gpointer data);
GtkWidget *pm_check_list_add (GtkWidget *list, const char *id, const char *title, const char *tooltip);

/* What cannot be chosen now is not ticked either. */
void pm_check_list_set_sensitive (GtkWidget *list, const char *id, gboolean is_sensitive);

/* In the order of the buttons; ids without a button are dropped by the setter. Free with g_free. */
char *pm_check_list_get_text (GtkWidget *list);
void  pm_check_list_set_text (GtkWidget *list, const char *text);

#endif
