/* The dialog: GIMP's procedure dialog holds the arguments, presets and last values; the model, the classes, the sampler and
 * the readings get widgets that ask the core. One refresh, shortly after any change, opens the model if it is another,
 * fills in its defaults, checks the request and shows what the run would take. */
#include "plugin/generate-dialog.h"

#include <libgimp/gimpui.h>

#include "plugin/i18n.h"
#include "ui/check-list.h"
#include "ui/class-list.h"

#define REFRESH_MS 150

typedef struct
{
  GimpProcedureDialog *dialog;
  GimpProcedureConfig *config;
  PmPaint   *paint;
  GtkWidget *model, *classes, *sampler, *readings, *note;
  char      *opened;        /* the name that paint->model was opened with; NULL before the first */
  gboolean   is_refreshing;
  guint      timer;
} Dialog;

static char *
get_string (Dialog *self, const char *name)
{
  char *value = NULL;

  g_object_get (self->config, name, &value, NULL);
  return value ? value : g_strdup ("");
}

/* Sets what the arguments leave to the model; all of it when another model was chosen. */
static void
fill_defaults (Dialog *self, gboolean is_other)
{
  const PmModelInfo *info = pm_model_get_info (self->paint->model);
  g_autofree char *sampler = get_string (self, "sampler");
  int    steps, width, height;
  double guidance;

  g_object_get (self->config, "num-steps", &steps, "width", &width, "height", &height, "guidance", &guidance, NULL);
  if (is_other || steps == 0)
    g_object_set (self->config, "num-steps", info->default_steps, NULL);
  if (is_other || guidance < 0.0)
    g_object_set (self->config, "guidance", info->default_guidance, NULL);
  if (is_other || width == 0)
    g_object_set (self->config, "width", info->default_size, NULL);
  if (is_other || height == 0)
    g_object_set (self->config, "height", info->default_size, NULL);
  if (is_other || ! *sampler)
    g_object_set (self->config, "sampler", info->default_sampler, NULL);
}

/* A first dialog starts at the first class: a picture of nothing in particular is a poor greeting. What runs again without a
 * class stays without. */
static void
show_class (Dialog *self, gboolean is_other)
{
  const PmModelInfo *info = pm_model_get_info (self->paint->model);
  g_autofree char *text = get_string (self, "class");
  g_autofree char *shown = pm_class_list_get_text (PM_CLASS_LIST (self->classes));
  int index = pm_model_find_class (self->paint->model, text, NULL);

  if (is_other)
    pm_class_list_set_classes (PM_CLASS_LIST (self->classes), info->classes, info->n_classes);
  else if (g_strcmp0 (text, shown) == 0)
    return;

  if (! *text && self->paint->recorded)
    index = -1;
  else if (is_other && (! *text || index < 0) && info->n_classes > 0)
    index = 0;
  else if (index >= info->n_classes)
    index = -1;
  pm_class_list_select (PM_CLASS_LIST (self->classes), index);
}

/* FALSE with the error when there is no model to show. */
static gboolean
open_model (Dialog *self, GError **error)
{
  g_autofree char *name = get_string (self, "model");
  gboolean  is_first = self->opened == NULL;
  PmModel  *model;

  if (self->paint->model && g_strcmp0 (name, self->opened) == 0)
    {
      fill_defaults (self, FALSE);
      show_class (self, FALSE);
      return TRUE;
    }
  model = pm_model_open (name, error);
  if (! model)
    return FALSE;

  g_clear_pointer (&self->paint->model, pm_model_unref);
  self->paint->model = model;
  g_set_str (&self->opened, name);
  fill_defaults (self, ! is_first);
  show_class (self, TRUE);
  return TRUE;
}

static void
show_plain (Dialog *self)
{
  g_autofree char *model = get_string (self, "model");
  g_autofree char *read = get_string (self, "read");
  g_autofree char *sampler = get_string (self, "sampler");
  GtkWidget *entry = gtk_bin_get_child (GTK_BIN (self->model));

  if (g_strcmp0 (model, gtk_entry_get_text (GTK_ENTRY (entry))) != 0)
    gtk_entry_set_text (GTK_ENTRY (entry), model);
  pm_check_list_set_text (self->readings, read);
  if (g_strcmp0 (sampler, gtk_combo_box_get_active_id (GTK_COMBO_BOX (self->sampler))) != 0)
    gtk_combo_box_set_active_id (GTK_COMBO_BOX (self->sampler), sampler);
}

/* The request of the arguments, checked: what the run would take, or NULL with the error. */
static char *
make_request (Dialog *self, GError **error)
{
  PmPaint *paint = self->paint;

  g_clear_pointer (&paint->request, pm_request_free);
  paint->request = pm_arguments_get_request (self->config, paint->model, error);
  if (! paint->request)
    return NULL;
  pm_paint_keep_hidden (paint, self->config);
  pm_arguments_get_look (self->config, &paint->look);
  if (! pm_paint_set_region (paint, error))
    return NULL;
  return pm_paint_describe (paint, NULL, error);
}

/* Brings the model, the request and the widgets to what the arguments say now: what the run would take, or NULL. */
static char *
refresh (Dialog *self, GError **error)
{
  char *text = NULL;

  g_clear_handle_id (&self->timer, g_source_remove);
  self->is_refreshing = TRUE;
  if (open_model (self, error))
    text = make_request (self, error);
  show_plain (self);
  self->is_refreshing = FALSE;
  return text;
}

static gboolean
refresh_cb (gpointer data)
{
  Dialog *self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  self->timer = 0; /* GLib takes it away */
  text = refresh (self, &error);
  gtk_label_set_text (GTK_LABEL (self->note), text ? text : error->message);
  gtk_dialog_set_response_sensitive (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK, text != NULL);
  return G_SOURCE_REMOVE;
}

static void
queue_refresh (Dialog *self)
{
  if (self->is_refreshing)
    return;
  g_clear_handle_id (&self->timer, g_source_remove);
  self->timer = g_timeout_add (REFRESH_MS, refresh_cb, self);
}

static void
notify_cb (GObject *config, GParamSpec *pspec, gpointer data)
{
  queue_refresh (data);
}

static void
model_changed_cb (GtkComboBox *combo, gpointer data)
{
  Dialog *self = data;
  g_autofree char *text = gtk_combo_box_text_get_active_text (GTK_COMBO_BOX_TEXT (combo));

  if (! self->is_refreshing && text)
    g_object_set (self->config, "model", text, NULL);
}

static void
class_changed_cb (PmClassList *list, gpointer data)
{
  Dialog *self = data;
  g_autofree char *text = pm_class_list_get_text (list);

  if (text)
    g_object_set (self->config, "class", text, NULL);
}

static void
class_activated_cb (PmClassList *list, gpointer data)
{
  Dialog *self = data;

  if (self->timer)
    {
      g_clear_handle_id (&self->timer, g_source_remove);
      refresh_cb (self);
    }
  if (gtk_widget_get_sensitive (gtk_dialog_get_widget_for_response (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK)))
    gtk_dialog_response (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK);
}

static void
sampler_changed_cb (GtkComboBox *combo, gpointer data)
{
  Dialog *self = data;

  if (! self->is_refreshing && gtk_combo_box_get_active_id (combo))
    g_object_set (self->config, "sampler", gtk_combo_box_get_active_id (combo), NULL);
}

static void
readings_changed_cb (GtkWidget *list, gpointer data)
{
  Dialog *self = data;
  g_autofree char *text = pm_check_list_get_text (list);

  g_object_set (self->config, "read", text, NULL);
}

static void
new_seed_cb (GtkButton *button, gpointer data)
{
  Dialog *self = data;

  g_object_set (self->config, "seed", g_random_int_range (0, G_MAXINT), NULL);
}

static void
set_names (GtkWidget *widget, const char *name, const char *accessible)
{
  g_autofree char *full = g_strconcat ("pentimento-", name, NULL);

  gtk_widget_set_name (widget, full);
  if (accessible)
    atk_object_set_name (gtk_widget_get_accessible (widget), accessible);
}

/* GIMP's labels are drawn beside what they name; a screen reader wants the name on the thing itself. */
static void
name_content (GtkWidget *labelled, const char *text)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (labelled));

  for (GList *at = children; at; at = at->next)
    if (! GTK_IS_LABEL (at->data))
      atk_object_set_name (gtk_widget_get_accessible (at->data), text);
}

/* The widget that GIMP makes for an argument. */
static GtkWidget *
add_argument (Dialog *self, GtkWidget *box, const char *name)
{
  GtkWidget  *widget = gimp_procedure_dialog_get_widget (self->dialog, name, G_TYPE_NONE);
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (self->config), name);
  g_autofree char *text = gimp_strip_uline (g_param_spec_get_nick (spec));

  set_names (widget, name, NULL);
  if (GIMP_IS_LABELED (widget))
    name_content (widget, text);
  gtk_box_pack_start (GTK_BOX (box), widget, FALSE, FALSE, 0);
  gtk_widget_show (widget);
  return widget;
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

static void
add_model_column (Dialog *self, GtkWidget *columns)
{
  GtkWidget *box = add_column (columns, _("What"), TRUE);
  GtkWidget *label;
  g_auto (GStrv) models = pm_model_list ();
  g_auto (GStrv) devices = pm_device_list ();

  self->model = gtk_combo_box_text_new_with_entry ();
  set_names (self->model, "model", _("Model"));
  atk_object_set_name (gtk_widget_get_accessible (gtk_bin_get_child (GTK_BIN (self->model))), _("Model"));
  for (int i = 0; models[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (self->model), models[i], models[i]);
  add_labelled (box, _("_Model"), self->model);

  label = gtk_label_new (_("Class"));
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  self->classes = pm_class_list_new ();
  set_names (self->classes, "class", _("Class"));
  gtk_box_pack_start (GTK_BOX (box), self->classes, TRUE, TRUE, 0);
  if (g_strv_length (devices) > 1)
    add_argument (self, box, "device");

  g_signal_connect (self->model, "changed", G_CALLBACK (model_changed_cb), self);
  g_signal_connect (self->classes, "changed", G_CALLBACK (class_changed_cb), self);
  g_signal_connect (self->classes, "activated", G_CALLBACK (class_activated_cb), self);
}

static void
add_picture_column (Dialog *self, GtkWidget *columns)
{
  GtkWidget *box = add_column (columns, _("Picture"), FALSE);
  GtkWidget *button = gtk_button_new_with_label (_("New seed"));
  const char *const *ids = pm_sampler_ids ();

  self->sampler = gtk_combo_box_text_new ();
  set_names (self->sampler, "sampler", _("Sampler"));
  for (int i = 0; ids[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (self->sampler), ids[i], pm_sampler_title (ids[i]));
  add_labelled (box, _("Sampler"), self->sampler);
  add_argument (self, box, "num-steps");
  add_argument (self, box, "cache");
  add_argument (self, box, "guidance");
  add_argument (self, box, "seed");
  set_names (button, "new-seed", NULL);
  gtk_widget_set_halign (button, GTK_ALIGN_END);
  gtk_box_pack_start (GTK_BOX (box), button, FALSE, FALSE, 0);
  add_argument (self, box, "width");
  add_argument (self, box, "height");
  add_argument (self, box, "target");

  g_signal_connect (self->sampler, "changed", G_CALLBACK (sampler_changed_cb), self);
  g_signal_connect (button, "clicked", G_CALLBACK (new_seed_cb), self);
}

static void
add_attention_column (Dialog *self, GtkWidget *columns)
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

static void
build (Dialog *self)
{
  GtkWidget *content = gtk_dialog_get_content_area (GTK_DIALOG (self->dialog));
  GtkWidget *columns = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 18);

  gtk_container_set_border_width (GTK_CONTAINER (columns), 12);
  add_model_column (self, columns);
  add_picture_column (self, columns);
  add_attention_column (self, columns);
  gtk_box_pack_start (GTK_BOX (content), columns, TRUE, TRUE, 0);

  self->note = gtk_label_new (_("Opening the model"));
  set_names (self->note, "note", NULL);
  gtk_label_set_xalign (GTK_LABEL (self->note), 0.0);
  gtk_label_set_line_wrap (GTK_LABEL (self->note), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (self->note), 90);
  gtk_widget_set_margin_start (self->note, 12);
  gtk_widget_set_margin_end (self->note, 12);
  gtk_box_pack_start (GTK_BOX (content), self->note, FALSE, FALSE, 6);
  gtk_widget_show_all (columns);
  gtk_widget_show (self->note);
}

/* The installed model when the named one is not there, so that a fresh dialog is ready to paint. */
static void
choose_model (Dialog *self)
{
  g_auto (GStrv) models = pm_model_list ();
  g_autofree char *name = get_string (self, "model");

  if (models[0] && ! *name)
    g_object_set (self->config, "model", models[0], NULL);
  else if (models[0] && g_strcmp0 (name, "starter-pixel") == 0 && ! g_strv_contains ((const char *const *) models, name))
    g_object_set (self->config, "model", models[0], NULL);
}

gboolean
pm_generate_dialog_run (GimpProcedureConfig *config, PmPaint *paint, GError **error)
{
  Dialog     self = { .config = config, .paint = paint };
  GtkWidget *help;
  gulong     handler;
  g_autofree char *text = NULL;

  gimp_ui_init ("pentimento");
  choose_model (&self);
  self.dialog = GIMP_PROCEDURE_DIALOG (gimp_procedure_dialog_new (paint->procedure, config, _("Generate with Pentimento")));
  help = gtk_dialog_get_widget_for_response (GTK_DIALOG (self.dialog), GTK_RESPONSE_HELP);
  if (help) /* GIMP's manual has no page on us, and a button that does nothing is worse than none */
    gtk_widget_destroy (help);
  gimp_procedure_dialog_set_ok_label (self.dialog, _("_Generate"));
  gtk_widget_set_name (GTK_WIDGET (self.dialog), "pentimento-generate");
  build (&self);
  handler = g_signal_connect (config, "notify", G_CALLBACK (notify_cb), &self);
  refresh_cb (&self);
  gtk_widget_grab_focus (self.classes);

  /* OK may be quicker than the timer: what runs is what the arguments say at the end. */
  if (gimp_procedure_dialog_run (self.dialog))
    text = refresh (&self, error);
  else
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("The run was cancelled."));
  g_signal_handler_disconnect (config, handler);
  g_clear_handle_id (&self.timer, g_source_remove);
  self.is_refreshing = TRUE; /* closing widgets changes nothing */
  gtk_widget_destroy (GTK_WIDGET (self.dialog));
  g_free (self.opened);
  return text != NULL;
}
