/* An animation over the steps of a run: one frame a step, all its maps in rows and columns. GIF89a, in the palette's own 256
 * colours, so that nothing is lost. */
#ifndef PM_GIF_H
#define PM_GIF_H

#include "export/sheet.h"

/* options: `by`, `palette` and `cell` count. maps: of PmMap, scaled. PM_ERROR_USAGE unless there are maps of two steps. */
GBytes *pm_maps_to_gif (GPtrArray *maps, const PmSheetOptions *options, PmJob *job, GError **error);

/* Appends indices [n] as GIF's variable-length LZW, in blocks of up to 255 bytes with the closing empty one. */
void pm_gif_append_lzw (GByteArray *file, const guint8 *indices, gsize n);

#endif
