/* The one door to a backend's attention: here the tap is asked what to stream out. */
#ifndef PM_NN_ATTENTION_H
#define PM_NN_ATTENTION_H

#include "attention/tap.h"

/* Runs op (whose `reduce` is ignored) at the site; tap may be NULL. */
void pm_nn_attention (PmBackend *backend, PmTap *tap, const PmSite *site, const PmAttention *op);

#endif
