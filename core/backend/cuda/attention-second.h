/* What second passes share, which make P anew, tile by tile, from the base and the inverse sum that attention saved for each row
 * (attention.h). Nothing of N x N is kept that was not asked for, and every sum is made by one thread or one warp in one order,
 * whatever the order of blocks. */
#ifndef PM_CUDA_ATTENTION_SECOND_H
#define PM_CUDA_ATTENTION_SECOND_H

#include "backend/cuda/attention-softmax.h"

#define PM_SIDE 64 /* of a tile of P */

static inline int
pm_second_count_tiles (int n)
{
  return (n + PM_SIDE - 1) / PM_SIDE;
}

/* Calls Launch<T, CHUNK>::run for the type and the width of heads; CHUNK: elements of q and k that a tile has of each row. */
template <template <typename, int> class Launch, typename... A>
static void
pm_second_choose (PmDtype dtype, int d, A... rest)
{
  if (dtype == PM_DTYPE_F32)
    Launch<float, 32>::run (rest...);
  else if (dtype == PM_DTYPE_BF16 && d > 64 && d <= 80)
    Launch<__nv_bfloat16, 80>::run (rest...);
  else if (dtype == PM_DTYPE_BF16)
    Launch<__nv_bfloat16, 64>::run (rest...);
  else if (d > 64 && d <= 80)
    Launch<__half, 80>::run (rest...);
  else
    Launch<__half, 64>::run (rest...);
}

#endif
