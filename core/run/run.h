/* A run: a request checked against a model, with everything it needs made ready. Shared by generate, estimate and eval. */
#ifndef PM_RUN_H
#define PM_RUN_H

#include "model/private.h"
#include "run/generate.h"
#include "run/words.h"
#include "sampler/loop.h"
#include "text/prompt.h"

typedef struct
{
  PmModel         *model;     /* borrowed */
  const PmRequest *request;   /* borrowed */
  const PmSampler *sampler;
  PmShape          shape;
  PmSteps          steps;
  int              class_index, class_row; /* of pm_model_find_class, and of the class table */
  PmPrompt        *prompts[2]; /* with a prompt: what it says, and what is guided away from (NULL without guidance) */
  float           *embeddings[2]; /* [n_tokens, E] of theirs; NULL until pm_run_encode_text */
  gboolean         is_encoded[2]; /* the embedding was computed, not found on disk */
  PmTold           told[2];   /* with text: of PmSampling */
  PmRunWords       words;     /* with a prompt: what of it is read and steered */
  PmSite          *sites;     /* of the shape; n_sites in tap_options */
  float           *region;    /* [N] of the grid, or NULL */
  float           *known;     /* [C, h, w] what the run begins with, clean; NULL: nothing but noise */
  gboolean         encodes;   /* known is a picture that is still to go through the VAE: pm_run_start */
  float           *known_noise; /* [C, h, w] mixed with it; filled by pm_run_start */
  float           *mask;      /* [h, w] 1: painted, 0: known; NULL: everything is painted */
  PmRandom         random;    /* seeded; the start's noise is drawn first, then that of the steps */
  PmTapOptions     tap_options; /* but for the backend */
  gboolean         has_maps;
} PmRun;

/* Checks and plans; allocates no workspace. Errors as pm_generate_estimate. */
gboolean pm_run_init (PmRun *run, PmModel *model, const PmRequest *request, const PmGiven *given /* or NULL */,
                      GError **error);
void     pm_run_clear (PmRun *run);

/* Checks and takes start, strength and mask once the steps are planned. */
gboolean pm_run_read_start (PmRun *run, GError **error);

/* What the halves of a run are told in words, of a model that reads text: prompts, shape.max_text, and told but for embeddings
 * that are not given. */
gboolean pm_run_read_text (PmRun *run, const PmGiven *given /* or NULL */, GError **error);

/* The words of the prompt that are shown and steered: words, and of told the edit of the half that is told the prompt. */
gboolean pm_run_read_words (PmRun *run, GError **error);

/* What encoding those prompts costs that are not found on disk: all operations, and bytes and weights at most at a time. acts as
 * pm_text_encoder_measure has it. */
PmTextCost pm_run_measure_text (const PmRun *run, PmDtype acts);

/* Runs the text encoder where an embedding is missing, and lets go of it. */
gboolean pm_run_encode_text (PmRun *run, PmBackend *backend, double share /* of the job */, PmJob *job, GError **error);

/* Keeps what was computed on disk, where the encoder's files are summed by now. */
void pm_run_keep_text (PmRun *run);
void pm_run_clear_text (PmRun *run);

/* Floats of one x: C * h * w; and its sides. */
gsize pm_run_size (const PmRun *run);
int   pm_run_width (const PmRun *run);
int   pm_run_height (const PmRun *run);

/* What the loop is told, but for the prepared network, tap and job. */
PmSampling pm_run_sampling (PmRun *run);

/* Bytes that the request's cache keeps. */
gsize pm_run_cache_bytes (const PmRun *run);

/* Runs the sampler from trajectory's first entry. tap is made by the caller when there is something to record. */
gboolean pm_run_sample (PmRun *run, PmBackend *backend, PmTap *tap, float *trajectory, PmJob *job, GError **error);

/* x at step 0: noise [C, h, w], or when that is NULL, drawn; mixed with what the request begins with, for which a latent model
 * runs its VAE. */
gboolean pm_run_start (PmRun *run, PmBackend *backend, const float *noise, float *x /* [C, h, w] */, PmJob *job, GError **error);

/* Without data. */
PmVaeCall pm_run_vae_call (const PmRun *run, PmVaeDirection direction);

#endif
