/* Temporary files without a name, for what is larger than memory should hold: they vanish with the process, whatever happens.
 * They lie in $TMPDIR, else in /var/tmp, because /tmp is often memory itself. The whole size is reserved before anything is
 * written, so that a full disk is an error (PM_ERROR_IO) at the beginning and no signal in the middle. */
#ifndef PM_SPILL_H
#define PM_SPILL_H

#include <glib.h>

/* A descriptor, to be closed with g_close; -1 with an error. */
int pm_spill_open (gsize n_bytes, GError **error);

/* Writes or reads n_bytes at `place` of the file. */
gboolean pm_spill_transfer (int fd, gpointer values, gsize n_bytes, gsize place, gboolean is_write, GError **error);

/* A file as memory that many threads may write, all 0; NULL with an error. (GLib maps files for reading, or to copies.) */
gpointer pm_spill_map (gsize n_bytes, GError **error);
void     pm_spill_unmap (gpointer data, gsize n_bytes);

/* Lets whole pages between data and data + n_bytes leave the process's memory. They keep their values, and come back when they
 * are touched. */
void pm_spill_release (gpointer data, gsize n_bytes);

#endif
