/* plug-in-pentimento-bake: writes the colours of heat maps into their pixels and drops the filter, for sharing the image
 * with a GIMP that does not know the operation, or with other programs. */
#include "plugin/errors.h"
#include "plugin/heatmap.h"
#include "plugin/i18n.h"
#include "plugin/procedures.h"

static gboolean
bake_all (GList *layers, int *n_baked, GError **error)
{
  for (GList *at = layers; at; at = at->next)
    {
      GimpDrawableFilter *filter = pm_heatmap_find (at->data);
      PmHeatmapLook look;
      gboolean      baked;

      if (! pm_record_get_map (at->data, &look, &baked) || baked)
        continue;
      if (filter)
        pm_heatmap_get_look (filter, &look);
      if (! pm_heatmap_bake (at->data, &look, error))
        return FALSE;
      pm_record_update_map (at->data, &look, TRUE);
      (*n_baked)++;
    }
  return TRUE;
}

static GimpValueArray *
bake_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
          GimpProcedureConfig *config, gpointer run_data)
{
  g_autoptr (GList) layers = NULL;
  GimpValueArray *values;
  GError  *error = NULL;
  int      n_baked = 0;
  gboolean done;

  pm_procedure_begin (procedure);
  layers = pm_heatmap_list_layers (image);
  gimp_image_undo_group_start (image);
  done = bake_all (layers, &n_baked, &error);
  gimp_image_undo_group_end (image);
  if (! done)
    return pm_procedure_fail (procedure, run_mode, error);

  if (run_mode != GIMP_RUN_NONINTERACTIVE)
    {
      if (n_baked == 0)
        gimp_message (layers ? _("The colours of every heat map in this image are baked already.")
                             : _("This image has no heat maps of Pentimento."));
      gimp_displays_flush ();
    }
  values = gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
  GIMP_VALUES_SET_INT (values, 1, n_baked);
  return values;
}

static GimpProcedure *
bake_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, bake_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "RGB*, GRAY*");
  gimp_procedure_set_sensitivity_mask (procedure,
                                       GIMP_PROCEDURE_SENSITIVE_DRAWABLE | GIMP_PROCEDURE_SENSITIVE_DRAWABLES
                                       | GIMP_PROCEDURE_SENSITIVE_NO_DRAWABLES);
  gimp_procedure_set_menu_label (procedure, _("_Bake colours"));
  gimp_procedure_add_menu_path (procedure, PM_MENU_FILTERS);
  gimp_procedure_set_documentation (procedure, _("Write the colours of heat maps into their pixels"),
                                    _("Turns every heat-map layer into plain colours and removes its filter. The values behind "
                                      "the colours are lost; keep a copy to change the palette later."),
                                    name);
  gimp_procedure_add_int_return_value (procedure, "n-baked", _("Baked"), _("Number of layers that were baked"), 0, G_MAXINT, 0,
                                       G_PARAM_READWRITE);
  return procedure;
}

const PmProcedure pm_procedure_bake = { "plug-in-pentimento-bake", bake_create };
