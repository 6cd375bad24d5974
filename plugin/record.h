/* Records: JSON in persistent parasites, so that a document holds everything to run it again and to restore its layers. */
#ifndef PM_RECORD_H
#define PM_RECORD_H

#include <libgimp/gimp.h>

#include "plugin/arguments.h"

#define PM_RECORD_PARASITE "pentimento-record"

/* How one heat-map layer is coloured: the filter's properties. */
typedef struct
{
  PmPalette palette;
  double    low, high, gamma;
  gboolean  alpha_from_value;
  double    alpha_strength;
} PmHeatmapLook;

/* The parasite's text; NULL without one. Free with g_free. */
char *pm_record_get_image (GimpImage *image);
char *pm_record_get_item (GimpItem *item);

gboolean pm_record_set_image (GimpImage *image, const char *json);
gboolean pm_record_set_item (GimpItem *item, const char *json);

/* The core's record of a run with the look it was laid into the image with. Free with g_free. */
char *pm_record_of_run (const char *core_record, const PmLook *look);

/* What to run again: the nearest record of a run on the selected layers or their groups, else the image's.
 * PM_ERROR_USAGE when there is none, PM_ERROR_DAMAGED when it cannot be read. look gets defaults for what is missing;
 * text gets the whole record, to be freed with g_free. */
PmRequest *pm_record_find_run (GimpImage *image, GimpDrawable **drawables, PmLook *look, char **text, GError **error);

/* The record of a heat-map layer. baked: its colours are in the pixels. */
char *pm_record_of_map (const PmMap *map, const PmHeatmapLook *look, gboolean baked);

/* Keeps the map's values beside the layer's record, exactly: its pixels are enlarged, clipped and may be painted on. */
gboolean pm_record_set_values (GimpItem *item, const PmMap *map);

/* The map of a heat-map layer with its values, as the model gave them. PM_ERROR_DAMAGED when its record or values cannot be
 * read. */
PmMap *pm_record_read_map (GimpItem *item, GError **error);

/* FALSE for a layer that is no heat map. */
gboolean pm_record_get_map (GimpItem *item, PmHeatmapLook *look, gboolean *baked);

/* Notes in the layer's record how it is coloured now. */
gboolean pm_record_update_map (GimpItem *item, const PmHeatmapLook *look, gboolean baked);

#endif
