/* A map as a NumPy array file (numpy.org, "numpy.lib.format", version 1.0): [grid_h, grid_w] f32. */
#ifndef PM_NPY_H
#define PM_NPY_H

#include "attention/map.h"

GBytes *pm_map_to_npy (const PmMap *map);

#endif
