/* The widgets of the dialog: what GIMP makes for an argument where that will do, else our own, which set the argument when they
 * are changed; the refresh that follows looks at the arguments alone. */
#include "plugin/generate-dialog-private.h"

#include "plugin/i18n.h"
#include "plugin/widgets.h"
#include "ui/check-list.h"
#include "ui/class-list.h"

static void
model_changed_cb (GtkComboBox *combo, gpointer data)
{
  PmDialog *self = data;
  g_autofree char *text = gtk_combo_box_text_get_active_text (GTK_COMBO_BOX_TEXT (combo));

  if (! self->is_refreshing && text)
    g_object_set (self->config, "model", text, NULL);
}

static void
class_changed_cb (PmClassList *list, gpointer data)
{
  PmDialog *self = data;
  g_autofree char *text = pm_class_list_get_text (list);

  if (text)
    g_object_set (self->config, "class", text, NULL);
}

static void
class_activated_cb (PmClassList *list, gpointer data)
{
  PmDialog *self = data;

  if (self->timer)
    pm_dialog_refresh (self);
  if (gtk_widget_get_sensitive (gtk_dialog_get_widget_for_response (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK)))
    gtk_dialog_response (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK);
}

static void
sampler_changed_cb (GtkComboBox *combo, gpointer data)
{
  PmDialog *self = data;

  if (! self->is_refreshing && gtk_combo_box_get_active_id (combo))
    g_object_set (self->config, "sampler", gtk_combo_box_get_active_id (combo), NULL);
}

static void
device_changed_cb (GtkComboBox *combo, gpointer data)
{
  PmDialog *self = data;

  if (! self->is_refreshing && gtk_combo_box_get_active_id (combo))
    g_object_set (self->config, "device", gtk_combo_box_get_active_id (combo), NULL);
}

static void
readings_changed_cb (GtkWidget *list, gpointer data)
{
  PmDialog *self = data;
  g_autofree char *text = pm_check_list_get_text (list);

  g_object_set (self->config, "read", text, NULL);
}

static void
new_seed_cb (GtkButton *button, gpointer data)
{
  PmDialog *self = data;

  g_object_set (self->config, "seed", g_random_int_range (0, G_MAXINT), NULL);
}

static void
fit_cb (GtkButton *button, gpointer data)
{
  PmDialog  *self = data;
  GimpImage *image = self->paint->image;
  int width, height;

  pm_model_fit_size (self->paint->model, gimp_image_get_width (image), gimp_image_get_height (image), &width, &height);
  g_object_set (self->config, "width", width, "height", height, NULL);
}

/* A button below an argument that sets it. */
static GtkWidget *
add_button (PmDialog *self, GtkWidget *box, const char *name, const char *label, GCallback callback)
{
  GtkWidget *button = gtk_button_new_with_label (label);

  pm_widget_set_names (button, name, NULL);
  gtk_widget_set_halign (button, GTK_ALIGN_END);
  gtk_box_pack_start (GTK_BOX (box), button, FALSE, FALSE, 0);
  g_signal_connect (button, "clicked", callback, self);
  return button;
}

static GtkWidget *
add_argument (PmDialog *self, GtkWidget *box, const char *name)
{
  return pm_widget_add_argument (self->dialog, self->config, box, name);
}

static void
add_labelled (GtkWidget *box, const char *text, GtkWidget *widget)
{
  GtkWidget *label = gtk_label_new_with_mnemonic (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_label_set_mnemonic_widget (GTK_LABEL (label), widget);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), widget, FALSE, FALSE, 0);
}

static GtkWidget *
add_column (GtkWidget *columns, const char *title, gboolean expand)
{
  GtkWidget *frame = gimp_frame_new (title);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);

  gtk_container_add (GTK_CONTAINER (frame), box);
  gtk_box_pack_start (GTK_BOX (columns), frame, expand, TRUE, 0);
  return box;
}

/* Nothing where there is no choice. */
static void
add_devices (PmDialog *self, GtkWidget *box)
{
  g_auto (GStrv) devices = pm_device_list ();

  if (g_strv_length (devices) < 2)
    return;
  self->device = gtk_combo_box_text_new ();
  pm_widget_set_names (self->device, "device", _("Device"));
  for (int i = 0; devices[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (self->device), devices[i], i == 0 ? _("CPU") : devices[i]);
  add_labelled (box, _("_Device"), self->device);
  g_signal_connect (self->device, "changed", G_CALLBACK (device_changed_cb), self);
}

static void
add_model_column (PmDialog *self, GtkWidget *columns)
{
  GtkWidget *box = add_column (columns, _("What"), TRUE);
  GtkWidget *label, *page;
  g_auto (GStrv) models = pm_model_list ();

  self->model = gtk_combo_box_text_new_with_entry ();
  pm_widget_set_names (self->model, "model", _("Model"));
  atk_object_set_name (gtk_widget_get_accessible (gtk_bin_get_child (GTK_BIN (self->model))), _("Model"));
  for (int i = 0; models[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (self->model), models[i], models[i]);
  add_labelled (box, _("_Model"), self->model);

  self->what = gtk_stack_new ();
  gtk_stack_set_hhomogeneous (GTK_STACK (self->what), FALSE);
  page = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  label = gtk_label_new (_("Class"));
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_box_pack_start (GTK_BOX (page), label, FALSE, FALSE, 0);
  self->classes = pm_class_list_new ();
  pm_widget_set_names (self->classes, "class", _("Class"));
  gtk_box_pack_start (GTK_BOX (page), self->classes, TRUE, TRUE, 0);
  gtk_stack_add_named (GTK_STACK (self->what), page, "class");
  gtk_stack_add_named (GTK_STACK (self->what), pm_dialog_new_prompt (self), "prompt");
  gtk_box_pack_start (GTK_BOX (box), self->what, TRUE, TRUE, 0);
  add_devices (self, box);

  g_signal_connect (self->model, "changed", G_CALLBACK (model_changed_cb), self);
  g_signal_connect (self->classes, "changed", G_CALLBACK (class_changed_cb), self);
  g_signal_connect (self->classes, "activated", G_CALLBACK (class_activated_cb), self);
}

static void
add_samplers (PmDialog *self, GtkWidget *box)
{
  const char *const *ids = pm_sampler_ids ();

  self->sampler = gtk_combo_box_text_new ();
  pm_widget_set_names (self->sampler, "sampler", _("Sampler"));
  for (int i = 0; ids[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (self->sampler), ids[i], pm_sampler_title (ids[i]));
  add_labelled (box, _("Sampler"), self->sampler);
  g_signal_connect (self->sampler, "changed", G_CALLBACK (sampler_changed_cb), self);
}

static void
add_advanced (PmDialog *self, GtkWidget *column)
{
  GtkWidget *expander = gtk_expander_new (_("Advanced"));
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);

  pm_widget_set_names (expander, "advanced", NULL);
  gtk_widget_set_margin_top (box, 6);
  gtk_container_add (GTK_CONTAINER (expander), box);
  add_samplers (self, box);
  add_argument (self, box, "guidance-from");
  add_argument (self, box, "guidance-to");
  add_argument (self, box, "cache");
  self->cache_interval = add_argument (self, box, "cache-interval");
  if (self->device)
    {
      add_argument (self, box, "precision");
      add_argument (self, box, "vram-limit");
      add_argument (self, box, "on-out-of-memory");
    }
  gtk_box_pack_start (GTK_BOX (column), expander, FALSE, FALSE, 0);
}

static void
add_picture_column (PmDialog *self, GtkWidget *columns)
{
  GtkWidget *box = add_column (columns, _("Picture"), FALSE);

  add_argument (self, box, "target");
  self->strength = add_argument (self, box, "strength");
  self->width = add_argument (self, box, "width");
  self->height = add_argument (self, box, "height");
  if (self->paint->image)
    self->fit = add_button (self, box, "fit-to-image", _("Fit to image"), G_CALLBACK (fit_cb));
  add_argument (self, box, "num-steps");
  add_argument (self, box, "guidance");
  add_argument (self, box, "seed");
  add_button (self, box, "new-seed", _("New seed"), G_CALLBACK (new_seed_cb));
  add_advanced (self, box);
}

static void
add_attention_column (PmDialog *self, GtkWidget *columns)
{
  GtkWidget *box = add_column (columns, _("Attention"), FALSE);
  const char *const *ids = pm_reading_ids ();

  self->readings = pm_check_list_new ("pentimento-read", readings_changed_cb, self);
  for (int i = 0; ids[i]; i++)
    pm_check_list_add (self->readings, ids[i], pm_reading_title (ids[i]),
                       pm_reading_needs_region (ids[i]) ? _("Asks about the region that is selected in the image") : NULL);
  gtk_box_pack_start (GTK_BOX (box), self->readings, FALSE, FALSE, 0);
  add_argument (self, box, "show-layers");
  add_argument (self, box, "show-heads");
  add_argument (self, box, "show-steps");
  add_argument (self, box, "show-which");
  add_argument (self, box, "palette");
  add_argument (self, box, "blend-mode");
  add_argument (self, box, "opacity");
}

void
pm_dialog_build (PmDialog *self)
{
  GtkWidget *content = gtk_dialog_get_content_area (GTK_DIALOG (self->dialog));
  GtkWidget *columns = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 18);

  gtk_container_set_border_width (GTK_CONTAINER (columns), 12);
  add_model_column (self, columns);
  add_picture_column (self, columns);
  add_attention_column (self, columns);
  gtk_box_pack_start (GTK_BOX (content), columns, TRUE, TRUE, 0);

  self->note = gtk_label_new (_("Opening the model"));
  pm_widget_set_names (self->note, "note", NULL);
  gtk_label_set_xalign (GTK_LABEL (self->note), 0.0);
  gtk_label_set_line_wrap (GTK_LABEL (self->note), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (self->note), 90);
  gtk_widget_set_margin_start (self->note, 12);
  gtk_widget_set_margin_end (self->note, 12);
  gtk_box_pack_start (GTK_BOX (content), self->note, FALSE, FALSE, 6);
  gtk_widget_show_all (columns);
  gtk_widget_show (self->note);
}
