/* Encoders of text: opening one, running it, and the registry entry of a kind (one published architecture, one constant
 * descriptor `pm_text_encoder_<file>`).
 *
 * Letters: n tokens of a text; E width of what comes out. */
#ifndef PM_TEXT_ENCODER_H
#define PM_TEXT_ENCODER_H

#include "backend/backend.h"
#include "format/checkpoint.h"

typedef struct
{
  const char *kind;          /* "t5" */
  int         width;         /* E */
  int         n_layers, n_heads;
  int         n_vocabulary;  /* ids are below it */
  guint64     n_parameters, n_bytes; /* of what the encoder uses */
} PmTextEncoderInfo;

/* Of a run. */
typedef struct
{
  double flops;      /* multiplications and additions */
  gsize  work_bytes; /* allocated */
  gsize  n_elements; /* of weights that are there at a time */
} PmTextCost;

typedef struct _PmTextNetwork PmTextNetwork; /* defined by the kind */

typedef struct
{
  const char *id; /* "t5" */

  /* Do these tensors look like this kind's? Cheap: names only. */
  gboolean (*probe) (PmCheckpoint *checkpoint);

  /* Validates every tensor; keeps the checkpoint borrowed. config_path: of config.json, which need not be there, or NULL. Fills
   * info but for its kind. */
  PmTextNetwork *(*load) (PmCheckpoint *checkpoint, const char *config_path, PmTextEncoderInfo *info, GError **error);
  void (*free) (PmTextNetwork *network);

  /* See pm_text_encoder_run. */
  gboolean (*run) (PmTextNetwork *network, PmBackend *backend, const int *ids, int n, float *out, PmJob *job, GError **error);

  /* With PmActs of that type. */
  PmTextCost (*measure) (PmTextNetwork *network, int n, PmDtype acts);
} PmTextEncoderKind;

extern const PmTextEncoderKind *const pm_text_encoders[]; /* written by core/meson.build */

typedef struct _PmTextEncoder PmTextEncoder;

/* path: a folder with config.json and weights as transformers writes them, or a lone checkpoint. Errors: PM_ERROR_NO_MODEL,
 * PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED. */
PmTextEncoder *pm_text_encoder_open (const char *path, GError **error);
void           pm_text_encoder_free (PmTextEncoder *encoder);

const PmTextEncoderInfo *pm_text_encoder_get_info (PmTextEncoder *encoder);
PmCheckpoint            *pm_text_encoder_get_checkpoint (PmTextEncoder *encoder); /* borrowed */

/* What embeddings depend on beside the tokens, as one name: the sums of the weights' files, where these are remembered (see
 * format/identity.h; else NULL), and the configuration. Free with g_free. */
char *pm_text_encoder_identity (PmTextEncoder *encoder);

/* acts: of the backend that runs it, pm_backend_get_wide_dtype. */
PmTextCost pm_text_encoder_measure (PmTextEncoder *encoder, int n, PmDtype acts);

/* ids [n], the end token included and no padding, to out [n, E] host memory. Layers of weights are let go of one by one: when it
 * returns, nothing of the encoder is resident. A backend that likes f16 is not asked, but pm_backend_open_wide's: hidden layers
 * of the largest encoders leave f16's range. Reports progress. Errors: cancelled, PM_ERROR_MEMORY, PM_ERROR_USAGE for an id
 * beyond the vocabulary, PM_ERROR_IO when the file changed. */
gboolean pm_text_encoder_run (PmTextEncoder *encoder, PmBackend *backend, const int *ids, int n, float *out, PmJob *job,
                              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTextEncoder, pm_text_encoder_free)

#endif
