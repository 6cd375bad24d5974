/* Features kept across steps: what the blocks added to the stream at a computed step stands in, extrapolated, for the blocks
 * at a skipped one. Order 0 repeats the last (Selvaraju et al., FORA, arXiv 2407.01425); higher orders draw a polynomial
 * through the last order + 1 (Liu et al., TaylorSeers, arXiv 2503.06923, with divided instead of evenly spaced differences), and
 * follow it half the way: features bend back, and the whole way is 4 to 7 dB worse in the worst of 16 pictures of the
 * starter models.
 * Here the whole trunk is one feature, so that a skipped step costs its two ends only. */
#ifndef PM_FEATURE_CACHE_H
#define PM_FEATURE_CACHE_H

#include "attention/site.h"
#include "backend/backend.h"

#define PM_FEATURE_CACHE_MAX_ORDER 2

typedef struct _PmFeatureCache PmFeatureCache;

/* n: floats of one item's stream, T * D. */
PmFeatureCache *pm_feature_cache_new (PmBackend *backend, gsize n, int order, GError **error);
void            pm_feature_cache_free (PmFeatureCache *cache);

/* Bytes that a run with both halves keeps. */
gsize pm_feature_cache_bytes (gsize n, int order);

/* Whether something is kept for the item. */
gboolean pm_feature_cache_has (PmFeatureCache *cache, PmItemTag tag);

/* Around the computed blocks: x [n] is the item's stream before and after them. position: of the step, growing. */
void pm_feature_cache_begin (PmFeatureCache *cache, PmItemTag tag, double position, const float *x);
void pm_feature_cache_end (PmFeatureCache *cache, PmItemTag tag, const float *x);

/* Instead of the blocks: x += what they would add at position. */
void pm_feature_cache_predict (PmFeatureCache *cache, PmItemTag tag, double position, float *x);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmFeatureCache, pm_feature_cache_free)

#endif
