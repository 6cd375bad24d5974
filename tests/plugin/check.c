/* The test plug-in's door, its TAP lines and the helpers of all suites. Called by headless.sh, which demands the last line. */
#include "check.h"

#include <stdarg.h>
#include <string.h>

typedef struct
{
  GimpPlugIn parent_instance;
} CheckPlugIn;

typedef struct
{
  GimpPlugInClass parent_class;
} CheckPlugInClass;

static GType check_plug_in_get_type (void);

G_DEFINE_TYPE (CheckPlugIn, check_plug_in, GIMP_TYPE_PLUG_IN)

static FILE *tap;

static const struct
{
  const char *name;
  void (*run) (const char *folder);
} suites[] = {
  { "paint", suite_paint }, { "place", suite_place },   { "start", suite_start },   { "export", suite_export },
  { "words", suite_words }, { "errors", suite_errors }, { "bare", suite_bare },   { "reopen", suite_reopen },
  { "german", suite_german },
};

gboolean
check (gboolean condition, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (! tap) /* a menu item: the test that chose it looks at what comes of it */
    return condition;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_strdelimit (text, "\n#", ' ');
  fprintf (tap, "%s - %s\n", condition ? "ok" : "not ok", text);
  fflush (tap);
  return condition;
}

gboolean
check_near (double value, double expected, double tolerance, const char *what)
{
  gboolean near = value >= expected - tolerance && value <= expected + tolerance;

  return check (near, "%s is %g (got %g)", what, expected, value);
}

gboolean
check_text (const char *value, const char *expected, const char *what)
{
  return check (g_strcmp0 (value, expected) == 0, "%s is “%s” (got “%s”)", what, expected, value ? value : "nothing");
}

gboolean
check_contains (const char *text, const char *part, const char *what)
{
  return check (text && strstr (text, part), "%s says “%s” (got “%s”)", what, part, text ? text : "nothing");
}

static void
read_values (GimpValueArray *values, Call *result)
{
  result->status = GIMP_VALUES_GET_ENUM (values, 0);
  if (result->status != GIMP_PDB_SUCCESS)
    {
      result->error = gimp_value_array_length (values) > 1 && G_VALUE_HOLDS_STRING (gimp_value_array_index (values, 1))
                        ? GIMP_VALUES_DUP_STRING (values, 1)
                        : g_strdup (gimp_pdb_get_last_error (gimp_get_pdb ()));
      return;
    }
  if (gimp_value_array_length (values) == 4)
    {
      result->image = GIMP_VALUES_GET_IMAGE (values, 1);
      result->picture = GIMP_VALUES_GET_LAYER (values, 2);
      result->group = GIMP_VALUES_GET_LAYER (values, 3);
    }
  else if (gimp_value_array_length (values) > 1)
    result->count = GIMP_VALUES_GET_INT (values, 1);
}

Call
call (const char *name, GimpImage *image, GimpLayer *layer, const char *first, ...)
{
  Call result = { 0 };
  GimpProcedure *procedure = gimp_pdb_lookup_procedure (gimp_get_pdb (), name);
  g_autoptr (GimpProcedureConfig) config = NULL;
  GimpDrawable   *drawables[2] = { (GimpDrawable *) layer, NULL };
  GimpValueArray *values;
  va_list args;

  if (! check (procedure != NULL, "%s is installed", name))
    return result;
  config = gimp_procedure_create_config (procedure);
  g_object_set (config, "run-mode", GIMP_RUN_NONINTERACTIVE, "image", image, NULL);
  gimp_procedure_config_set_core_object_array (config, "drawables", (GObject **) drawables, layer ? 1 : 0);
  if (g_str_has_suffix (name, "-generate"))
    g_object_set (config, "model", "starter-pixel", NULL); /* small and quick; first and what follows may say another */
  va_start (args, first);
  if (first)
    g_object_set_valist (G_OBJECT (config), first, args);
  va_end (args);

  values = gimp_procedure_run_config (procedure, config);
  read_values (values, &result);
  gimp_value_array_unref (values);
  return result;
}

float *
pixels_of (GimpDrawable *drawable)
{
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (drawable);
  int    width = gimp_drawable_get_width (drawable), height = gimp_drawable_get_height (drawable);
  float *pixels = g_malloc_n ((gsize) width * height, 4 * sizeof (float));

  gegl_buffer_get (buffer, GEGL_RECTANGLE (0, 0, width, height), 1.0, babl_format ("R'G'B'A float"), pixels,
                   GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
  return pixels;
}

double
largest_difference (const float *a, const float *b, int n_pixels, gboolean with_alpha)
{
  double largest = 0.0;

  for (int i = 0; i < 4 * n_pixels; i++)
    if (with_alpha || i % 4 != 3)
      largest = MAX (largest, ABS ((double) a[i] - b[i]));
  return largest;
}

JsonObject *
record_of (GimpImage *image, GimpItem *item, JsonParser **keep)
{
  GimpParasite *parasite = item ? gimp_item_get_parasite (item, "pentimento-record")
                                : gimp_image_get_parasite (image, "pentimento-record");
  guint32     size = 0;
  const char *text = parasite ? gimp_parasite_get_data (parasite, &size) : NULL;
  JsonNode   *root = NULL;

  *keep = json_parser_new ();
  if (text && size > 0 && text[size - 1] == '\0' && json_parser_load_from_data (*keep, text, -1, NULL))
    root = json_parser_get_root (*keep);
  g_clear_pointer (&parasite, gimp_parasite_free);
  return root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
}

char *
copy_model (const char *folder, const char *name)
{
  g_autofree char *from = g_build_filename (g_get_user_data_dir (), "pentimento", "models", "starter-pixel", NULL);
  char *path = g_build_filename (folder, name, NULL);
  static const char *const files[] = { "classes.json", "config.json", "model.safetensors" };

  g_mkdir_with_parents (path, 0700);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr (GFile) source = g_file_new_build_filename (from, files[i], NULL);
      g_autoptr (GFile) target = g_file_new_build_filename (path, files[i], NULL);

      check (g_file_copy (source, target, G_FILE_COPY_NONE, NULL, NULL, NULL, NULL), "%s is copied", files[i]);
    }
  return path;
}

char *
log_news (void)
{
  static gsize seen;
  g_autofree char *path = g_build_filename (g_get_user_state_dir (), "pentimento", "pentimento.log", NULL);
  g_autofree char *text = NULL;
  char *news;
  gsize length = 0;

  if (! g_file_get_contents (path, &text, &length, NULL))
    return g_strdup ("");
  news = g_strdup (text + MIN (seen, length));
  seen = length;
  return news;
}

GimpLayer *
first_child (GimpLayer *group)
{
  g_autofree GimpItem **children = gimp_item_get_children (GIMP_ITEM (group));

  return children ? GIMP_LAYER (children[0]) : NULL;
}

GimpImage *
blank_image (int width, int height, GimpImageBaseType type)
{
  GimpImage *image = gimp_image_new (width, height, type);
  GimpImageType layer_type = type == GIMP_GRAY ? GIMP_GRAY_IMAGE : GIMP_RGB_IMAGE;
  GimpLayer *layer = gimp_layer_new (image, "Background", width, height, layer_type, 100, GIMP_LAYER_MODE_NORMAL);

  gimp_image_insert_layer (image, layer, NULL, 0);
  gimp_drawable_fill (GIMP_DRAWABLE (layer), GIMP_FILL_WHITE);
  return image;
}

static GimpValueArray *
check_run (GimpProcedure *procedure, GimpProcedureConfig *config, gpointer run_data)
{
  g_autofree char *suite = NULL, *folder = NULL, *path = NULL;

  g_object_get (config, "suite", &suite, "folder", &folder, NULL);
  path = g_strdup_printf ("%s/%s.tap", folder, suite);
  tap = fopen (path, "w");
  if (! tap)
    return gimp_procedure_new_return_values (procedure, GIMP_PDB_EXECUTION_ERROR, NULL);

  gegl_init (NULL, NULL);
  gimp_plug_in_set_pdb_error_handler (gimp_procedure_get_plug_in (procedure), GIMP_PDB_ERROR_HANDLER_PLUGIN);
  for (guint i = 0; i < G_N_ELEMENTS (suites); i++)
    if (g_strcmp0 (suites[i].name, suite) == 0)
      suites[i].run (folder);
  fprintf (tap, "suite %s finished\n", suite);
  fclose (tap);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
}

static GList *
check_plug_in_query_procedures (GimpPlugIn *plug_in)
{
  return g_list_append (check_state_list (), g_strdup ("plug-in-pentimento-check"));
}

static GimpProcedure *
check_plug_in_create_procedure (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure;

  if (g_strcmp0 (name, "plug-in-pentimento-check") != 0)
    return check_state_create (plug_in, name);
  procedure = gimp_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, check_run, NULL, NULL);
  gimp_procedure_add_string_argument (procedure, "suite", "Suite", NULL, "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "folder", "Folder", NULL, "", G_PARAM_READWRITE);
  return procedure;
}

static void
check_plug_in_class_init (CheckPlugInClass *class)
{
  GIMP_PLUG_IN_CLASS (class)->query_procedures = check_plug_in_query_procedures;
  GIMP_PLUG_IN_CLASS (class)->create_procedure = check_plug_in_create_procedure;
  GIMP_PLUG_IN_CLASS (class)->set_i18n = NULL;
}

static void
check_plug_in_init (CheckPlugIn *plug_in)
{
}

GIMP_MAIN (check_plug_in_get_type ())
