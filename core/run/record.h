/* The record of a run: JSON that names the program, the model and the request, so that the picture can be painted again. */
#ifndef PM_RUN_RECORD_H
#define PM_RUN_RECORD_H

#include "format/identity.h"
#include "run/run.h"

/* Of the files of a run; finished. */
typedef struct
{
  PmIdentity *model, *vae, *text_encoder; /* NULL leaves their sums out */
} PmRecordSums;

/* Free with g_free. */
char *pm_record_new (const PmRun *run, PmBackend *backend, const PmRecordSums *sums, double seconds);

#endif
