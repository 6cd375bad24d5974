/* What the files of the family `dit` share: dit-dialect.c knows how files name the tensors, dit.c reads a checkpoint,
 * dit-condition.c turns times and classes into modulations, dit-run.c runs the blocks. */
#ifndef PM_FAMILY_DIT_H
#define PM_FAMILY_DIT_H

#include "family/expected.h"
#include "family/trunk.h"

/* Layers of a block. Queries, keys and values are three layers, or one with its rows below one another. */
typedef enum
{
  PM_DIT_Q,
  PM_DIT_K,
  PM_DIT_V,
  PM_DIT_PROJ,
  PM_DIT_FC1,
  PM_DIT_FC2,
  PM_DIT_MODULATION,
  PM_DIT_N_LAYERS
} PmDitLayer;

/* The layers outside the blocks. */
typedef enum
{
  PM_DIT_EMBED,
  PM_DIT_TIME0,
  PM_DIT_TIME2,
  PM_DIT_FINAL_MODULATION,
  PM_DIT_FINAL,
  PM_DIT_N_ENDS
} PmDitEnd;

/* A way to write the same network: names, and the few numbers in which programs differ. */
typedef struct
{
  const char *id;
  const char *ends[PM_DIT_N_ENDS];     /* without ".weight" and ".bias" */
  const char *classes;                 /* the class table */
  const char *position;                /* the table of positions; NULL: computed for config's sample_size */
  const char *block;                   /* with %d and %s: layer and name of PmDitLayer */
  const char *layers[PM_DIT_N_LAYERS]; /* K and V are NULL where Q is all three */
  const char *copy;                    /* with %d and %s: where later blocks keep copies of both embedders; NULL: nowhere */
  int         period;                  /* of the timestep embedding, see nn/timestep.h */
  float       mlp_eps;                 /* of the norm before the MLP, where config has no norm_eps */
  int         guidance_channels;       /* of a network with 4 channels */
  PmSpacing   spacing;
} PmDitDialect;

/* Letters: B items; T tokens; D width; L layers; H heads; C channels of the input; p patch; F width of the MLP. */
struct _PmNetwork
{
  PmCheckpoint  *checkpoint; /* borrowed */
  const PmDitDialect *dialect;
  PmNetworkInfo  info;
  int            F;
  int            n_rows;     /* of the class table */
  float          mlp_eps;    /* of the norm before the MLP */
};

typedef struct
{
  PmLayer layers[PM_DIT_N_LAYERS];
} PmDitBlock;

/* Modulations of a window of R conditions (a time and a class row each), all layers at once: they depend on nothing else, and
 * reading their weights (a third of the network's) once a run instead of once a step pays. */
typedef struct
{
  PmExpected expected;          /* R: its room */
  float     *time, *hidden, *c; /* [R, 256], [R, D], [R, D] the backend's memory, as the next */
  float     *modulation;        /* [R, 6 L + 2, D] of all layers, then of the final one */
  float     *current;           /* [B, 6 L + 2, D] those of the batch */
} PmDitConditions;

struct _PmPrepared
{
  PmNetwork      *network;
  PmTrunk         trunk;
  PmLayer         ends[PM_DIT_N_ENDS];
  PmDitBlock     *blocks; /* [L] */
  PmDitConditions conditions;
};

/* The dialect whose names the checkpoint has; NULL: none. */
const PmDitDialect *pm_dit_dialect_find (PmCheckpoint *checkpoint);

/* The name of a block's layer; NULL where Q is all three. Free with g_free. */
char *pm_dit_dialect_name (const PmDitDialect *dialect, int block, PmDitLayer layer);

/* FALSE with PM_ERROR_UNSUPPORTED when a block's own embedders are no copies of the first block's. */
gboolean pm_dit_dialect_check_copies (const PmDitDialect *dialect, PmCheckpoint *checkpoint, int n_layers, GError **error);

gsize pm_dit_conditions_size (const PmNetwork *network, int max_items); /* bytes */
void  pm_dit_conditions_init (PmPrepared *prepared, gpointer memory);

/* See PmFamily.expect. */
gboolean pm_dit_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error);

/* Brings the batch's modulations to their place; FALSE when cancelled. */
gboolean pm_dit_conditions_set (PmPrepared *prepared, const PmDenoise *in, GError **error);

/* Of a layer of the batch that was set; layer L is the final one, which has no gate. half: of the layer's two. */
PmModulation pm_dit_conditions_get (PmPrepared *prepared, int layer, int half, float eps);

PmSite     *pm_dit_sites (PmNetwork *network, const PmShape *shape, int *n_sites);
PmPrepared *pm_dit_prepare (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error);
void        pm_dit_release (PmPrepared *prepared);
gboolean    pm_dit_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);
gsize       pm_dit_work_bytes (PmNetwork *network, const PmShape *shape, PmDtype acts);

#endif
