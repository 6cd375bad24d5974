/* The registry entry of a reading: which of the five streamed primitives it needs and how they compose.
 * One file, one constant descriptor `pm_reduction_<file>`; nothing here is backend code. */
#ifndef PM_REDUCTION_H
#define PM_REDUCTION_H

#include "attention/site.h"
#include "base/job.h"
#include "base/pool.h"

/* Everything about the place that a reduction may look at. */
typedef struct
{
  const PmSite *site;
  const PmSpan *queries; /* the picture span among the queries */
  const PmSpan *keys;    /* of the keys, what the reading is about: the picture span, or that of the text */
  const float  *region;  /* [N] of this item, or NULL */
  const float  *word;    /* [keys->count] text: how far each token belongs to the word of the map; NULL: no word */
  const float  *content; /* [keys->count] text: 1 for what the prompt says, 0 for end and pad tokens */
  PmPool       *pool;    /* for a solver to share its work, or NULL */
} PmReductionPlace;

typedef struct
{
  const char *id;    /* "received" */
  const char *title; /* untranslated, marked with N_() */
  PmSiteKind  kind;  /* PM_SITE_SELF: how patches look at patches; PM_SITE_CROSS: how they look at a text. Joint attentions have
                      * both */
  gboolean    needs_region;
  gboolean    needs_words;                    /* has maps for each chosen word */
  gboolean    is_signed;
  gboolean    is_matrix;                      /* reads the averaged matrix of chosen layers and heads: no map per layer or head */
  gboolean    is_carried;                     /* goes from layer to layer with `carry`: no map per head */
  int         n_query_weights, n_key_weights; /* rows that weigh() fills */
  gboolean    needs_entropy;

  /* Fills query_weights [n_query_weights, Tq] and key_weights [n_key_weights, Tk], zeroed before. NULL when none. */
  void (*weigh) (const PmReductionPlace *place, float *query_weights, float *key_weights);

  /* One map of N picture tokens from what was streamed for one item and head: query_sums [n_query_weights, Tk],
   * key_sums [n_key_weights, Tq], entropy [Tq]. */
  void (*compose) (const PmReductionPlace *place, const float *query_sums, const float *key_sums, const float *entropy,
                   float *out /* [N] */);

  /* is_carried: weigh fills the key weights of layer 0 only; from there on this turns those of a layer, in place, into those
   * of the next, once a step and item. key_sums [n_key_weights, Tq] are the mean over the chosen heads. Tq = Tk, and the
   * tokens of all layers are the same. compose then gets the new key weights as key_sums, and nothing else. */
  void (*carry) (const PmReductionPlace *place, const float *key_sums, float *key_weights /* [n_key_weights, Tk] */);

  /* is_matrix: one map from the averaged matrix [Tq, Tk]. */
  gboolean (*solve) (const PmReductionPlace *place, const float *matrix, float *out /* [N] */, PmJob *job, GError **error);
} PmReduction;

extern const PmReduction *const pm_reductions[]; /* written by core/meson.build */

const PmReduction *pm_reduction_find (const char *id);

#endif
