/* The table of contents of a zip archive in memory. Reads only; members are borrowed from the bytes given. */
#ifndef PM_ZIP_H
#define PM_ZIP_H

#include <glib.h>

typedef struct _PmZip PmZip;

typedef struct
{
  const char   *name;
  gboolean      is_stored; /* neither compressed nor encrypted: data is what was packed */
  const guint8 *data;      /* [n] inside the archive */
  gsize         n;
} PmZipEntry;

/* bytes: [n], must outlive the archive. path is for messages. Errors: PM_ERROR_DAMAGED. */
PmZip *pm_zip_open (const guint8 *bytes, gsize n, const char *path, GError **error);
void   pm_zip_free (PmZip *zip);

/* Borrowed; NULL when there is none. */
const PmZipEntry *pm_zip_find (PmZip *zip, const char *name);

/* The first member of that file name in any folder. */
const PmZipEntry *pm_zip_find_basename (PmZip *zip, const char *basename);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmZip, pm_zip_free)

#endif
