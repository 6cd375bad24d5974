/* Sites: making them, finding the span of tokens that plays a role, and comparing tokens. */
#include "attention/site.h"

#include <string.h>

PmSite
pm_site_new_self (int layer, int n_heads, int grid_w, int grid_h)
{
  PmSpan picture = { .role = PM_ROLE_PICTURE, .count = grid_w * grid_h, .grid_w = grid_w, .grid_h = grid_h };

  return (PmSite) { .layer = layer,
                    .kind = PM_SITE_SELF,
                    .n_heads = n_heads,
                    .n_queries = picture.count,
                    .n_keys = picture.count,
                    .query_spans = { picture },
                    .n_query_spans = 1,
                    .key_spans = { picture },
                    .n_key_spans = 1 };
}

PmSite
pm_site_new_cross (int layer, int n_heads, int grid_w, int grid_h, int n_text)
{
  PmSite site = pm_site_new_self (layer, n_heads, grid_w, grid_h);

  site.kind = PM_SITE_CROSS;
  site.n_keys = n_text;
  site.key_spans[0] = (PmSpan) { .role = PM_ROLE_TEXT, .count = n_text };
  return site;
}

static const PmSpan *
find_span (const PmSpan *spans, int n_spans, PmRole role)
{
  for (int i = 0; i < n_spans; i++)
    if (spans[i].role == role)
      return &spans[i];

  return NULL;
}

const PmSpan *
pm_site_find_query_span (const PmSite *site, PmRole role)
{
  return find_span (site->query_spans, site->n_query_spans, role);
}

const PmSpan *
pm_site_find_key_span (const PmSite *site, PmRole role)
{
  return find_span (site->key_spans, site->n_key_spans, role);
}

int
pm_site_count_layers (const PmSite *sites, int n_sites)
{
  int n = 0;

  while (n < n_sites && sites[n].kind != PM_SITE_CROSS)
    n++;
  return n;
}

gboolean
pm_site_has_same_tokens (const PmSite *a, const PmSite *b)
{
  return a->n_queries == b->n_queries && a->n_keys == b->n_keys && a->n_query_spans == b->n_query_spans
         && a->n_key_spans == b->n_key_spans && memcmp (a->query_spans, b->query_spans, a->n_query_spans * sizeof (PmSpan)) == 0
         && memcmp (a->key_spans, b->key_spans, a->n_key_spans * sizeof (PmSpan)) == 0;
}
