/* See feature-cache.h. */
#include "nn/feature-cache.h"

#define N_TAGS 2 /* the condition, and what it is guided away from */
#define REACH 0.5  /* of the way to a position: see feature-cache.h */
#define N_POINTS (PM_FEATURE_CACHE_MAX_ORDER + 1)

/* A ring of the last features of one half. */
typedef struct
{
  float *points;              /* [order + 1, n] the backend's memory */
  double positions[N_POINTS];
  int    n, newest;           /* how many are whole, and which came last */
} PmFeatureRing;

struct _PmFeatureCache
{
  PmBackend    *backend;
  gsize         n;
  int           n_points;
  PmFeatureRing rings[N_TAGS];
};

gsize
pm_feature_cache_bytes (gsize n, int order)
{
  return N_TAGS * (order + 1) * n * sizeof (float);
}

PmFeatureCache *
pm_feature_cache_new (PmBackend *backend, gsize n, int order, GError **error)
{
  g_autoptr (PmFeatureCache) cache = g_new0 (PmFeatureCache, 1);

  g_assert (order >= 0 && order <= PM_FEATURE_CACHE_MAX_ORDER);
  cache->backend = backend;
  cache->n = n;
  cache->n_points = order + 1;
  for (int i = 0; i < N_TAGS; i++)
    if (! (cache->rings[i].points = pm_backend_alloc (backend, cache->n_points * n * sizeof (float), error)))
      return NULL;
  return g_steal_pointer (&cache);
}

void
pm_feature_cache_free (PmFeatureCache *cache)
{
  for (int i = 0; cache && i < N_TAGS; i++)
    if (cache->rings[i].points)
      pm_backend_free (cache->backend, cache->rings[i].points);
  g_free (cache);
}

static PmFeatureRing *
find_ring (PmFeatureCache *cache, PmItemTag tag)
{
  return &cache->rings[tag == PM_ITEM_CONDITION ? 0 : 1];
}

gboolean
pm_feature_cache_has (PmFeatureCache *cache, PmItemTag tag)
{
  return find_ring (cache, tag)->n > 0;
}

void
pm_feature_cache_begin (PmFeatureCache *cache, PmItemTag tag, double position, const float *x)
{
  PmFeatureRing *ring = find_ring (cache, tag);

  ring->newest = (ring->newest + 1) % cache->n_points;
  ring->positions[ring->newest] = position;
  ring->n = MIN (ring->n, cache->n_points - 1); /* the oldest is being overwritten */
  pm_backend_combine (cache->backend, &(PmCombine) { .n = cache->n, .n_terms = 1, .x = { x }, .weights = { -1.f },
                                                     .y = ring->points + ring->newest * cache->n });
}

void
pm_feature_cache_end (PmFeatureCache *cache, PmItemTag tag, const float *x)
{
  PmFeatureRing *ring = find_ring (cache, tag);
  float         *point = ring->points + ring->newest * cache->n;
  pm_backend_combine (cache->backend, &(PmCombine) { .n = cache->n, .n_terms = 2, .x = { point, x }, .weights = { 1.f, 1.f },
                                                     .y = point });
  ring->n++;
}

void
pm_feature_cache_predict (PmFeatureCache *cache, PmItemTag tag, double position, float *x)
{
  PmFeatureRing *ring = find_ring (cache, tag);
  PmCombine      op = { .n = cache->n, .n_terms = 1 + ring->n, .x = { x }, .weights = { 1.f }, .y = x };

  position = ring->positions[ring->newest] + REACH * (position - ring->positions[ring->newest]);
  for (int i = 0; i < ring->n; i++)
    {
      int    at = (ring->newest - i + cache->n_points) % cache->n_points;
      double weight = 1; /* Lagrange's polynomial of this point */
      for (int j = 0; j < ring->n; j++)
        {
          int other = (ring->newest - j + cache->n_points) % cache->n_points;
          if (other != at)
            weight *= (position - ring->positions[other]) / (ring->positions[at] - ring->positions[other]);
        }
      op.x[1 + i] = ring->points + at * cache->n;
      op.weights[1 + i] = (float) weight;
    }
  pm_backend_combine (cache->backend, &op);
}
