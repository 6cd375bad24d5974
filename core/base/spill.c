/* See spill.h: posix_fallocate(3), mmap(2), madvise(2). */
#include "base/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"

static const char *
find_folder (void)
{
  const char *chosen = g_getenv ("TMPDIR");

  if (chosen && chosen[0])
    return chosen;
  return g_access ("/var/tmp", W_OK) == 0 ? "/var/tmp" : g_get_tmp_dir ();
}

static void
set_file_error (GError **error, int number)
{
  g_set_error (error, PM_ERROR, PM_ERROR_IO,
               _("A temporary file cannot be kept in “%s” (%s); make room there, set TMPDIR to a folder with more room, or "
                 "choose fewer maps or a smaller picture."),
               find_folder (), g_strerror (number));
}

int
pm_spill_open (gsize n_bytes, GError **error)
{
  g_autofree char *path = g_build_filename (find_folder (), "pentimento-XXXXXX", NULL);
  int              fd = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0600);
  int              number = fd < 0 ? errno : 0;

  if (fd >= 0)
    g_unlink (path);
  while (fd >= 0 && (number = posix_fallocate (fd, 0, (off_t) MAX (n_bytes, 1))) == EINTR)
    ;
  if (number == 0)
    return fd;

  if (fd >= 0)
    g_close (fd, NULL);
  set_file_error (error, number);
  return -1;
}

gboolean
pm_spill_transfer (int fd, gpointer values, gsize n_bytes, gsize place, gboolean is_write, GError **error)
{
  char *at = values;

  while (n_bytes > 0)
    {
      gssize done = is_write ? pwrite (fd, at, n_bytes, (off_t) place) : pread (fd, at, n_bytes, (off_t) place);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        {
          set_file_error (error, done < 0 ? errno : EIO);
          return FALSE;
        }
      at += done;
      place += (gsize) done;
      n_bytes -= (gsize) done;
    }
  return TRUE;
}

gpointer
pm_spill_map (gsize n_bytes, GError **error)
{
  int      fd = pm_spill_open (n_bytes, error);
  gpointer data;

  if (fd < 0)
    return NULL;
  data = mmap (NULL, MAX (n_bytes, 1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    set_file_error (error, errno);
  g_close (fd, NULL);
  return data == MAP_FAILED ? NULL : data;
}

void
pm_spill_unmap (gpointer data, gsize n_bytes)
{
  munmap (data, MAX (n_bytes, 1));
}

void
pm_spill_release (gpointer data, gsize n_bytes)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE), first = ((gsize) data + page - 1) / page * page;
  gsize end = ((gsize) data + n_bytes) / page * page;

  if (end > first)
    madvise ((gpointer) first, end - first, MADV_DONTNEED);
}
