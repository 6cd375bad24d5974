/* How fast this machine multiplies matrices just now: what an estimate of time is based on. */
#include "backend/speed.h"

#define SIDE 768
#define SECONDS 0.05

double
pm_backend_measure_rate (PmBackend *backend)
{
  gsize            n = (gsize) SIDE * SIDE;
  g_autofree float *zeros = g_try_new0 (float, n);
  float            *memory = zeros ? pm_backend_alloc (backend, 2 * n * sizeof (float), NULL) : NULL;
  PmTensor tensor
      = { .name = "speed", .dtype = PM_DTYPE_F32, .rank = 2, .shape = { SIDE, SIDE }, .n_elements = n, .data = zeros };
  PmWeight          weight = { 0 };
  double            best = 0;

  if (! memory || ! pm_backend_prepare (backend, &tensor, &weight, NULL))
    {
      if (memory)
        pm_backend_free (backend, memory);
      return 0;
    }
  pm_backend_upload (backend, memory, zeros, n * sizeof (float));
  PmLinear op = { .M = SIDE, .N = SIDE, .K = SIDE, .x = pm_acts_f32 (memory), .x_stride = SIDE, .w = &weight,
                  .rows_per_item = SIDE, .y = pm_acts_f32 (memory + n), .y_stride = SIDE };
  for (gint64 end = g_get_monotonic_time () + (gint64) (SECONDS * 1e6), start; (start = g_get_monotonic_time ()) < end;)
    {
      pm_backend_linear (backend, &op);
      pm_backend_finish (backend, NULL);
      gint64 taken = MAX (g_get_monotonic_time () - start, 1);
      best = MAX (best, 2e6 * SIDE * n / taken);
    }
  pm_backend_release (backend, &weight);
  pm_backend_free (backend, memory);
  return best;
}
