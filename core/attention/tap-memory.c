/* The memory of a tap, all of it taken before the run: what comes out of a batch is stored without a way to fail. */
#include "attention/tap-private.h"

#include "base/error.h"
#include "base/i18n.h"

static gpointer
own (PmTap *tap, gpointer memory)
{
  g_ptr_array_add (tap->owned, memory);

  return memory;
}

float *
pm_tap_own_floats (PmTap *tap, gsize n, GError **error)
{
  float *memory = g_try_new0 (float, MAX (n, 1));

  if (memory)
    return own (tap, memory);

  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("There is not enough memory to record the maps; choose fewer layers, heads or steps, or average over "
                         "them."));

  return NULL;
}

float *
pm_tap_own_device_floats (PmTap *tap, gsize n, GError **error)
{
  float *memory = pm_backend_alloc (tap->backend, MAX (n, 1) * sizeof (float), error);

  if (memory)
    g_ptr_array_add (tap->device_owned, memory);

  return memory;
}

/* A buffer of the backend with a copy here; nothing for a size of 0. */
static gboolean
allocate_pair (PmTap *tap, gsize n_here, float **here, gsize n_device, float **device, GError **error)
{
  if (n_here == 0)
    return TRUE;

  *here = pm_tap_own_floats (tap, n_here, error);
  if (*here)
    *device = pm_tap_own_device_floats (tap, n_device, error);

  return *here && *device;
}

/* Where each attention's streams go among those that wait, which backends may remember. */
static void
place_streams (PmTap *tap)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            n = 0;

  tap->places = own (tap, g_new0 (gsize, tap->n_sites + 1));
  for (int i = 0; plan->is_whole && i < tap->n_sites; i++)
    if (pm_tap_axis_find (&plan->layers, tap->sites[i].layer) >= 0)
      {
        tap->places[i] = n;
        n += pm_tap_plan_count_streams (plan, &tap->sites[i]);
      }
}

static gboolean
allocate_streams (PmTap *tap, GError **error)
{
  const PmTapSizes *sizes = &tap->plan.sizes;
  PmTapBuffers     *device = &tap->device;
  gsize             items = tap->plan.n_items;

  for (int set = 0; set < 2; set++)
    {
      PmTapWeights *weights = &tap->weights[set];
      gsize         n_query = items * sizes->query_weights[set], n_key = items * sizes->key_weights[set];

      if (! allocate_pair (tap, n_query, &weights->query_weights, n_query, &weights->device_query_weights, error)
          || ! allocate_pair (tap, n_key, &weights->key_weights, n_key, &weights->device_key_weights, error))
        return FALSE;
    }

  place_streams (tap);
  tap->waiting.streams = own (tap, g_new0 (PmTapStream, tap->n_sites + 1));
  tap->fetched.streams = own (tap, g_new0 (PmTapStream, tap->n_sites + 1));

  return allocate_pair (tap, tap->plan.n_sources * sizes->streams, &tap->streams, items * sizes->streams, &device->streams,
                        error);
}

static gboolean
allocate_matrix (PmTap *tap, GError **error)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            size = pm_tap_plan_matrix_size (plan);
  float            share = (float) (1.0 / ((double) plan->matrix_layers.n * plan->matrix_heads.n));

  tap->matrix_sums = own (tap, g_new0 (float *, plan->n_sources + 1));
  tap->head_weights = own (tap, g_new0 (float, plan->n_heads + 1));
  if (! plan->needs_matrix)
    return TRUE;

  for (int i = 0; i < plan->matrix_heads.n; i++)
    tap->head_weights[plan->matrix_heads.numbers[i]] = share;

  for (int i = 0; plan->steps.mean && i < plan->n_sources; i++)
    if (! (tap->matrix_sums[i] = pm_tap_own_floats (tap, size, error)))
      return FALSE;

  if (plan->has_matrix_copy && ! (tap->matrix = pm_tap_own_floats (tap, size, error)))
    return FALSE;

  return (tap->device.matrix = pm_tap_own_device_floats (tap, plan->n_items * size, error)) != NULL;
}

/* Heads that backends are asked to look at: of maps, and of what is carried or averaged. */
static void
choose_heads (PmTap *tap)
{
  const PmTapPlan *plan = &tap->plan;
  int              n_heads = plan->n_heads;

  for (int i = 0; i < tap->n_sites; i++)
    n_heads = MAX (n_heads, tap->sites[i].n_heads);
  tap->is_read = own (tap, g_new0 (bool, n_heads + 1));
  for (int i = 0; i < plan->heads.n; i++)
    tap->is_read[plan->heads.numbers[i]] = true;
  for (int i = 0; i < plan->matrix_heads.n; i++)
    tap->is_read[plan->matrix_heads.numbers[i]] = true;
}

gboolean
pm_tap_allocate (PmTap *tap, GError **error)
{
  const PmTapPlan *plan = &tap->plan;
  int              n_step_slots = plan->steps.n_slots + 1;

  tap->n_added = own (tap, g_new0 (int, PM_TAP_N_KINDS *n_step_slots *(plan->layers.n_slots + 1)));
  tap->n_added_steps = own (tap, g_new0 (int, n_step_slots));
  tap->time_sums = own (tap, g_new0 (double, n_step_slots));
  tap->has_solved = own (tap, g_new0 (gboolean, n_step_slots));
  tap->map = own (tap, g_new0 (double, plan->N + 1));
  tap->composed = own (tap, g_new0 (float, plan->N + 1));
  tap->waiting.sources = own (tap, g_new0 (PmTapSource, plan->n_sources + 1));
  tap->fetched.sources = own (tap, g_new0 (PmTapSource, plan->n_sources + 1));
  tap->is_source = own (tap, g_new0 (bool, plan->n_items + 1));
  choose_heads (tap);

  tap->carried = own (tap, g_new0 (float, plan->sizes.carried + 1));
  tap->store = pm_tap_store_new (plan->storage, plan->steps.n_slots, plan->n_rows, plan->N, error);

  return tap->store && allocate_matrix (tap, error) && allocate_streams (tap, error);
}

float *
pm_tap_get_values (PmTap *tap, int reading, int step_slot, int layer_slot, int item_slot, gboolean for_writing)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            slot_size = pm_tap_plan_slot_size (plan, plan->readings[reading].reduction);

  return pm_tap_store_open (tap->store, step_slot, for_writing) + plan->readings[reading].offset + layer_slot * slot_size
         + item_slot * (slot_size / plan->n_item_slots);
}
