/* The main deed: a request in, a picture with its maps out. */
#ifndef PM_RUN_GENERATE_H
#define PM_RUN_GENERATE_H

#include "base/job.h"
#include "attention/map.h"
#include "model/model.h"
#include "request/request.h"

/* floor_flops: multiplications and additions of the whole run. seconds < 0: not known. */
typedef struct
{
  double  floor_flops;
  double  seconds;       /* at the speed this machine just showed in a product of 0.05 s */
  guint64 weight_bytes;  /* mapped, shared with the page cache */
  guint64 work_bytes;    /* allocated for the run */
  guint64 vae_file_bytes; /* of temporary files while a VAE runs, where the picture is large */
  guint64 map_bytes;     /* recorded maps, in memory */
  guint64 map_file_bytes; /* of the temporary file for recorded maps */
  PmMapStorage map_storage;
  guint64 free_bytes;    /* what the system says is available now */
  guint64 device_bytes;  /* of a GPU's own memory; 0: of the processor, which has none, as the next two */
  guint64 device_free_bytes; /* what there is of it for the run */
  guint64 streamed_bytes; /* weights, and of a VAE pictures, that stay in the host's memory and are fetched at each use,
                           * because they do not fit */
  int     n_maps;
} PmEstimate;

typedef struct
{
  int        width, height;
  float     *picture;      /* [height, width, 3] 0..1; NULL for a latent model without a VAE, and of a request for maps only */
  int        channels, latent_width, latent_height;
  int        n_steps;
  float     *trajectory;   /* [n_steps + 1, C, h, w]: x_t before each step, and the result */
  double    *times;        /* [n_steps + 1] noise level x 1000 as layer names show it; the last is 0 */
  GPtrArray *maps;         /* of PmMap, in the order: reading, step, layer, head */
  char      *record;       /* JSON: program, model, request, timings; everything to run it again */
  double     seconds;
} PmResult;

/* Cheap: starts the workers and times the processor for a twentieth of a second. PM_ERROR_USAGE for a request that
 * the model cannot serve; PM_ERROR_MEMORY when it would not fit. */
gboolean pm_generate_estimate (PmModel *model, const PmRequest *request, PmEstimate *estimate, GError **error);

/* Blocks; progress and cancel through job (may be NULL). */
PmResult *pm_generate (PmModel *model, const PmRequest *request, PmJob *job, GError **error);

/* What a run would make itself, given instead; host memory. */
typedef struct
{
  const float *noise;          /* [C, h, w] the start instead of seeded noise; NULL: seeded */
  const float *text[2];        /* [text_length, E] embeddings instead of the prompt's, and of the one guided away from; NULL */
  int          text_length[2];
} PmGiven;

/* The same with something given. */
PmResult *pm_generate_from (PmModel *model, const PmRequest *request, const PmGiven *given, PmJob *job, GError **error);

/* Whether a record was made with the files that model has now: NULL when it was, or when the record does not say; else a
 * sentence that tells the difference, to be freed with g_free. Sums the files, which may take seconds the first time. */
char *pm_record_compare_model (const char *record, PmModel *model, PmJob *job);

void pm_result_free (PmResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmResult, pm_result_free)

#endif
