/* See features.h, and PmFeatures in backend.h. */
#include "backend/features.h"

#include <string.h>

#include "base/spill.h"

void
pm_features_read (const PmFeatures *features, gsize pixel, int n, float *to)
{
  if (features->dtype == PM_DTYPE_F32)
    {
      memcpy (to, (const float *) features->data + pixel * features->stride, sizeof (float) * n);
      return;
    }
  pm_convert_to_f32 ((const guint16 *) features->data + pixel * features->stride, PM_DTYPE_F16, n, to);
  for (int i = 0; i < n; i++)
    to[i] *= PM_FEATURES_UNIT;
}

void
pm_features_write (const PmFeatures *features, gsize pixel, int n, float *from)
{
  if (features->dtype == PM_DTYPE_F32)
    {
      memcpy ((float *) features->data + pixel * features->stride, from, sizeof (float) * n);
      return;
    }
  for (int i = 0; i < n; i++)
    from[i] *= 1 / PM_FEATURES_UNIT;
  pm_convert_f32_to_f16 (from, n, (guint16 *) features->data + pixel * features->stride);
}

gsize
pm_features_bytes (const PmFeatures *features, int n_rows)
{
  return (gsize) n_rows * features->width * features->stride * pm_dtype_size (features->dtype);
}

void
pm_features_release (const PmFeatures *features, gint64 first_row, gint64 n_rows)
{
  gint64 first = CLAMP (first_row, 0, features->height), end = CLAMP (first_row + n_rows, first, features->height);

  if (features->band > 0)
    pm_spill_release ((char *) features->data + pm_features_bytes (features, (int) first),
                      pm_features_bytes (features, (int) (end - first)));
}
