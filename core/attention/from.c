/* Where a region looks: the mean of P[i,j] over the queries i of the region, each counted as far as it belongs to it. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
from_weigh (const PmReductionPlace *place, float *query_weights /* [1, Tq] */, float *key_weights)
{
  const PmSpan *queries = place->queries;
  double        sum = 0.0;

  for (int i = 0; i < queries->count; i++)
    sum += place->region[i];

  for (int i = 0; i < queries->count; i++)
    query_weights[queries->first + i] = (float) (place->region[i] / sum);
}

static void
from_compose (const PmReductionPlace *place, const float *query_sums /* [1, Tk] */, const float *key_sums, const float *entropy,
              float *out)
{
  for (int j = 0; j < place->keys->count; j++)
    out[j] = query_sums[place->keys->first + j];
}

const PmReduction pm_reduction_from = {
  .id = "from",
  .title = N_("From the region"),
  .needs_region = TRUE,
  .n_query_weights = 1,
  .weigh = from_weigh,
  .compose = from_compose,
};
