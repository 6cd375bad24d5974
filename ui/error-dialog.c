/* The error dialog. The clipboard belongs to this process, so what was copied is stored before the dialog closes. */
#include "ui/error-dialog.h"

#include "ui/i18n.h"

#define RESPONSE_COPY 1

static void
response_cb (GtkDialog *dialog, int response, gpointer data)
{
  GtkClipboard *clipboard = gtk_widget_get_clipboard (GTK_WIDGET (dialog), GDK_SELECTION_CLIPBOARD);
  GtkWidget    *button = gtk_dialog_get_widget_for_response (dialog, RESPONSE_COPY);

  if (response != RESPONSE_COPY)
    return;
  gtk_clipboard_set_text (clipboard, g_object_get_data (G_OBJECT (dialog), "pm-report"), -1);
  gtk_clipboard_set_can_store (clipboard, NULL, 0);
  gtk_button_set_label (GTK_BUTTON (button), _("Report _copied"));
}

static GtkWidget *
add_label (GtkWidget *box, const char *name, const char *text)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_widget_set_name (label, name);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_label_set_line_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_line_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 64);
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  return label;
}

GtkWidget *
pm_error_dialog_new (GtkWindow *parent, const char *title, const char *message, const char *report, const char *log_path)
{
  GtkWidget *dialog = gtk_dialog_new_with_buttons (title, parent, GTK_DIALOG_DESTROY_WITH_PARENT,
                                                   _("_Copy report"), RESPONSE_COPY,
                                                   _("C_lose"), GTK_RESPONSE_CLOSE, NULL);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget *label;
  g_autofree char *log_text = g_strdup_printf (_("Details are in the log: %s"), log_path);

  gtk_widget_set_name (dialog, "pentimento-error");
  gtk_widget_set_name (gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog), RESPONSE_COPY), "pentimento-error-copy");
  gtk_dialog_set_default_response (GTK_DIALOG (dialog), GTK_RESPONSE_CLOSE);
  g_object_set_data_full (G_OBJECT (dialog), "pm-report", g_strdup (report), g_free);
  g_signal_connect (dialog, "response", G_CALLBACK (response_cb), NULL);

  gtk_container_set_border_width (GTK_CONTAINER (box), 12);
  add_label (box, "pentimento-error-message", message);
  label = add_label (box, "pentimento-error-log", log_text);
  gtk_style_context_add_class (gtk_widget_get_style_context (label), GTK_STYLE_CLASS_DIM_LABEL);
  gtk_container_add (GTK_CONTAINER (gtk_dialog_get_content_area (GTK_DIALOG (dialog))), box);
  gtk_widget_show_all (box);
  gtk_widget_grab_focus (gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog), GTK_RESPONSE_CLOSE));
  return dialog;
}

void
pm_error_dialog_run (GtkWidget *dialog)
{
  GtkClipboard *clipboard = gtk_widget_get_clipboard (dialog, GDK_SELECTION_CLIPBOARD);

  while (gtk_dialog_run (GTK_DIALOG (dialog)) == RESPONSE_COPY)
    ;
  gtk_clipboard_store (clipboard);
  gtk_widget_destroy (dialog);
}
