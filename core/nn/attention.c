/* Every attention of every family passes here. */
#include "nn/attention.h"

void
pm_nn_attention (PmBackend *backend, PmTap *tap, const PmSite *site, const PmAttention *op)
{
  PmAttention tapped = *op;
  tapped.reduce = tap ? pm_tap_want (tap, site) : NULL;
  pm_backend_attention (backend, &tapped);
  if (tapped.reduce)
    pm_tap_collect (tap, site);
}
