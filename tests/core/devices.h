/* What there is to test operations on: every backend that computes for itself, and the devices of those that have some. */
#ifndef PM_TEST_DEVICES_H
#define PM_TEST_DEVICES_H

#include "backend/backend.h"
#include "base/random.h"

/* Ids of backends ("cpu", "blas") and of devices that can be used ("cuda:0"); free with g_strfreev. */
char **pm_test_devices (void);

/* Opened for f32 all through; fails the running test when it cannot be. */
PmBackend *pm_test_open (const char *device, int n_threads);

/* Memory of the backend with these n values; and back to the host, the memory being freed. Free with g_free. */
float *pm_test_to_backend (PmBackend *backend, const float *from, gsize n);
float *pm_test_from_backend (PmBackend *backend, float *memory, gsize n);

/* The reference loops and what is compared with them: a fixture whose data is the device's id. Closing it asserts that nothing
 * failed and that no operation was left to the reference. */
typedef struct
{
  PmRandom    random;
  PmBackend  *ref, *backend;
  const char *device; /* the test's to set, or NULL */
} PmTestPair;

void pm_test_pair_open (PmTestPair *pair, gconstpointer device);
void pm_test_pair_close (PmTestPair *pair, gconstpointer device);

/* n normals of the fixture's, times scale, and room for 16 more. Free with g_free. */
float *pm_test_new_normals (PmTestPair *pair, gsize n, float scale);

/* Whether its results could depend on the number of threads, so that several are worth a try. */
gboolean pm_test_has_threads (const char *device);

#endif
