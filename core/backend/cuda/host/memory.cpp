/* The host build's memory of devices. It lies in the host's memory, but nobody may touch it there save queued work while it
 * runs: a pointer of a device that the program follows ends it, as following it on a GPU's system would. Blocks end where their
 * pages do, with one behind them that is nobody's, so that kernels that run over the end are caught, too. AddressSanitizer,
 * where it is compiled in, does both more finely. */
#include <map>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"

#if defined __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
static const bool is_watched = true;
#define PM_HOST_POISON(memory, n_bytes)   ASAN_POISON_MEMORY_REGION (memory, n_bytes)
#define PM_HOST_UNPOISON(memory, n_bytes) ASAN_UNPOISON_MEMORY_REGION (memory, n_bytes)
#else
static const bool is_watched = false;
#define PM_HOST_POISON(memory, n_bytes)   (void) (memory)
#define PM_HOST_UNPOISON(memory, n_bytes) (void) (memory)
#endif

struct Block
{
  void  *map; /* n_pages that are the block's, and one that is nobody's */
  size_t n_map, n_bytes;
};

struct Blocks
{
  std::map<void *, Block> list;
  bool                    is_open = false;
};

static Blocks &
blocks (void)
{
  static Blocks *the = new Blocks (); /* outlives every destructor */
  return *the;
}

static void
set_access (void *memory, const Block &block, bool is_open)
{
  if (is_watched && is_open)
    PM_HOST_UNPOISON (memory, block.n_bytes);
  else if (is_watched)
    PM_HOST_POISON (memory, block.n_bytes);
  else if (mprotect (block.map, block.n_map, is_open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    pm_host_fail ("the system does not let memory be closed");
}

void
pm_host_memory_open (bool is_open)
{
  Blocks &all = blocks ();

  if (all.is_open == is_open)
    return;
  all.is_open = is_open;
  for (auto &block : all.list)
    set_access (block.first, block.second, is_open);
}

void *
pm_host_memory_take (size_t n_bytes, size_t n_poisoned)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE), size = (n_bytes + 255) / 256 * 256;
  Block  block = { nullptr, (size + page - 1) / page * page, n_bytes };
  void  *memory;

  if (is_watched)
    memory = aligned_alloc (256, size);
  else
    {
      void *map = mmap (nullptr, block.n_map + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      block.map = map == MAP_FAILED ? nullptr : map;
      memory = block.map ? (char *) block.map + block.n_map - size : nullptr;
    }
  if (! memory)
    return nullptr;
  if (! is_watched)
    set_access (memory, block, true);
  memset (memory, 0xff, n_bytes < n_poisoned ? n_bytes : n_poisoned);
  set_access (memory, block, blocks ().is_open);
  blocks ().list[memory] = block;
  return memory;
}

void
pm_host_memory_give (void *memory)
{
  auto   found = blocks ().list.find (memory);
  Block  block = found->second;

  blocks ().list.erase (found);
  if (is_watched)
    {
      PM_HOST_UNPOISON (memory, block.n_bytes);
      free (memory);
    }
  else
    munmap (block.map, block.n_map + (size_t) sysconf (_SC_PAGESIZE));
}
