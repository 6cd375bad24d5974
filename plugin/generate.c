/* plug-in-pentimento-generate: File > Create > Generate with Pentimento. From a script:
 *   (plug-in-pentimento-generate #:run-mode RUN-NONINTERACTIVE #:class "fox" #:seed 1 #:read "subject,received")
 * returns the image, the picture's layer and the group of heat maps. */
#include "plugin/arguments.h"
#include "plugin/errors.h"
#include "plugin/generate-dialog.h"
#include "plugin/i18n.h"
#include "plugin/paint.h"
#include "plugin/procedures.h"

#include <libgimp/gimpui.h>

/* A script that says a prompt and leaves the model as it is means the model that comes along for prompts. */
static void
choose_model (GimpProcedureConfig *config)
{
  g_autofree char *model = NULL, *prompt = NULL, *class_name = NULL;

  g_object_get (config, "model", &model, "prompt", &prompt, "class", &class_name, NULL);
  if (g_strcmp0 (model, PM_MODEL_DEFAULT) == 0 && prompt && *prompt && ! (class_name && *class_name))
    g_object_set (config, "model", PM_MODEL_DEFAULT_PROMPT, NULL);
}

static gboolean
prepare (GimpProcedureConfig *config, PmPaint *paint, GError **error)
{
  g_autofree char *model = NULL;
  PmPlace place;

  if (paint->run_mode == GIMP_RUN_NONINTERACTIVE)
    choose_model (config);
  g_object_get (config, "model", &model, NULL);
  pm_arguments_get_look (config, &paint->look);
  place = (PmPlace) { paint->image, paint->drawables, paint->look.target };
  if (! pm_placement_check (&place, error))
    return FALSE;
  paint->model = pm_model_open (model, error);
  if (! paint->model)
    return FALSE;
  paint->request = pm_arguments_get_request (config, paint->model, pm_paint_has_start (paint), error);
  return paint->request && pm_paint_set_inputs (paint, config, error);
}

static GimpValueArray *
generate_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
              GimpProcedureConfig *config, gpointer run_data)
{
  g_auto (PmPaint) paint = { procedure, run_mode, image, drawables };
  GError  *error = NULL;
  PmLaid   laid;
  gboolean done;

  pm_procedure_begin (procedure);
  if (run_mode == GIMP_RUN_WITH_LAST_VALS)
    gimp_ui_init ("pentimento");
  done = run_mode == GIMP_RUN_INTERACTIVE ? pm_generate_dialog_run (config, &paint, &error) : prepare (config, &paint, &error);
  if (! done || ! pm_paint_run (&paint, &laid, &error))
    return pm_procedure_fail (procedure, run_mode, error);
  return pm_paint_finish (&paint, &laid);
}

static GimpProcedure *
generate_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, generate_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "*");
  gimp_procedure_set_sensitivity_mask (procedure, GIMP_PROCEDURE_SENSITIVE_ALWAYS);
  gimp_procedure_set_menu_label (procedure, _("_Generate with Pentimento..."));
  gimp_procedure_add_menu_path (procedure, "<Image>/File/Create");
  gimp_procedure_set_documentation (
      procedure, _("Paint with a diffusion transformer and show its attention as layers"),
      _("Paints a picture of a class with a diffusion transformer on this computer's processor, and "
        "adds one heat-map layer for every chosen reading of its attention, layer, head and step. "
        "Everything needed to run it again is stored in the image."),
      name);
  pm_arguments_declare (procedure);
  pm_paint_declare_values (procedure);
  return procedure;
}

const PmProcedure pm_procedure_generate = { PM_GENERATE_PROCEDURE, generate_create };
