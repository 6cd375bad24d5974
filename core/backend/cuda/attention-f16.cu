/* The attention on tensor cores for f16, a file of its own because these take long to compile. */
#include "backend/cuda/attention-tensor.h"

bool
pm_attention_launch_f16 (const PmAttentionArgs *args, const PmLaunch *launch)
{
  return pm_tensor_choose<__half> (args, launch);
}
