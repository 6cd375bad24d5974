/* OpenBLAS hands its work buffers out of a table that the serial build does not lock (driver/others/memory.c: LOCK_COMMAND is
 * nothing without SMP or USE_LOCKING): of two products at once, both may get the same buffer, and about one small product in a
 * hundred comes out wrong. The linker's --wrap (core/meson.build) sends the requests of the static library here.
 * tests/core/test-blas-threads.c fails without this file. */
#include <glib.h>

void *__real_blas_memory_alloc (int position);
void  __real_blas_memory_free (void *buffer);
void *__wrap_blas_memory_alloc (int position);
void  __wrap_blas_memory_free (void *buffer);

G_LOCK_DEFINE_STATIC (table); /* OpenBLAS has one table, so one lock a process */

void *
__wrap_blas_memory_alloc (int position)
{
  G_LOCK (table);
  void *buffer = __real_blas_memory_alloc (position);
  G_UNLOCK (table);
  return buffer;
}

void
__wrap_blas_memory_free (void *buffer)
{
  G_LOCK (table);
  __real_blas_memory_free (buffer);
  G_UNLOCK (table);
}
