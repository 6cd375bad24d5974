/* Random attentions of a small network whose layers look at the picture and then at a text, with their whole matrices kept to
 * compare with. */
#ifndef PM_TEST_TEXT_NETWORK_H
#define PM_TEST_TEXT_NETWORK_H

#include "tap-network.h"

#define MAX_TEXT 9
#define N_PROMPT 7 /* tokens of the prompt "a red cat, up": a red ca t , up END */
#define N_WORDS 5
#define N_ALL_WORDS 7 /* with parts of some */

typedef struct
{
  PmBackend *backend;
  PmSite     sites[2 * N_LAYERS];
  int        counts[N_ITEMS]; /* text tokens of the items, in the order of the batch */
  double    *P;               /* [N_STEPS, 2 N_LAYERS, N_ITEMS, N_HEADS, N, N]; texts take the first MAX_TEXT of N columns */
  gboolean   is_known[2 * N_LAYERS]; /* in this run, of what follows: */
  PmReduce   known[2 * N_LAYERS]; /* what was wanted of each attention in the first step that was recorded, */
  gboolean   remembers;           /* to be used again in the others, as backends do that remember steps */
  int        n_repeated;          /* steps */
} PmTestTextNetwork;

/* All of them belong to the prompt. */
extern const PmTapWord pm_test_words[N_ALL_WORDS];

/* On the device, or on $PM_TEST_DEVICE in its place. Clear with pm_test_text_network_clear. */
void pm_test_text_network_init (PmTestTextNetwork *network, const char *device);
void pm_test_text_network_clear (PmTestTextNetwork *network);

/* Of everything, with the first N_WORDS words; layers 1 and 2 are recommended. */
PmTapOptions pm_test_text_network_get_options (const PmTestTextNetwork *network);

/* [N, N] of the last run, site 0 to 2 * N_LAYERS - 1. */
double *pm_test_text_network_get_P (const PmTestTextNetwork *network, int step, int site, int item, int head);

/* The maps of one run; with null_first the other half leads the batch. */
GPtrArray *pm_test_text_network_record (PmTestTextNetwork *network, const PmTapOptions *options, const char *text,
                                        gboolean null_first);

#endif
