/* What the files of the family `dit` share: dit.c reads a checkpoint, dit-condition.c turns times and classes into modulations,
 * dit-run.c runs the blocks. */
#ifndef PM_FAMILY_DIT_H
#define PM_FAMILY_DIT_H

#include "family/family.h"
#include "nn/layer.h"

/* Letters: B items; T tokens; D width; L layers; H heads; C channels of the input; p patch; F width of the MLP. */
struct _PmNetwork
{
  PmCheckpoint  *checkpoint; /* borrowed */
  PmNetworkInfo  info;       /* its sites are borrowed from the one that load() filled */
  int            F;
  int            n_rows;     /* of the class table */
};

typedef struct
{
  PmLayer qkv, proj, fc1, fc2, modulation;
} PmDitBlock;

/* Workspace, in the backend's memory. */
typedef struct
{
  float *image;    /* [B, C, h, w] */
  float *patches;  /* [B, T, max (C, C_out) * p * p] */
  float *x, *h;    /* [B, T, D] the stream, and what a norm makes of it */
  float *qkv;      /* [B, T, 3, D] */
  float *mlp;      /* [B, T, F] */
  float *output;   /* [B, C_out, h, w] */
  float *position; /* [T, D] */
} PmDitWork;

/* Modulations of a window of R conditions (a time and a class row each), all layers at once: they depend on nothing else, and
 * reading their weights (a third of the network's) once a run instead of once a step pays. */
typedef struct
{
  int    n_expected;
  float *expected_t;        /* [n_expected] */
  int   *expected_y;
  int    R;                 /* rows there is room for */
  int    first, n;          /* the window: expected rows first .. first + n - 1 are computed */
  float *time, *hidden, *c; /* [R, 256], [R, D], [R, D] the backend's memory, as the next */
  float *modulation;        /* [L] of [R, 6, D], then [R, 2, D] of the final layer */
} PmDitConditions;

struct _PmPrepared
{
  PmNetwork      *network;
  PmBackend      *backend;
  int             max_items;
  PmLayer         embed, time0, time2, final_modulation, final;
  PmDitBlock     *blocks; /* [L] */
  PmDitWork       work;
  PmDitConditions conditions;
  float          *memory; /* of work and conditions */
};

gsize pm_dit_conditions_size (const PmNetwork *network, int max_items); /* floats */
void  pm_dit_conditions_init (PmPrepared *prepared, float *memory);
void  pm_dit_conditions_clear (PmPrepared *prepared);

/* See PmFamily.expect. */
gboolean pm_dit_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error);

/* The row of the window where the conditions of the batch begin, one behind the other; computed when they are not there.
 * -1 with an error when cancelled. */
int pm_dit_conditions_find (PmPrepared *prepared, const PmDenoise *in, GError **error);

/* layer L is the final one. */
const float *pm_dit_conditions_get (PmPrepared *prepared, int layer, int row);

PmPrepared *pm_dit_prepare (PmNetwork *network, PmBackend *backend, int max_items, GError **error);
void        pm_dit_release (PmPrepared *prepared);
gboolean    pm_dit_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);
gsize       pm_dit_work_bytes (PmNetwork *network, int max_items);

#endif
