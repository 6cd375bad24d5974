/* What a plan takes from each attention: which rows of weights it is given, and how much comes out of it.
 * Letters: H heads, Tq queries, Tk keys. */
#include "attention/tap-plan.h"
#include "base/error.h"
#include "base/i18n.h"

#define MOST_STREAMS ((gsize) 4 << 20) /* floats of an item that wait in a backend: 28 layers, 16 heads, 4096 patches, 2 sums */

void
pm_tap_plan_assign_rows (PmTapPlan *plan)
{
  int query_row = 0, key_row = 0;

  for (int kind = 0; kind < PM_TAP_N_KINDS; kind++)
    for (int r = 0; r < plan->n_readings; r++)
      {
        PmTapReading *reading = &plan->readings[r];

        if ((int) reading->kind != kind)
          continue;
        reading->query_row = query_row;
        reading->key_row = key_row;
        query_row += reading->reduction->n_query_weights;
        key_row += reading->reduction->n_key_weights;
        plan->n_query_weights[kind] += reading->reduction->n_query_weights;
        plan->n_key_weights[kind] += reading->reduction->n_key_weights;
      }
}

PmTapRows
pm_tap_plan_get_rows (const PmTapPlan *plan, const PmSite *site)
{
  int       first = site->kind == PM_SITE_CROSS ? PM_TAP_TEXT : PM_TAP_PICTURE;
  int       last = site->kind == PM_SITE_SELF ? PM_TAP_PICTURE : PM_TAP_TEXT;
  PmTapRows rows = { 0 };

  for (int kind = 0; kind < first; kind++)
    {
      rows.first_query += plan->n_query_weights[kind];
      rows.first_key += plan->n_key_weights[kind];
    }
  for (int kind = first; kind <= last; kind++)
    {
      rows.n_query += plan->n_query_weights[kind];
      rows.n_key += plan->n_key_weights[kind];
      rows.has_kind[kind] = plan->has_kind[kind];
      rows.needs_entropy |= plan->needs_entropy[kind];
    }

  return rows;
}

gsize
pm_tap_plan_count_streams (const PmTapPlan *plan, const PmSite *site)
{
  PmTapRows rows = pm_tap_plan_get_rows (plan, site);
  gsize     n_of_queries = (gsize) rows.n_key + (rows.needs_entropy ? 1 : 0);

  return site->n_heads * ((gsize) rows.n_query * site->n_keys + n_of_queries * site->n_queries);
}

static gboolean
set_unlike (const PmSite *site, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The attention of layer %d is not between the same patches of the picture as that of the other chosen layers; "
                 "leave this layer out."),
               site->layer);

  return FALSE;
}

static void
add_sizes (PmTapPlan *plan, const PmSite *site, const PmTapRows *rows)
{
  PmTapSizes *sizes = &plan->sizes;
  int         set = site->kind == PM_SITE_CROSS ? 1 : 0;
  gsize       queries = (gsize) site->n_queries, keys = (gsize) site->n_keys;
  gsize       streams = pm_tap_plan_count_streams (plan, site);

  sizes->query_weights[set] = MAX (sizes->query_weights[set], rows->n_query * queries);
  sizes->key_weights[set] = MAX (sizes->key_weights[set], rows->n_key * keys);
  sizes->streams = MAX (sizes->streams, streams);
  sizes->all_streams += streams;
  if (set == 0 && plan->n_carried_layers)
    sizes->carried = MAX (sizes->carried, rows->n_key * queries);
}

/* All chosen layers must look out of one picture; at that picture where a reading is of it, and for the averaged matrix at the
 * same tokens. */
static gboolean
add_site (PmTapPlan *plan, const PmSite *site, gboolean in_matrix, GError **error)
{
  PmTapRows     rows = pm_tap_plan_get_rows (plan, site);
  const PmSpan *queries = pm_site_find_query_span (site, PM_ROLE_PICTURE);
  const PmSpan *keys = pm_site_find_key_span (site, PM_ROLE_PICTURE);
  const PmSpan *text = pm_site_find_key_span (site, PM_ROLE_TEXT);

  if (! queries || (plan->N && queries->count != plan->N)
      || (rows.has_kind[PM_TAP_PICTURE] && (! keys || keys->count != queries->count)))
    return set_unlike (site, error);

  if (in_matrix)
    {
      if (plan->matrix_queries && (site->n_queries != plan->matrix_queries || site->n_keys != plan->matrix_keys))
        return set_unlike (site, error);
      plan->matrix_queries = site->n_queries;
      plan->matrix_keys = site->n_keys;
    }

  plan->N = queries->count;
  plan->grid_w = queries->grid_w;
  plan->grid_h = queries->grid_h;
  plan->n_heads = MAX (plan->n_heads, site->n_heads);
  plan->n_text = MAX (plan->n_text, text ? text->count : 0);
  add_sizes (plan, site, &rows);

  return TRUE;
}

/* A backend whose memory is its own should not wait for the host in every layer: what the layers stream out stays there while
 * there is room, unless a layer needs what the one before it gave. */
static void
defer (PmTapPlan *plan)
{
  PmTapSizes *sizes = &plan->sizes;

  plan->is_deferred = plan->has_matrix_copy && plan->n_carried_layers == 0;
  if (plan->is_deferred)
    sizes->streams = MAX (sizes->streams, MIN (sizes->all_streams, MOST_STREAMS));
  plan->is_whole = plan->is_deferred && sizes->streams == sizes->all_streams;
}

gboolean
pm_tap_plan_add_sites (PmTapPlan *plan, const PmTapOptions *options, GError **error)
{
  int n_layers = pm_site_count_layers (options->sites, options->n_sites);

  for (int i = 0; plan->n_readings && i < options->n_sites; i++)
    {
      const PmSite *site = &options->sites[i];
      PmTapRows     rows = pm_tap_plan_get_rows (plan, site);
      gboolean      is_chosen = pm_tap_axis_find (&plan->layers, site->layer) >= 0, in_matrix = FALSE;

      g_assert (site->layer == i % n_layers);
      if (site->kind != PM_SITE_CROSS)
        {
          in_matrix = plan->needs_matrix && pm_tap_axis_find (&plan->matrix_layers, site->layer) >= 0;
          is_chosen |= in_matrix || site->layer < plan->n_carried_layers;
        }
      if (is_chosen && (rows.has_kind[PM_TAP_PICTURE] || rows.has_kind[PM_TAP_TEXT]) && ! add_site (plan, site, in_matrix, error))
        return FALSE;
    }
  defer (plan);

  return TRUE;
}
