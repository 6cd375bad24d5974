/* What comes from a region: attention rollout (Abnar and Zuidema, "Quantifying attention flow in transformers", 2020,
 * arXiv 2005.00928, section 3) of one set of patches, pushed through the layers as a vector, so that no N x N matrix is needed.
 *
 * With P_l the mean of layer l's attention over heads, and the skip connection counted as half of what a layer hands on,
 * v_0 = the region (0..1 a patch, 0 for tokens that are no patch), v_(l+1) = (v_l + P_l v_l) / 2.
 * The map after layer l is v_(l+1): the share of what each patch holds that came from the region's patches. This equals the
 * sum over the region's columns of the product of all (I + P) / 2, latest layer first; rows of that product sum to one.
 * The way back (where what a region holds came from) needs the layers from last to first, and so all matrices at once. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
rollout_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [1, Tk] */)
{
  for (int j = 0; j < place->keys->count; j++)
    key_weights[place->keys->first + j] = place->region[j];
}

static void
rollout_carry (const PmReductionPlace *place, const float *key_sums /* [1, Tq] */, float *key_weights /* [1, Tk] */)
{
  for (int i = 0; i < place->site->n_keys; i++)
    key_weights[i] = 0.5f * (key_weights[i] + key_sums[i]);
}

static void
rollout_compose (const PmReductionPlace *place, const float *query_sums, const float *key_weights /* [1, Tk] */,
                 const float *entropy, float *out)
{
  for (int i = 0; i < place->queries->count; i++)
    out[i] = key_weights[place->queries->first + i];
}

const PmReduction pm_reduction_rollout = {
  .id = "rollout",
  .title = N_("Rollout of the region"),
  .needs_region = TRUE,
  .is_carried = TRUE,
  .n_key_weights = 1,
  .weigh = rollout_weigh,
  .carry = rollout_carry,
  .compose = rollout_compose,
};
