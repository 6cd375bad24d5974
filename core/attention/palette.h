/* Palettes: a number 0..1 to a colour. No dependency at all: the GEGL operation compiles the same file.
 * Ids and values are append-only, because files of GIMP store them. */
#ifndef PM_PALETTE_H
#define PM_PALETTE_H

typedef enum
{
  PM_PALETTE_VIRIDIS = 0,
  PM_PALETTE_MAGMA   = 1,
  PM_PALETTE_INFERNO = 2,
  PM_PALETTE_TURBO   = 3,
  PM_PALETTE_CIVIDIS = 4,
  PM_PALETTE_GREY    = 5,
  PM_N_PALETTES
} PmPalette;

const char *pm_palette_id (PmPalette palette);        /* "viridis" */
int         pm_palette_from_id (const char *id);      /* -1 when unknown */

/* rgb: sRGB-encoded 0..1; value is clipped to 0..1, NaN counts as 0; linear interpolation between 256 entries. */
void pm_palette_lookup (PmPalette palette, float value, float rgb[3]);

/* Display mapping shared by filter, bake and command line: ((value - low) / (high - low)) clipped, then ^ (1 / gamma). */
float pm_palette_scale (float value, float low, float high, float gamma);

#endif
