/* Decoders of latents: opening one, running it, and the registry entry of a kind (one published architecture, one constant
 * descriptor `pm_vae_<file>`).
 *
 * Letters: z channels of the latent, h and w its size; a picture is factor times as large, [3, H, W] in -1..1. */
#ifndef PM_VAE_H
#define PM_VAE_H

#include "backend/backend.h"
#include "base/random.h"
#include "format/checkpoint.h"

/* What config.json says beside the weights; diffusers' keys and defaults. */
typedef struct
{
  gboolean is_known;           /* there was a file: what it does not say has the default */
  int      n_groups;           /* norm_num_groups: 32 */
  int      n_levels;           /* length of block_out_channels; 0: not said */
  int      n_layers;           /* layers_per_block; 0: not said */
  gboolean has_attention;      /* mid_block_add_attention */
  gboolean has_quant_conv, has_post_quant_conv;
  double   scaling, shift;     /* the model's latent is (latent - shift) * scaling */
} PmVaeConfig;

typedef enum
{
  PM_VAE_DECODE,
  PM_VAE_ENCODE
} PmVaeDirection;

/* Where pictures inside the network lie. They are worked on in blocks of the whole picture, so there are no seams, every norm
 * sees all of it, and results do not depend on the limit. All zero is what people get. */
#define PM_VAE_LIMIT ((gsize) 1 << 30)
/* A device has its own memory to the end, and pinned memory of the host where that does not do: files, and so the limit, are the
 * processor's; and with 16-bit weights its features are f16 as with is_half. */
typedef struct
{
  gsize    limit;   /* bytes in memory; what is beyond lies in temporary files. 0: PM_VAE_LIMIT; G_MAXSIZE: no files */
  gboolean is_half; /* f16 where they are larger than the latent: half the bytes, and off by 2/255 at most */
} PmVaeMemory;

/* One latent or picture; h and w are the latent's. */
typedef struct
{
  PmVaeDirection direction;
  int            h, w;
  const float   *in;  /* decode: [z, h, w] as the network takes it; encode: [3, H, W] */
  float         *out; /* decode: [3, H, W]; encode: [2 z, h, w], means and logarithms of variances */
  PmVaeMemory    memory;
  PmJob         *job; /* may be NULL */
} PmVaeCall;

/* Of a call. */
typedef struct
{
  double flops;      /* multiplications and additions */
  gsize  work_bytes; /* of memory at most; on a device beside the weights */
  gsize  file_bytes; /* of temporary files at most */
  gsize  n_elements; /* of weights */
} PmVaeCost;

typedef struct
{
  int      latent_channels, factor;
  gboolean has_encoder;
  double   scaling, shift;
  guint64  n_parameters, n_bytes;
} PmVaeInfo;

typedef struct _PmVaeNetwork PmVaeNetwork; /* defined by the kind */

typedef struct
{
  const char *id; /* "autoencoder-kl" */

  gboolean (*probe) (PmCheckpoint *checkpoint);

  /* Validates every tensor; keeps the checkpoint borrowed. Fills info but scaling and shift. */
  PmVaeNetwork *(*load) (PmCheckpoint *checkpoint, const PmVaeConfig *config, PmVaeInfo *info, GError **error);
  void (*free) (PmVaeNetwork *network);
  gboolean (*run) (PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call, GError **error);

  /* On a backend, NULL: the processor. `in`, `out` and `job` are not looked at. */
  PmVaeCost (*measure) (PmVaeNetwork *network, PmBackend *backend, const PmVaeCall *call);
} PmVaeKind;

extern const PmVaeKind *const pm_vaes[]; /* written by core/meson.build */

typedef struct _PmVae PmVae;

/* path: a folder with config.json and weights in diffusers' layout, or a lone checkpoint, which may be of a whole model whose
 * decoder's tensors have the prefix "first_stage_model.". Errors: PM_ERROR_NO_MODEL,
 * PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED. */
PmVae *pm_vae_open (const char *path, GError **error);

/* The same of a checkpoint that is open already; takes it, on failure too. config_path: NULL for diffusers' defaults. */
PmVae *pm_vae_new_from_checkpoint (PmCheckpoint *checkpoint, const char *config_path, GError **error);
void   pm_vae_free (PmVae *vae);

const PmVaeInfo *pm_vae_get_info (PmVae *vae);
PmCheckpoint    *pm_vae_get_checkpoint (PmVae *vae); /* borrowed */

/* See PmVaeKind.measure. */
PmVaeCost pm_vae_measure (PmVae *vae, PmBackend *backend, const PmVaeCall *call);

/* latent [z, h, w] as the model that paints has it, scaled; picture [3, h * factor, w * factor] in about -1..1, unclamped.
 * Errors: cancelled, PM_ERROR_MEMORY, PM_ERROR_IO when there is no room for temporary files. */
gboolean pm_vae_decode (PmVae *vae, PmBackend *backend, int h, int w, const float *latent, PmVaeMemory memory, float *picture,
                        PmJob *job, GError **error);

/* The reverse: the mean of the posterior, or with random a draw from it (z * h * w normals). */
gboolean pm_vae_encode (PmVae *vae, PmBackend *backend, int h, int w, const float *picture, PmVaeMemory memory, PmRandom *random,
                        float *latent, PmJob *job, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmVae, pm_vae_free)

#endif
