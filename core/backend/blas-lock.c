/* OpenBLAS hands its work buffers out of a table that the serial build does not lock (driver/others/memory.c: LOCK_COMMAND is
 * nothing without SMP or USE_LOCKING): of two products at once, both may get the same buffer, and about one small product in a
 * hundred comes out wrong. The linker's --wrap (core/meson.build) sends the requests of the static library here.
 * tests/core/test-blas-threads.c fails without this file. */
#include <glib.h>

void *__real_blas_memory_alloc (int position);
void  __real_blas_memory_free (void *buffer);
void *__wrap_blas_memory_alloc (int position);
void  __wrap_blas_memory_free (void *buffer);

static GMutex table_mutex; /* of OpenBLAS's one table, so one a process */

void *
__wrap_blas_memory_alloc (int position)
{
  g_mutex_lock (&table_mutex);
  void *buffer = __real_blas_memory_alloc (position);
  g_mutex_unlock (&table_mutex);
  return buffer;
}

void
__wrap_blas_memory_free (void *buffer)
{
  g_mutex_lock (&table_mutex);
  __real_blas_memory_free (buffer);
  g_mutex_unlock (&table_mutex);
}
