/* plug-in-pentimento-reapply: restores the filter over heat-map layers that lost it, from the layers' records. GIMP drops a
 * filter when it opens a file while the operation is missing. */
#include "plugin/errors.h"
#include "plugin/heatmap.h"
#include "plugin/i18n.h"
#include "plugin/procedures.h"

static gboolean
restore (GList *layers, int *n_restored, GError **error)
{
  for (GList *at = layers; at; at = at->next)
    {
      PmHeatmapLook look;
      gboolean      baked;

      if (! pm_record_get_map (at->data, &look, &baked) || baked || pm_heatmap_find (at->data))
        continue;
      if (! pm_heatmap_append (at->data, &look))
        {
          g_set_error_literal (error, PM_ERROR, PM_ERROR_FAILED,
                               _("GIMP does not know the operation pentimento:heatmap; install Pentimento's GEGL operation and "
                                 "restart GIMP, or use Bake colours."));
          return FALSE;
        }
      (*n_restored)++;
    }
  return TRUE;
}

static GimpValueArray *
reapply_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
             GimpProcedureConfig *config, gpointer run_data)
{
  g_autoptr (GList) layers = NULL;
  GimpValueArray *values;
  GimpChannel    *saved;
  GError  *error = NULL;
  int      n_restored = 0;
  gboolean done;

  pm_procedure_begin (procedure);
  layers = pm_heatmap_list_layers (image);
  gimp_image_undo_group_start (image);
  saved = pm_selection_put_aside (image);
  done = restore (layers, &n_restored, &error);
  pm_selection_put_back (image, saved);
  gimp_image_undo_group_end (image);
  if (! done)
    return pm_procedure_fail (procedure, run_mode, error);

  if (run_mode != GIMP_RUN_NONINTERACTIVE)
    {
      if (n_restored == 0)
        gimp_message (layers ? _("Every heat map in this image still has its colours.")
                             : _("This image has no heat maps of Pentimento."));
      gimp_displays_flush ();
    }
  values = gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
  GIMP_VALUES_SET_INT (values, 1, n_restored);
  return values;
}

static GimpProcedure *
reapply_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, reapply_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "RGB*, GRAY*");
  gimp_procedure_set_sensitivity_mask (procedure,
                                       GIMP_PROCEDURE_SENSITIVE_DRAWABLE | GIMP_PROCEDURE_SENSITIVE_DRAWABLES
                                       | GIMP_PROCEDURE_SENSITIVE_NO_DRAWABLES);
  gimp_procedure_set_menu_label (procedure, _("Re-_apply heat maps"));
  gimp_procedure_add_menu_path (procedure, PM_MENU_FILTERS);
  gimp_procedure_set_documentation (procedure, _("Restore the colours of heat-map layers"),
                                    _("Puts the filter pentimento:heatmap back over heat-map layers that have lost it, with the "
                                      "palette and range of each layer's record."),
                                    name);
  gimp_procedure_add_int_return_value (procedure, "n-restored", _("Restored"), _("Number of layers that got their filter back"),
                                       0, G_MAXINT, 0, G_PARAM_READWRITE);
  return procedure;
}

const PmProcedure pm_procedure_reapply = { "plug-in-pentimento-reapply", reapply_create };
