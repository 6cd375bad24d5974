/* What there is to test operations on: every backend that computes for itself, and the devices of those that have some. */
#ifndef PM_TEST_DEVICES_H
#define PM_TEST_DEVICES_H

#include "backend/backend.h"

/* Ids of backends ("cpu", "blas") and of devices that can be used ("cuda:0"); free with g_strfreev. */
char **pm_test_devices (void);

/* Opened for f32 all through; fails the running test when it cannot be. */
PmBackend *pm_test_open (const char *device, int n_threads);

/* Whether its results could depend on the number of threads, so that several are worth a try. */
gboolean pm_test_has_threads (const char *device);

#endif
