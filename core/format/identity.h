/* Which model it was: the sha256 of its files, summed in a thread while the model paints, and remembered by path, size, time
 * of change and inode in pentimento/sha256.ini in the user's cache folder. */
#ifndef PM_FORMAT_IDENTITY_H
#define PM_FORMAT_IDENTITY_H

#include "base/job.h"
#include "format/checkpoint.h"

typedef struct _PmIdentity PmIdentity;

PmIdentity *pm_identity_start (PmCheckpoint *checkpoint);

/* Waits; FALSE with G_IO_ERROR_CANCELLED when the job was cancelled meanwhile. A file that cannot be read has no sum. */
gboolean pm_identity_finish (PmIdentity *identity, PmJob *job, GError **error);

/* The sum of the checkpoint's file i in hexadecimal digits, or NULL; after finish. */
const char *pm_identity_get (PmIdentity *identity, guint i);

/* One name for all files of the checkpoint, made of their sums, where these are remembered already; NULL where they are not, and
 * for a checkpoint in memory. Sums nothing. Free with g_free. */
char *pm_identity_find (PmCheckpoint *checkpoint);

/* Stops the thread when it still runs. */
void pm_identity_free (PmIdentity *identity);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmIdentity, pm_identity_free)

#endif
