/* How far each patch looks: distance[i] = sqrt (sum_j P[i,j] |xy_j - xy_i|^2), over the grid's diagonal, so that 1 is
 * from corner to corner of the picture. From sums over the keys weighted by 1, x, y and x^2 + y^2: no N x N needed. */
#include "attention/reduction.h"

#include <math.h>

#include "base/i18n.h"

enum
{
  WEIGHT_ONE,
  WEIGHT_X,
  WEIGHT_Y,
  WEIGHT_SQUARE,
  N_WEIGHTS
};

/* From the middle of the grid, in patches: small numbers cancel less. */
static void
get_centred (const PmSpan *span, int token, double *x, double *y)
{
  *x = token % span->grid_w - 0.5 * (span->grid_w - 1);
  *y = token / span->grid_w - 0.5 * (span->grid_h - 1);
}

static void
distance_weigh (const PmReductionPlace *place, float *query_weights, float *key_weights /* [N_WEIGHTS, Tk] */)
{
  int n_keys = place->site->n_keys;

  for (int j = 0; j < place->keys->count; j++)
    {
      float *weight = key_weights + place->keys->first + j;
      double x, y;

      get_centred (place->keys, j, &x, &y);
      weight[WEIGHT_ONE * n_keys] = 1.0f;
      weight[WEIGHT_X * n_keys] = (float) x;
      weight[WEIGHT_Y * n_keys] = (float) y;
      weight[WEIGHT_SQUARE * n_keys] = (float) (x * x + y * y);
    }
}

static void
distance_compose (const PmReductionPlace *place, const float *query_sums, const float *key_sums /* [N_WEIGHTS, Tq] */,
                  const float *entropy, float *out)
{
  const PmSpan *queries = place->queries;
  int           n_queries = place->site->n_queries;
  double        diagonal = hypot (place->keys->grid_w, place->keys->grid_h);

  for (int i = 0; i < queries->count; i++)
    {
      const float *sum = key_sums + queries->first + i;
      double       x, y, square;

      get_centred (queries, i, &x, &y);
      square = sum[WEIGHT_SQUARE * n_queries] - 2.0 * (x * sum[WEIGHT_X * n_queries] + y * sum[WEIGHT_Y * n_queries])
               + (x * x + y * y) * sum[WEIGHT_ONE * n_queries];
      out[i] = (float) (sqrt (fmax (square, 0.0)) / diagonal);
    }
}

const PmReduction pm_reduction_distance = {
  .id = "distance",
  .title = N_("Distance"),
  .n_key_weights = N_WEIGHTS,
  .weigh = distance_weigh,
  .compose = distance_compose,
};
