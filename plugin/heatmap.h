/* Heat maps on layers: grey values in the pixels, colours by the filter pentimento:heatmap, or baked. */
#ifndef PM_HEATMAP_H
#define PM_HEATMAP_H

#include <libgimp/gimp.h>

#include "plugin/record.h"

#define PM_HEATMAP_OPERATION "pentimento:heatmap"

/* The filter over the layer; NULL without one. */
GimpDrawableFilter *pm_heatmap_find (GimpDrawable *layer);

/* GIMP limits a filter, and a merge of pixels, to what is selected when it is made. So the selection steps aside first, within
 * the caller's undo group; NULL when nothing was selected. */
GimpChannel *pm_selection_put_aside (GimpImage *image);
void         pm_selection_put_back (GimpImage *image, GimpChannel *saved);

/* FALSE when GIMP does not know the operation; nothing is changed then. The selection must be aside. */
gboolean pm_heatmap_append (GimpDrawable *layer, const PmHeatmapLook *look);

/* How the filter colours the layer now. */
void pm_heatmap_get_look (GimpDrawableFilter *filter, PmHeatmapLook *look);

/* Colours pixels in place. pixels: [n, 4] R'G'B'A with the grey value in R'. */
void pm_heatmap_colour (const PmHeatmapLook *look, gsize n, float *pixels);

/* Writes the colours into the layer's pixels: of the filter when there is one (which goes), else of look.
 * The layer must be in an image; the selection does not limit it. Errors: PM_ERROR_MEMORY, PM_ERROR_FAILED. */
gboolean pm_heatmap_bake (GimpDrawable *layer, const PmHeatmapLook *look, GError **error);

/* All heat-map layers of the image, groups searched too. Free with g_list_free. */
GList *pm_heatmap_list_layers (GimpImage *image);

/* The same of items, NULL-terminated or NULL. */
GList *pm_heatmap_list_items (GimpItem **items);

#endif
