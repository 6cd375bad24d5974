/* What the stages share. */
#ifndef PM_EVAL_PRIVATE_H
#define PM_EVAL_PRIVATE_H

#include "backend/backend.h"
#include "eval/eval.h"

PmBackend *pm_eval_open_backend (const PmEvalOptions *options, GError **error);

#endif
