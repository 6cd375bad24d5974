/* Layers of weights: found in a checkpoint by name and shape, prepared for a backend, applied. */
#ifndef PM_NN_LAYER_H
#define PM_NN_LAYER_H

#include "backend/backend.h"
#include "format/checkpoint.h"

/* A linear layer: NAME.weight [N, K] and, where there is one, NAME.bias [N]. */
typedef struct
{
  PmWeight weight, bias;
  gboolean has_bias;
} PmLayer;

/* The tensor of that name and of `rank` dimensions (gsize each, following); NULL with PM_ERROR_DAMAGED that names the
 * tensor, what was found and what was expected. */
const PmTensor *pm_nn_require (PmCheckpoint *checkpoint, GError **error, const char *name, int rank, ...);

/* TRUE when PREFIX.weight is [N, K] (or folds to it: a convolution's [N, c, h, w]) and PREFIX.bias is [N]. */
gboolean pm_nn_layer_check (PmCheckpoint *checkpoint, const char *prefix, gsize N, gsize K, GError **error);

/* After a successful check. */
gboolean pm_nn_layer_prepare (PmLayer *layer, PmCheckpoint *checkpoint, const char *prefix, PmBackend *backend, GError **error);
void     pm_nn_layer_release (PmLayer *layer, PmBackend *backend);

/* The description of y[M, N] = x[M, K] . weight^T + bias, dense rows, no epilogue: to be refined and run. */
PmLinear pm_nn_layer_linear (const PmLayer *layer, int M, PmActs x, PmActs y);

#endif
