/* Sites: finding the span of tokens that plays a role. */
#include "attention/site.h"

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
