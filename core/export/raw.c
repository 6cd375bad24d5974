/* See raw.h. */
#include "export/raw.h"

#include <string.h>

#define N_META 6

gboolean
pm_maps_to_bundle (GPtrArray *maps, PmBundle *bundle, GError **error)
{
  const gsize meta_shape[] = { N_META };

  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (maps, i);
      const gsize shape[] = { (gsize) map->grid_h, (gsize) map->grid_w };
      const double numbers[N_META] = { map->layer, map->head, map->step, map->time, map->low, map->high };
      g_autofree char *meta_name = g_strconcat ("meta:", map->id, NULL);
      float *values = pm_bundle_add (bundle, map->id, PM_DTYPE_F32, 2, shape, error);
      float *meta = values ? pm_bundle_add (bundle, meta_name, PM_DTYPE_F32, 1, meta_shape, error) : NULL;

      if (! meta)
        return FALSE;
      memcpy (values, map->values, shape[0] * shape[1] * sizeof (float));
      for (int k = 0; k < N_META; k++)
        meta[k] = (float) numbers[k];
    }
  return TRUE;
}
