/* The arguments of plug-in-pentimento-generate: declared once, read into the core's request and into a look. */
#ifndef PM_ARGUMENTS_H
#define PM_ARGUMENTS_H

#include <libgimp/gimp.h>

#include "pentimento.h"

#define PM_GENERATE_PROCEDURE "plug-in-pentimento-generate"

#define PM_VRAM_LIMIT_MAX (1 << 24) /* MiB */

/* Where a word's region comes from, when not from a layer. */
#define PM_REGION_SELECTION "[selection]"
#define PM_REGION_RECORD "[record]"

/* Values of the closed choices; order as declared. */
typedef enum
{
  PM_TARGET_NEW_IMAGE,
  PM_TARGET_CURRENT_IMAGE,
  PM_TARGET_SELECTION,
  PM_TARGET_OVER_LAYER,    /* begins with the layer's pixels */
  PM_TARGET_INTO_SELECTION /* the same, and keeps what is not selected */
} PmTarget;

/* How the result is laid into an image; the request says what is painted and recorded. */
typedef struct
{
  PmPalette     palette;
  GimpLayerMode blend_mode;
  double        opacity; /* percent */
  PmTarget      target;
} PmLook;

void pm_arguments_declare (GimpProcedure *procedure);

/* `target` alone, as other procedures take it. */
void pm_arguments_declare_target (GimpProcedure *procedure);

/* The request that config asks of model; defaults of the model where an argument says so. A seed of -1 is drawn here, so
 * that the request holds the seed really used. has_start: the run will begin with a picture. */
PmRequest *pm_arguments_get_request (GimpProcedureConfig *config, PmModel *model, gboolean has_start, GError **error);

/* The same without touching the model's defaults: which steps "auto" shows in a run of num_steps. Free with g_free. */
char *pm_arguments_auto_steps (int num_steps);

void pm_arguments_get_look (GimpProcedureConfig *config, PmLook *look);

/* Writes a request (of a record) and its look back into the arguments. */
void pm_arguments_set (GimpProcedureConfig *config, const PmRequest *request, const PmLook *look);

/* Ids of blend modes ("soft-light") as declared. */
const char   *pm_blend_mode_id (GimpLayerMode mode);
gboolean      pm_blend_mode_from_id (const char *id, GimpLayerMode *mode);
const char   *pm_target_id (PmTarget target);
int           pm_target_from_id (const char *id); /* -1 when unknown */
const char   *pm_which_id (PmWhich which);

#endif
