/* Random attentions of a small network on the reference backend, run through the core's own door, with their whole
 * matrices kept to compare with. Text tokens come before the picture's, so that spans matter. */
#ifndef PM_TEST_TAP_NETWORK_H
#define PM_TEST_TAP_NETWORK_H

#include "attention/tap.h"

#define N_LAYERS 3
#define N_HEADS 2
#define N_STEPS 3
#define N_ITEMS 2
#define GRID_W 4
#define GRID_H 3
#define N (GRID_W * GRID_H)
#define N_TEXT 2 /* tokens before the picture */
#define TOKENS (N_TEXT + N)
#define WIDTH 4 /* of a head */

typedef struct
{
  PmBackend *backend;
  PmSite     sites[N_LAYERS];
  float      region[N];
  double    *P; /* [N_STEPS, N_LAYERS, N_ITEMS, N_HEADS, TOKENS, TOKENS] */
} PmTestNetwork;

/* Noise level x 1000 of each step. */
extern const double pm_test_times[N_STEPS];

/* Clear with pm_test_network_clear. */
void pm_test_network_init (PmTestNetwork *network);
void pm_test_network_clear (PmTestNetwork *network);

/* Of everything the network has, with its region for all items; layers 1 and 2 are recommended. */
PmTapOptions pm_test_network_get_options (const PmTestNetwork *network);

/* [TOKENS, TOKENS] of the last run. */
double *pm_test_network_get_P (const PmTestNetwork *network, int step, int layer, int item, int head);

/* Runs all steps; step s has the first n_items[s] of { condition, null }, or both exchanged. */
void pm_test_network_run (PmTestNetwork *network, PmTap *tap, const int *n_items, gboolean null_first);

/* text as pm_show_parse takes it. */
PmTap *pm_test_tap_new (const PmTapOptions *options, const char *text, GError **error);

#endif
