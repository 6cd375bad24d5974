/* plug-in-pentimento-run-again: the run that the record in the image describes. Interactive, the dialog opens with its
 * arguments; from a script it is repeated exactly, and `target` says where the result goes. */
#include "plugin/arguments.h"
#include "plugin/errors.h"
#include "plugin/generate-dialog.h"
#include "plugin/i18n.h"
#include "plugin/paint.h"
#include "plugin/procedures.h"
#include "plugin/record.h"
#include "plugin/start.h"

#include <libgimp/gimpui.h>

static gboolean
edit (PmPaint *paint, PmRequest *recorded, GError **error)
{
  g_autoptr (GimpProcedure) generate = pm_procedure_generate.create (gimp_procedure_get_plug_in (paint->procedure),
                                                                     PM_GENERATE_PROCEDURE);
  g_autoptr (GimpProcedureConfig) config = gimp_procedure_create_config (generate);
  GimpProcedure *own = paint->procedure;
  gboolean ok;

  pm_arguments_set (config, recorded, &paint->look);
  paint->procedure = generate;
  ok = pm_generate_dialog_run (config, paint, error);
  paint->procedure = own;
  return ok;
}

static gboolean
repeat (PmPaint *paint, PmRequest *recorded, GError **error)
{
  paint->request = pm_request_copy (recorded);
  paint->model = pm_model_open (recorded->model, error);
  return paint->model && pm_start_take (paint->image, paint->request, error);
}

static GimpValueArray *
run_again_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
               GimpProcedureConfig *config, gpointer run_data)
{
  g_auto (PmPaint) paint = { procedure, run_mode, image, drawables };
  g_autoptr (PmRequest) recorded = NULL;
  g_autofree char *record = NULL;
  GError  *error = NULL;
  PmLaid   laid;
  gboolean done;

  pm_procedure_begin (procedure);
  if (run_mode != GIMP_RUN_NONINTERACTIVE)
    gimp_ui_init ("pentimento");

  recorded = pm_record_find_run (image, drawables, &paint.look, &record, &error);
  if (! recorded)
    return pm_procedure_fail (procedure, run_mode, error);

  paint.recorded = recorded;
  paint.record = record;
  paint.look.target = gimp_procedure_config_get_choice_id (config, "target");
  done = run_mode == GIMP_RUN_INTERACTIVE ? edit (&paint, recorded, &error) : repeat (&paint, recorded, &error);
  if (! done || ! pm_paint_run (&paint, &laid, &error))
    return pm_procedure_fail (procedure, run_mode, error);
  return pm_paint_finish (&paint, &laid);
}

static GimpProcedure *
run_again_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, run_again_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "*");
  gimp_procedure_set_sensitivity_mask (procedure,
                                       GIMP_PROCEDURE_SENSITIVE_DRAWABLE | GIMP_PROCEDURE_SENSITIVE_DRAWABLES
                                       | GIMP_PROCEDURE_SENSITIVE_NO_DRAWABLES);
  gimp_procedure_set_menu_label (procedure, _("_Run again..."));
  gimp_procedure_add_menu_path (procedure, PM_MENU_FILTERS);
  gimp_procedure_set_documentation (procedure, _("Repeat the run that painted this image"),
                                    _("Reads the record of the selected layer or of the image and paints it again: the same "
                                      "model, class, seed and readings, or others after a look at the dialog."),
                                    name);
  pm_arguments_declare_target (procedure);
  pm_paint_declare_values (procedure);
  return procedure;
}

const PmProcedure pm_procedure_run_again = { "plug-in-pentimento-run-again", run_again_create };
