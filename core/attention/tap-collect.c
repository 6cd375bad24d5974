/* The other half of a tap at work: what was streamed out of an attention becomes maps of its readings, which are added to their
 * slots. Sums run over steps, layers and heads in their order, whatever the number of threads.
 * Letters: H heads, N picture tokens, Tq queries, Tk keys. */
#include <string.h>

#include "attention/tap-private.h"

static void
download_item (PmTap *tap, const PmSite *site, int item)
{
  const PmReduce *reduce = &tap->reduce;
  gsize           n_query_sums = (gsize) site->n_heads * reduce->n_query_weights * site->n_keys;
  gsize           n_key_sums = (gsize) site->n_heads * reduce->n_key_weights * site->n_queries;
  gsize           n_entropy = (gsize) site->n_heads * site->n_queries;

  if (reduce->query_sums)
    pm_backend_download (tap->backend, tap->query_sums, reduce->query_sums + item * n_query_sums, n_query_sums * sizeof (float));
  if (reduce->key_sums)
    pm_backend_download (tap->backend, tap->key_sums, reduce->key_sums + item * n_key_sums, n_key_sums * sizeof (float));
  if (reduce->entropy)
    pm_backend_download (tap->backend, tap->entropy, reduce->entropy + item * n_entropy, n_entropy * sizeof (float));
}

/* The map of one reading, item and head into tap->composed. */
static void
compose (PmTap *tap, const PmTapReading *reading, const PmSite *site, int item, int head)
{
  const PmReduce  *reduce = &tap->reduce;
  PmTapRows        rows = pm_tap_plan_get_rows (&tap->plan, site);
  PmReductionPlace place = pm_tap_get_place (tap, reading, site, item);
  gsize            query_row = (gsize) head * rows.n_query + (reading->query_row - rows.first_query);
  gsize            key_row = (gsize) head * rows.n_key + (reading->key_row - rows.first_key);

  reading->reduction->compose (&place, reduce->query_sums ? tap->query_sums + query_row * site->n_keys : NULL,
                               reduce->key_sums ? tap->key_sums + key_row * site->n_queries : NULL,
                               reduce->entropy ? tap->entropy + (gsize) head * site->n_queries : NULL, tap->composed);
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
  PmReductionPlace place = pm_tap_get_place (tap, reading, site, source->item);
  PmTapRows        rows = pm_tap_plan_get_rows (plan, site);
  gsize            row = (gsize) (reading->key_row - rows.first_key), n_tokens = (gsize) site->n_keys;
  gsize            n = reading->reduction->n_key_weights * n_tokens;
  float           *weights = pm_tap_get_weights (tap, site)->key_weights + (source->item * (gsize) rows.n_key + row) * n_tokens;

  for (gsize i = 0; i < n; i++)
    {
      double sum = 0.0;

      for (int h = 0; h < plan->matrix_heads.n; h++)
        sum += tap->key_sums[((gsize) plan->matrix_heads.numbers[h] * rows.n_key + row) * n_tokens + i];
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
  PmTapRows        rows = pm_tap_plan_get_rows (plan, site);

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmTapReading *reading = &plan->readings[r];
      float              *values = NULL;

      if (! rows.has_kind[reading->kind])
        continue;
      if (layer_slot >= 0 && ! reading->reduction->is_matrix)
        values = pm_tap_get_values (tap, r, tap->step_slot, layer_slot, source->slot, TRUE);
      if (reading->reduction->is_carried && site->layer < plan->n_carried_layers)
        carry (tap, reading, site, source, values);
      else if (values)
        keep_heads (tap, reading, site, source, values);
    }
}

/* Of the attention that tap->reduce was streamed out of. */
static void
keep_site (PmTap *tap, const PmSite *site)
{
  int layer_slot = pm_tap_axis_slot (&tap->plan.layers, site->layer);

  for (int i = 0; i < tap->n_sources; i++)
    {
      download_item (tap, site, tap->sources[i].item);
      keep_item (tap, site, layer_slot, &tap->sources[i]);
    }
}

void
pm_tap_collect_pending (PmTap *tap)
{
  for (int i = 0; i < tap->n_pending; i++)
    {
      tap->reduce = tap->pending[i].reduce;
      keep_site (tap, tap->pending[i].site);
    }
  tap->n_pending = 0;
}

void
pm_tap_collect (PmTap *tap, const PmSite *site)
{
  int         layer_slot = pm_tap_axis_slot (&tap->plan.layers, site->layer);
  PmTapRows   rows = pm_tap_plan_get_rows (&tap->plan, site);
  PmTapProbe *probe = pm_tap_find_probe (tap, site);

  if (pm_tap_wants_streams (tap, site))
    {
      if (tap->n_places > 1 && tap->n_pending < tap->n_places)
        tap->pending[tap->n_pending++] = (PmTapPending) {
          .site = &tap->sites[site->layer + (site->kind == PM_SITE_CROSS ? tap->n_layers : 0)], .reduce = tap->reduce
        };
      else
        keep_site (tap, site);
      for (int kind = 0; layer_slot >= 0 && kind < PM_TAP_N_KINDS; kind++)
        *pm_tap_get_count (tap, kind, tap->step_slot, layer_slot) += rows.has_kind[kind];
    }

  tap->is_matrix_fresh |= pm_tap_wants_matrix (tap, site);
  if (probe)
    probe->n_items = tap->n_items;
}
