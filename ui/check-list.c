/* The check list: the buttons are its only state. */
#include "ui/check-list.h"

#include <string.h>

typedef struct
{
  PmCheckListFunc func;
  gpointer        data;
  gboolean        is_setting;
} CheckList;

static CheckList *
check_list_of (GtkWidget *list)
{
  return g_object_get_data (G_OBJECT (list), "pm-check-list");
}

static void
toggled_cb (GtkToggleButton *button, gpointer data)
{
  CheckList *check_list = check_list_of (data);

  if (check_list->func && ! check_list->is_setting)
    check_list->func (data, check_list->data);
}

GtkWidget *
pm_check_list_new (const char *name, PmCheckListFunc func, gpointer data)
{
  GtkWidget *list = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);
  CheckList *check_list = g_new0 (CheckList, 1);

  check_list->func = func;
  check_list->data = data;
  gtk_widget_set_name (list, name);
  g_object_set_data_full (G_OBJECT (list), "pm-check-list", check_list, g_free);
  return list;
}

GtkWidget *
pm_check_list_add (GtkWidget *list, const char *id, const char *title, const char *tooltip)
{
  GtkWidget *button = gtk_check_button_new_with_label (title);
  g_autofree char *name = g_strdup_printf ("%s-%s", gtk_widget_get_name (list), id);

  gtk_widget_set_name (button, name);
  gtk_widget_set_tooltip_text (button, tooltip);
  g_object_set_data_full (G_OBJECT (button), "pm-id", g_strdup (id), g_free);
  g_signal_connect (button, "toggled", G_CALLBACK (toggled_cb), list);
  gtk_box_pack_start (GTK_BOX (list), button, FALSE, FALSE, 0);
  gtk_widget_show (button);
  return button;
}

void
pm_check_list_set_sensitive (GtkWidget *list, const char *id, gboolean is_sensitive)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (list));
  CheckList *check_list = check_list_of (list);

  check_list->is_setting = TRUE;
  for (GList *at = children; at; at = at->next)
    if (g_strcmp0 (g_object_get_data (at->data, "pm-id"), id) == 0)
      {
        gtk_widget_set_sensitive (at->data, is_sensitive);
        if (! is_sensitive)
          gtk_toggle_button_set_active (at->data, FALSE);
      }
  check_list->is_setting = FALSE;
}

char *
pm_check_list_get_text (GtkWidget *list)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (list));
  GString *text = g_string_new (NULL);

  for (GList *at = children; at; at = at->next)
    if (gtk_toggle_button_get_active (at->data))
      g_string_append_printf (text, "%s%s", text->len ? "," : "", (char *) g_object_get_data (at->data, "pm-id"));
  return g_string_free (text, FALSE);
}

void
pm_check_list_set_text (GtkWidget *list, const char *text)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (list));
  g_auto (GStrv) ids = g_strsplit (text ? text : "", ",", -1);
  CheckList *check_list = check_list_of (list);

  for (int i = 0; ids[i]; i++)
    g_strstrip (ids[i]);
  check_list->is_setting = TRUE;
  for (GList *at = children; at; at = at->next)
    gtk_toggle_button_set_active (at->data, g_strv_contains ((const char *const *) ids, g_object_get_data (at->data, "pm-id")));
  check_list->is_setting = FALSE;
}
