/* How widely each patch looks around: entropy[i] = -sum over all keys of P ln P, in nats. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
entropy_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums, const float *entropy /* [Tq] */,
                 float *out)
{
  for (int i = 0; i < place->queries->count; i++)
    out[i] = entropy[place->queries->first + i];
}

const PmReduction pm_reduction_entropy = {
  .id = "entropy",
  .title = N_("Entropy"),
  .needs_entropy = TRUE,
  .compose = entropy_compose,
};
