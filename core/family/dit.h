/* What the two halves of the family `dit` share: what is read from a checkpoint, and what runs. */
#ifndef PM_FAMILY_DIT_H
#define PM_FAMILY_DIT_H

#include "family/family.h"

/* Letters: B items; T tokens; D width; L layers; H heads; C channels of the input; p patch; F width of the MLP. */
struct _PmNetwork
{
  PmCheckpoint  *checkpoint; /* borrowed */
  PmNetworkInfo  info;       /* its sites are borrowed from the one that load() filled */
  int            F;
  int            n_rows;     /* of the class table */
};

PmPrepared *pm_dit_prepare (PmNetwork *network, PmBackend *backend, int max_items, GError **error);
void        pm_dit_release (PmPrepared *prepared);
gboolean    pm_dit_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);
gsize       pm_dit_work_bytes (PmNetwork *network, int max_items);

#endif
