/* Maps as named arrays, to be saved as safetensors. */
#ifndef PM_RAW_H
#define PM_RAW_H

#include "attention/map.h"
#include "tensor/bundle.h"

/* Adds for each of maps (of PmMap) its values ID [grid_h, grid_w] and meta:ID [6] = layer, head, step (-1: averaged), noise
 * level x 1000, low and high of the display; all f32. PM_ERROR_MEMORY. */
gboolean pm_maps_to_bundle (GPtrArray *maps, PmBundle *bundle, GError **error);

#endif
