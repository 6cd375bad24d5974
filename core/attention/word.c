/* How much each patch looks at a word: the sum of P[i,j] over the tokens j of the word, as the network uses it. */
#include "attention/reduction.h"
#include "base/i18n.h"

static void
word_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [1, Tk] */)
{
  for (int j = 0; j < place->keys->count; j++)
    key_weights[place->keys->first + j] = place->word[j];
}

static void
word_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums /* [1, Tq] */, const float *entropy,
              float *out)
{
  for (int i = 0; i < place->queries->count; i++)
    out[i] = key_sums[place->queries->first + i];
}

const PmReduction pm_reduction_word = {
  .id = "word",
  .title = N_("Word"),
  .kind = PM_SITE_CROSS,
  .needs_words = TRUE,
  .n_key_weights = 1,
  .weigh = word_weigh,
  .compose = word_compose,
};
