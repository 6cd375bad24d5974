/* What the files of the kind `autoencoder-kl` share: autoencoder-kl.c knows the network's plan, autoencoder-kl-layer.c its
 * layers.
 *
 * The plan is walked for everything: to check a checkpoint, to count operations and memory (without a backend), and to run. */
#ifndef PM_AUTOENCODER_KL_H
#define PM_AUTOENCODER_KL_H

#include "vae/vae.h"

struct _PmVaeNetwork
{
  PmCheckpoint *checkpoint; /* borrowed */
  PmVaeConfig   config;
  PmVaeInfo     info;
  int           n_levels;
  int           n_resnets[2]; /* of a level, by PmVaeDirection */
};

/* One walk. */
typedef struct
{
  const PmVaeNetwork *network;
  PmBackend          *backend; /* NULL: check and count only */
  PmJob              *job;
  PmDtype             large;       /* type of what is larger than the latent */
  gsize               latent_area;
  gsize               limit;       /* bytes in memory, beyond which pictures are mapped from files */
  gsize               band;        /* PmFeatures.band of those, less than limit */
  gboolean            is_kept;     /* what is new now stays in memory: it is needed as a whole */
  GArray             *live;        /* of PmFeatures: pictures that are in use */
  float              *affine;      /* [2, PM_KL_MAX_CHANNELS] scale and shift of the norm at hand, the backend's */
  double              flops, all_flops; /* done so far; of the whole walk, 0 when not known */
  gsize               n_bytes, most_bytes; /* of memory */
  gsize               n_file_bytes, most_file_bytes;
} PmKlWalk;

#define PM_KL_MAX_CHANNELS 8192

void pm_kl_walk_clear (PmKlWalk *walk);

/* A picture of `channels`, in memory where the limit allows; without a backend its data is NULL. */
gboolean pm_kl_features_new (PmKlWalk *walk, int height, int width, int channels, PmFeatures *features, GError **error);
void     pm_kl_features_clear (PmKlWalk *walk, PmFeatures *features);

/* Replaces x by its convolution KEY; op says everything but x, y, w and bias. N: channels out, 0: as many as the weight has. */
gboolean pm_kl_conv (PmKlWalk *walk, const char *key, PmConv op, int N, PmFeatures *x, GError **error);

/* Makes op apply the group norm KEY to what it reads, x. */
gboolean pm_kl_norm (PmKlWalk *walk, const char *key, const PmFeatures *x, PmConv *op, GError **error);

/* Replaces x by the result of a residual block, or of an attention over its pixels. */
gboolean pm_kl_resnet (PmKlWalk *walk, const char *key, PmFeatures *x, GError **error);
gboolean pm_kl_attention (PmKlWalk *walk, const char *key, PmFeatures *x, GError **error);

#endif
