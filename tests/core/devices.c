/* See devices.h. */
#include "devices.h"

#include <string.h>

static void
add_devices (GStrvBuilder *names, const PmBackendClass *klass)
{
  g_autoptr (GPtrArray) devices = klass->list ();

  for (guint i = 0; i < devices->len; i++)
    {
      PmDevice *device = g_ptr_array_index (devices, i);
      if (! device->problem)
        g_strv_builder_add (names, device->id);
      pm_device_free (device);
    }
}

char **
pm_test_devices (void)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (int i = 0; pm_backends[i]; i++)
    if (pm_backends[i]->list)
      add_devices (names, pm_backends[i]);
    else if (! pm_backends[i]->is_hidden && (! pm_backends[i]->is_available || pm_backends[i]->is_available ()))
      g_strv_builder_add (names, pm_backends[i]->id);
  return g_strv_builder_end (names);
}

PmBackend *
pm_test_open (const char *device, int n_threads)
{
  g_autoptr (GError) error = NULL;
  PmBackendOptions   options = { .n_threads = n_threads, .precision = PM_PRECISION_F32 };
  PmBackend         *backend = pm_backend_open_with (device, &options, &error);

  g_assert_no_error (error);
  return backend;
}

gboolean
pm_test_has_threads (const char *device)
{
  return ! strchr (device, ':');
}

float *
pm_test_to_backend (PmBackend *backend, const float *from, gsize n)
{
  g_autoptr (GError) error = NULL;
  float             *memory = pm_backend_alloc (backend, n * sizeof (float), &error);
  g_assert_no_error (error);
  pm_backend_upload (backend, memory, from, n * sizeof (float));
  return memory;
}

float *
pm_test_from_backend (PmBackend *backend, float *memory, gsize n)
{
  float *values = g_new (float, n);
  pm_backend_download (backend, values, memory, n * sizeof (float));
  pm_backend_free (backend, memory);
  return values;
}

void
pm_test_pair_open (PmTestPair *pair, gconstpointer device)
{
  pm_random_init (&pair->random, 11);
  pair->ref = pm_test_open ("ref", 1);
  pair->backend = pm_test_open (device, 2);
}

void
pm_test_pair_close (PmTestPair *pair, gconstpointer device)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv)     fallbacks = pm_backend_get_fallbacks (pair->backend);
  g_assert_true (pm_backend_finish (pair->backend, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
  pm_backend_close (pair->ref);
  pm_backend_close (pair->backend);
}

float *
pm_test_new_normals (PmTestPair *pair, gsize n, float scale)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (&pair->random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= scale;
  return values;
}
