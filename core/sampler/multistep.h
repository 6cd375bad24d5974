/* Coefficients that the multistep solvers in the clean picture share. With lambda = log (alpha / sigma), a step from s to t is
 * x_t = sigma_t / sigma_s x + alpha_t (1 - exp (-h)) (x0 + corrections), h = lambda_t - lambda_s. */
#ifndef PM_MULTISTEP_H
#define PM_MULTISTEP_H

#include "sampler/sampler.h"

/* lambda at i less lambda at i - 1: infinite at either end of a run. */
double pm_multistep_length (const PmSteps *steps, int i);

/* The second-order prediction of x at i + 1 = sums[0] x + sums[1] x0 + sums[2] (x0 of the step before); the first order where
 * the step before is none, the next is the picture itself (Lu et al., arXiv 2211.01095, algorithm 2), or the run is to end so. */
void pm_multistep_predict (const PmSteps *steps, int i, double sums[3]);

#endif
