/* Private to core/attention: what a tap records, worked out before the run from what shall be shown.
 * Letters: N picture tokens, Tq queries, Tk keys, H heads. */
#ifndef PM_TAP_PLAN_H
#define PM_TAP_PLAN_H

#include "attention/reduction.h"
#include "attention/tap.h"

/* What the readings are about: keys of the picture, or of a text. */
typedef enum
{
  PM_TAP_PICTURE,
  PM_TAP_TEXT,
  PM_TAP_N_KINDS
} PmTapKind;

typedef struct
{
  const PmReduction *reduction;
  PmTapKind          kind;
  int                word;               /* of the plan's words; -1: of none */
  int                query_row, key_row; /* its first among the weights of all readings, of which those about the picture lead */
  gsize              offset;             /* of its values among those of a step, in floats */
} PmTapReading;

/* The rows of weights that one attention is given, and what else is streamed out of it. */
typedef struct
{
  int      first_query, n_query, first_key, n_key;
  gboolean has_kind[PM_TAP_N_KINDS]; /* whether readings of that kind are taken there */
  gboolean needs_entropy;
} PmTapRows;

/* Floats of one item: the most that an attention of the run needs. Weights are kept for attentions over the picture and for
 * cross attentions, [2]. */
typedef struct
{
  gsize query_weights[2], key_weights[2]; /* [n, Tq], [n, Tk] */
  gsize streams, all_streams;             /* [H, n, Tk], [H, n, Tq] and [H, Tq]: room for what waits, and of all of a step */
  gsize carried;                          /* [n, Tq] */
} PmTapSizes;

/* Numbers of one axis, and the slots in which their values are kept: one each, or a single one for the mean. */
typedef struct
{
  int     *numbers; /* [n] */
  int      n, n_slots;
  gboolean mean;
} PmTapAxis;

typedef struct
{
  PmTapReading *readings; /* [n_readings] one a reading and word */
  int           n_readings;
  char        **words, **word_ids; /* [n_words] as people and as file names know them, NULL-terminated */
  PmTapAxis     layers, heads, steps;
  PmTapAxis     matrix_layers, matrix_heads; /* of readings of the averaged matrix; always a mean. Heads also of carried ones */
  PmWhich       which;
  gboolean      has_prompt;   /* else the halves differ in a class */
  gboolean      keep_all_items;
  int           n_items;      /* the largest batch */
  int           n_item_slots; /* items whose values are kept */
  int           n_sources;    /* items read of one batch: two for a difference */
  int           N, grid_w, grid_h;
  int           n_heads;                          /* the most of an attention that is read */
  int           n_text;                           /* tokens of the longest text span */
  int           n_query_weights[PM_TAP_N_KINDS], n_key_weights[PM_TAP_N_KINDS];
  gboolean      needs_entropy[PM_TAP_N_KINDS], has_kind[PM_TAP_N_KINDS], needs_matrix;
  PmTapSizes    sizes;
  int           matrix_queries, matrix_keys;
  gboolean      has_matrix_copy; /* the backend's memory is its own, and what it sums up is worked on here */
  gboolean      is_deferred;     /* what is streamed out waits in the backend until the step ends, */
  gboolean      is_whole;        /* and there is room for all of it; else until there is none */
  int           n_carried_layers; /* layers 0 to this are streamed for readings that are carried; 0: none is */
  gsize         n_rows;           /* of N values a step */
  PmMapStorage  storage;
} PmTapPlan;

/* plan is zeroed; clear it also after failure. */
gboolean pm_tap_plan_resolve (PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error);
void     pm_tap_plan_clear (PmTapPlan *plan);

/* Of tap-words.c: names the words of the readings, and refuses readings of a text that nobody looks at. */
void     pm_tap_plan_name_words (PmTapPlan *plan, const PmTapOptions *options);
gboolean pm_tap_plan_check_words (const PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error);

/* Of tap-plan-sites.c: gives every reading its rows, those about the picture leading, so that what an attention is given is
 * together; and adds up what the attentions need that are read. */
void     pm_tap_plan_assign_rows (PmTapPlan *plan);
gboolean pm_tap_plan_add_sites (PmTapPlan *plan, const PmTapOptions *options, GError **error);

/* What is streamed out of an attention; and how many floats of each item that makes at most. */
PmTapRows pm_tap_plan_get_rows (const PmTapPlan *plan, const PmSite *site);
gsize     pm_tap_plan_count_streams (const PmTapPlan *plan, const PmSite *site);
gsize     pm_tap_plan_matrix_size (const PmTapPlan *plan); /* floats of one averaged matrix */

/* Values of a reading at one step: [layer slots, n_item_slots, head slots, N]. Of the averaged matrix there is one layer, of
 * it and of what is carried one head. slot_size: floats of one layer. */
gsize pm_tap_plan_slot_size (const PmTapPlan *plan, const PmReduction *reduction);
int   pm_tap_plan_count_layers (const PmTapPlan *plan, const PmReduction *reduction);
int   pm_tap_plan_count_heads (const PmTapPlan *plan, const PmReduction *reduction);

gsize pm_tap_plan_count_bytes (const PmTapPlan *plan); /* of our memory, with the plan's storage */
gsize pm_tap_plan_count_device_bytes (const PmTapPlan *plan); /* of the backend's, part of these where it is ours */
int   pm_tap_plan_count_maps (const PmTapPlan *plan);

/* Chooses the first storage whose memory is within the budget; the last when none is, with PM_ERROR_MEMORY. */
gboolean pm_tap_plan_fit (PmTapPlan *plan, gsize budget, GError **error);

/* Where number lies in the axis, or -1; and the slot of its values. */
int pm_tap_axis_find (const PmTapAxis *axis, int number);
int pm_tap_axis_slot (const PmTapAxis *axis, int number);

#endif
