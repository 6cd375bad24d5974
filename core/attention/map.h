/* A map: one value a patch, where it comes from, its statistics, and how it is scaled for the eye. */
#ifndef PM_MAP_H
#define PM_MAP_H

#include <glib.h>

#define PM_MAP_MAX_SINKS 8

/* Where the maps of a run lie while it lasts; a larger run takes a later one. */
typedef enum
{
  PM_MAP_STORAGE_F32,  /* in memory */
  PM_MAP_STORAGE_F16,  /* in memory, rounded to f16 */
  PM_MAP_STORAGE_FILE  /* as f32 in a temporary file without a name */
} PmMapStorage;

/* A sink: a patch that draws far more than the others whatever the picture shows. */
typedef struct
{
  int    x, y;  /* in patches */
  double value;
} PmSink;

typedef struct
{
  double min, max, mean;
  double p01, p50, p99;   /* percentiles 1, 50, 99 with sinks left out */
  PmSink sinks[PM_MAP_MAX_SINKS]; /* largest first */
  int    n_sinks;         /* found in all; only the first PM_MAP_MAX_SINKS are listed */
} PmMapStats;

typedef struct
{
  char      *title;       /* translated, as a layer shows it: "Received, layer 5, head 2, t 480" */
  char      *what;        /* the part of it that maps of a group share: "Received", "Received without the class" */
  char      *id;          /* for file names: "subject-s12-l05-h02" */
  char      *reading;     /* id of the reduction */
  char      *word;        /* of the prompt, that it is of; NULL: of no word */
  int        layer, head, step; /* -1: averaged over several (or all) */
  double     time;        /* noise level x 1000 at the step, 1000 = pure noise; mean over steps when averaged */
  int        grid_w, grid_h;
  float     *values;      /* [grid_h, grid_w]; not to be changed where there is an owner */
  GBytes    *owner;       /* of the values, shared by all maps of a run; NULL: g_free frees them */
  gboolean   is_signed;   /* values have a meaningful zero: scaled symmetrically */
  int        group;       /* maps of one group share one display scale */
  PmMapStats stats;
  double     low, high;   /* display range of the group */
} PmMap;

void pm_map_free (PmMap *map);

/* Statistics of values [n] on a grid; non-finite values count as 0. A sink lies above
 * median + 12 * (p90 - p10), where a spread below rounding counts as rounding, and at most 2 % of the patches (at least 1)
 * are sinks. */
void pm_map_compute_stats (const float *values, int grid_w, int grid_h, PmMapStats *stats);

/* Sets low and high of every map (maps: of PmMap): one common range for each group, percentile 1 to 99 of its values
 * with sinks left out; symmetric around 0 for signed maps; never empty. */
void pm_maps_scale (GPtrArray *maps);

/* Enlarges smoothly with a cubic B-spline through the patch centres (C2 and free of blocks), clamped to the range of
 * the values; the border is extended. values: [grid_h, grid_w]; out: [height, width]. FALSE: too little memory. */
gboolean pm_map_upsample (const float *values, int grid_w, int grid_h, int width, int height, float *out);

/* The same, of the map enlarged to [scaled_h, scaled_w] only the rows y .. y + height - 1 and columns x .. x + width - 1,
 * at their cost alone. */
gboolean pm_map_upsample_window (const float *values, int grid_w, int grid_h, int scaled_w, int scaled_h, int x, int y, int width,
                                 int height, float *out);

/* The value as a layer stores it: (value - low) / (high - low) clipped to 0..1. */
float pm_map_normalise (const PmMap *map, float value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmMap, pm_map_free)

#endif
