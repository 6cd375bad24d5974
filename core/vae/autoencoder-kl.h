/* What the files of the kind `autoencoder-kl` share: autoencoder-kl.c knows the network's plan, autoencoder-kl-layer.c its
 * layers, autoencoder-kl-dialect.c their names.
 *
 * The plan is walked for everything: to check a checkpoint, to count operations and memory (without a backend), and to run. */
#ifndef PM_AUTOENCODER_KL_H
#define PM_AUTOENCODER_KL_H

#include "vae/vae.h"

/* Formats of keys: of the side ("decoder", with the file's prefix), where it says so of the level, and of the block in it. */
typedef struct
{
  const char *resnet[2], *resize[2]; /* by PmVaeDirection */
  const char *middle[3];             /* block, attention, block */
  const char *attention[5];          /* norm, queries, keys, values, out */
  const char *shortcut, *norm_out;
  gboolean    counts_by_size; /* level 0 has the largest pictures in a decoder too; else the smallest, which come first */
} PmKlDialect;

struct _PmVaeNetwork
{
  PmCheckpoint *checkpoint; /* borrowed */
  const PmKlDialect *dialect;
  char         *sides[2];       /* by PmVaeDirection */
  char         *quant[2];       /* keys of the convolutions of moments, likewise */
  GHashTable   *names;          /* of tensors that the plan has use for, while it is checked; else NULL */
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
  PmDtype             small, large; /* types of what is as large as the latent, and larger */
  gboolean            is_device;   /* computed there: weights stay until the walk is over, work is queued, no file is mapped */
  gboolean            is_far;      /* a device's memory is too small for pictures */
  gboolean            is_exact;    /* what is new now is f32: it comes from or goes to the host */
  gsize               latent_area;
  gsize               limit;       /* bytes in memory, beyond which pictures are mapped from files */
  gsize               band;        /* PmFeatures.band of those, less than limit */
  gboolean            is_kept;     /* what is new now stays in memory: it is needed as a whole */
  GArray             *live;        /* of PmFeatures: pictures that are in use */
  GArray             *weights;     /* of PmWeight: those that stay */
  gsize               n_elements;  /* of weights, as PmConv has them */
  double              queued;      /* operations since the device was waited for */
  float              *affine;      /* [2, PM_KL_MAX_CHANNELS] scale and shift of the norm at hand, the backend's */
  double              flops, all_flops; /* done so far; of the whole walk, 0 when not known */
  gsize               n_bytes, most_bytes; /* of memory */
  gsize               n_file_bytes, most_file_bytes;
} PmKlWalk;

#define PM_KL_MAX_CHANNELS 8192

/* NULL: the checkpoint is no such decoder. *prefix: before the names of its tensors. */
const PmKlDialect *pm_kl_dialect_find (PmCheckpoint *checkpoint, const char **prefix);

/* The key of a level's block; levels count in the order of the plan. Free with g_free. */
char *pm_kl_dialect_key (const PmVaeNetwork *network, PmVaeDirection direction, const char *format, int level, int block);

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
