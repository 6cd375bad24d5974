/* A word's share of how much each patch looks at the prompt: the sum of P[i,j] over the tokens j of the word, divided by that
 * over all tokens of what the prompt says. What its end and pad tokens draw, often most of it and of no meaning, is left out. */
#include "attention/reduction.h"
#include "base/i18n.h"

/* Where the patch looks at the prompt less than this, there is nothing to share: backends keep probabilities down to 1e-30 only,
 * so that the rest of a sum this large is right to all digits of f32, on each of them. */
#define LEAST_CONTENT 1e-20f

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

      out[i] = content >= LEAST_CONTENT ? word / content : 0.0f; /* 0: the whole prompt was steered away from here */
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
