/* How fast a backend multiplies just now. */
#ifndef PM_SPEED_H
#define PM_SPEED_H

#include "backend/backend.h"

/* Multiplications and additions per second of f32 products, measured for about 0.05 s; 0 when memory is short. */
double pm_backend_measure_rate (PmBackend *backend);

#endif
