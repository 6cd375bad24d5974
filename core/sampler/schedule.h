/* The noise schedules of DDPM models and of flows, the steps along them, and what a network predicts. */
#ifndef PM_SCHEDULE_H
#define PM_SCHEDULE_H

#include "sampler/sampler.h"

/* alpha_bar[t] = prod (1 - beta), betas (or their square roots) evenly spaced, in f64; [n_train_steps], free with g_free. NULL
 * when the schedule is not LINEAR. Source: facebookresearch/DiT, diffusion/gaussian_diffusion.py. */
double *pm_schedule_alpha_bar (const PmSchedule *schedule);

/* Steps at the given timesteps, falling, of a LINEAR schedule; after the last comes the picture. */
void pm_schedule_plan_times (const PmSchedule *schedule, int n_steps, const int *times, PmSteps *steps);

/* The i-th timestep of n_steps from `first` downwards in strides of N / n_steps, N being all timesteps; as numpy.arange sums. */
int pm_schedule_trailing_time (int n, int first, int i, int n_steps);

/* FALSE with PM_ERROR_USAGE when the first timestep of a run, for its offset, is none of the schedule. */
gboolean pm_schedule_check_first (const PmSchedule *schedule, int time, int n_steps, GError **error);

/* Puts the end of planned steps where PmSchedule.ends_noisy wants it, for samplers that draw no noise. */
void pm_schedule_end (const PmSchedule *schedule, PmSteps *steps);

/* Steps as the multistep solvers of diffusers take them: of a LINEAR schedule with its spacing, by default evenly from the last
 * timestep towards 0; a FLOW is cut into equal lengths, or with PM_SPACING_LINSPACE as FlowMatchEulerDiscreteScheduler does.
 * PM_ERROR_USAGE names the numbers possible. */
gboolean pm_schedule_plan_even (const PmSchedule *schedule, int n_steps, PmSteps *steps, GError **error);

gboolean pm_schedule_is_any (const PmSchedule *schedule);    /* for PmSampler.supports */
gboolean pm_schedule_is_linear (const PmSchedule *schedule);

/* FALSE with PM_ERROR_USAGE unless least <= n_steps <= most. */
gboolean pm_schedule_check_steps (int n_steps, int least, int most, GError **error);

/* The clean picture that a prediction stands for at step i; x0 may be prediction. Of a flow, v points the way the model's
 * time runs. */
void pm_schedule_to_x0 (const PmSchedule *schedule, const PmSteps *steps, int i, gsize n, const float *x,
                        const float *prediction, float *x0);

#endif
