/* What to paint and what to show of it: plain data, the same from the dialog, a script and the command line. */
#ifndef PM_REQUEST_H
#define PM_REQUEST_H

#include "attention/show.h"
#include "backend/device.h"
#include "model/model.h"

/* Whether features of one step stand in for those of the next ones. Steps whose maps are recorded are always computed. */
#define PM_CACHE_DEFAULT_INTERVAL 2
typedef enum
{
  PM_CACHE_NONE,
  PM_CACHE_STATIC, /* as they were */
  PM_CACHE_TAYLOR  /* extrapolated */
} PmCache;

/* How some words of the prompt are steered. Steers of the same words add up. */
#define PM_MAX_STEERS 64
#define PM_MAX_STEER_WEIGHT 100.0
#define PM_MAX_STEER_SIDE 256 /* still several to a patch of the largest grids */
typedef struct
{
  char  *words;   /* a word or phrase of the prompt, as pm_prompt_find takes it */
  double weight;  /* 0..PM_MAX_STEER_WEIGHT: ln of it is added to the logits of their tokens; 1 changes nothing, 0 hides them */
  float *region;  /* [region_height, region_width] 0..1, where in the picture they may be looked at: ln of the share of a patch
                   * that it covers is added likewise; NULL: everywhere. In 256 levels, as a record keeps it */
  int    region_width, region_height;
} PmSteer;

typedef struct
{
  char   *model;           /* name or path, for the record */
  char   *device;          /* name or id of a PmDevice: "cpu" */
  PmPrecision precision;   /* of devices other than the processor, as the next two */
  guint64 vram_limit;      /* bytes of the device's own memory; 0: what is free of it */
  PmShortage shortage;     /* what to do when that is too little */
  char   *class_name;      /* name or number; "" paints without a class */
  char   *prompt, *negative_prompt; /* of a model that reads words; "": none */
  PmSteer *steers;         /* [n_steers], of the prompt; owned */
  int     n_steers;
  char   *sampler;         /* of pm_sampler_ids() */
  int     num_steps;
  double  guidance;        /* 1: none */
  double  guidance_interval[2]; /* in 0..1 of the model's time; guided strictly inside */
  guint64 seed;
  int     width, height;   /* pixels */
  PmShow  show;            /* which maps to record */
  float  *region;          /* [region_height, region_width] 0..1, for readings of a region; NULL: none. Owned */
  int     region_width, region_height;
  PmCache cache;
  int     cache_interval;  /* one step of so many is computed; 2 at least; see sampler/loop.h */
  int     n_threads;       /* 0: one per processor */
  gsize   map_budget;      /* bytes of recorded maps; 0: 256 MiB */
  float  *start;           /* what to begin with instead of pure noise; NULL: nothing. Owned */
  int     start_channels;  /* 0: start is a picture [start_height, start_width, 3] 0..1; else a latent [C, height, width] */
  int     start_width, start_height;
  double  strength;        /* with start: the share of the steps that are run, above 0 and at most 1 */
  guint8 *mask;            /* [mask_height, mask_width], with start: 255 is painted, 0 keeps start; NULL paints all. Owned */
  int     mask_width, mask_height;
  char   *start_sum, *mask_sum; /* sha256 of what a record began with and does not hold; NULL: nothing missing */
  int     preview_every;   /* steps from one preview in PmProgress to the next; 0: none */
  gboolean maps_only;      /* no picture comes out: what was painted is not decoded */
} PmRequest;

PmRequest *pm_request_new (void);

/* With the model's defaults filled in, showing nothing. */
PmRequest *pm_request_new_for_model (PmModel *model);
PmRequest *pm_request_copy (const PmRequest *request); /* NULL when memory for its pictures is short */
void       pm_request_free (PmRequest *request);

/* A sentence for what the request holds and its run will not look at; NULL when there is nothing of the kind. */
const char *pm_request_get_unused (const PmRequest *request);

/* "none", "static", "taylor", the last two with an optional ":N", the interval. PM_ERROR_USAGE says what is wrong. */
gboolean pm_request_set_cache (PmRequest *request, const char *text, GError **error);

/* "none", "static", "taylor"; -1 when unknown. */
const char *pm_cache_id (PmCache cache);
int         pm_cache_from_id (const char *id);

/* Parses "layers=2,8;heads=all;steps=0,5;read=received" into request->show; PM_ERROR_USAGE says which part is wrong. */
gboolean pm_request_set_show (PmRequest *request, const char *text, GError **error);

/* mask: [height, width] bytes, 0..255 coverage; copied. NULL removes the region. FALSE, and no region, when memory is short. */
gboolean pm_request_set_region (PmRequest *request, const guint8 *mask, int width, int height);

/* Adds a steer; mask: [height, width] bytes, 0..255 coverage, or NULL; copied, made smaller where a side has more than
 * PM_MAX_STEER_SIDE pixels, so that a soft one fits into a record. PM_ERROR_USAGE for no words, a weight out of
 * range, an empty mask, or more than PM_MAX_STEERS; PM_ERROR_MEMORY. Whether the prompt has the words is found when it is run. */
gboolean pm_request_add_steer (PmRequest *request, const char *words, double weight, const guint8 *mask, int width, int height,
                               GError **error);
void     pm_request_clear_steers (PmRequest *request);

/* The picture [height, width, 3] 0..1 of the model's size to begin with; copied. NULL begins with noise. FALSE,
 * without it, when memory is short; the same of the next two. */
gboolean pm_request_set_start (PmRequest *request, const float *picture, int width, int height);

/* The same of a latent [channels, height, width], as the network sees it. */
gboolean pm_request_set_start_latent (PmRequest *request, const float *latent, int channels, int width, int height);

gsize pm_request_start_size (const PmRequest *request); /* floats of start */

/* [height, width] of the picture: 255 where it is painted anew, 0 where start is kept, mixed between; copied. NULL: none. */
gboolean pm_request_set_mask (PmRequest *request, const guint8 *mask, int width, int height);

/* To and from the JSON of a record (the member "request"). Regions are stored as run-length lists.
 * Of start and mask only checksums are: a request read back must be given them again. Unknown members are ignored; a wrong
 * type is PM_ERROR_DAMAGED. */
char      *pm_request_to_json (const PmRequest *request);
PmRequest *pm_request_from_json (const char *json, GError **error);

/* To be asked before any other parser reads a record that may come from a stranger: PM_ERROR_DAMAGED when json is no JSON, or
 * nested so deeply that a parser would run out of stack. */
gboolean pm_record_check (const char *json, GError **error);

/* Ids ("euler") and translated titles of the samplers, in the registry's order: NULL-terminated, borrowed. */
const char *const *pm_sampler_ids (void);
const char        *pm_sampler_title (const char *id); /* NULL when unknown */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmRequest, pm_request_free)

#endif
