/* How fast this machine multiplies matrices just now: what an estimate of time is based on. */
#include "backend/speed.h"

#define SIDE 768       /* of a processor's */
#define MOST_SIDE 4096 /* of a GPU's, which smaller ones do not keep busy */
#define SECONDS 0.05

/* Products per second of [side, side], zeros in the type that the backend likes; 0 when memory is short. */
static double
measure_side (PmBackend *backend, int side)
{
  PmDtype          acts = pm_backend_get_activation_dtype (backend);
  gsize            n = (gsize) side * side, n_bytes = n * pm_dtype_size (acts);
  g_autofree float *zeros = g_try_new0 (float, n);
  char            *memory = zeros ? pm_backend_alloc (backend, 2 * n_bytes, NULL) : NULL;
  PmTensor tensor
      = { .name = "speed", .dtype = PM_DTYPE_F32, .rank = 2, .shape = { side, side }, .n_elements = n, .data = zeros };
  PmWeight         weight = { 0 };
  double           best = 0;

  if (! memory || ! pm_backend_prepare (backend, &tensor, &weight, NULL))
    {
      if (memory)
        pm_backend_free (backend, memory);
      return 0;
    }
  pm_backend_upload (backend, memory, zeros, n_bytes);
  PmLinear op = { .M = side, .N = side, .K = side, .x = { memory, acts }, .x_stride = side, .w = &weight,
                  .rows_per_item = side, .y = { memory + n_bytes, acts }, .y_stride = side };
  for (gint64 end = g_get_monotonic_time () + (gint64) (SECONDS * 1e6), start; (start = g_get_monotonic_time ()) < end;)
    {
      pm_backend_linear (backend, &op);
      pm_backend_finish (backend, NULL);
      gint64 taken = MAX (g_get_monotonic_time () - start, 1);
      best = MAX (best, 1e6 / taken);
    }
  pm_backend_release (backend, &weight);
  pm_backend_free (backend, memory);
  return best;
}

double
pm_backend_measure_rate (PmBackend *backend)
{
  gboolean is_own = pm_backend_get_class (backend)->alloc != NULL;
  int      side = is_own ? SIDE / 6 : SIDE;
  double   per_second = measure_side (backend, side);

  while (is_own && side * 2 <= MOST_SIDE && per_second > 20 / SECONDS)
    per_second = measure_side (backend, side *= 2);
  return 2.0 * side * side * side * per_second;
}
