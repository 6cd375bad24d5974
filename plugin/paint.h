/* One run of the plug-in, from the arguments to the layers; the dialog, a script and Run again meet here. */
#ifndef PM_PAINT_H
#define PM_PAINT_H

#include <libgimp/gimp.h>

#include "plugin/arguments.h"
#include "plugin/layers.h"

typedef struct
{
  GimpProcedure *procedure;
  GimpRunMode    run_mode;
  GimpImage     *image;      /* borrowed; may be NULL */
  GimpDrawable **drawables;  /* borrowed */
  PmModel       *model;      /* owned */
  PmRequest     *request;    /* owned */
  PmLook         look;
  PmPlacement    placement;  /* where the picture will lie, as it was when the run was estimated */
  char          *told;       /* owned: what was changed or is not looked at of what was asked for; NULL: nothing */
  const PmRequest *recorded; /* borrowed: the run to run again; NULL for a new one */
  const char      *record;   /* borrowed: the text it was read from */
} PmPaint;

void pm_paint_clear (PmPaint *paint);

/* When running again: takes from the record what the arguments in config cannot say, a seed above their range. */
void pm_paint_keep_hidden (PmPaint *paint, GimpProcedureConfig *config);

/* Whether the run begins with a picture: its look's target says so, or the record of the run to run again. */
gboolean pm_paint_has_start (const PmPaint *paint);

/* Sets what the run takes from the image: regions of words that config asks for; the region where a reading needs one, from the
 * selection, else from the record; and what it begins with, from the layer where the target says so, else from the record.
 * PM_ERROR_USAGE when it is not there. */
gboolean pm_paint_set_inputs (PmPaint *paint, GimpProcedureConfig *config, GError **error);

/* What the run would take, as the dialog shows it; free with g_free. NULL with the error that would stop the run. */
char *pm_paint_describe (PmPaint *paint, int *n_maps, GError **error);

/* Checks, asks where many layers would come, paints and lays the layers. */
gboolean pm_paint_run (PmPaint *paint, PmLaid *laid, GError **error);

/* The procedure's values for laid: image, layer, group. Shows the new image when interactive. */
GimpValueArray *pm_paint_finish (PmPaint *paint, const PmLaid *laid);

/* Declares the values that pm_paint_finish() returns. */
void pm_paint_declare_values (GimpProcedure *procedure);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PmPaint, pm_paint_clear)

#endif
