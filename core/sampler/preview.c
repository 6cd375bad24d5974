/* A quick look at a predicted clean picture: no decoder, one small matrix a pixel. */
#include "sampler/preview.h"

#define MAX_CHANNELS 4

/* Red, green and blue in -1..1 of each channel. Those of four channels were fitted by others to the decoder that Stable
 * Diffusion 1 and DiT share (comfyanonymous/ComfyUI: comfy/latent_formats.py, SD15). */
static const float grey_map[][3] = { { 1, 1, 1 } };
static const float rgb_map[][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
static const float sd_map[][3] = { { 0.3512f, 0.2297f, 0.3227f },
                                   { 0.3250f, 0.4974f, 0.2350f },
                                   { -0.2829f, 0.1762f, 0.2721f },
                                   { -0.2120f, -0.2616f, -0.7177f } };

gboolean
pm_preview_make (int C, gsize area, const float *x0, float *rgb)
{
  static const float (*const maps[MAX_CHANNELS + 1])[3] = { NULL, grey_map, NULL, rgb_map, sd_map };

  if (C < 1 || C > MAX_CHANNELS || ! maps[C])
    return FALSE;
  for (gsize i = 0; i < 3 * area; i++)
    {
      float sum = 0;
      for (int c = 0; c < C; c++)
        sum += maps[C][c][i % 3] * x0[c * area + i / 3];
      sum = sum * 0.5f + 0.5f;
      rgb[i] = sum > 0.f ? MIN (sum, 1.f) : 0.f; /* NaN becomes 0 */
    }
  return TRUE;
}
