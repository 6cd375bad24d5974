/* What the files of the reference backend share. */
#ifndef PM_REF_H
#define PM_REF_H

#include "backend/backend.h"

double pm_ref_activate (PmActivation activation, double x);

/* The operations that live in ref-conv.c. */
void pm_ref_conv (PmBackend *backend, const PmConv *op);
void pm_ref_group_norm (PmBackend *backend, const PmGroupNorm *op);

#endif
