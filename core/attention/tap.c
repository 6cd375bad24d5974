/* The tap at work: its life, and what is to be streamed out of each attention. What came is kept in tap-collect.c, averaged
 * matrices are settled in tap-matrix.c, maps are made in tap-maps.c. Letters: B items of a batch, H heads, N picture tokens,
 * Tq queries, Tk keys. */
#include "attention/tap-private.h"

#include <string.h>

/* What the options tell of the text, spread over its span: tokens behind it belong to no word. */
static void
take_words (PmTap *tap, const PmTapOptions *options)
{
  gsize n_text = (gsize) tap->plan.n_text, n = MIN (n_text, (gsize) options->n_text) * sizeof (float);

  if (! options->content || ! n_text)
    return;

  tap->content = g_new0 (float, n_text);
  tap->words = g_new0 (float, n_text *options->n_words + 1);
  memcpy (tap->content, options->content, n);
  for (int w = 0; w < options->n_words; w++)
    memcpy (tap->words + w * n_text, options->words[w].weights, n);
}

PmTap *
pm_tap_new (const PmShow *show, const PmTapOptions *options, GError **error)
{
  g_autoptr (PmTap) tap = g_new0 (PmTap, 1);

  tap->backend = options->backend;
  tap->owned = g_ptr_array_new_with_free_func (g_free);
  tap->device_owned = g_ptr_array_new ();
  tap->step = tap->step_slot = tap->ended_slot = -1;
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

  take_words (tap, options);

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
  g_free (tap->words);
  g_free (tap->content);
  g_clear_error (&tap->failure);
  pm_tap_plan_clear (&tap->plan);
  g_free (tap);
}

PmReductionPlace
pm_tap_get_place (PmTap *tap, const PmTapReading *reading, const PmSite *site, int item)
{
  gsize offset = tap->region_items > 1 ? (gsize) item * tap->plan.N : 0;
  gsize word = (gsize) MAX (reading->word, 0) * tap->plan.n_text;

  return (PmReductionPlace) { .site = site,
                              .queries = pm_site_find_query_span (site, PM_ROLE_PICTURE),
                              .keys = pm_site_find_key_span (site, reading->kind == PM_TAP_TEXT ? PM_ROLE_TEXT : PM_ROLE_PICTURE),
                              .region = tap->region ? tap->region + offset : NULL,
                              .word = tap->words && reading->word >= 0 ? tap->words + word : NULL,
                              .content = tap->content,
                              .pool = pm_backend_get_pool (tap->backend) };
}

int *
pm_tap_get_count (PmTap *tap, PmTapKind kind, int step_slot, int layer_slot)
{
  const PmTapPlan *plan = &tap->plan;

  return &tap->n_added[((gsize) kind * plan->steps.n_slots + step_slot) * plan->layers.n_slots + layer_slot];
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

static void
add_source (PmTap *tap, int item, int slot, float sign)
{
  tap->waiting.sources[tap->waiting.n_sources++] = (PmTapSource) { item, slot, sign, tap->step_slot };
  tap->is_source[item] = true;
}

/* Which items of the batch are kept. A batch without a condition is its own: a run without a class. */
static void
choose_sources (PmTap *tap, const PmItemTag *tags, int n_items)
{
  int condition = find_item (tags, n_items, TRUE), other = find_item (tags, n_items, FALSE);

  tap->waiting.n_sources = 0;
  memset (tap->is_source, 0, tap->plan.n_items * sizeof *tap->is_source);

  if (tap->plan.keep_all_items)
    for (int i = 0; i < n_items; i++)
      add_source (tap, i, i, 1.0f);
  else if (tap->plan.which == PM_WHICH_CONDITION)
    add_source (tap, MAX (condition, 0), 0, 1.0f);
  else if (tap->plan.which == PM_WHICH_NULL && other >= 0)
    add_source (tap, other, 0, 1.0f);
  else if (tap->plan.which == PM_WHICH_DIFFERENCE && condition >= 0 && other >= 0)
    {
      add_source (tap, condition, 0, 1.0f);
      add_source (tap, other, 0, -1.0f);
    }
}

/* Forgets what the slot of a step holds from an earlier batch of the same step; without one it is still as it was made. */
static void
clear_step (PmTap *tap, int slot)
{
  const PmTapPlan *plan = &tap->plan;

  if (! tap->n_added_steps[slot])
    return;

  for (int kind = 0; kind < PM_TAP_N_KINDS; kind++)
    memset (pm_tap_get_count (tap, kind, slot, 0), 0, plan->layers.n_slots * sizeof (int));
  tap->n_added_steps[slot] = 0;
  tap->time_sums[slot] = 0.0;
  tap->has_solved[slot] = FALSE;

  memset (pm_tap_store_open (tap->store, slot, TRUE), 0, plan->n_rows * plan->N * sizeof (float));
}

/* Whether maps of the step that has ended may be made while a backend computes the next one. */
static gboolean
can_be_late (const PmTap *tap)
{
  const PmTapPlan *plan = &tap->plan;

  return plan->is_deferred && ! plan->needs_matrix && plan->storage == PM_MAP_STORAGE_F32
         && (plan->steps.mean || tap->step_slot != tap->ended_slot);
}

void
pm_tap_begin_step (PmTap *tap, int step, const PmItemTag *tags, int n_items)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            size = pm_tap_plan_matrix_size (plan);

  g_assert (step >= 0 && step < tap->n_steps && n_items >= 1 && n_items <= plan->n_items);

  pm_tap_settle (tap, pm_backend_get_job (tap->backend));

  tap->step = step;
  tap->n_items = n_items;
  tap->step_slot = plan->n_readings ? pm_tap_axis_slot (&plan->steps, step) : -1;
  if (! can_be_late (tap))
    pm_tap_catch_up (tap);
  if (tap->step_slot < 0)
    return;

  if (plan->n_carried_layers)
    tap->weights[0].weighed = NULL; /* what is carried begins anew */
  choose_sources (tap, tags, n_items);
  if (! plan->steps.mean)
    clear_step (tap, tap->step_slot);

  if (tap->waiting.n_sources)
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

gboolean
pm_tap_is_recording (const PmTap *tap)
{
  return (tap->step_slot >= 0 && tap->waiting.n_sources > 0)
         || (tap->step >= 0 && (tap->probes[0].site || tap->probes[1].site));
}

gboolean
pm_tap_can_wait (const PmTap *tap)
{
  return tap->plan.is_whole && ! tap->plan.needs_matrix && ! tap->probes[0].site && ! tap->probes[1].site;
}

void
pm_tap_repeat (PmTap *tap)
{
  for (int i = 0; i < tap->n_sites; i++)
    if (pm_tap_want (tap, &tap->sites[i]))
      pm_tap_collect (tap, &tap->sites[i]);
}

gboolean
pm_tap_records_step (const PmTap *tap, int step)
{
  return tap->plan.n_readings > 0 && pm_tap_axis_slot (&tap->plan.steps, step) >= 0;
}

const PmSite *
pm_tap_find_site (const PmTap *tap, const PmSite *site)
{
  return &tap->sites[site->layer + (site->kind == PM_SITE_CROSS ? tap->n_layers : 0)];
}

PmTapWeights *
pm_tap_get_weights (PmTap *tap, const PmSite *site)
{
  return &tap->weights[site->kind == PM_SITE_CROSS ? 1 : 0];
}

static void
upload_key_weights (PmTap *tap, const PmSite *site, const PmTapRows *rows)
{
  PmTapWeights *weights = pm_tap_get_weights (tap, site);
  gsize         n = (gsize) tap->plan.n_items * rows->n_key * site->n_keys;

  if (n)
    pm_backend_upload (tap->backend, weights->device_key_weights, weights->key_weights, n * sizeof (float));
}

/* Fills the weights of all readings for this site and sends them to the backend. */
static void
weigh (PmTap *tap, const PmSite *site, const PmTapRows *rows)
{
  const PmTapPlan *plan = &tap->plan;
  PmTapWeights    *weights = pm_tap_get_weights (tap, site);
  gsize            n_query_weights = (gsize) rows->n_query * site->n_queries;
  gsize            n_key_weights = (gsize) rows->n_key * site->n_keys;

  if (n_query_weights)
    memset (weights->query_weights, 0, plan->n_items * n_query_weights * sizeof (float));
  if (n_key_weights)
    memset (weights->key_weights, 0, plan->n_items * n_key_weights * sizeof (float));

  for (int item = 0; item < plan->n_items; item++)
    for (int r = 0; r < plan->n_readings; r++)
      {
        const PmTapReading *reading = &plan->readings[r];
        PmReductionPlace    place;
        gsize               query_row = (gsize) (reading->query_row - rows->first_query) * site->n_queries;
        gsize               key_row = (gsize) (reading->key_row - rows->first_key) * site->n_keys;

        if (! rows->has_kind[reading->kind] || ! reading->reduction->weigh)
          continue;
        place = pm_tap_get_place (tap, reading, site, item);
        reading->reduction->weigh (&place, n_query_weights ? weights->query_weights + item * n_query_weights + query_row : NULL,
                                   n_key_weights ? weights->key_weights + item * n_key_weights + key_row : NULL);
      }

  if (n_query_weights)
    pm_backend_upload (tap->backend, weights->device_query_weights, weights->query_weights,
                       plan->n_items * n_query_weights * sizeof (float));
  upload_key_weights (tap, site, rows);
}

gboolean
pm_tap_wants_streams (const PmTap *tap, const PmSite *site)
{
  PmTapRows rows = pm_tap_plan_get_rows (&tap->plan, site);
  gboolean  is_carried = site->kind != PM_SITE_CROSS && site->layer < tap->plan.n_carried_layers;

  return tap->step_slot >= 0 && tap->waiting.n_sources > 0
         && (pm_tap_axis_find (&tap->plan.layers, site->layer) >= 0 || is_carried)
         && (rows.n_query || rows.n_key || rows.needs_entropy);
}

gboolean
pm_tap_wants_matrix (const PmTap *tap, const PmSite *site)
{
  return site->kind != PM_SITE_CROSS && tap->step_slot >= 0 && tap->waiting.n_sources > 0 && tap->plan.needs_matrix
         && pm_tap_axis_find (&tap->plan.matrix_layers, site->layer) >= 0;
}

/* Where the attention's n floats of each item go, for which room is made. */
static float *
find_place (PmTap *tap, const PmSite *site, gsize n)
{
  gsize place;

  if (! tap->plan.is_whole && (tap->waiting.n == tap->n_sites || tap->n_waiting + n > tap->plan.sizes.streams))
    pm_tap_flush (tap);
  place = tap->plan.is_whole ? tap->places[pm_tap_find_site (tap, site) - tap->sites] : tap->n_waiting;
  tap->n_waiting = MAX (tap->n_waiting, place + n);

  return tap->device.streams + place;
}

static void
want_streams (PmTap *tap, const PmSite *site)
{
  const PmTapPlan *plan = &tap->plan;
  gsize            heads = (gsize) site->n_heads;
  float           *place = find_place (tap, site, pm_tap_plan_count_streams (plan, site));
  PmTapWeights    *weights = pm_tap_get_weights (tap, site);
  PmTapRows        rows = pm_tap_plan_get_rows (plan, site);

  if (! weights->weighed || weights->weighed->kind != site->kind || ! pm_site_has_same_tokens (weights->weighed, site))
    weigh (tap, site, &rows);
  else if (site->kind != PM_SITE_CROSS && site->layer < plan->n_carried_layers)
    upload_key_weights (tap, site, &rows);
  weights->weighed = pm_tap_find_site (tap, site);
  tap->reduce.item_stride = plan->sizes.streams;

  if (rows.n_key)
    {
      tap->reduce.n_key_weights = rows.n_key;
      tap->reduce.key_weights = weights->device_key_weights;
      tap->reduce.key_sums = place;
      place += heads * rows.n_key * site->n_queries;
    }

  if (pm_tap_axis_find (&plan->layers, site->layer) < 0)
    return;

  if (rows.n_query)
    {
      tap->reduce.n_query_weights = rows.n_query;
      tap->reduce.query_weights = weights->device_query_weights;
      tap->reduce.query_sums = place;
      place += heads * rows.n_query * site->n_keys;
    }
  if (rows.needs_entropy)
    tap->reduce.entropy = place;
}

PmTapProbe *
pm_tap_find_probe (PmTap *tap, const PmSite *site)
{
  PmTapProbe *probe = &tap->probes[site->kind == PM_SITE_CROSS ? 1 : 0];

  return tap->step >= 0 && probe->site && probe->site->layer == site->layer ? probe : NULL;
}

const PmReduce *
pm_tap_want (PmTap *tap, const PmSite *site)
{
  gboolean          has_streams, has_matrix;
  const PmTapProbe *probe = pm_tap_find_probe (tap, site);

  g_assert (site->layer >= 0 && site->layer < tap->n_layers);

  has_streams = pm_tap_wants_streams (tap, site);
  has_matrix = pm_tap_wants_matrix (tap, site);
  tap->reduce = (PmReduce) { 0 };
  if (! probe)
    {
      tap->reduce.heads = tap->is_read;
      tap->reduce.items = tap->is_source;
    }

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
