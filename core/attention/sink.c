/* What the end and pad tokens of a text draw: the sum of P[i,j] over the tokens j that say nothing. Known as an attention
 * sink: where a patch finds nothing to take from the prompt, it looks there. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
sink_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [1, Tk] */)
{
  for (int j = 0; j < place->keys->count; j++)
    key_weights[place->keys->first + j] = 1.0f - place->content[j];
}

static void
sink_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums /* [1, Tq] */, const float *entropy,
              float *out)
{
  for (int i = 0; i < place->queries->count; i++)
    out[i] = key_sums[place->queries->first + i];
}

const PmReduction pm_reduction_sink = {
  .id = "sink",
  .title = N_("Drawn by the end of the prompt"),
  .kind = PM_SITE_CROSS,
  .n_key_weights = 1,
  .weigh = sink_weigh,
  .compose = sink_compose,
};
