/* The noise schedule of DDPM models, and what a network predicts. */
#ifndef PM_SCHEDULE_H
#define PM_SCHEDULE_H

#include "sampler/sampler.h"

/* alpha_bar[t] = prod (1 - beta), betas (or their square roots) evenly spaced, in f64; [n_train_steps], free with g_free. NULL
 * when the schedule is not LINEAR. Source: facebookresearch/DiT, diffusion/gaussian_diffusion.py. */
double *pm_schedule_alpha_bar (const PmSchedule *schedule);

/* The clean picture that a prediction stands for at step i; x0 may be prediction. Of a flow, v points the way the model's
 * time runs. */
void pm_schedule_to_x0 (const PmSchedule *schedule, const PmSteps *steps, int i, gsize n, const float *x,
                        const float *prediction, float *x0);

#endif
