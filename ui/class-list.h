/* A searchable list of a model's classes: a search entry over a list whose first row is "no class". */
#ifndef PM_CLASS_LIST_H
#define PM_CLASS_LIST_H

#include <gtk/gtk.h>

#define PM_TYPE_CLASS_LIST (pm_class_list_get_type ())
G_DECLARE_FINAL_TYPE (PmClassList, pm_class_list, PM, CLASS_LIST, GtkBox)

/* Signals: "changed" when another class is chosen, "activated" on Enter or a double click. */
GtkWidget *pm_class_list_new (void);

/* names: [n] borrowed for the call, or NULL: the classes are their numbers. local: [n] in the user's language, shown and searched
 * too, NULL where there is none; or NULL. Nothing is selected afterwards. */
void pm_class_list_set_classes (PmClassList *list, const char *const *names, const char *const *local, int n);

/* Chooses by number; -1 is "no class". Clears a search that hides the row. FALSE when there is no such class. */
gboolean pm_class_list_select (PmClassList *list, int class_index);

/* -2 while nothing is selected; -1 for "no class". */
int pm_class_list_get_selected (PmClassList *list);

/* The text that names the selected class in a request: its name, its number, or "". Free with g_free; NULL when none. */
char *pm_class_list_get_text (PmClassList *list);

/* How many rows the search leaves, "no class" counted. */
int pm_class_list_get_n_visible (PmClassList *list);

#endif
