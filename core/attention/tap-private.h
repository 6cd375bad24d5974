/* Private to core/attention: the state of a tap, shared by recording (tap.c) and reading (tap-maps.c).
 * Letters: B items of the coming batch, H heads, N picture tokens, Tq queries, Tk keys. */
#ifndef PM_TAP_PRIVATE_H
#define PM_TAP_PRIVATE_H

#include "attention/tap-plan.h"
#include "attention/tap-store.h"

/* An item of the batch that is kept, where, and with which sign (-1: the null half of a difference). */
typedef struct
{
  int   item, slot;
  float sign;
  int   step_slot;
} PmTapSource;

/* The weights of all readings at the last attention of a kind. n: its rows. */
typedef struct
{
  float        *query_weights, *key_weights;               /* [n_items, n, T] here */
  float        *device_query_weights, *device_key_weights; /* the same in the backend */
  const PmSite *weighed;                                   /* whose weights these are; NULL: none */
} PmTapWeights;

/* Memory of the backend. */
typedef struct
{
  float *streams;       /* [B, n]: of each attention that waits [H, n, Tk], [H, n, Tq] and [H, Tq] */
  float *matrix;        /* [B, Tq, Tk] */
} PmTapBuffers;

/* What was streamed out of an attention, at `reduce` in the backend's memory. */
typedef struct
{
  const PmSite *site;   /* of the tap's own */
  PmReduce      reduce;
} PmTapStream;

/* What was streamed out of several attentions. */
typedef struct
{
  PmTapStream *streams; /* [n], n_sites at most */
  int          n;
  PmTapSource *sources; /* [n_sources] whose */
  int          n_sources;
} PmTapStreams;

/* All of P of one attention. */
typedef struct
{
  const PmSite *site;    /* NULL: none */
  int          *rows;    /* [Tq] 0, 1, 2, ... */
  float        *probs;   /* [B, H, Tq, Tk] memory of the backend */
  int           n_items; /* of the last batch; 0: not passed yet */
} PmTapProbe;

struct _PmTap
{
  PmTapPlan  plan;
  PmBackend *backend;
  PmSite    *sites; /* [n_sites] */
  int        n_sites, n_layers; /* those of the layers lead, cross attentions follow */
  int        n_steps;
  double    *times;  /* [n_steps] */
  float     *region; /* [region_items, N], or NULL */
  int        region_items;
  float     *words;   /* [words, n_text] of the plan; NULL: none */
  float     *content; /* [n_text] */

  GPtrArray *owned;        /* of memory here, freed with the tap */
  GPtrArray *device_owned; /* of memory of the backend, likewise */

  PmTapBuffers  device;
  PmTapWeights  weights[2]; /* of attentions over the picture, which those that are carried live in, and of cross attentions */
  gsize        *places;                          /* [n_sites] where among the streams, when there is room for all of them */
  PmTapStreams  waiting;                         /* in the backend, of the coming batch */
  gsize         n_waiting;                       /* floats of each item */
  PmTapStreams  fetched;                         /* to `streams`, of that or of the batch before */
  float        *streams;                         /* [n_sources, n] */
  float        *head_weights;                    /* [n_heads] */
  PmReduce      reduce;                          /* what pm_tap_want hands out */

  PmTapStore *store;     /* [step slots] of the values of all readings */
  int    *n_added;       /* [kinds, step slots, layer slots] layers and steps that are summed up in a slot */
  int    *n_added_steps; /* [step slots] */
  double *time_sums;     /* [step slots] */
  double *map;           /* [N] sum over heads */
  float  *composed;      /* [N] */
  float  *carried;       /* [n_key_weights, Tq] mean over heads */

  float    *matrix;      /* [Tq, Tk] to work on; NULL where the backend's memory is ours */
  float   **matrix_sums; /* [n_sources] of [Tq, Tk]: over steps; only when steps are averaged */
  gboolean  is_matrix_fresh, has_matrix_sums;
  gboolean *has_solved; /* [step slots] */
  GError   *failure;    /* of solving, until somebody asks */

  int          step, step_slot; /* the coming batch's, whose sources are those of what waits; -1: none, or not chosen */
  int          ended_slot;      /* of the batch before, whose maps are still to be made; -1: they are made */
  int          n_items;
  bool        *is_source; /* [plan.n_items] items of this batch that are sources */
  bool        *is_read;   /* [n_heads] heads that some reading looks at */

  PmTapProbe probes[2]; /* of an attention over the picture, of a cross attention */
};

/* All memory of the run (tap-memory.c). One allocation of n zeroed floats, and one of the backend: */
gboolean pm_tap_allocate (PmTap *tap, GError **error);
float   *pm_tap_own_floats (PmTap *tap, gsize n, GError **error);
float   *pm_tap_own_device_floats (PmTap *tap, gsize n, GError **error);

/* Values of a reading in a step slot and layer slot of an item slot: [head slots, N]. Those of one step at a time: asking for
 * another one puts away what was asked for before. */
float *pm_tap_get_values (PmTap *tap, int reading, int step_slot, int layer_slot, int item_slot, gboolean for_writing);

/* Everything about the place; item picks the region. */
PmReductionPlace pm_tap_get_place (PmTap *tap, const PmTapReading *reading, const PmSite *site, int item);

/* What is wanted of an attention in the coming batch: streams (of a layer that is not chosen, only what is carried through it),
 * the averaged matrix, and the probe when it is there (NULL else). */
gboolean    pm_tap_wants_streams (const PmTap *tap, const PmSite *site);
gboolean    pm_tap_wants_matrix (const PmTap *tap, const PmSite *site);
PmTapProbe *pm_tap_find_probe (PmTap *tap, const PmSite *site);

/* The tap's own copy of the site. */
const PmSite *pm_tap_find_site (const PmTap *tap, const PmSite *site);

/* Fetches what waits and adds it to the maps. */
void pm_tap_flush (PmTap *tap);

/* The halves of this: fetches what waits, when nothing is fetched; and adds that to the maps. */
void pm_tap_fetch (PmTap *tap);
void pm_tap_keep (PmTap *tap);

/* The weights of the attention's kind. */
PmTapWeights *pm_tap_get_weights (PmTap *tap, const PmSite *site);

/* How many layers and steps are summed up in a slot, for readings of that kind. */
int *pm_tap_get_count (PmTap *tap, PmTapKind kind, int step_slot, int layer_slot);

/* Ends the step before: its averaged matrix goes into its map or into the sum over steps, what was streamed out is fetched, and
 * pm_tap_catch_up makes maps of that. A failure waits in tap->failure. */
void pm_tap_settle (PmTap *tap, PmJob *job);

/* Sums over the layers and steps of a slot become their mean. */
void pm_tap_average (PmTap *tap, int step_slot);

/* The maps of the sums over steps. */
gboolean pm_tap_solve_sums (PmTap *tap, PmJob *job, GError **error);

#endif
