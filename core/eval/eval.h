/* Single stages on given tensors, for parity tests and bug reports; and the bench. */
#ifndef PM_EVAL_H
#define PM_EVAL_H

#include "base/job.h"
#include "model/model.h"
#include "request/request.h"
#include "tensor/bundle.h"

/* Where and how a stage is run. All zero is right. */
typedef struct
{
  const char *device;     /* of pm_device_list(), or "ref" for the plain reference loops; NULL: "cpu" */
  int         n_threads;
  PmPrecision precision;
  guint64     vram_limit;
  const char *memory;     /* VAE: of pictures inside the network: "full", all in memory; "half", f16; MiB in memory; NULL */
  gboolean    has_seed;   /* VAE: encoding draws from the posterior instead of taking its mean */
  guint64     seed;
} PmEvalOptions;

/* Stage "denoise": in x [B,C,H,W] f32, t [B] f32, y [B] i32 (or, of models that read text, text [B,S,E] f32 and text_length [B]
 * i32, B up to 3), and region [B,N] f32 for readings of a region.
 * Out: out [B,C',H,W]; and what `capture` lists, comma-separated: received, entropy, distance, from, to ([L,B,H,N] each),
 * rollout ([L,B,N]; all heads), probs:LAYER ([B,H,N,N]), cross:LAYER ([B,H,N,S]), subject ([B,N]; recommended layers, all
 * heads). NULL captures nothing. */
PmBundle *pm_eval_denoise (PmModel *model, const PmEvalOptions *options, PmBundle *in, const char *capture, PmJob *job,
                           GError **error);

/* Stage "sample": one picture of the request; in (may be NULL) may hold noise [1,C,H,W] to start from (the seed is then that of
 * the steps' noise), and text [1 or 2,S,E] f32 with text_length [1 or 2] i32: the condition's embedding, and that of what is
 * guided away from, instead of what the request says in words.
 * Out: latent [1,C,H,W], unclamped. */
PmBundle *pm_eval_sample (PmModel *model, const PmRequest *request, PmBundle *in, PmJob *job, GError **error);

/* Stages "vae-decode" and "vae-encode": latent [B,C,h,w], as the model that paints has it (scaled), to image [B,3,H,W] in
 * -1..1, unclamped, and back. model: the name or path of a model that has a VAE, or the path of a VAE itself. */
PmBundle *pm_eval_vae (const char *model, const char *stage, PmBundle *in, const PmEvalOptions *options, PmJob *job,
                       GError **error);

/* Stage "text-encode": ids [n] i32, the end token included, to embedding [n,E]. model: the name or path of a model that has a
 * text encoder, or the path of a text encoder itself. */
PmBundle *pm_eval_text_encode (const char *model, PmBundle *in, const PmEvalOptions *options, PmJob *job, GError **error);

/* Stage "tokenize": ids [n] i32 of what pm_model_read_prompt makes of the text, the end token included. */
PmBundle *pm_eval_tokenize (PmModel *model, const char *text, GError **error);

/* One row of the bench table: what was timed, its figure and unit, and its ratio to the floor measured in the same run
 * (< 0: none). */
typedef struct
{
  const char *name;
  double      value;
  const char *unit;
  double      ratio;
  const char *ratio_of; /* "sgemm 2048" */
} PmBenchRow;

typedef void (*PmBenchFunc) (const PmBenchRow *row, gpointer data);

/* How the bench is run. All zero is right. */
typedef struct
{
  gboolean    is_quick;  /* shorter repeats */
  int         n_threads;
  const char *device;    /* of the measurement "device"; NULL: the first that is not the processor */
  PmPrecision precision; /* there */
  const char *weights;   /* there: a checkpoint of DiT-XL/2 at 256 px, instead of hashed weights */
  gboolean    is_tiny;   /* there: networks of toy size, to try the measurement itself */
} PmBenchOptions;

/* what: NULL for all, or one of pm_bench_list(). */
gboolean pm_bench (const char *what, const PmBenchOptions *options, PmBenchFunc func, gpointer data, PmJob *job, GError **error);
const char *const *pm_bench_list (void);

/* Names of backend operations that a run of the model on device leaves to the reference loops; empty is what it should be.
 * Free with g_strfreev. */
char **pm_device_fallbacks (PmModel *model, const char *device, GError **error);

#endif
