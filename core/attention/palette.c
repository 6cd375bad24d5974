/* Palettes: from a value to a colour, without any dependency, because the GEGL operation compiles this file too.
 * Source of truth of the colours: palette-tables.h. */
#include "palette.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "palette-tables.h"

static const struct
{
  const char         *id;
  const unsigned int *colours; /* [256] 0xRRGGBB; NULL: grey */
} palettes[PM_N_PALETTES] = {
  [PM_PALETTE_VIRIDIS] = { "viridis", palette_viridis }, [PM_PALETTE_MAGMA] = { "magma", palette_magma },
  [PM_PALETTE_INFERNO] = { "inferno", palette_inferno }, [PM_PALETTE_TURBO] = { "turbo", palette_turbo },
  [PM_PALETTE_CIVIDIS] = { "cividis", palette_cividis }, [PM_PALETTE_GREY] = { "grey", NULL },
};

const char *
pm_palette_id (PmPalette palette)
{
  return (unsigned) palette < PM_N_PALETTES ? palettes[palette].id : NULL;
}

int
pm_palette_from_id (const char *id)
{
  for (int i = 0; id && i < PM_N_PALETTES; i++)
    if (strcmp (palettes[i].id, id) == 0)
      return i;

  return -1;
}

void
pm_palette_lookup (PmPalette palette, float value, float rgb[3])
{
  const unsigned int *colours = (unsigned) palette < PM_N_PALETTES ? palettes[palette].colours : NULL;
  float               at = value > 0.0f ? value : 0.0f; /* false for NaN too */

  at = at < 1.0f ? at : 1.0f;

  if (! colours)
    {
      rgb[0] = rgb[1] = rgb[2] = at;
      return;
    }

  int   index = (int) (at * 255.0f);
  int   next = index < 255 ? index + 1 : 255;
  float part = at * 255.0f - (float) index;

  for (int c = 0; c < 3; c++)
    {
      int   shift = 16 - 8 * c;
      float from = (float) ((colours[index] >> shift) & 0xff);
      float to = (float) ((colours[next] >> shift) & 0xff);

      rgb[c] = (from + (to - from) * part) / 255.0f;
    }
}

float
pm_palette_scale (float value, float low, float high, float gamma)
{
  float range = high - low;
  float part = range > 0.0f ? (value - low) / range : (value > low ? 1.0f : 0.0f);

  part = part > 0.0f ? part : 0.0f; /* NaN becomes 0 */
  part = part < 1.0f ? part : 1.0f;

  return gamma > 0.0f && gamma != 1.0f ? powf (part, 1.0f / gamma) : part;
}
