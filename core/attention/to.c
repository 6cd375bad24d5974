/* How much each patch looks at a region: the sum of P[i,j] over the keys j of the region. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
to_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [1, Tk] */)
{
  for (int j = 0; j < place->keys->count; j++)
    key_weights[place->keys->first + j] = place->region[j];
}

static void
to_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums /* [1, Tq] */, const float *entropy,
            float *out)
{
  for (int i = 0; i < place->queries->count; i++)
    out[i] = key_sums[place->queries->first + i];
}

const PmReduction pm_reduction_to = {
  .id = "to",
  .title = N_("To the region"),
  .needs_region = TRUE,
  .n_key_weights = 1,
  .weigh = to_weigh,
  .compose = to_compose,
};
