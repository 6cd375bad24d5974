/* The sinusoidal embedding of a timestep. */
#ifndef PM_NN_TIMESTEP_H
#define PM_NN_TIMESTEP_H

#define PM_TIMESTEP_DIM 256

/* out [256] = [cos (t f_k), sin (t f_k)], f_k = exp (-ln (10000) k / period), k < 128. The period is 128 in
 * facebookresearch/DiT (models.py, TimestepEmbedder), 127 in diffusers with downscale_freq_shift = 1. Frequencies and angles are
 * rounded to f32 as there: at t near 1000 that decides the fifth digit. */
void pm_nn_timestep_embed (float t, int period, float *out /* [256] */);

#endif
