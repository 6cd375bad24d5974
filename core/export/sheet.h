/* The comparison sheet: maps in rows and columns with titles, a colour bar for each scale, and the picture first, as papers
 * print them. */
#ifndef PM_SHEET_H
#define PM_SHEET_H

#include "attention/map.h"
#include "attention/palette.h"
#include "base/job.h"
#include "export/bitmap.h"

/* What stands side by side, as columns. */
typedef enum
{
  PM_SHEET_AUTO, /* heads if there are several, else steps, else layers */
  PM_SHEET_LAYERS,
  PM_SHEET_STEPS,
  PM_SHEET_HEADS
} PmSheetBy;

typedef struct
{
  PmSheetBy    by;
  PmPalette    palette;
  gboolean     is_frame; /* of an animation over steps: in the palette's colours alone (its darkest is the paper, its lightest
                          * the ink), and of one size for every step, so steps are named by the title only */
  const char  *title;    /* above all; NULL: none */
  const float *picture;  /* [picture_height, picture_width, 3] 0..1; NULL: none */
  int          picture_width, picture_height;
  int          cell;     /* pixels of a map's longer side; 0: by their number */
} PmSheetOptions;

/* -1 when unknown: "layers", "steps", "heads", "auto". */
int pm_sheet_by_from_id (const char *id);

/* maps: of PmMap, scaled (pm_maps_scale). PM_ERROR_USAGE when there are none or the sheet would be too large. */
PmBitmap *pm_sheet_draw (GPtrArray *maps, const PmSheetOptions *options, PmJob *job, GError **error);

/* The 256 colours of a palette, exactly those that maps on a sheet have. */
void pm_sheet_get_colours (PmPalette palette, guint8 colours[256][3]);

#endif
