/* The attention on tensor cores for bf16, a file of its own because these take long to compile. */
#include "backend/cuda/attention-tensor.h"

bool
pm_attention_launch_bf16 (const PmAttentionArgs *args, const PmLaunch *launch)
{
  return pm_tensor_choose<__nv_bfloat16> (args, launch);
}
