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
  int          grid_w, grid_h;     /* of tokens at the trained size, which without any_size is the only one */
  gboolean     any_size;           /* prepare() takes other grids, of sides up to max_side tokens */
  int          max_side;
  int          n_classes;          /* null class left out */
  int          null_class;         /* -1: none */
  gboolean     has_null;           /* there is a condition that means none, so that it can be guided */
  int          text_width;         /* of the text embeddings it reads; 0: it has classes instead */
  int          max_text;           /* tokens of a text that it was trained with */
  gboolean     cleans_text;        /* it was trained with texts that are cleaned as in text/caption.h */
  gboolean     has_null_text;      /* it stores what it was trained to be told instead of a text: set_text() without one */
  const char  *dialect;            /* whose names and numerics the file has */
  PmPrediction prediction;
  PmSchedule   schedule;
  int          guidance_channels;  /* the first so many channels are guided */
  gboolean     is_latent;
  const char  *sampler;            /* how it is sampled unless the configuration says; NULL and 0: as the schedule goes */
  int          steps;
  double       guidance;
} PmNetworkInfo;

/* What a network is prepared for, and a run works on. */
typedef struct
{
  int grid_w, grid_h; /* tokens of the picture: patches */
  int max_items;      /* the largest batch */
  int max_text;       /* the most text tokens of an item; 0 without text */
} PmShape;

/* Steering by words: what is added to the logits of every cross-attention of one text. See PmLogitEdit. */
typedef struct
{
  int          n_regions;
  const float *key_bias;    /* [n] a token each; NULL: 0 */
  const int   *key_region;  /* [n] -1: none; NULL: none has one */
  const float *region_bias; /* [n_regions, T] */
} PmTextEdit;

typedef struct _PmNetwork PmNetwork; /* defined by the family */

/* A network prepared for one backend and one shape: weights and workspace. */
typedef struct _PmPrepared PmPrepared; /* defined by the family */

typedef struct
{
  int              B;
  const float     *x;      /* [B, C, h, w] host memory */
  const float     *t;      /* [B] the model's own time as it enters the timestep embedding (time_scale applied) */
  const int       *y;      /* [B] class rows; NULL where there is text */
  const PmItemTag *tags;   /* [B] which half an item belongs to, and with text which text it is told: of set_text() */
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

  PmPrepared *(*prepare) (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error);
  void (*release) (PmPrepared *prepared);

  /* The attentions of a run of that shape: those over the picture of all layers in their order, behind them the cross
   * attentions where there are, whose keys are a text span of max_text tokens. Free with g_free. */
  PmSite *(*sites) (PmNetwork *network, const PmShape *shape, int *n_sites);

  /* Told before the run for every tag that it will use: what the items of that tag are told in words. What depends on the
   * text alone is computed here, once. Borrows nothing. Batches hold the tags in the order in which they were told, none twice.
   * embedding NULL, with has_null_text: the first n tokens of what is stored. NULL for families that read no text. */
  gboolean (*set_text) (PmPrepared *prepared, PmItemTag tag, const float *embedding /* [n, E] host memory */, int n,
                        const PmTextEdit *edit /* NULL: none */, PmJob *job, GError **error);

  /* Told before a run, in this order, the n times and class rows (NULL where there is text) that denoise() will be called
   * with, so that what depends on them alone may be computed for many steps at once. Never needed: denoise() takes any. */
  gboolean (*expect) (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error);

  /* out [B, out_channels, h, w] host memory. Errors: cancelled, or the backend's. */
  gboolean (*denoise) (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);

  /* Multiplications and additions of one call with B items, and bytes that prepare() allocates beside weights, for a backend
   * that likes PmActs of that type. */
  double (*flops) (PmNetwork *network, const PmShape *shape, int B);
  gsize (*work_bytes) (PmNetwork *network, const PmShape *shape, PmDtype acts);
} PmFamily;

static inline gsize
pm_shape_tokens (const PmShape *shape)
{
  return (gsize) shape->grid_w * shape->grid_h;
}

/* Numbers of one channel of x: h * w. */
static inline gsize
pm_shape_area (const PmShape *shape, const PmNetworkInfo *info)
{
  return pm_shape_tokens (shape) * info->patch * info->patch;
}

/* The shape of the trained size. */
static inline PmShape
pm_shape_trained (const PmNetworkInfo *info, int max_items)
{
  return (PmShape) { .grid_w = info->grid_w, .grid_h = info->grid_h, .max_items = max_items, .max_text = info->max_text };
}

extern const PmFamily *const pm_families[]; /* written by core/meson.build */

#endif
