/* The record of a run: JSON that names the program, the model and the request, so that the picture can be painted again. */
#ifndef PM_RECORD_H
#define PM_RECORD_H

#include "run.h"

/* Free with g_free. */
char *pm_record_new (const PmRun *run, PmBackend *backend, double seconds);

#endif
