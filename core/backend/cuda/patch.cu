/* Pictures to tokens and back: one thread an element of the picture, which is small. */
#include "backend/cuda/elements.h"
#include "backend/cuda/module.h"

static __global__ void
patch_kernel (PmPatches op, bool is_back)
{
  size_t n = (size_t) op.B * op.C * op.height * op.width;
  int    p = op.patch, across = op.width / p, down = op.height / p;

  for (size_t i = pm_first (); i < n; i += pm_step ())
    {
      int    x = (int) (i % op.width), y = (int) (i / op.width % op.height), c = (int) (i / op.width / op.height % op.C);
      size_t item = i / op.width / op.height / op.C, token = (item * down + y / p) * across + x / p;
      int    inner = is_back ? (y % p * p + x % p) * op.C + c : (c * p + y % p) * p + x % p;
      size_t at = token * op.C * p * p + inner;
      if (is_back)
        op.to[i] = op.from[at];
      else
        op.to[at] = op.from[i];
    }
}

static bool
run (PmCuda *cuda, const PmPatches *op, bool is_back)
{
  size_t n = (size_t) op->B * op->C * op->height * op->width;

  if (pm_cuda_begin (cuda))
    pm_cuda_check (cuda, PM_LAUNCH (patch_kernel, pm_blocks (n), dim3 (PM_THREADS), 0, cuda->stream, *op, is_back), "patches");
  return true;
}

bool
pm_cuda_patchify (PmCuda *cuda, const PmPatches *op)
{
  return run (cuda, op, false);
}

bool
pm_cuda_unpatchify (PmCuda *cuda, const PmPatches *op)
{
  return run (cuda, op, true);
}
