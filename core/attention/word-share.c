/* A word's share of how much each patch looks at the prompt: the sum of P[i,j] over the tokens j of the word, divided by that
 * over all tokens of what the prompt says. What its end and pad tokens draw, often most of it and of no meaning, is left out.
 * Backends agree on it where the prompt has 1e-35 of what a patch looks at, or more; P is less exact below (backend/ops.h). */
#include "attention/reduction.h"
#include "base/i18n.h"

enum
{
  WEIGHT_WORD,
  WEIGHT_CONTENT,
  N_WEIGHTS
};

static void
word_share_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [N_WEIGHTS, Tk] */)
{
  for (int j = 0; j < place->keys->count; j++)
    {
      float *weight = key_weights + place->keys->first + j;

      weight[WEIGHT_WORD * place->site->n_keys] = place->word[j];
      weight[WEIGHT_CONTENT * place->site->n_keys] = place->content[j];
    }
}

static void
word_share_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums /* [N_WEIGHTS, Tq] */,
                    const float *entropy, float *out)
{
  int n_queries = place->site->n_queries;

  for (int i = 0; i < place->queries->count; i++)
    {
      const float *sum = key_sums + place->queries->first + i;
      float        word = sum[WEIGHT_WORD * n_queries], content = sum[WEIGHT_CONTENT * n_queries];

      out[i] = content > 0.0f ? word / content : 0.0f; /* 0: the whole prompt was steered away from here */
    }
}

const PmReduction pm_reduction_word_share = {
  .id = "word-share",
  .title = N_("Word share"),
  .kind = PM_SITE_CROSS,
  .needs_words = TRUE,
  .n_key_weights = N_WEIGHTS,
  .weigh = word_share_weigh,
  .compose = word_share_compose,
};
