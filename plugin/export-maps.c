/* plug-in-pentimento-export-maps: the maps of a run as a comparison sheet, an animation, or their values. Nothing is computed
 * again: every heat-map layer keeps the values that the model gave. */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <libgimp/gimpui.h>
#include <string.h>

#include "plugin/errors.h"
#include "plugin/gather.h"
#include "plugin/i18n.h"
#include "plugin/procedures.h"
#include "plugin/widgets.h"
#include "ui/progress.h"

typedef enum
{
  BY_NAME,
  SHEET,
  ANIMATION,
  TENSORS,
  ARRAYS,
  N_FORMATS
} Format;

static const struct
{
  const char *id, *ending, *label, *help;
} formats[N_FORMATS] = {
  [BY_NAME] = { "by-name", "", N_("By the file's name"),
                N_("A name that ends in .png is a sheet, in .gif an animation, in .safetensors values; else arrays") },
  [SHEET] = { "sheet", ".png", N_("Comparison sheet (PNG)"), N_("All maps on one sheet with titles and colour bars") },
  [ANIMATION] = { "animation", ".gif", N_("Animation over the steps (GIF)"), N_("One frame a step; needs maps of two steps") },
  [TENSORS] = { "safetensors", ".safetensors", N_("Values (safetensors)"), N_("The values of all maps in one file") },
  [ARRAYS] = { "npy", "", N_("Values (folder of NumPy arrays)"), N_("A file NAME.npy for each map, in a folder") },
};

static const struct
{
  const char *id, *label;
} orders[] = {
  [PM_SHEET_AUTO] = { "auto", N_("What there is most of") },
  [PM_SHEET_LAYERS] = { "layers", N_("Layers") },
  [PM_SHEET_STEPS] = { "steps", N_("Steps") },
  [PM_SHEET_HEADS] = { "heads", N_("Heads") },
};

static gboolean
fail_write (GFile *file, const GError *cause, GError **error)
{
  g_autofree char *name = g_file_get_parse_name (file);

  g_set_error (error, PM_ERROR, PM_ERROR_IO, _("Cannot write “%s” (%s); choose another folder, or look for a full disk."), name,
               cause ? cause->message : "");
  return FALSE;
}

static gboolean
write_bytes (GFile *file, const char *data, gsize n, GError **error)
{
  g_autoptr (GError) cause = NULL;

  return g_file_replace_contents (file, data, n, NULL, FALSE, G_FILE_CREATE_NONE, NULL, NULL, &cause)
         || fail_write (file, cause, error);
}

static gboolean
write_sheet (GFile *file, const PmGathered *gathered, const PmSheetOptions *options, PmJob *job, GError **error)
{
  g_autoptr (PmBitmap) bitmap = pm_sheet_draw (gathered->maps, options, job, error);
  g_autoptr (GdkPixbuf) pixbuf = NULL;
  g_autoptr (GError) cause = NULL;
  g_autofree char *png = NULL;
  gsize n = 0;

  if (! bitmap)
    return FALSE;
  pixbuf = gdk_pixbuf_new_from_data (bitmap->rgb, GDK_COLORSPACE_RGB, FALSE, 8, bitmap->width, bitmap->height, 3 * bitmap->width,
                                     NULL, NULL);
  if (! gdk_pixbuf_save_to_buffer (pixbuf, &png, &n, "png", &cause, NULL))
    return fail_write (file, cause, error);
  return write_bytes (file, png, n, error);
}

static gboolean
write_animation (GFile *file, const PmGathered *gathered, const PmSheetOptions *options, PmJob *job, GError **error)
{
  g_autoptr (GBytes) bytes = pm_maps_to_gif (gathered->maps, options, job, error);
  gsize       n;
  const char *data = bytes ? g_bytes_get_data (bytes, &n) : NULL;

  return bytes && write_bytes (file, data, n, error);
}

static gboolean
write_tensors (GFile *file, const PmGathered *gathered, GError **error)
{
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  g_autofree char *path = g_file_get_path (file);

  if (! path)
    return fail_write (file, NULL, error);
  return pm_maps_to_bundle (gathered->maps, bundle, error) && pm_bundle_save (bundle, path, error);
}

static gboolean
write_arrays (GFile *folder, const PmGathered *gathered, PmJob *job, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (! g_file_make_directory_with_parents (folder, NULL, &cause)
      && g_file_query_file_type (folder, G_FILE_QUERY_INFO_NONE, NULL) != G_FILE_TYPE_DIRECTORY)
    return fail_write (folder, cause, error);
  for (guint i = 0; i < gathered->maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (gathered->maps, i);
      g_autofree char *name = g_strconcat (map->id, ".npy", NULL);
      g_autoptr (GFile) file = g_file_get_child (folder, name);
      g_autoptr (GBytes) bytes = pm_map_to_npy (map);
      gsize       n;
      const char *data = g_bytes_get_data (bytes, &n);

      pm_job_report (job, _("Writing the values"), (int) i, (int) gathered->maps->len, (double) i / gathered->maps->len);
      if (! pm_job_check (job, error) || ! write_bytes (file, data, n, error))
        return FALSE;
    }
  return TRUE;
}

static Format
format_of_name (GFile *file)
{
  g_autofree char *name = g_file_get_basename (file), *lower = g_ascii_strdown (name, -1);

  for (int i = SHEET; i < N_FORMATS; i++)
    if (*formats[i].ending && g_str_has_suffix (lower, formats[i].ending))
      return i;
  return ARRAYS;
}

/* What is written, where: all that the thread needs to know. */
typedef struct
{
  GFile            *file;
  Format            format;
  PmSheetOptions    options;
  const PmGathered *gathered;
} Export;

static gboolean
task_cb (PmJob *job, gpointer data, GError **error)
{
  const Export *export = data;

  switch (export->format)
    {
    case ANIMATION:
      return write_animation (export->file, export->gathered, &export->options, job, error);
    case TENSORS:
      return write_tensors (export->file, export->gathered, error);
    case ARRAYS:
      return write_arrays (export->file, export->gathered, job, error);
    default:
      return write_sheet (export->file, export->gathered, &export->options, job, error);
    }
}

static gboolean
run_export (const Export *export, GimpRunMode run_mode, GError **error)
{
  GtkWidget *window;
  gboolean   done;

  if (run_mode == GIMP_RUN_NONINTERACTIVE)
    return task_cb (NULL, (gpointer) export, error);
  gimp_ui_init ("pentimento");
  window = pm_progress_new (_("Export heat maps"), export->gathered->title);
  gimp_window_set_transient (GTK_WINDOW (window));
  done = pm_progress_run (window, task_cb, (gpointer) export, error);
  gtk_widget_destroy (window);
  return done;
}

static gboolean
export_maps (GimpProcedureConfig *config, const PmGathered *gathered, GimpRunMode run_mode, GError **error)
{
  g_autoptr (GFile) file = NULL;
  Export export = { .format = gimp_procedure_config_get_choice_id (config, "format"), .gathered = gathered };

  export.options = (PmSheetOptions) { .by = gimp_procedure_config_get_choice_id (config, "side-by-side"),
                                      .palette = gathered->palette };
  g_object_get (config, "file", &file, NULL);
  if (! file)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("No file is named to write the maps into; choose one."));
      return FALSE;
    }
  export.file = file;
  if (export.format == BY_NAME)
    export.format = format_of_name (file);
  if (export.format == SHEET)
    {
      export.options.title = gathered->title;
      export.options.picture = gathered->picture;
      export.options.picture_width = gathered->width;
      export.options.picture_height = gathered->height;
    }
  return run_export (&export, run_mode, error);
}

/* The file's name follows the format that is chosen in the dialog. */
static void
format_changed_cb (GObject *config, GParamSpec *pspec, gpointer data)
{
  Format format = gimp_procedure_config_get_choice_id (GIMP_PROCEDURE_CONFIG (config), "format");
  g_autoptr (GFile) file = NULL, folder = NULL, renamed = NULL;
  g_autofree char *name = NULL, *full = NULL;

  g_object_get (config, "file", &file, NULL);
  folder = file ? g_file_get_parent (file) : NULL;
  if (! folder || format == BY_NAME)
    return;
  name = g_file_get_basename (file);
  for (int i = SHEET; i < N_FORMATS; i++)
    if (*formats[i].ending && g_str_has_suffix (name, formats[i].ending))
      name[strlen (name) - strlen (formats[i].ending)] = '\0';
  full = g_strconcat (name, formats[format].ending, NULL);
  renamed = g_file_get_child (folder, full);
  g_object_set (config, "file", renamed, NULL);
}

/* Beside the image, or among the user's pictures. */
static void
suggest_file (GimpProcedureConfig *config, GimpImage *image)
{
  g_autoptr (GFile) file = NULL, folder = NULL, suggested = NULL;
  GFile *own = gimp_image_get_file (image);
  const char *pictures = g_get_user_special_dir (G_USER_DIRECTORY_PICTURES);
  g_autofree char *base = own ? g_file_get_basename (own) : g_strdup (_("attention")), *name = NULL;
  char *dot = strrchr (base, '.');

  g_object_get (config, "file", &file, NULL);
  if (file)
    return;
  if (dot && dot != base)
    *dot = '\0';
  folder = own ? g_file_get_parent (own) : g_file_new_for_path (pictures ? pictures : g_get_home_dir ());
  name = g_strconcat (base, formats[SHEET].ending, NULL);
  suggested = g_file_get_child (folder, name);
  g_object_set (config, "file", suggested, "format", formats[SHEET].id, NULL);
}

static void
fill (GimpProcedureDialog *dialog, GimpProcedureConfig *config, const PmGathered *gathered)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12), *label;
  g_autofree char *text = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u heat map of %s", "%u heat maps of %s",
                                                        gathered->maps->len),
                                           gathered->maps->len, gathered->title);

  gtk_container_set_border_width (GTK_CONTAINER (box), 12);
  label = gtk_label_new (text);
  pm_widget_set_names (label, "export-what", NULL);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  gtk_widget_show (label);
  pm_widget_add_argument (dialog, config, box, "format");
  pm_widget_add_argument (dialog, config, box, "side-by-side");
  gtk_widget_set_size_request (pm_widget_add_argument (dialog, config, box, "file"), 480, -1);
  gtk_box_pack_start (GTK_BOX (gtk_dialog_get_content_area (GTK_DIALOG (dialog))), box, TRUE, TRUE, 0);
  gtk_widget_show (box);
}

static gboolean
ask (GimpProcedure *procedure, GimpProcedureConfig *config, GimpImage *image, const PmGathered *gathered)
{
  GimpProcedureDialog *dialog;
  gulong   handler;
  gboolean is_ok;

  gimp_ui_init ("pentimento");
  suggest_file (config, image);
  dialog = pm_dialog_new (procedure, config, "pentimento-export", _("Export heat maps"), _("_Export"));
  fill (dialog, config, gathered);
  handler = g_signal_connect (config, "notify::format", G_CALLBACK (format_changed_cb), NULL);
  is_ok = gimp_procedure_dialog_run (dialog);
  g_signal_handler_disconnect (config, handler);
  gtk_widget_destroy (GTK_WIDGET (dialog));
  return is_ok;
}

static GimpValueArray *
export_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
            GimpProcedureConfig *config, gpointer run_data)
{
  g_auto (PmGathered) gathered = { 0 };
  GimpValueArray *values;
  GError *error = NULL;

  pm_procedure_begin (procedure);
  if (! pm_gather (image, drawables, &gathered, &error))
    return pm_procedure_fail (procedure, run_mode, error);
  if (run_mode == GIMP_RUN_INTERACTIVE && ! ask (procedure, config, image, &gathered))
    return gimp_procedure_new_return_values (procedure, GIMP_PDB_CANCEL, NULL);
  if (! export_maps (config, &gathered, run_mode, &error))
    return pm_procedure_fail (procedure, run_mode, error);
  values = gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
  GIMP_VALUES_SET_INT (values, 1, (int) gathered.maps->len);
  return values;
}

static void
declare (GimpProcedure *procedure)
{
  GimpChoice *format = gimp_choice_new (), *order = gimp_choice_new ();

  gimp_procedure_add_file_argument (procedure, "file", _("F_ile"), _("The file to write; for NumPy arrays, the folder"),
                                    GIMP_FILE_CHOOSER_ACTION_SAVE, TRUE, NULL, G_PARAM_READWRITE);
  for (guint i = 0; i < N_FORMATS; i++)
    gimp_choice_add (format, formats[i].id, i, _(formats[i].label), _(formats[i].help));
  gimp_procedure_add_choice_argument (procedure, "format", _("For_mat"), _("What to make of the maps"), format,
                                      formats[BY_NAME].id, G_PARAM_READWRITE);
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    gimp_choice_add (order, orders[i].id, i, _(orders[i].label), NULL);
  gimp_procedure_add_choice_argument (procedure, "side-by-side", _("Si_de by side"),
                                      _("What the columns of sheet and animation are"), order, orders[PM_SHEET_AUTO].id,
                                      G_PARAM_READWRITE);
  gimp_procedure_add_int_return_value (procedure, "n-maps", _("Maps"), _("Number of maps that were written"), 0, G_MAXINT, 0,
                                       G_PARAM_READWRITE);
}

static GimpProcedure *
export_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, export_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "*");
  gimp_procedure_set_sensitivity_mask (procedure,
                                       GIMP_PROCEDURE_SENSITIVE_DRAWABLE | GIMP_PROCEDURE_SENSITIVE_DRAWABLES
                                       | GIMP_PROCEDURE_SENSITIVE_NO_DRAWABLES);
  gimp_procedure_set_menu_label (procedure, _("_Export heat maps..."));
  gimp_procedure_add_menu_path (procedure, PM_MENU_FILTERS);
  gimp_procedure_set_documentation (procedure, _("Write heat maps as a sheet, an animation or values"),
                                    _("Writes all heat maps of a run, that of the selected layer, as a comparison sheet with "
                                      "titles and colour bars, as an animation over the steps, or as the values that the "
                                      "model gave, for other programs. The layers keep these values, whatever was done to "
                                      "their pixels."),
                                    name);
  declare (procedure);
  return procedure;
}

const PmProcedure pm_procedure_export_maps = { "plug-in-pentimento-export-maps", export_create };
