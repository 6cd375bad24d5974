/* The record of a run: JSON that names the program, the model and the request, so that the picture can be painted again. */
#ifndef PM_RECORD_H
#define PM_RECORD_H

#include "identity.h"
#include "run.h"

/* identity: finished, of the model's files; NULL leaves their sums out. Free with g_free. */
char *pm_record_new (const PmRun *run, PmBackend *backend, PmIdentity *identity, PmIdentity *vae_identity, double seconds);

#endif
