/* Private to core/attention: order among the values of maps. */
#ifndef PM_MAP_PRIVATE_H
#define PM_MAP_PRIVATE_H

#include "attention/map.h"

/* [n] ascending, what is not finite as 0. Free with g_free. */
double *pm_map_order (const float *values, int n);

/* The same; the last n - *n_kept are sinks. Free with g_free. */
double *pm_map_sort (const float *values, int n, int *n_kept);

/* Percentiles of all values of a group together with sinks left out, linear between the two nearest. Takes memory for a
 * few counters and the sinks, however many maps there are. */
void pm_maps_get_percentiles (GPtrArray *maps, int group, const double *percents, int n_percents, double *out);

#endif
