/* See device.h. */
#include "backend/device.h"

#include "backend/backend.h"

void
pm_device_free (PmDevice *device)
{
  if (! device)
    return;
  g_free (device->id);
  g_free (device->name);
  g_free (device->problem);
  g_free (device);
}

static gboolean
is_listed (GPtrArray *devices, const char *name)
{
  for (guint i = 0; i < devices->len; i++)
    if (g_ascii_strcasecmp (((PmDevice *) g_ptr_array_index (devices, i))->name, name) == 0)
      return TRUE;
  return FALSE;
}

/* Two cards of one kind have one name. */
static void
make_unique (GPtrArray *devices, PmDevice *device)
{
  g_autofree char *name = g_strdup (device->name);

  for (int n = 2; is_listed (devices, device->name); n++)
    {
      g_free (device->name);
      device->name = g_strdup_printf ("%s (%d)", name, n);
    }
}

GPtrArray *
pm_device_find_all (void)
{
  GPtrArray *devices = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_device_free);

  for (int i = 0; pm_backends[i]; i++)
    {
      const PmBackendClass *klass = pm_backends[i];
      if (klass->is_hidden || (klass->is_available && ! klass->is_available ()) || is_listed (devices, klass->device))
        continue;
      g_autoptr (GPtrArray) found = klass->list ? klass->list () : NULL;
      for (guint j = 0; found && j < found->len; j++)
        {
          PmDevice *device = g_ptr_array_index (found, j);
          make_unique (devices, device);
          g_ptr_array_add (devices, device);
        }
      if (! klass->list)
        {
          PmDevice *device = g_new0 (PmDevice, 1);
          device->id = g_strdup (klass->device);
          device->name = g_strdup (klass->device);
          g_ptr_array_add (devices, device);
        }
    }
  return devices;
}

char **
pm_device_list (void)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GPtrArray)    devices = pm_device_find_all ();

  for (guint i = 0; i < devices->len; i++)
    {
      const PmDevice *device = g_ptr_array_index (devices, i);
      if (! device->problem)
        g_strv_builder_add (builder, device->name);
    }
  return g_strv_builder_end (builder);
}

static int
find_id (const char *const *ids, const char *id)
{
  for (int i = 0; ids[i]; i++)
    if (g_strcmp0 (ids[i], id) == 0)
      return i;
  return -1;
}

static const char *const precisions[] = { "auto", "f32", "bf16", "f16", NULL };
static const char *const shortages[] = { "stream", "cpu", "stop", NULL };

const char *
pm_precision_id (PmPrecision precision)
{
  return precisions[precision];
}

int
pm_precision_from_id (const char *id)
{
  return find_id (precisions, id);
}

const char *
pm_shortage_id (PmShortage shortage)
{
  return shortages[shortage];
}

int
pm_shortage_from_id (const char *id)
{
  return find_id (shortages, id);
}
