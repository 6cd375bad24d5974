/* Zip archives, read through their central directory, as the local headers may leave sizes to a descriptor behind the
 * data. Source of truth: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory),
 * 4.3.14 to 4.3.16 (its end, also zip64), 4.5.3 (zip64 extra field). All numbers are little-endian. */
#include "format/zip.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

#define LOCAL_BYTES 30
#define CENTRAL_BYTES 46
#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define MAX_COMMENT_BYTES 0xffff

struct _PmZip
{
  const guint8 *bytes; /* [n] */
  gsize         n;
  GPtrArray    *entries; /* of PmZipEntry, in the order of the directory */
  GHashTable   *by_name;
};

static void
entry_free (gpointer data)
{
  PmZipEntry *entry = data;

  g_free ((char *) entry->name);
  g_free (entry);
}

void
pm_zip_free (PmZip *zip)
{
  if (! zip)
    return;
  g_hash_table_unref (zip->by_name);
  g_ptr_array_unref (zip->entries);
  g_free (zip);
}

static guint64
read_number (const guint8 *bytes, int n)
{
  guint64 value = 0;

  for (int i = n - 1; i >= 0; i--)
    value = value << 8 | bytes[i];
  return value;
}

static gboolean
has_signature (const PmZip *zip, guint64 at, gsize n, const char *signature)
{
  return at <= zip->n && n <= zip->n - at && memcmp (zip->bytes + at, signature, 4) == 0;
}

/* Where the central directory lies; FALSE when there is none. */
static gboolean
find_directory (const PmZip *zip, guint64 *begin, guint64 *n_bytes)
{
  gsize   at = zip->n >= END_BYTES ? zip->n - END_BYTES : 0;
  gsize   lowest = at > MAX_COMMENT_BYTES ? at - MAX_COMMENT_BYTES : 0;
  guint64 end64;

  while (at > lowest && ! has_signature (zip, at, END_BYTES, "PK\5\6"))
    at--;
  if (! has_signature (zip, at, END_BYTES, "PK\5\6"))
    return FALSE;
  *n_bytes = read_number (zip->bytes + at + 12, 4);
  *begin = read_number (zip->bytes + at + 16, 4);
  if (at >= LOCATOR_BYTES && has_signature (zip, at - LOCATOR_BYTES, LOCATOR_BYTES, "PK\6\7"))
    {
      end64 = read_number (zip->bytes + at - LOCATOR_BYTES + 8, 8);
      if (! has_signature (zip, end64, END64_BYTES, "PK\6\6"))
        return FALSE;
      *n_bytes = read_number (zip->bytes + end64 + 40, 8);
      *begin = read_number (zip->bytes + end64 + 48, 8);
    }
  return *begin <= zip->n && *n_bytes <= zip->n - *begin;
}

/* A field of four bytes that is full stands in the zip64 extra field instead, in the order asked for. */
static gboolean
widen (guint64 *value, const guint8 **extra, gsize *n_extra)
{
  if (*value != 0xffffffff)
    return TRUE;
  if (*n_extra < 8)
    return FALSE;
  *value = read_number (*extra, 8);
  *extra += 8;
  *n_extra -= 8;
  return TRUE;
}

/* The content of the zip64 extra field among the others; of no length when there is none. */
static void
find_zip64 (const guint8 **extra, gsize *n_extra)
{
  while (*n_extra >= 4)
    {
      gsize n = read_number (*extra + 2, 2);

      if (n > *n_extra - 4)
        break;
      if (read_number (*extra, 2) == 1)
        {
          *extra += 4;
          *n_extra = n;
          return;
        }
      *extra += 4 + n;
      *n_extra -= 4 + n;
    }
  *n_extra = 0;
}

/* Reads the directory's record at central ([n_record] bytes, its names included); FALSE when it makes no sense. */
static gboolean
add_entry (PmZip *zip, const guint8 *central, gsize n_name, gsize n_extra)
{
  const guint8 *extra = central + CENTRAL_BYTES + n_name;
  guint64       packed = read_number (central + 20, 4), full = read_number (central + 24, 4);
  guint64       local = read_number (central + 42, 4), begin;
  PmZipEntry   *entry;

  find_zip64 (&extra, &n_extra);
  if (! widen (&full, &extra, &n_extra) || ! widen (&packed, &extra, &n_extra) || ! widen (&local, &extra, &n_extra)
      || ! has_signature (zip, local, LOCAL_BYTES, "PK\3\4"))
    return FALSE;
  begin = local + LOCAL_BYTES + read_number (zip->bytes + local + 26, 2) + read_number (zip->bytes + local + 28, 2);
  if (begin > zip->n || packed > zip->n - begin)
    return FALSE;
  entry = g_new0 (PmZipEntry, 1);
  entry->name = g_strndup ((const char *) central + CENTRAL_BYTES, n_name);
  entry->is_stored = read_number (central + 10, 2) == 0 && (central[8] & 1) == 0 && full == packed;
  entry->data = zip->bytes + begin;
  entry->n = (gsize) packed;
  g_ptr_array_add (zip->entries, entry);
  return g_hash_table_insert (zip->by_name, (char *) entry->name, entry);
}

static gboolean
read_directory (PmZip *zip)
{
  guint64 begin, n_bytes;

  if (! find_directory (zip, &begin, &n_bytes))
    return FALSE;
  while (n_bytes > 0)
    {
      const guint8 *central = zip->bytes + begin;
      gsize         n_name, n_extra, n_record;

      if (n_bytes < CENTRAL_BYTES || memcmp (central, "PK\1\2", 4) != 0)
        return FALSE;
      n_name = read_number (central + 28, 2);
      n_extra = read_number (central + 30, 2);
      n_record = CENTRAL_BYTES + n_name + n_extra + read_number (central + 32, 2);
      if (n_record > n_bytes || ! add_entry (zip, central, n_name, n_extra))
        return FALSE;
      begin += n_record;
      n_bytes -= n_record;
    }
  return TRUE;
}

PmZip *
pm_zip_open (const guint8 *bytes, gsize n, const char *path, GError **error)
{
  g_autoptr (PmZip) zip = g_new0 (PmZip, 1);

  zip->bytes = bytes;
  zip->n = n;
  zip->entries = g_ptr_array_new_with_free_func (entry_free);
  zip->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  if (! read_directory (zip))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: its table of contents, at the end of the file, is missing or makes no sense. Download it "
                      "again."),
                   path);
      return NULL;
    }
  return g_steal_pointer (&zip);
}

const PmZipEntry *
pm_zip_find (PmZip *zip, const char *name)
{
  return g_hash_table_lookup (zip->by_name, name);
}

const PmZipEntry *
pm_zip_find_basename (PmZip *zip, const char *basename)
{
  for (guint i = 0; i < zip->entries->len; i++)
    {
      const PmZipEntry *entry = g_ptr_array_index (zip->entries, i);
      const char       *slash = strrchr (entry->name, '/');

      if (strcmp (slash ? slash + 1 : entry->name, basename) == 0)
        return entry;
    }
  return NULL;
}
