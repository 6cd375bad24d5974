/* A quick look at a predicted clean picture. */
#ifndef PM_PREVIEW_H
#define PM_PREVIEW_H

#include <glib.h>

/* x0 [C, area] to rgb [area, 3] in 0..1: one and three channels are the picture itself, four those of Stable Diffusion's
 * latents as they are scaled for the network. FALSE for any other number: there is no known map. */
gboolean pm_preview_make (int C, gsize area, const float *x0, float *rgb);

#endif
