/* Arbitrary bytes as a file that the readers can map. */
#ifndef PM_FUZZ_INPUT_H
#define PM_FUZZ_INPUT_H

#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A path to a file in memory that holds bytes [n]; *fd is to be closed. */
static inline char *
input_path (const guint8 *bytes, gsize n, int *fd)
{
  *fd = memfd_create ("input", MFD_CLOEXEC);
  g_assert_cmpint (*fd, >=, 0);
  g_assert_cmpint (write (*fd, bytes, n), ==, (gssize) n);
  return g_strdup_printf ("/proc/self/fd/%d", *fd);
}

#endif
