/* The plug-in's door: names its procedures to GIMP, creates the one that is asked for, binds the text domain.
 * Source of truth: libgimp's gimpplugin.h. */
#include "plugin/procedures.h"

#include <libintl.h>

typedef struct
{
  GimpPlugIn parent_instance;
} PmPlugIn;

typedef struct
{
  GimpPlugInClass parent_class;
} PmPlugInClass;

static GType pm_plug_in_get_type (void);

G_DEFINE_TYPE (PmPlugIn, pm_plug_in, GIMP_TYPE_PLUG_IN)

static const PmProcedure *const procedures[] = {
  &pm_procedure_generate,
  &pm_procedure_run_again,
  &pm_procedure_reapply,
  &pm_procedure_bake,
  &pm_procedure_export_maps,
  &pm_procedure_who_named,
};

static GList *
pm_plug_in_query_procedures (GimpPlugIn *plug_in)
{
  GList *names = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++)
    names = g_list_append (names, g_strdup (procedures[i]->name));
  return names;
}

static GimpProcedure *
pm_plug_in_create_procedure (GimpPlugIn *plug_in, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++)
    if (g_strcmp0 (procedures[i]->name, name) == 0)
      {
        GimpProcedure *procedure = procedures[i]->create (plug_in, name);

        gimp_procedure_set_attribution (procedure, "The Pentimento authors", "GPL-3.0-or-later", "2025");
        gimp_procedure_set_icon_name (procedure, "pentimento");
        return procedure;
      }
  return NULL;
}

/* Catalogues lie beside the plug-in; without that folder those of the system are bound, and libgimp has nothing to do. */
static gboolean
pm_plug_in_set_i18n (GimpPlugIn *plug_in, const gchar *procedure_name, gchar **gettext_domain, gchar **catalog_dir)
{
  g_autofree char *folder = g_path_get_dirname (gimp_get_progname ());
  g_autofree char *catalogues = g_build_filename (folder, "locale", NULL);

  if (! g_file_test (catalogues, G_FILE_TEST_IS_DIR))
    {
      bindtextdomain (GETTEXT_PACKAGE, PM_LOCALEDIR);
      bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
      return FALSE;
    }
  *gettext_domain = g_strdup (GETTEXT_PACKAGE);
  *catalog_dir = NULL;
  return TRUE;
}

static void
pm_plug_in_class_init (PmPlugInClass *class)
{
  GimpPlugInClass *plug_in_class = GIMP_PLUG_IN_CLASS (class);

  plug_in_class->query_procedures = pm_plug_in_query_procedures;
  plug_in_class->create_procedure = pm_plug_in_create_procedure;
  plug_in_class->set_i18n = pm_plug_in_set_i18n;
}

static void
pm_plug_in_init (PmPlugIn *plug_in)
{
}

void
pm_procedure_begin (GimpProcedure *procedure)
{
  gegl_init (NULL, NULL);
  /* Every failed call is reported by us, as a sentence with its remedy. */
  gimp_plug_in_set_pdb_error_handler (gimp_procedure_get_plug_in (procedure), GIMP_PDB_ERROR_HANDLER_PLUGIN);
}

GIMP_MAIN (pm_plug_in_get_type ())
