/* The registry entry of a model family: one published architecture, one file, one constant descriptor `pm_family_<file>`. */
#ifndef PM_FAMILY_H
#define PM_FAMILY_H

#include "attention/tap.h"
#include "backend/backend.h"
#include "format/checkpoint.h"
#include "format/config.h"
#include "nn/feature-cache.h"

/* What a family tells of a network after reading its shapes and its configuration. */
typedef struct
{
  int          n_layers, n_heads, width, patch;
  int          in_channels, out_channels;
  int          grid_w, grid_h;     /* of tokens at the only (or trained) size */
  int          n_classes;          /* null class left out */
  int          null_class;         /* -1: none */
  const char  *dialect;            /* whose names and numerics the file has */
  PmPrediction prediction;
  PmSchedule   schedule;
  int          guidance_channels;  /* the first so many channels are guided */
  gboolean     is_latent;
  PmSite      *sites;              /* [n_layers] self attentions over the grid; owned by the network */
} PmNetworkInfo;

typedef struct _PmNetwork PmNetwork; /* defined by the family */

/* A network prepared for one backend: weights and workspace for batches of up to max_items. */
typedef struct _PmPrepared PmPrepared; /* defined by the family */

typedef struct
{
  int              B;
  const float     *x;      /* [B, C, h, w] host memory */
  const float     *t;      /* [B] the model's own time as it enters the timestep embedding (time_scale applied) */
  const int       *y;      /* [B] class rows */
  const PmItemTag *tags;   /* [B] */
  PmTap           *tap;    /* NULL: record nothing */
  PmFeatureCache  *cache;  /* NULL: keep nothing across steps; for streams of T * D floats an item */
  double           position; /* of the step, for the cache */
  gboolean         predict;  /* let the cache stand in for the blocks, where it has something for every item */
  PmJob           *job;    /* may be NULL */
} PmDenoise;

typedef struct
{
  const char *id; /* "dit" */

  /* Do these tensors look like this family's? Cheap: names only. */
  gboolean (*probe) (PmCheckpoint *checkpoint);

  /* Validates every tensor; keeps the checkpoint borrowed. Errors name the missing key and how to give it. */
  PmNetwork *(*load) (PmCheckpoint *checkpoint, const PmConfig *config, PmNetworkInfo *info, GError **error);
  void (*free) (PmNetwork *network, PmNetworkInfo *info);

  PmPrepared *(*prepare) (PmNetwork *network, PmBackend *backend, int max_items, GError **error);
  void (*release) (PmPrepared *prepared);

  /* Told before a run, in this order, the n times and class rows that denoise() will be called with, so that what depends on
   * them alone may be computed for many steps at once. Never needed: denoise() takes any. */
  gboolean (*expect) (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error);

  /* out [B, out_channels, h, w] host memory. Errors: cancelled, or the backend's. */
  gboolean (*denoise) (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);

  /* Multiplications and additions of one call with B items, and bytes that prepare() allocates for max_items. */
  double (*flops) (PmNetwork *network, int B);
  gsize (*work_bytes) (PmNetwork *network, int max_items);
} PmFamily;

extern const PmFamily *const pm_families[]; /* written by core/meson.build */

#endif
