/* The tap at work: hands out what to stream from each attention, and keeps what came. Averaged matrices are settled in
 * tap-matrix.c, maps are made in tap-maps.c. Sums run over steps, layers and heads in their order, whatever the number of
 * threads. Letters: B items of a batch, H heads, N picture tokens, Tq queries, Tk keys. */
#include "attention/tap-private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

PmTap *
pm_tap_new (const PmShow *show, const PmTapOptions *options, GError **error)
{
  g_autoptr (PmTap) tap = g_new0 (PmTap, 1);

  tap->backend = options->backend;
  tap->owned = g_ptr_array_new_with_free_func (g_free);
  tap->device_owned = g_ptr_array_new ();
  tap->step = tap->step_slot = -1;
  tap->sites = g_memdup2 (options->sites, options->n_sites * sizeof (PmSite));
  tap->n_sites = options->n_sites;
  tap->n_layers = pm_site_count_layers (options->sites, options->n_sites);
  tap->times = g_memdup2 (options->times, options->n_steps * sizeof (double));
  tap->n_steps = options->n_steps;

  if (! pm_tap_plan_resolve (&tap->plan, show, options, error) || ! pm_tap_plan_fit (&tap->plan, options->budget, error))
    return NULL;

  if (options->region && tap->plan.N)
    {
      tap->region_items = options->region_items;
      tap->region = g_memdup2 (options->region, (gsize) options->region_items * tap->plan.N * sizeof (float));
    }

  return pm_tap_allocate (tap, error) ? g_steal_pointer (&tap) : NULL;
}

void
pm_tap_free (PmTap *tap)
{
  if (! tap)
    return;

  for (guint i = 0; i < tap->device_owned->len; i++)
    pm_backend_free (tap->backend, g_ptr_array_index (tap->device_owned, i));

  g_ptr_array_unref (tap->device_owned);
  g_ptr_array_unref (tap->owned);
  pm_tap_store_free (tap->store);
  g_free (tap->sites);
  g_free (tap->times);
  g_free (tap->region);
  g_clear_error (&tap->failure);
  pm_tap_plan_clear (&tap->plan);
  g_free (tap);
}

PmReductionPlace
pm_tap_get_place (PmTap *tap, const PmSite *site, int item)
{
  gsize offset = tap->region_items > 1 ? (gsize) item * tap->plan.N : 0;

  return (PmReductionPlace) { .site = site,
                              .queries = pm_site_find_query_span (site, PM_ROLE_PICTURE),
                              .keys = pm_site_find_key_span (site, PM_ROLE_PICTURE),
                              .region = tap->region ? tap->region + offset : NULL,
                              .pool = pm_backend_get_pool (tap->backend) };
}

/* The first item of the conditional half, or of the other; -1: none. */
static int
find_item (const PmItemTag *tags, int n_items, gboolean is_condition)
{
  for (int i = 0; i < n_items; i++)
    if ((tags[i] == PM_ITEM_CONDITION) == is_condition)
      return i;

  return -1;
}

/* Which items of the batch are kept. A batch without a condition is its own: a run without a class. */
static void
choose_sources (PmTap *tap, const PmItemTag *tags, int n_items)
{
  int condition = find_item (tags, n_items, TRUE), other = find_item (tags, n_items, FALSE);

  tap->n_sources = 0;

  if (tap->plan.keep_all_items)
    for (int i = 0; i < n_items; i++)
      tap->sources[tap->n_sources++] = (PmTapSource) { i, i, 1.0f };
  else if (tap->plan.which == PM_WHICH_CONDITION)
    tap->sources[tap->n_sources++] = (PmTapSource) { MAX (condition, 0), 0, 1.0f };
  else if (tap->plan.which == PM_WHICH_NULL && other >= 0)
    tap->sources[tap->n_sources++] = (PmTapSource) { other, 0, 1.0f };
  else if (tap->plan.which == PM_WHICH_DIFFERENCE && condition >= 0 && other >= 0)
    {
      tap->sources[tap->n_sources++] = (PmTapSource) { condition, 0, 1.0f };
      tap->sources[tap->n_sources++] = (PmTapSource) { other, 0, -1.0f };
    }
}

/* Forgets what the slot of a step holds from an earlier batch of the same step. */
static void
clear_step (PmTap *tap, int slot)
{
  const PmTapPlan *plan = &tap->plan;

  memset (tap->n_added + slot * plan->layers.n_slots, 0, plan->layers.n_slots * sizeof (int));
  tap->n_added_steps[slot] = 0;
  tap->time_sums[slot] = 0.0;
  tap->has_solved[slot] = FALSE;

  memset (pm_tap_store_open (tap->store, slot, TRUE), 0, plan->n_rows * plan->N * sizeof (float));
}

void
pm_tap_begin_step (PmTap *tap, int step, const PmItemTag *tags, int n_items)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            size = (gsize) plan->n_queries * plan->n_keys;

  g_assert (step >= 0 && step < tap->n_steps && n_items >= 1 && n_items <= plan->n_items);

  pm_tap_settle (tap, pm_backend_get_job (tap->backend));

  tap->step = step;
  tap->n_items = n_items;
  tap->step_slot = plan->n_readings ? pm_tap_axis_slot (&plan->steps, step) : -1;
  if (tap->step_slot < 0)
    return;

  if (plan->n_carried_layers)
    tap->weighed = NULL; /* what is carried begins anew */
  choose_sources (tap, tags, n_items);
  if (! plan->steps.mean)
    clear_step (tap, tap->step_slot);

  if (tap->n_sources)
    {
      tap->n_added_steps[tap->step_slot]++;
      tap->time_sums[tap->step_slot] += tap->times[step];
    }

  if (plan->needs_matrix)
    {
      if (tap->matrix)
        memset (tap->matrix, 0, size * sizeof (float));
      else
        memset (tap->device.matrix, 0, n_items * size * sizeof (float));
      for (int i = 0; tap->matrix && i < n_items; i++)
        pm_backend_upload (tap->backend, tap->device.matrix + i * size, tap->matrix, size * sizeof (float));
    }
}

static void
upload_key_weights (PmTap *tap, const PmSite *site)
{
  gsize n = (gsize) tap->plan.n_items * tap->plan.n_key_weights * site->n_keys;

  if (n)
    pm_backend_upload (tap->backend, tap->device.key_weights, tap->key_weights, n * sizeof (float));
}

gboolean
pm_tap_records_step (const PmTap *tap, int step)
{
  return tap->plan.n_readings > 0 && pm_tap_axis_slot (&tap->plan.steps, step) >= 0;
}

/* Fills the weights of all readings for this site and sends them to the backend. */
static void
weigh (PmTap *tap, const PmSite *site)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            n_query_weights = (gsize) plan->n_query_weights * site->n_queries;
  gsize            n_key_weights = (gsize) plan->n_key_weights * site->n_keys;

  if (n_query_weights)
    memset (tap->query_weights, 0, plan->n_items * n_query_weights * sizeof (float));
  if (n_key_weights)
    memset (tap->key_weights, 0, plan->n_items * n_key_weights * sizeof (float));

  for (int item = 0; item < plan->n_items; item++)
    for (int r = 0; r < plan->n_readings; r++)
      {
        const PmTapReading *reading = &plan->readings[r];
        PmReductionPlace    place = pm_tap_get_place (tap, site, item);
        float              *query_row = NULL, *key_row = NULL;

        if (n_query_weights)
          query_row = tap->query_weights + item * n_query_weights + (gsize) reading->query_row * site->n_queries;
        if (n_key_weights)
          key_row = tap->key_weights + item * n_key_weights + (gsize) reading->key_row * site->n_keys;
        if (reading->reduction->weigh)
          reading->reduction->weigh (&place, query_row, key_row);
      }

  if (n_query_weights)
    pm_backend_upload (tap->backend, tap->device.query_weights, tap->query_weights,
                       plan->n_items * n_query_weights * sizeof (float));
  upload_key_weights (tap, site);
}

/* Of a layer that is not chosen, only what is carried through it. */
static gboolean
wants_streams (const PmTap *tap, const PmSite *site)
{
  return site->kind != PM_SITE_CROSS && tap->step_slot >= 0 && tap->n_sources > 0
         && (pm_tap_axis_find (&tap->plan.layers, site->layer) >= 0 || site->layer < tap->plan.n_carried_layers)
         && (tap->query_sums || tap->key_sums || tap->entropy);
}

static gboolean
wants_matrix (const PmTap *tap, const PmSite *site)
{
  return site->kind != PM_SITE_CROSS && tap->step_slot >= 0 && tap->n_sources > 0 && tap->plan.needs_matrix
         && pm_tap_axis_find (&tap->plan.matrix_layers, site->layer) >= 0;
}

static void
want_streams (PmTap *tap, const PmSite *site)
{
  const PmTapPlan *plan = &tap->plan;

  if (! tap->weighed || ! pm_site_has_same_tokens (tap->weighed, site))
    weigh (tap, site);
  else if (site->layer < plan->n_carried_layers)
    upload_key_weights (tap, site);
  tap->weighed = &tap->sites[site->layer];

  tap->reduce.n_key_weights = plan->n_key_weights;
  tap->reduce.key_weights = tap->device.key_weights;
  tap->reduce.key_sums = tap->device.key_sums;

  if (pm_tap_axis_find (&plan->layers, site->layer) < 0)
    return;

  tap->reduce.n_query_weights = plan->n_query_weights;
  tap->reduce.query_weights = tap->device.query_weights;
  tap->reduce.query_sums = tap->device.query_sums;
  tap->reduce.entropy = tap->device.entropy;
}

/* The probe of the site's kind when it is at that layer; NULL else. */
static PmTapProbe *
find_probe (PmTap *tap, const PmSite *site)
{
  PmTapProbe *probe = &tap->probes[site->kind == PM_SITE_CROSS ? 1 : 0];

  return tap->step >= 0 && probe->site && probe->site->layer == site->layer ? probe : NULL;
}

const PmReduce *
pm_tap_want (PmTap *tap, const PmSite *site)
{
  gboolean          has_streams, has_matrix;
  const PmTapProbe *probe = find_probe (tap, site);

  g_assert (site->layer >= 0 && site->layer < tap->n_layers);

  has_streams = wants_streams (tap, site);
  has_matrix = wants_matrix (tap, site);
  tap->reduce = (PmReduce) { 0 };

  if (has_streams)
    want_streams (tap, site);

  if (has_matrix)
    {
      tap->reduce.head_weights = tap->head_weights;
      tap->reduce.matrix = tap->device.matrix;
    }

  if (probe)
    {
      tap->reduce.n_rows = site->n_queries;
      tap->reduce.rows = probe->rows;
      tap->reduce.row_probs = probe->probs;
    }

  return has_streams || has_matrix || probe ? &tap->reduce : NULL;
}

static void
download_item (PmTap *tap, const PmSite *site, int item)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            n_query_sums = (gsize) site->n_heads * plan->n_query_weights * site->n_keys;
  gsize            n_key_sums = (gsize) site->n_heads * plan->n_key_weights * site->n_queries;
  gsize            n_entropy = (gsize) site->n_heads * site->n_queries;

  if (tap->reduce.query_sums)
    pm_backend_download (tap->backend, tap->query_sums, tap->device.query_sums + item * n_query_sums,
                         n_query_sums * sizeof (float));
  if (tap->key_sums)
    pm_backend_download (tap->backend, tap->key_sums, tap->device.key_sums + item * n_key_sums, n_key_sums * sizeof (float));
  if (tap->reduce.entropy)
    pm_backend_download (tap->backend, tap->entropy, tap->device.entropy + item * n_entropy, n_entropy * sizeof (float));
}

/* The map of one reading, item and head into tap->composed. */
static void
compose (PmTap *tap, const PmTapReading *reading, const PmSite *site, int item, int head)
{
  const PmTapPlan *plan = &tap->plan;
  PmReductionPlace place = pm_tap_get_place (tap, site, item);
  gsize            query_row = (gsize) head * plan->n_query_weights + reading->query_row;
  gsize            key_row = (gsize) head * plan->n_key_weights + reading->key_row;

  reading->reduction->compose (&place, tap->query_sums ? tap->query_sums + query_row * site->n_keys : NULL,
                               tap->key_sums ? tap->key_sums + key_row * site->n_queries : NULL,
                               tap->entropy ? tap->entropy + (gsize) head * site->n_queries : NULL, tap->composed);
}

/* Adds the maps of one reading of a downloaded item to their slots: one a chosen head, or their mean. */
static void
keep_heads (PmTap *tap, const PmTapReading *reading, const PmSite *site, const PmTapSource *source, float *values)
{
  const PmTapPlan *plan = &tap->plan;

  memset (tap->map, 0, plan->N * sizeof (double));

  for (int h = 0; h < plan->heads.n; h++)
    {
      compose (tap, reading, site, source->item, plan->heads.numbers[h]);
      for (int i = 0; i < plan->N; i++)
        if (plan->heads.mean)
          tap->map[i] += tap->composed[i];
        else
          values[(gsize) h * plan->N + i] += source->sign * tap->composed[i];
    }

  for (int i = 0; plan->heads.mean && i < plan->N; i++)
    values[i] += (float) (source->sign * tap->map[i] / plan->heads.n);
}

/* The key weights of a reading that is carried, on to the next layer; values NULL: the layer's map is not kept. */
static void
carry (PmTap *tap, const PmTapReading *reading, const PmSite *site, const PmTapSource *source, float *values)
{
  const PmTapPlan *plan = &tap->plan;
  PmReductionPlace place = pm_tap_get_place (tap, site, source->item);
  gsize            n_tokens = (gsize) site->n_keys, n = reading->reduction->n_key_weights * n_tokens;
  float           *weights = tap->key_weights + (source->item * (gsize) plan->n_key_weights + reading->key_row) * n_tokens;

  for (gsize i = 0; i < n; i++)
    {
      double sum = 0.0;

      for (int h = 0; h < plan->matrix_heads.n; h++)
        sum += tap->key_sums[((gsize) plan->matrix_heads.numbers[h] * plan->n_key_weights + reading->key_row) * n_tokens + i];
      tap->carried[i] = (float) (sum / plan->matrix_heads.n);
    }
  reading->reduction->carry (&place, tap->carried, weights);

  if (! values)
    return;

  reading->reduction->compose (&place, NULL, weights, NULL, tap->composed);
  for (int i = 0; i < plan->N; i++)
    values[i] += source->sign * tap->composed[i];
}

/* layer_slot -1: the layer is only passed by what is carried. */
static void
keep_item (PmTap *tap, const PmSite *site, int layer_slot, const PmTapSource *source)
{
  const PmTapPlan *plan = &tap->plan;

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmTapReading *reading = &plan->readings[r];
      float              *values = NULL;

      if (layer_slot >= 0 && ! reading->reduction->is_matrix)
        values = pm_tap_get_values (tap, r, tap->step_slot, layer_slot, source->slot, TRUE);
      if (reading->reduction->is_carried && site->layer < plan->n_carried_layers)
        carry (tap, reading, site, source, values);
      else if (values)
        keep_heads (tap, reading, site, source, values);
    }
}

void
pm_tap_collect (PmTap *tap, const PmSite *site)
{
  int         layer_slot = pm_tap_axis_slot (&tap->plan.layers, site->layer);
  PmTapProbe *probe = find_probe (tap, site);

  if (wants_streams (tap, site))
    {
      for (int i = 0; i < tap->n_sources; i++)
        {
          download_item (tap, site, tap->sources[i].item);
          keep_item (tap, site, layer_slot, &tap->sources[i]);
        }
      if (layer_slot >= 0)
        tap->n_added[tap->step_slot * tap->plan.layers.n_slots + layer_slot]++;
    }

  tap->is_matrix_fresh |= wants_matrix (tap, site);
  if (probe)
    probe->n_items = tap->n_items;
}
