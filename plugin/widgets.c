/* See widgets.h. GIMP draws labels beside what they name; a screen reader wants the name on the thing itself. */
#include "plugin/widgets.h"

GimpProcedureDialog *
pm_dialog_new (GimpProcedure *procedure, GimpProcedureConfig *config, const char *name, const char *title, const char *ok_label)
{
  GtkWidget *dialog = gimp_procedure_dialog_new (procedure, config, title);
  GtkWidget *help = gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog), GTK_RESPONSE_HELP);

  if (help)
    gtk_widget_destroy (help);
  gimp_procedure_dialog_set_ok_label (GIMP_PROCEDURE_DIALOG (dialog), ok_label);
  gtk_widget_set_name (dialog, name);
  return GIMP_PROCEDURE_DIALOG (dialog);
}

void
pm_widget_set_names (GtkWidget *widget, const char *name, const char *accessible)
{
  g_autofree char *full = g_strconcat ("pentimento-", name, NULL);

  gtk_widget_set_name (widget, full);
  if (accessible)
    atk_object_set_name (gtk_widget_get_accessible (widget), accessible);
}

static void
name_content (GtkWidget *labelled, const char *text)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (labelled));

  for (GList *at = children; at; at = at->next)
    if (! GTK_IS_LABEL (at->data))
      atk_object_set_name (gtk_widget_get_accessible (at->data), text);
}

GtkWidget *
pm_widget_add_argument (GimpProcedureDialog *dialog, GimpProcedureConfig *config, GtkWidget *box, const char *argument)
{
  GtkWidget  *widget = gimp_procedure_dialog_get_widget (dialog, argument, G_TYPE_NONE);
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), argument);
  g_autofree char *text = gimp_strip_uline (g_param_spec_get_nick (spec));

  pm_widget_set_names (widget, argument, NULL);
  if (GIMP_IS_LABELED (widget))
    name_content (widget, text);
  gtk_box_pack_start (GTK_BOX (box), widget, FALSE, FALSE, 0);
  gtk_widget_show (widget);
  return widget;
}
