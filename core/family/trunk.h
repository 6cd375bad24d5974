/* What DiT and the networks that grew out of it compute alike: patches in, blocks of attention and MLP whose norms are
 * modulated, patches out; and the workspace for it. Letters: B items; T tokens of the picture; D width; F width of the MLP;
 * C channels of the input; p patch. */
#ifndef PM_FAMILY_TRUNK_H
#define PM_FAMILY_TRUNK_H

#include "family/family.h"
#include "nn/layer.h"

/* In the backend's memory. */
typedef struct
{
  float *image;    /* [B, C, h, w] */
  float *patches;  /* [B, T, max (C, C_out) * p * p] */
  float *x;        /* [B, T, D] the stream */
  PmActs h;        /* [B, T, D] what a norm makes of it */
  PmActs qkv;      /* [B, T, 3, D] */
  PmActs mlp;      /* [B, T, F] */
  float *output;   /* [B, C_out, h, w] */
  float *position; /* [T, D] */
} PmTrunkWork;

typedef struct
{
  PmBackend           *backend; /* borrowed, as the next */
  const PmNetworkInfo *info;
  PmShape              shape;
  PmSite              *sites;   /* of the shape; owned */
  PmTrunkWork          work;
  gpointer             memory;
} PmTrunk;

/* How a norm is modulated, and what comes of it gated: h = norm (x) * (1 + scale) + shift; x += gate * f (h). Items are `stride`
 * floats apart. */
typedef struct
{
  const float *shift, *scale, *gate; /* [B, D]; gate may be NULL: 1 */
  gsize        stride;
  float        eps;
} PmModulation;

/* Bytes of n elements in a workspace: every buffer begins a cache line. */
static inline gsize
pm_trunk_room (gsize n, PmDtype dtype)
{
  return (n * pm_dtype_size (dtype) + 63) / 64 * 64;
}

/* Bytes of the workspace. */
gsize pm_trunk_bytes (const PmNetworkInfo *info, int F, const PmShape *shape, PmDtype acts);

/* Takes the workspace, and behind it `more` bytes, which are returned; NULL with PM_ERROR_MEMORY. Takes sites; clear it also
 * after failure. */
gpointer pm_trunk_init (PmTrunk *trunk, PmBackend *backend, const PmNetworkInfo *info, int F, const PmShape *shape,
                        PmSite *sites, gsize more, GError **error);
void     pm_trunk_clear (PmTrunk *trunk);

/* The position table from a stored tensor [1, T, D], or where that is NULL computed: see nn/position.h. */
gboolean pm_trunk_set_position (PmTrunk *trunk, const PmTensor *stored, double base, double scale, GError **error);

/* Self attention of a layer: qkv [3], of which the last two are empty where the first gives q, k and v. */
void pm_trunk_attend (PmTrunk *trunk, const PmDenoise *in, int layer, const PmLayer *qkv, const PmLayer *proj,
                      const PmModulation *modulation);

/* The MLP. */
void pm_trunk_feed (PmTrunk *trunk, int B, const PmLayer *fc1, const PmLayer *fc2, const PmModulation *modulation);

/* x += gate * (from . layer); gate NULL: 1. */
void pm_trunk_add (PmTrunk *trunk, const PmLayer *layer, int B, PmActs from, const float *gate, gsize gate_stride);

/* What a family adds. Its operations are told of memory that stays where it is from call to call: they may be remembered
 * (pm_backend_begin_step). */
typedef struct
{
  const PmLayer *embed, *final;
  void (*block) (PmPrepared *prepared, const PmDenoise *in, int layer);
  PmModulation (*modulate_final) (PmPrepared *prepared, const PmDenoise *in);
  PmPrepared    *prepared;
  guint64        key; /* of what operations are told beside the batch's size */
} PmTrunkNetwork;

/* Patches in, all blocks or what stands in for them (PmDenoise.predict), the final layer's patches to out [B, C_out, h, w], host
 * memory. */
gboolean pm_trunk_denoise (PmTrunk *trunk, const PmDenoise *in, const PmTrunkNetwork *network, float *out, GError **error);

/* Operations of one item in the embedding, L blocks of self attention and MLP, and the final layer. */
double pm_trunk_flops (const PmNetworkInfo *info, int F, const PmShape *shape);

#endif
