/* What a test with windows asks of GIMP's inside, as menu items below Filters > Check: the open images into a file, and
 * images that Pentimento has never seen. */
#include "check.h"

#include <string.h>

static void
describe (GimpItem **items, int depth, FILE *file)
{
  for (int i = 0; items && items[i]; i++)
    {
      g_autofree char *name = gimp_item_get_name (items[i]);

      fprintf (file, "%*slayer %s\n", 2 * depth, "", name);
      if (gimp_item_is_group (items[i]))
        {
          g_autofree GimpItem **children = gimp_item_get_children (items[i]);

          describe (children, depth + 1, file);
        }
    }
}

static GimpValueArray *
state_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
           GimpProcedureConfig *config, gpointer run_data)
{
  const char *path = g_getenv ("PENTIMENTO_CHECK_STATE");
  g_autofree char *new_path = g_strconcat (path, ".new", NULL);
  g_autofree GimpImage **images = gimp_get_images ();
  FILE *file = fopen (new_path, "w");

  for (int i = 0; images && images[i] && file; i++)
    {
      g_autofree GimpLayer **layers = gimp_image_get_layers (images[i]);

      fprintf (file, "image %dx%d%s\n", gimp_image_get_width (images[i]), gimp_image_get_height (images[i]),
               gimp_image_is_dirty (images[i]) ? " changed" : "");
      describe ((GimpItem **) layers, 1, file);
    }
  if (file)
    fclose (file);
  rename (new_path, path);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
}

static GimpValueArray *
indexed_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
             GimpProcedureConfig *config, gpointer run_data)
{
  GimpImage *indexed;

  gegl_init (NULL, NULL);
  indexed = blank_image (80, 80, GIMP_RGB);
  gimp_image_convert_indexed (indexed, GIMP_CONVERT_DITHER_NONE, GIMP_CONVERT_PALETTE_GENERATE, 8, FALSE, FALSE, "");
  gimp_display_new (indexed);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
}

/* Without changes, so that GIMP closes it without asking. */
static GimpValueArray *
clean_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
           GimpProcedureConfig *config, gpointer run_data)
{
  GimpImage *clean;

  gegl_init (NULL, NULL);
  clean = blank_image (90, 90, GIMP_RGB);
  gimp_image_clean_all (clean);
  gimp_display_new (clean);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
}

/* A picture with a reading of a region and a seed above what the dialog can show, as the command line may have made it; in
 * an image where nothing is selected. */
static GimpValueArray *
region_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
            GimpProcedureConfig *config, gpointer run_data)
{
  GimpImage *selected;
  GimpParasite *parasite;
  g_autoptr (JsonParser) parser = NULL;
  g_autofree char *text = NULL;
  JsonObject *record;
  Call paint;

  gegl_init (NULL, NULL);
  selected = blank_image (64, 64, GIMP_RGB);
  gimp_image_select_rectangle (selected, GIMP_CHANNEL_OP_REPLACE, 0, 0, 16, 16);
  paint = call ("plug-in-pentimento-generate", selected, NULL, "class", "fox", "seed", 11, "num-steps", 2, "read", "from",
                "show-layers", "5", "show-steps", "1", NULL);
  record = record_of (paint.image, GIMP_ITEM (paint.picture), &parser);
  json_object_set_int_member (json_object_get_object_member (record, "request"), "seed", G_GINT64_CONSTANT (8589934592));
  text = json_to_string (json_parser_get_root (parser), FALSE);
  parasite = gimp_parasite_new ("pentimento-record", GIMP_PARASITE_PERSISTENT, strlen (text) + 1, text);
  gimp_item_attach_parasite (GIMP_ITEM (paint.picture), parasite);
  gimp_parasite_free (parasite);
  gimp_image_clean_all (paint.image);
  gimp_image_delete (selected);
  gimp_display_new (paint.image);
  return gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
}

static const struct
{
  const char *name, *label;
  GimpRunImageFunc run;
} items[] = {
  { "plug-in-pentimento-check-state", "Write the state", state_run },
  { "plug-in-pentimento-check-indexed", "Open an indexed image", indexed_run },
  { "plug-in-pentimento-check-clean", "Open a clean image", clean_run },
  { "plug-in-pentimento-check-region", "Paint with a region", region_run },
};

GList *
check_state_list (void)
{
  GList *names = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (items); i++)
    names = g_list_append (names, g_strdup (items[i].name));
  return names;
}

GimpProcedure *
check_state_create (GimpPlugIn *plug_in, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (items); i++)
    if (g_strcmp0 (items[i].name, name) == 0)
      {
        GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, items[i].run, NULL, NULL);

        gimp_procedure_set_image_types (procedure, "*");
        gimp_procedure_set_sensitivity_mask (procedure, GIMP_PROCEDURE_SENSITIVE_ALWAYS);
        gimp_procedure_set_menu_label (procedure, items[i].label);
        gimp_procedure_add_menu_path (procedure, "<Image>/Filters/Check");
        return procedure;
      }
  return NULL;
}
