/* Sites: finding the span of tokens that plays a role, and comparing tokens. */
#include "attention/site.h"

#include <string.h>

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

gboolean
pm_site_has_same_tokens (const PmSite *a, const PmSite *b)
{
  return a->n_queries == b->n_queries && a->n_keys == b->n_keys && a->n_query_spans == b->n_query_spans
         && a->n_key_spans == b->n_key_spans && memcmp (a->query_spans, b->query_spans, a->n_query_spans * sizeof (PmSpan)) == 0
         && memcmp (a->key_spans, b->key_spans, a->n_key_spans * sizeof (PmSpan)) == 0;
}
