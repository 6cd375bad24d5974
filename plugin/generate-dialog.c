/* The dialog: GIMP's procedure dialog holds the arguments, presets and last values; the model, the classes, the sampler and
 * the readings get widgets that ask the core. One refresh, shortly after any change, opens the model if it is another,
 * fills in its defaults, checks the request and shows what the run would take. */
#include "plugin/generate-dialog.h"

#include "plugin/generate-dialog-private.h"
#include "plugin/i18n.h"
#include "plugin/widgets.h"
#include "ui/check-list.h"
#include "ui/class-list.h"

#define REFRESH_MS 150

char *
pm_dialog_get_string (PmDialog *self, const char *name)
{
  char *value = NULL;

  g_object_get (self->config, name, &value, NULL);
  return value ? value : g_strdup ("");
}

/* Sets what the arguments leave to the model; all of it when another model was chosen. */
static void
fill_defaults (PmDialog *self, gboolean is_other)
{
  const PmModelInfo *info = pm_model_get_info (self->paint->model);
  g_autofree char *sampler = pm_dialog_get_string (self, "sampler");
  int    steps, width, height;
  double guidance, from, to;

  g_object_get (self->config, "num-steps", &steps, "width", &width, "height", &height, "guidance", &guidance, "guidance-from",
                &from, "guidance-to", &to, NULL);
  if (is_other || steps == 0)
    g_object_set (self->config, "num-steps", info->default_steps, NULL);
  if (is_other || guidance < 0.0)
    g_object_set (self->config, "guidance", info->default_guidance, NULL);
  if (is_other || from < 0.0)
    g_object_set (self->config, "guidance-from", info->guidance_interval[0], NULL);
  if (is_other || to < 0.0)
    g_object_set (self->config, "guidance-to", info->guidance_interval[1], NULL);
  if (is_other || width == 0)
    g_object_set (self->config, "width", info->default_size, NULL);
  if (is_other || height == 0)
    g_object_set (self->config, "height", info->default_size, NULL);
  if (is_other || ! *sampler)
    g_object_set (self->config, "sampler", info->default_sampler, NULL);
  if (is_other)
    g_object_set (self->config, "read", info->takes_prompt ? "word" : "subject", NULL);
}

/* A first dialog starts at the first class: a picture of nothing in particular is a poor greeting. What runs again without a
 * class stays without. */
static void
show_class (PmDialog *self, gboolean is_other)
{
  const PmModelInfo *info = pm_model_get_info (self->paint->model);
  g_autofree char *text = pm_dialog_get_string (self, "class");
  g_autofree char *shown = pm_class_list_get_text (PM_CLASS_LIST (self->classes));
  int index = pm_model_find_class (self->paint->model, text, NULL);

  if (info->takes_prompt)
    return;
  if (is_other)
    pm_class_list_set_classes (PM_CLASS_LIST (self->classes), info->classes, info->local_classes,
                               info->n_classes);
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
open_model (PmDialog *self, GError **error)
{
  g_autofree char *name = pm_dialog_get_string (self, "model");
  gboolean  is_first = self->opened == NULL;
  PmModel  *model;

  if (self->paint->model && g_strcmp0 (name, self->opened) == 0)
    {
      fill_defaults (self, FALSE);
      show_class (self, FALSE);
      pm_dialog_show_prompt (self, FALSE);
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
  pm_dialog_show_prompt (self, TRUE);
  return TRUE;
}

/* What the model cannot show cannot be ticked. */
static void
show_readings (PmDialog *self, const char *read)
{
  const char *const *ids = pm_reading_ids ();
  gboolean takes_prompt = self->paint->model && pm_model_get_info (self->paint->model)->takes_prompt;
  g_autofree char *possible = NULL;

  pm_check_list_set_text (self->readings, read);
  for (int i = 0; ids[i]; i++)
    if (pm_reading_needs_prompt (ids[i]))
      pm_check_list_set_sensitive (self->readings, ids[i], takes_prompt);
  possible = pm_check_list_get_text (self->readings);
  if (g_strcmp0 (possible, read) != 0)
    g_object_set (self->config, "read", possible, NULL);
}

/* Arguments may name a device in another way, or one that is not here any more. */
static void
show_device (PmDialog *self)
{
  g_autofree char *device = pm_dialog_get_string (self, "device");
  GtkComboBox *combo = GTK_COMBO_BOX (self->device);

  if (g_strcmp0 (device, gtk_combo_box_get_active_id (combo)) == 0 || gtk_combo_box_set_active_id (combo, device))
    return;
  gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (combo), device, device);
  gtk_combo_box_set_active_id (combo, device);
}

static void
show_plain (PmDialog *self)
{
  g_autofree char *model = pm_dialog_get_string (self, "model");
  g_autofree char *read = pm_dialog_get_string (self, "read");
  g_autofree char *sampler = pm_dialog_get_string (self, "sampler");
  GtkWidget *entry = gtk_bin_get_child (GTK_BIN (self->model));

  if (g_strcmp0 (model, gtk_entry_get_text (GTK_ENTRY (entry))) != 0)
    gtk_entry_set_text (GTK_ENTRY (entry), model);
  show_readings (self, read);
  if (g_strcmp0 (sampler, gtk_combo_box_get_active_id (GTK_COMBO_BOX (self->sampler))) != 0)
    gtk_combo_box_set_active_id (GTK_COMBO_BOX (self->sampler), sampler);
  if (self->device)
    show_device (self);
}

/* What has no effect now cannot be changed. */
static void
show_sensitive (PmDialog *self)
{
  gboolean any_size = self->paint->model && pm_model_get_info (self->paint->model)->any_size;

  gtk_widget_set_sensitive (self->width, any_size);
  gtk_widget_set_sensitive (self->height, any_size);
  if (self->fit)
    gtk_widget_set_sensitive (self->fit, any_size);
  gtk_widget_set_sensitive (self->strength, pm_paint_has_start (self->paint));
  gtk_widget_set_sensitive (self->cache_interval,
                            gimp_procedure_config_get_choice_id (self->config, "cache") != PM_CACHE_NONE);
}

/* The request of the arguments, checked: what the run would take, or NULL with the error. */
static char *
make_request (PmDialog *self, GError **error)
{
  PmPaint *paint = self->paint;

  g_clear_pointer (&paint->request, pm_request_free);
  pm_arguments_get_look (self->config, &paint->look);
  paint->request = pm_arguments_get_request (self->config, paint->model, pm_paint_has_start (paint), error);
  if (! paint->request)
    return NULL;
  pm_paint_keep_hidden (paint, self->config);
  if (! pm_paint_set_inputs (paint, self->config, error))
    return NULL;
  return pm_paint_describe (paint, NULL, error);
}

/* Brings the model, the request and the widgets to what the arguments say now: what the run would take, or NULL. */
static char *
refresh (PmDialog *self, GError **error)
{
  char    *text = NULL;
  gboolean opened;

  g_clear_handle_id (&self->timer, g_source_remove);
  self->is_refreshing = TRUE;
  opened = open_model (self, error);
  show_plain (self); /* first, because it leaves out what another model cannot show */
  if (opened)
    text = make_request (self, error);
  show_sensitive (self);
  self->is_refreshing = FALSE;
  return text;
}

void
pm_dialog_refresh (PmDialog *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  text = refresh (self, &error);
  gtk_label_set_text (GTK_LABEL (self->note), text ? text : error->message);
  gtk_dialog_set_response_sensitive (GTK_DIALOG (self->dialog), GTK_RESPONSE_OK, text != NULL);
}

static gboolean
refresh_cb (gpointer data)
{
  PmDialog *self = data;

  self->timer = 0; /* GLib takes it away */
  pm_dialog_refresh (self);
  return G_SOURCE_REMOVE;
}

static void
queue_refresh (PmDialog *self)
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

/* The installed model when the named one is not there, so that a fresh dialog is ready to paint. */
static void
choose_model (PmDialog *self)
{
  g_auto (GStrv) models = pm_model_list ();
  g_autofree char *name = pm_dialog_get_string (self, "model");

  if (models[0] && ! *name)
    g_object_set (self->config, "model", models[0], NULL);
  else if (models[0] && g_strcmp0 (name, PM_MODEL_DEFAULT) == 0 && ! g_strv_contains ((const char *const *) models, name))
    g_object_set (self->config, "model", models[0], NULL);
}

gboolean
pm_generate_dialog_run (GimpProcedureConfig *config, PmPaint *paint, GError **error)
{
  PmDialog   self = { .config = config, .paint = paint };
  gulong     handler;
  g_autofree char *text = NULL;

  gimp_ui_init ("pentimento");
  choose_model (&self);
  self.dialog = pm_dialog_new (paint->procedure, config, "pentimento-generate", _("Generate with Pentimento"), _("_Generate"));
  pm_dialog_build (&self);
  handler = g_signal_connect (config, "notify", G_CALLBACK (notify_cb), &self);
  pm_dialog_refresh (&self);
  gtk_widget_grab_focus (self.paint->model && pm_model_get_info (paint->model)->takes_prompt ? self.prompt : self.classes);

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
