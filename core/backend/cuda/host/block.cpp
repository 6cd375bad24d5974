/* See block.h: fibers, barriers, exchanges of a warp, and the launch of a grid.
 *
 * A fiber is entered once by ucontext and afterwards by the compiler's own setjmp, which needs no system call: kernels switch
 * some hundred million times in the tests. */
#include "block.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <vector>

#include "host.h"
#include "toolchain.h"

#if defined __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define PM_HOST_SWITCH_BEGIN(save, stack, size) __sanitizer_start_switch_fiber (save, stack, size)
#define PM_HOST_SWITCH_END(save, stack, size)   __sanitizer_finish_switch_fiber (save, stack, size)
#else
#define PM_HOST_SWITCH_BEGIN(save, stack, size) (void) (save)
#define PM_HOST_SWITCH_END(save, stack, size)   (void) (save)
#endif

static const size_t stack_bytes = 256 << 10;

enum State
{
  RUNNABLE,
  IN_EXCHANGE,
  AT_BARRIER,
  DONE
};

struct Copy
{
  void       *to;
  const void *from;
  int         n_bytes, n_valid;
};

struct Fiber
{
  PmHostLane    lane;
  State         state;
  void         *jump[5];
  ucontext_t    context;
  void         *stack, *fake_stack, *watched;
  bool          is_started;
  PmHostCombine combine; /* of the exchange that it waits for */
  unsigned      mask;
  const void   *in;
  void         *out;
  std::vector<std::vector<Copy>> copies; /* committed groups, oldest first */
  std::vector<Copy>              open;   /* not yet committed */
};

/* One OS thread's means to run blocks. */
struct Worker
{
  std::vector<Fiber *> fibers;
  std::vector<int>     runnable;
  Fiber               *running = nullptr;
  void                *jump[5];
  void                *fake_stack = nullptr, *watched = nullptr;
  const void          *own_stack = nullptr;
  size_t               own_stack_bytes = 0;
  const std::function<void (void)> *thread = nullptr;
  int                  n_threads = 0, n_done = 0, n_at_barrier = 0;
  const char          *barrier_file = nullptr;
  int                  barrier_line = 0;
  uint64_t             random = 1;
  PmHostBlock          block;

  ~Worker ()
  {
    for (Fiber *fiber : fibers)
      {
        munmap (fiber->stack, stack_bytes);
        PM_WATCH_FREE (fiber->watched);
        delete fiber;
      }
  }
};

thread_local PmHostLane  *pm_host_lane;
thread_local PmHostBlock *pm_host_block;
static thread_local Worker *worker;

void
pm_host_fail (const char *what)
{
  if (worker && worker->running)
    fprintf (stderr, "host kernel: %s; block (%u, %u, %u) of (%u, %u, %u), thread %d of %d\n", what, worker->block.block.x,
             worker->block.block.y, worker->block.block.z, worker->block.grid.x, worker->block.grid.y, worker->block.grid.z,
             worker->running->lane.index, worker->n_threads);
  else
    fprintf (stderr, "host kernel: %s\n", what);
  abort ();
}

static unsigned
random_below (Worker *w, unsigned n)
{
  w->random ^= w->random << 13;
  w->random ^= w->random >> 7;
  w->random ^= w->random << 17;
  return (unsigned) ((w->random >> 11) % n);
}

/* Not watched: it is begun in one place and never ends. */
__attribute__ ((noinline, noreturn, no_sanitize ("thread"))) static void
jump_to (void **where)
{
  __builtin_longjmp (where, 1);
}

static void fiber_main (void);

/* From the worker's loop into a fiber, until that waits or ends. */
__attribute__ ((noinline)) static void
enter (Worker *w, Fiber *fiber)
{
  bool is_new = ! fiber->is_started;

  PM_WATCH_PAUSE ();
  w->running = fiber;
  w->watched = PM_WATCH_HERE ();
  pm_host_lane = &fiber->lane;
  fiber->is_started = true;
  PM_HOST_SWITCH_BEGIN (&w->fake_stack, fiber->stack, stack_bytes);
  if (! __builtin_setjmp (w->jump))
    {
      PM_WATCH_ENTER (fiber->watched);
      if (! is_new)
        jump_to (fiber->jump);
      setcontext (&fiber->context);
    }
  PM_HOST_SWITCH_END (worker->fake_stack, nullptr, nullptr);
  worker->running = nullptr;
  PM_WATCH_RESUME ();
}

/* From a fiber to the worker's loop, until that enters it again. Not watched: what it reads is the host's. */
__attribute__ ((noinline, no_sanitize ("thread"))) static void
leave (Fiber *fiber)
{
  PM_HOST_SWITCH_BEGIN (&fiber->fake_stack, worker->own_stack, worker->own_stack_bytes);
  if (! __builtin_setjmp (fiber->jump))
    {
      PM_WATCH_LEAVE (worker->watched);
      jump_to (worker->jump);
    }
  PM_HOST_SWITCH_END (worker->running->fake_stack, &worker->own_stack, &worker->own_stack_bytes);
}

static void
fiber_main (void)
{
  PM_HOST_SWITCH_END (nullptr, &worker->own_stack, &worker->own_stack_bytes);
  for (;;)
    {
      Fiber *fiber = worker->running;
      (*worker->thread) ();
      if (! fiber->copies.empty () || ! fiber->open.empty ())
        pm_host_fail ("a thread ends with copies that it has not waited for");
      PM_WATCH_RELEASE (worker);
      PM_WATCH_PAUSE ();
      fiber->state = DONE;
      PM_WATCH_RESUME ();
      leave (fiber);
    }
}

static Fiber *
fiber_new (int index)
{
  Fiber *fiber = new Fiber ();
  fiber->stack = mmap (nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (fiber->stack == MAP_FAILED || getcontext (&fiber->context) != 0)
    pm_host_fail ("no memory for a thread's stack");
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = stack_bytes;
  fiber->lane.index = index;
  fiber->watched = PM_WATCH_NEW ();
  makecontext (&fiber->context, fiber_main, 0);
  return fiber;
}

static void
make_runnable (Worker *w, Fiber *fiber)
{
  fiber->state = RUNNABLE;
  w->runnable.push_back (fiber->lane.index);
}

/* All that have not ended are at the barrier. */
static void
release_barrier (Worker *w)
{
  w->n_at_barrier = 0;
  w->barrier_file = nullptr;
  for (int i = 0; i < w->n_threads; i++)
    if (w->fibers[i]->state == AT_BARRIER)
      make_runnable (w, w->fibers[i]);
}

void
pm_host_barrier (const char *file, int line)
{
  Worker *w = worker;
  Fiber  *fiber = w->running;

  PM_WATCH_RELEASE (&w->n_at_barrier);
  PM_WATCH_PAUSE ();
  if (w->barrier_file && (w->barrier_file != file || w->barrier_line != line))
    {
      fprintf (stderr, "host kernel: barriers at %s:%d and %s:%d\n", file, line, w->barrier_file, w->barrier_line);
      pm_host_fail ("threads of a block wait at different barriers");
    }
  w->barrier_file = file;
  w->barrier_line = line;
  fiber->state = AT_BARRIER;
  w->n_at_barrier++;
  leave (fiber);
  PM_WATCH_RESUME ();
  PM_WATCH_ACQUIRE (&w->n_at_barrier);
}

int
pm_host_lane_id (void)
{
  return worker->running->lane.index % 32;
}

static void
exchange (PmHostCombine combine, unsigned mask, const void *in, void *out)
{
  Worker     *w = worker;
  Fiber      *fiber = w->running;
  int         warp = fiber->lane.index & ~31;
  const void *ins[32];
  void       *outs[32];
  bool        is_last = true;

  if (! (mask >> (fiber->lane.index % 32) & 1))
    pm_host_fail ("a lane exchanges under a mask that leaves it out");
  fiber->combine = combine;
  fiber->mask = mask;
  fiber->in = in;
  fiber->out = out;
  for (int i = 0; i < 32 && is_last; i++)
    if (mask >> i & 1 && warp + i != fiber->lane.index)
      {
        if (warp + i >= w->n_threads)
          pm_host_fail ("a warp's mask names lanes beyond the block");
        Fiber *other = w->fibers[warp + i];
        if (other->state == DONE)
          pm_host_fail ("a warp's exchange waits for a lane that has ended");
        is_last = other->state == IN_EXCHANGE && other->combine == combine && other->mask == mask;
      }
  if (! is_last)
    {
      fiber->state = IN_EXCHANGE;
      leave (fiber);
      return;
    }
  for (int i = 0; i < 32; i++)
    {
      bool is_in = mask >> i & 1;
      ins[i] = is_in ? w->fibers[warp + i]->in : nullptr;
      outs[i] = is_in ? w->fibers[warp + i]->out : nullptr;
    }
  combine (mask, ins, outs);
  for (int i = 0; i < 32; i++)
    if (mask >> i & 1 && warp + i != fiber->lane.index)
      make_runnable (w, w->fibers[warp + i]);
}

void
pm_host_exchange (PmHostCombine combine, unsigned mask, const void *in, void *out)
{
  void *warp = worker->fibers[worker->running->lane.index & ~31];

  if (combine == pm_host_meet)
    PM_WATCH_RELEASE (warp);
  PM_WATCH_PAUSE ();
  exchange (combine, mask, in, out);
  PM_WATCH_RESUME ();
  if (combine == pm_host_meet)
    PM_WATCH_ACQUIRE (warp);
}

void
pm_host_copy_begin (void *to, const void *from, int n_bytes, int n_valid)
{
  if (((uintptr_t) to | (uintptr_t) from) % 16 != 0)
    pm_host_fail ("a copy to shared memory is not aligned to 16 bytes");
  worker->running->open.push_back (Copy { to, from, n_bytes, n_valid });
}

void
pm_host_copy_commit (void)
{
  Fiber *fiber = worker->running;
  fiber->copies.push_back (fiber->open);
  fiber->open.clear ();
}

void
pm_host_copy_wait (int n_pending)
{
  Fiber *fiber = worker->running;
  while (fiber->copies.size () > (size_t) n_pending)
    {
      for (const Copy &copy : fiber->copies.front ())
        {
          memcpy (copy.to, copy.from, copy.n_valid);
          memset ((char *) copy.to + copy.n_valid, 0, copy.n_bytes - copy.n_valid);
        }
      fiber->copies.erase (fiber->copies.begin ());
    }
}

static void
run_block (Worker *w)
{
  dim3 size = w->block.size;

  w->n_done = w->n_at_barrier = 0;
  w->barrier_file = nullptr;
  w->runnable.clear ();
  for (int i = 0; i < w->n_threads; i++)
    {
      w->fibers[i]->lane.thread = dim3 (i % size.x, i / size.x % size.y, i / (size.x * size.y));
      make_runnable (w, w->fibers[i]);
    }
  while (w->n_done < w->n_threads)
    {
      if (w->runnable.empty () && w->n_at_barrier > 0 && w->n_at_barrier + w->n_done == w->n_threads)
        release_barrier (w);
      if (w->runnable.empty ())
        pm_host_fail ("threads wait for others that never come: a barrier or an exchange is not reached by all");
      unsigned at = random_below (w, (unsigned) w->runnable.size ());
      Fiber   *fiber = w->fibers[w->runnable[at]];
      w->runnable[at] = w->runnable.back ();
      w->runnable.pop_back ();
      enter (w, fiber);
      w->n_done += fiber->state == DONE;
    }
}

void
pm_host_run_grid (dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, const std::function<void (void)> &thread)
{
  static thread_local Worker own;
  void *shared = aligned_alloc (128, (shared_bytes + 127) / 128 * 128 + 128);
  /* what is asked for ends where the allocation does, as far as 16-byte alignment allows */
  char *end_aligned = (char *) shared + (shared_bytes + 127) / 128 * 128 + 128 - (shared_bytes + 15) / 16 * 16;

  worker = &own;
  pm_host_block = &own.block;
  own.n_threads = (int) (block.x * block.y * block.z);
  own.random = seed * 0x9e3779b97f4a7c15u + 1;
  own.thread = &thread;
  own.block.grid = grid;
  own.block.size = block;
  own.block.shared = end_aligned;
  for (int i = (int) own.fibers.size (); i < own.n_threads; i++)
    own.fibers.push_back (fiber_new (i));
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++)
        {
          own.block.block = dim3 (x, y, z);
          memset (end_aligned, 0xff, shared_bytes);
          run_block (&own);
          PM_WATCH_ACQUIRE (&own);
        }
  free (shared);
}
