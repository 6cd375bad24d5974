/* The other half of a tap at work: what was streamed out of an attention becomes maps of its readings, which are added to their
 * slots. Sums run over steps, layers and heads in their order, whatever the number of threads.
 * Letters: H heads, N picture tokens, Tq queries, Tk keys. */
#include <string.h>

#include "attention/tap-private.h"

/* What lies there in the backend, of the source, here; NULL: nothing. */
static const float *
find_here (const PmTap *tap, const PmTapSource *source, const float *in_backend)
{
  const float *streams = tap->streams + (source - tap->fetched.sources) * tap->plan.sizes.streams;

  return in_backend ? streams + (in_backend - tap->device.streams) : NULL;
}

/* The map of one reading, source and head into tap->composed. */
static void
compose (PmTap *tap, const PmTapReading *reading, const PmTapStream *stream, const PmTapSource *source, int head)
{
  const PmSite    *site = stream->site;
  PmTapRows        rows = pm_tap_plan_get_rows (&tap->plan, site);
  PmReductionPlace place = pm_tap_get_place (tap, reading, site, source->item);
  const float     *query_sums = find_here (tap, source, stream->reduce.query_sums);
  const float     *key_sums = find_here (tap, source, stream->reduce.key_sums);
  const float     *entropy = find_here (tap, source, stream->reduce.entropy);
  gsize            query_row = (gsize) head * rows.n_query + (reading->query_row - rows.first_query);
  gsize            key_row = (gsize) head * rows.n_key + (reading->key_row - rows.first_key);

  reading->reduction->compose (&place, query_sums ? query_sums + query_row * site->n_keys : NULL,
                               key_sums ? key_sums + key_row * site->n_queries : NULL,
                               entropy ? entropy + (gsize) head * site->n_queries : NULL, tap->composed);
}

/* Adds the maps of one reading of a source to their slots: one a chosen head, or their mean. */
static void
keep_heads (PmTap *tap, const PmTapReading *reading, const PmTapStream *stream, const PmTapSource *source, float *values)
{
  const PmTapPlan *plan = &tap->plan;

  memset (tap->map, 0, plan->N * sizeof (double));

  for (int h = 0; h < plan->heads.n; h++)
    {
      compose (tap, reading, stream, source, plan->heads.numbers[h]);
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
carry (PmTap *tap, const PmTapReading *reading, const PmTapStream *stream, const PmTapSource *source, float *values)
{
  const PmTapPlan *plan = &tap->plan;
  const PmSite    *site = stream->site;
  const float     *key_sums = find_here (tap, source, stream->reduce.key_sums);
  PmReductionPlace place = pm_tap_get_place (tap, reading, site, source->item);
  PmTapRows        rows = pm_tap_plan_get_rows (plan, site);
  gsize            row = (gsize) (reading->key_row - rows.first_key), n_tokens = (gsize) site->n_keys;
  gsize            n = reading->reduction->n_key_weights * n_tokens;
  float           *weights = pm_tap_get_weights (tap, site)->key_weights + (source->item * (gsize) rows.n_key + row) * n_tokens;

  for (gsize i = 0; i < n; i++)
    {
      double sum = 0.0;

      for (int h = 0; h < plan->matrix_heads.n; h++)
        sum += key_sums[((gsize) plan->matrix_heads.numbers[h] * rows.n_key + row) * n_tokens + i];
      tap->carried[i] = (float) (sum / plan->matrix_heads.n);
    }
  reading->reduction->carry (&place, tap->carried, weights);

  if (! values)
    return;

  reading->reduction->compose (&place, NULL, weights, NULL, tap->composed);
  for (int i = 0; i < plan->N; i++)
    values[i] += source->sign * tap->composed[i];
}

/* A layer without a slot is only passed by what is carried. */
static void
keep_stream (PmTap *tap, const PmTapStream *stream, const PmTapSource *source)
{
  const PmTapPlan *plan = &tap->plan;
  const PmSite    *site = stream->site;
  PmTapRows        rows = pm_tap_plan_get_rows (plan, site);
  int              layer_slot = pm_tap_axis_slot (&plan->layers, site->layer);

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmTapReading *reading = &plan->readings[r];
      float              *values = NULL;

      if (! rows.has_kind[reading->kind])
        continue;
      if (layer_slot >= 0 && ! reading->reduction->is_matrix)
        values = pm_tap_get_values (tap, r, source->step_slot, layer_slot, source->slot, TRUE);
      if (reading->reduction->is_carried && site->layer < plan->n_carried_layers)
        carry (tap, reading, stream, source, values);
      else if (values)
        keep_heads (tap, reading, stream, source, values);
    }
}

void
pm_tap_fetch (PmTap *tap)
{
  PmTapStreams *waiting = &tap->waiting, *fetched = &tap->fetched;
  PmTapStream  *streams = fetched->streams;
  gsize         n = tap->plan.sizes.streams;

  g_assert (fetched->n == 0);
  if (! waiting->n)
    return;

  for (int i = 0; i < waiting->n_sources; i++)
    {
      fetched->sources[i] = waiting->sources[i];
      pm_backend_download (tap->backend, tap->streams + i * n, tap->device.streams + waiting->sources[i].item * n,
                           tap->n_waiting * sizeof (float));
    }
  fetched->n_sources = waiting->n_sources;
  fetched->streams = waiting->streams;
  fetched->n = waiting->n;
  waiting->streams = streams;
  waiting->n = 0;
  tap->n_waiting = 0;
}

void
pm_tap_keep (PmTap *tap)
{
  PmTapStreams *fetched = &tap->fetched;

  for (int i = 0; i < fetched->n; i++)
    for (int k = 0; k < fetched->n_sources; k++)
      keep_stream (tap, &fetched->streams[i], &fetched->sources[k]);
  fetched->n = 0;
}

void
pm_tap_flush (PmTap *tap)
{
  pm_tap_catch_up (tap);
  pm_tap_fetch (tap);
  pm_tap_keep (tap);
}

void
pm_tap_collect (PmTap *tap, const PmSite *site)
{
  int         layer_slot = pm_tap_axis_slot (&tap->plan.layers, site->layer);
  PmTapRows   rows = pm_tap_plan_get_rows (&tap->plan, site);
  PmTapProbe *probe = pm_tap_find_probe (tap, site);

  if (pm_tap_wants_streams (tap, site))
    {
      tap->waiting.streams[tap->waiting.n++] = (PmTapStream) { pm_tap_find_site (tap, site), tap->reduce };
      if (! tap->plan.is_deferred)
        pm_tap_flush (tap);
      for (int kind = 0; layer_slot >= 0 && kind < PM_TAP_N_KINDS; kind++)
        *pm_tap_get_count (tap, kind, tap->step_slot, layer_slot) += rows.has_kind[kind];
    }

  tap->is_matrix_fresh |= pm_tap_wants_matrix (tap, site);
  if (probe)
    probe->n_items = tap->n_items;
}
