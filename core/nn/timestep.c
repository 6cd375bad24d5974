/* The sinusoidal embedding of a timestep. Sources of truth: facebookresearch/DiT, models.py, TimestepEmbedder;
 * huggingface/diffusers, models/embeddings.py, get_timestep_embedding. */
#include "nn/timestep.h"

#include <math.h>

void
pm_nn_timestep_embed (float t, int period, float *out)
{
  const int half = PM_TIMESTEP_DIM / 2;
  for (int k = 0; k < half; k++)
    {
      float exponent = (float) -log (10000.0) * k / period;
      float angle = t * (float) exp (exponent);
      out[k] = (float) cos (angle);
      out[half + k] = (float) sin (angle);
    }
}
