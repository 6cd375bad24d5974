/* CUDA graphs of a sampler's step: seen first, queued one by one (which takes all scratch memory and chooses all algorithms);
 * seen again, captured and launched; from then on launched. Streamed weights move in each step, so nothing is captured then. */
#include "backend/cuda/module.h"

static bool
is_streaming (const PmCuda *cuda)
{
  return cuda->ring.largest > 0;
}

bool
pm_cuda_begin_graph (PmCuda *cuda, uint64_t key)
{
  PmCudaGraph &graph = cuda->graphs[key];

  if (cuda->is_capturing || is_streaming (cuda) || ! pm_cuda_begin (cuda))
    return true;
  if (graph.exec)
    {
      pm_cuda_check (cuda, cudaGraphLaunch (graph.exec, cuda->stream), "cudaGraphLaunch");
      cuda->usage.n_replays++;
      return false;
    }
  if (graph.n_seen++ == 0)
    return true;
  cuda->key = key;
  cuda->is_capturing
      = pm_cuda_check (cuda, cudaStreamBeginCapture (cuda->stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  return true;
}

void
pm_cuda_end_graph (PmCuda *cuda)
{
  cudaGraph_t  graph = NULL;
  PmCudaGraph &known = cuda->graphs[cuda->key];

  if (! cuda->is_capturing)
    return;
  cuda->is_capturing = false;
  bool is_whole = pm_cuda_check (cuda, cudaStreamEndCapture (cuda->stream, &graph), "cudaStreamEndCapture")
                  && cuda->error.status == PM_CUDA_OK
                  && pm_cuda_check (cuda, cudaGraphInstantiate (&known.exec, graph, 0), "cudaGraphInstantiate");
  if (graph)
    cudaGraphDestroy (graph);
  if (! is_whole)
    {
      known.exec = NULL;
      return;
    }
  known.serial = cuda->serial;
  cuda->usage.n_graphs++;
  pm_cuda_check (cuda, cudaGraphLaunch (known.exec, cuda->stream), "cudaGraphLaunch");
}

void
pm_cuda_forget_graphs_of (PmCuda *cuda, uint64_t serial)
{
  for (auto graph = cuda->graphs.begin (); graph != cuda->graphs.end ();)
    if (graph->second.exec && graph->second.serial >= serial)
      {
        cudaGraphExecDestroy (graph->second.exec);
        graph = cuda->graphs.erase (graph);
      }
    else
      graph++;
}

void
pm_cuda_forget_graphs (PmCuda *cuda)
{
  pm_cuda_forget_graphs_of (cuda, 0);
  cuda->graphs.clear ();
}
