/* What there is to test operations on: every backend that computes for itself, and the devices of those that have some. */
#ifndef PM_TEST_DEVICES_H
#define PM_TEST_DEVICES_H

#include "backend/backend.h"

/* Ids of backends ("cpu", "blas") and of devices that can be used ("cuda:0"); free with g_strfreev. */
char **pm_test_devices (void);

/* Opened for f32 all through; fails the running test when it cannot be. */
PmBackend *pm_test_open (const char *device, int n_threads);

/* Memory of the backend with these n values; and back to the host, the memory being freed. Free with g_free. */
float *pm_test_to_backend (PmBackend *backend, const float *from, gsize n);
float *pm_test_from_backend (PmBackend *backend, float *memory, gsize n);

/* Whether its results could depend on the number of threads, so that several are worth a try. */
gboolean pm_test_has_threads (const char *device);

#endif
