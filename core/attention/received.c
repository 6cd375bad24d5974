/* How much each patch is looked at: received[j] = mean over the picture's queries of P[i,j]. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
received_weigh (const PmReductionPlace *place, float *query_weights /* [1, Tq] */, float *key_weights)
{
  const PmSpan *queries = place->queries;

  for (int i = 0; i < queries->count; i++)
    query_weights[queries->first + i] = (float) (1.0 / queries->count);
}

static void
received_compose (const PmReductionPlace *place, const float *query_sums /* [1, Tk] */, const float *key_sums,
                  const float *entropy, float *out)
{
  for (int j = 0; j < place->keys->count; j++)
    out[j] = query_sums[place->keys->first + j];
}

const PmReduction pm_reduction_received = {
  .id = "received",
  .title = N_("Received"),
  .n_query_weights = 1,
  .weigh = received_weigh,
  .compose = received_compose,
};
