/* Reading and writing the channels of a PmFeatures in host memory. */
#ifndef PM_FEATURES_H
#define PM_FEATURES_H

#include "backend/backend.h"

/* The first n channels of a pixel, counted row by row. */
void pm_features_read (const PmFeatures *features, gsize pixel, int n, float *to /* [n] */);

/* from may be changed: it serves as scratch. */
void pm_features_write (const PmFeatures *features, gsize pixel, int n, float *from /* [n] */);

/* Bytes of n rows. */
gsize pm_features_bytes (const PmFeatures *features, int n_rows);

/* Lets those of the rows that are mapped and there leave memory. */
void pm_features_release (const PmFeatures *features, gint64 first_row, gint64 n_rows);

#endif
