/* What the files of the text encoder `t5` share: t5.c reads a checkpoint, t5-run.c runs it.
 *
 * Letters: n tokens; E width (d_model); H heads; d of a head (d_kv; H * d need not be E); F width of the MLP (d_ff); L layers;
 * K buckets of distances. */
#ifndef PM_TEXT_T5_H
#define PM_TEXT_T5_H

#include "text/encoder.h"

/* The weights of a layer, all without biases. */
typedef enum
{
  PM_T5_NORM1, /* [E] */
  PM_T5_Q,     /* [H d, E], as the next two */
  PM_T5_K,
  PM_T5_V,
  PM_T5_O,     /* [E, H d] */
  PM_T5_NORM2, /* [E] */
  PM_T5_WI,    /* [F, E]: the half that is activated */
  PM_T5_GATE,  /* [F, E]; not there in version 1.0 */
  PM_T5_WO,    /* [E, F] */
  PM_T5_N_WEIGHTS
} PmT5Weight;

struct _PmTextNetwork
{
  PmCheckpoint   *checkpoint;   /* borrowed */
  int             L, E, H, d, F, K;
  int             max_distance; /* from which on all distances are one bucket */
  double          eps;
  PmActivation    activation;
  gboolean        is_gated;
  const PmTensor *embedding;    /* [vocabulary, E] */
  const PmTensor *distances;    /* [K, H] of the first layer, used by all */
  const PmTensor *norm;         /* [E] at the end */
};

/* NULL for the gate where there is none. */
const PmTensor *pm_t5_find (const PmTextNetwork *network, int layer, PmT5Weight weight);

/* The bucket of key j for query i, distance = j - i, of K buckets: half of them for keys that come later, the first half of
 * each half one distance a bucket, the rest on a scale of logarithms. In f32 as the reference, which at powers of two decides. */
int pm_t5_bucket (int distance, int K, int max_distance);

gboolean pm_t5_run (PmTextNetwork *network, PmBackend *backend, const int *ids, int n, float *out, PmJob *job, GError **error);
PmTextCost pm_t5_measure (PmTextNetwork *network, int n, PmDtype acts);

#endif
