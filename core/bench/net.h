/* The networks that the bench runs: a DiT with patch 2 of any size, its weights hashed or in a file of zeros.
 * Letters: B items, D width. */
#ifndef PM_BENCH_NET_H
#define PM_BENCH_NET_H

#include "bench/private.h"
#include "family/family.h"
#include "format/checkpoint.h"

#define PM_BENCH_ITEMS 16 /* of a batch, at most: halves with a class and without one in turns */
#define PM_BENCH_STEPS 20 /* of a run: so many share what depends on times and classes alone */

typedef struct
{
  int depth, width, n_heads;
  int side; /* of the latent: an eighth of the picture's */
} PmBenchSize;

typedef struct
{
  PmCheckpoint   *checkpoint;
  PmConfig       *config;
  const PmFamily *family;
  PmNetwork      *network;
  PmNetworkInfo   info;
  PmShape         shape;
  PmPrepared     *prepared;
  int             B;
  float          *x, *out;   /* [B, C, h, w], [B, 2C, h, w] */
  float          *text;      /* [S, E], of a network that reads text; NULL: none */
  double          told;      /* seconds that the texts of both halves took, once a run */
  double          share;     /* seconds that the modulations of a run took, for one step */
  double          share_cpu; /* the same of processor time */
} PmBenchNet;

/* Peebles and Xie, Scalable Diffusion Models with Transformers, table 1. */
#define PM_BENCH_XL(side) { 28, 1152, 16, side }
#define PM_BENCH_S(side) { 12, 384, 6, side }

/* With hashed weights (format/hash.c), or from a file. */
gboolean pm_bench_net_open (PmBenchNet *net, PmBackend *backend, const PmBenchSize *size, const char *path, int B,
                            GError **error);
void     pm_bench_net_close (PmBenchNet *net);

/* Writes the network's safetensors with zeros for weights, which take no room on the disk. */
gboolean pm_bench_net_write (const PmBenchSize *size, const char *path, GError **error);

/* Tells the network of a run, each step with times and classes of its own, and keeps what that took. */
gboolean pm_bench_net_expect (PmBenchNet *net, PmJob *job, GError **error);

/* A tap that records `received` in all layers and heads at all steps, and what it keeps of them. */
PmTap *pm_bench_net_record (const PmBenchNet *net, PmBackend *backend, gsize *n_bytes, GError **error);

/* Seconds of one denoising, its share of the modulations included; < 0 with an error. tap may be NULL. */
double pm_bench_net_step (PmBenchNet *net, PmTap *tap, int step, PmJob *job, GError **error);

double pm_bench_net_flops (const PmBenchNet *net);

/* The process's peak of resident memory in bytes since the last reset; 0 where the system does not tell. */
guint64 pm_bench_peak_memory (gboolean reset);

#endif
