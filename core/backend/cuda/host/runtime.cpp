/* See runtime.h: streams as queues that advance in a random order, events, graphs, memory and the settings of a device. */
#include <mutex>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "host.h"

struct PmHostEvent
{
  uint64_t n_recorded = 0, n_done = 0;
};

/* Work, or an event to wait for. */
struct Task
{
  std::function<void (void)> run;
  PmHostEvent               *event;
  uint64_t                   awaited;
};

struct PmHostGraph
{
  std::vector<Task> tasks;
};

struct PmHostGraphExec
{
  std::vector<Task> tasks;
};

struct PmHostStream
{
  std::deque<Task> tasks;
  PmHostGraph     *captured = nullptr; /* not NULL: tasks go there */
};

/* Everything there is of the machine. */
struct Machine
{
  std::recursive_mutex         lock;
  std::set<PmHostStream *>     streams;
  std::map<void *, size_t>     memory, pinned;
  std::map<const void *, int>  shared_limits;
  size_t                       n_used = 0;
  uint64_t                     random = 1, n_launches = 0;
  bool                         is_lost = false;
  cudaError_t                  last = cudaSuccess;
};

static const int static_shared_limit = 48 << 10;

static Machine &
machine (void)
{
  static Machine *the = new Machine (); /* outlives every destructor */
  return *the;
}

typedef std::lock_guard<std::recursive_mutex> Locked;

long
pm_host_setting (const char *name, long otherwise)
{
  const char *text = getenv ("PM_CUDA_HOST");
  size_t      length = strlen (name);

  while (text && *text)
    {
      if (strncmp (text, name, length) == 0 && text[length] == '=')
        return strtol (text + length + 1, nullptr, 10);
      text = strchr (text, ',');
      text = text ? text + 1 : nullptr;
    }
  return otherwise;
}

static cudaError_t
report (cudaError_t error)
{
  if (error != cudaSuccess)
    machine ().last = error;
  return error;
}

/* What every call says once a device is lost. */
static cudaError_t
alive (void)
{
  return report (machine ().is_lost ? cudaErrorLaunchFailure : cudaSuccess);
}

static unsigned
random_below (unsigned n)
{
  Machine &m = machine ();
  if (m.random == 1)
    m.random = (uint64_t) pm_host_setting ("seed", 1) * 0x9e3779b97f4a7c15u | 1;
  m.random ^= m.random << 13;
  m.random ^= m.random >> 7;
  m.random ^= m.random << 17;
  return (unsigned) ((m.random >> 11) % n);
}

static bool
can_advance (const PmHostStream *stream)
{
  if (stream->tasks.empty ())
    return false;
  const Task &task = stream->tasks.front ();
  return ! task.event || task.run || task.event->n_done >= task.awaited;
}

/* One task of some stream. */
static void
advance (void)
{
  std::vector<PmHostStream *> ready;
  for (PmHostStream *stream : machine ().streams)
    if (can_advance (stream))
      ready.push_back (stream);
  if (ready.empty ())
    pm_host_fail ("streams wait for each other for ever");
  PmHostStream *stream = ready[random_below ((unsigned) ready.size ())];
  Task          task = std::move (stream->tasks.front ());
  stream->tasks.pop_front ();
  if (! task.run || machine ().is_lost)
    return;
  pm_host_memory_open (true);
  task.run ();
}

static void
drain (PmHostStream *stream)
{
  while (! stream->tasks.empty ())
    advance ();
  pm_host_memory_open (false);
}

static cudaError_t
push (PmHostStream *stream, Task task)
{
  Machine &m = machine ();
  if (! m.streams.count (stream))
    return report (cudaErrorInvalidValue);
  if (stream->captured)
    stream->captured->tasks.push_back (task);
  else
    stream->tasks.push_back (task);
  return alive ();
}

cudaError_t
pm_host_queue (cudaStream_t stream, std::function<void (void)> work)
{
  Locked locked (machine ().lock);
  return push (stream, Task { work, nullptr, 0 });
}

static bool
is_capturing (void)
{
  for (PmHostStream *stream : machine ().streams)
    if (stream->captured)
      return true;
  return false;
}

cudaError_t
pm_host_launch (const void *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                std::function<void (void)> thread)
{
  Locked   locked (machine ().lock);
  Machine &m = machine ();
  size_t   n_threads = (size_t) block.x * block.y * block.z;
  auto     limit = m.shared_limits.find (kernel);

  if (n_threads < 1 || n_threads > 1024 || grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.y > 65535 || grid.z > 65535
      || grid.x > 0x7fffffffu || shared_bytes > (size_t) (limit == m.shared_limits.end () ? static_shared_limit : limit->second))
    return report (cudaErrorInvalidConfiguration);
  if (++m.n_launches > (uint64_t) pm_host_setting ("lost", 1L << 62))
    m.is_lost = true;
  uint64_t seed = (uint64_t) pm_host_setting ("seed", 1) * 1000003u + m.n_launches;
  return push (stream, Task { [=] () { pm_host_run_grid (grid, block, shared_bytes, seed, thread); }, nullptr, 0 });
}

uint64_t
pm_host_count_launches (void)
{
  Locked locked (machine ().lock);
  return machine ().n_launches;
}

cudaError_t
pm_host_set_shared_limit (const void *kernel, int n_bytes)
{
  Locked locked (machine ().lock);
  int    most = 0;
  cudaDeviceGetAttribute (&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
  if (n_bytes > most)
    return report (cudaErrorInvalidValue);
  machine ().shared_limits[kernel] = n_bytes;
  return cudaSuccess;
}

static const size_t most_poisoned = 4 << 20; /* bytes of one allocation: the rest takes longer than what it finds is worth */

static size_t
total_memory (void)
{
  return (size_t) pm_host_setting ("memory", 8L << 30);
}

cudaError_t
cudaMallocAsync (void **memory, size_t n_bytes, cudaStream_t stream)
{
  Locked   locked (machine ().lock);
  Machine &m = machine ();

  *memory = nullptr;
  if (is_capturing ())
    return report (cudaErrorStreamCaptureUnsupported);
  if (n_bytes > total_memory () - m.n_used || ! (*memory = pm_host_memory_take (n_bytes, most_poisoned)))
    return report (cudaErrorMemoryAllocation);
  m.memory[*memory] = n_bytes;
  m.n_used += n_bytes;
  return alive ();
}

cudaError_t
cudaMalloc (void **memory, size_t n_bytes)
{
  return cudaMallocAsync (memory, n_bytes, nullptr);
}

static void
release (void *memory)
{
  Machine &m = machine ();
  auto     found = m.memory.find (memory);
  if (found == m.memory.end ())
    pm_host_fail ("memory is freed that was not allocated");
  m.n_used -= found->second;
  m.memory.erase (found);
  pm_host_memory_give (memory);
}

cudaError_t
cudaFreeAsync (void *memory, cudaStream_t stream)
{
  Locked locked (machine ().lock);
  if (machine ().is_lost)
    {
      release (memory);
      return alive ();
    }
  return push (stream, Task { [memory] () { release (memory); }, nullptr, 0 });
}

cudaError_t
cudaDeviceSynchronize (void)
{
  Locked locked (machine ().lock);
  for (PmHostStream *stream : std::set<PmHostStream *> (machine ().streams))
    drain (stream);
  return alive ();
}

cudaError_t
cudaFree (void *memory)
{
  Locked locked (machine ().lock);
  cudaDeviceSynchronize ();
  if (memory)
    release (memory);
  return alive ();
}

cudaError_t
cudaHostAlloc (void **memory, size_t n_bytes, unsigned flags)
{
  Locked locked (machine ().lock);
  *memory = aligned_alloc (256, (n_bytes + 255) / 256 * 256);
  if (! *memory)
    return report (cudaErrorMemoryAllocation);
  memset (*memory, 0xff, std::min (n_bytes, most_poisoned));
  machine ().pinned[*memory] = n_bytes;
  return cudaSuccess;
}

cudaError_t
cudaFreeHost (void *memory)
{
  Locked locked (machine ().lock);
  cudaDeviceSynchronize ();
  machine ().pinned.erase (memory);
  free (memory);
  return cudaSuccess;
}

static bool
is_within (const std::map<void *, size_t> &list, const void *at, size_t n_bytes)
{
  auto after = list.upper_bound ((void *) at);
  if (after == list.begin ())
    return false;
  auto found = --after;
  return (const char *) at + n_bytes <= (const char *) found->first + found->second;
}

/* Memory that is neither the device's nor pinned is read at the call, as the driver does, and written when the copy is done. */
cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t n_bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
  Locked   locked (machine ().lock);
  Machine &m = machine ();
  bool     from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  bool     to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;

  if (kind == cudaMemcpyDefault)
    {
      from_device = ! is_within (m.pinned, from, n_bytes);
      to_device = ! is_within (m.pinned, to, n_bytes);
    }
  if ((from_device && ! is_within (m.memory, from, n_bytes)) || (to_device && ! is_within (m.memory, to, n_bytes)))
    return report (cudaErrorInvalidValue);
  if (from_device || is_within (m.pinned, from, n_bytes) || stream->captured)
    return push (stream, Task { [=] () { memcpy (to, from, n_bytes); }, nullptr, 0 });
  std::vector<char> bytes ((const char *) from, (const char *) from + n_bytes);
  return push (stream, Task { [=] () { memcpy (to, bytes.data (), n_bytes); }, nullptr, 0 });
}

cudaError_t
cudaMemsetAsync (void *memory, int value, size_t n_bytes, cudaStream_t stream)
{
  Locked locked (machine ().lock);
  if (! is_within (machine ().memory, memory, n_bytes))
    return report (cudaErrorInvalidValue);
  return push (stream, Task { [=] () { memset (memory, value, n_bytes); }, nullptr, 0 });
}

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  Locked locked (machine ().lock);
  *stream = new PmHostStream ();
  machine ().streams.insert (*stream);
  return alive ();
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  Locked locked (machine ().lock);
  drain (stream);
  machine ().streams.erase (stream);
  delete stream;
  return alive ();
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  Locked locked (machine ().lock);
  if (stream->captured)
    return report (cudaErrorStreamCaptureUnsupported);
  drain (stream);
  return alive ();
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  Locked locked (machine ().lock);
  if (stream->captured)
    return report (cudaErrorStreamCaptureUnsupported);
  return push (stream, Task { nullptr, event, event->n_recorded });
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags)
{
  *event = new PmHostEvent ();
  return cudaSuccess;
}

/* An event may be destroyed while streams still have to do with it. */
cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  Locked locked (machine ().lock);
  cudaDeviceSynchronize ();
  delete event;
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  Locked locked (machine ().lock);
  if (stream->captured)
    return report (cudaErrorStreamCaptureUnsupported);
  uint64_t n = ++event->n_recorded;
  return push (stream, Task { [=] () { event->n_done = n; }, nullptr, 0 });
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  Locked   locked (machine ().lock);
  uint64_t n = event->n_recorded;
  while (event->n_done < n && ! machine ().is_lost)
    advance ();
  pm_host_memory_open (false);
  return alive ();
}

cudaError_t
cudaEventQuery (cudaEvent_t event)
{
  return cudaEventSynchronize (event);
}

cudaError_t
cudaStreamBeginCapture (cudaStream_t stream, cudaStreamCaptureMode mode)
{
  Locked locked (machine ().lock);
  if (stream->captured)
    return report (cudaErrorInvalidValue);
  stream->captured = new PmHostGraph ();
  return alive ();
}

cudaError_t
cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  Locked locked (machine ().lock);
  *graph = stream->captured;
  stream->captured = nullptr;
  return *graph ? alive () : report (cudaErrorInvalidValue);
}

cudaError_t
cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
  *exec = new PmHostGraphExec { graph->tasks };
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  Locked locked (machine ().lock);
  for (const Task &task : exec->tasks)
    push (stream, task);
  return alive ();
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  delete graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  Locked locked (machine ().lock);
  cudaDeviceSynchronize ();
  delete exec;
  return cudaSuccess;
}

cudaError_t
cudaMemGetInfo (size_t *free_bytes, size_t *total_bytes)
{
  Locked      locked (machine ().lock);
  cudaError_t state = pm_host_context_state ();
  if (state != cudaSuccess)
    return report (state);
  *total_bytes = total_memory ();
  *free_bytes = *total_bytes - machine ().n_used;
  return alive ();
}

cudaError_t
cudaGetLastError (void)
{
  Locked      locked (machine ().lock);
  cudaError_t error = machine ().last;
  machine ().last = cudaSuccess;
  return error;
}

cudaError_t
cudaPeekAtLastError (void)
{
  Locked locked (machine ().lock);
  return machine ().last;
}
