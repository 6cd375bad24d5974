/* Private to core/attention: what a tap records, worked out before the run from what shall be shown.
 * Letters: N picture tokens, Tq queries, Tk keys, H heads; the largest over the chosen layers. */
#ifndef PM_TAP_PLAN_H
#define PM_TAP_PLAN_H

#include "attention/reduction.h"
#include "attention/tap.h"

typedef struct
{
  const PmReduction *reduction;
  int                query_row, key_row; /* its first among the weights of all readings */
  gsize              offset;             /* of its values among those of a step, in floats */
} PmTapReading;

/* Numbers of one axis, and the slots in which their values are kept: one each, or a single one for the mean. */
typedef struct
{
  int     *numbers; /* [n] */
  int      n, n_slots;
  gboolean mean;
} PmTapAxis;

typedef struct
{
  PmTapReading *readings; /* [n_readings] */
  int           n_readings;
  PmTapAxis     layers, heads, steps;
  PmTapAxis     matrix_layers, matrix_heads; /* of readings of the averaged matrix; always a mean. Heads also of carried ones */
  PmWhich       which;
  gboolean      keep_all_items;
  int           n_items;      /* the largest batch */
  int           n_item_slots; /* items whose values are kept */
  int           n_sources;    /* items read of one batch: two for a difference */
  int           N, grid_w, grid_h;
  int           n_queries, n_keys, n_heads; /* the largest over chosen layers */
  int           n_query_weights, n_key_weights;
  gboolean      needs_entropy, needs_matrix;
  gboolean      has_matrix_copy; /* the backend's memory is its own, and what it sums up is worked on here */
  int           n_carried_layers; /* layers 0 to this are streamed for readings that are carried; 0: none is */
  gsize         n_rows;           /* of N values a step */
  PmMapStorage  storage;
} PmTapPlan;

/* plan is zeroed; clear it also after failure. */
gboolean pm_tap_plan_resolve (PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error);
void     pm_tap_plan_clear (PmTapPlan *plan);

/* Values of a reading at one step: [layer slots, n_item_slots, head slots, N]. Of the averaged matrix there is one layer, of
 * it and of what is carried one head. slot_size: floats of one layer. */
gsize pm_tap_plan_slot_size (const PmTapPlan *plan, const PmReduction *reduction);
int   pm_tap_plan_count_layers (const PmTapPlan *plan, const PmReduction *reduction);
int   pm_tap_plan_count_heads (const PmTapPlan *plan, const PmReduction *reduction);

gsize pm_tap_plan_count_bytes (const PmTapPlan *plan); /* of memory, with the plan's storage */
int   pm_tap_plan_count_maps (const PmTapPlan *plan);

/* Chooses the first storage whose memory is within the budget; the last when none is, with PM_ERROR_MEMORY. */
gboolean pm_tap_plan_fit (PmTapPlan *plan, gsize budget, GError **error);

/* Where number lies in the axis, or -1; and the slot of its values. */
int pm_tap_axis_find (const PmTapAxis *axis, int number);
int pm_tap_axis_slot (const PmTapAxis *axis, int number);

#endif
