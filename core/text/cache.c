/* See cache.h. */
#include "text/cache.h"

#include <string.h>

#include <glib/gstdio.h>
#include <utime.h>

#include "tensor/bundle.h"

#define MAX_BYTES (256u << 20)
#define SUFFIX ".safetensors"
#define N_SUM 32 /* bytes of a sha256 */

typedef struct
{
  char  *path;
  gint64 time, size;
} PmCacheFile;

static char *
cache_folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "pentimento", "text", NULL);
}

char *
pm_text_cache_path (const char *identity, const int *ids, int n)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char      *folder = cache_folder (), *name = NULL;

  g_checksum_update (checksum, (const guchar *) identity, strlen (identity) + 1);
  for (int i = 0; i < n; i++)
    {
      guint32 id = GUINT32_TO_LE ((guint32) ids[i]);
      g_checksum_update (checksum, (const guchar *) &id, sizeof id);
    }
  name = g_strconcat (g_checksum_get_string (checksum), SUFFIX, NULL);
  return g_build_filename (folder, name, NULL);
}

static void
sum_values (const float *embedding, gsize n, gint32 sum[N_SUM / 4])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize                 n_sum = N_SUM;

  g_checksum_update (checksum, (const guchar *) embedding, n * sizeof (float));
  g_checksum_get_digest (checksum, (guint8 *) sum, &n_sum);
}

gboolean
pm_text_cache_load (const char *path, int n, int E, float *embedding)
{
  g_autoptr (PmBundle) bundle = g_file_test (path, G_FILE_TEST_EXISTS) ? pm_bundle_load (path, NULL) : NULL;
  const float         *values = bundle ? pm_bundle_get_f32 (bundle, "embedding", 2, (gssize[]) { n, E }, NULL) : NULL;
  const gint32        *said = values ? pm_bundle_get_i32 (bundle, "sha256", 1, (gssize[]) { N_SUM / 4 }, NULL) : NULL;
  gint32               sum[N_SUM / 4];

  if (! said)
    return FALSE;
  sum_values (values, (gsize) n * E, sum);
  if (memcmp (sum, said, sizeof sum) != 0)
    return FALSE;
  memcpy (embedding, values, (gsize) n * E * sizeof (float));
  g_utime (path, NULL); /* used now */
  return TRUE;
}

static void
file_clear (gpointer data)
{
  g_free (((PmCacheFile *) data)->path);
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  const PmCacheFile *one = a, *other = b;
  return (one->time > other->time) - (one->time < other->time);
}

/* Removes what was unused for longest until the rest fits. */
static void
tidy (const char *folder)
{
  g_autoptr (GArray) files = g_array_new (FALSE, FALSE, sizeof (PmCacheFile));
  g_autoptr (GDir)   dir = g_dir_open (folder, 0, NULL);
  gint64             total = 0;

  g_array_set_clear_func (files, file_clear);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    {
      PmCacheFile file = { .path = g_build_filename (folder, name, NULL) };
      GStatBuf    info;
      if (g_str_has_suffix (name, SUFFIX) && g_stat (file.path, &info) == 0)
        {
          file.time = info.st_mtime;
          total += file.size = info.st_size;
          g_array_append_val (files, file);
        }
      else
        g_free (file.path);
    }
  g_array_sort (files, compare_times);
  for (guint i = 0; i < files->len && total > MAX_BYTES; i++)
    {
      const PmCacheFile *file = &g_array_index (files, PmCacheFile, i);
      if (g_unlink (file->path) == 0)
        total -= file->size;
    }
}

void
pm_text_cache_store (const char *path, int n, int E, const float *embedding)
{
  g_autofree char     *folder = g_path_get_dirname (path);
  g_autoptr (PmBundle) bundle = pm_bundle_new ();
  float  *values = pm_bundle_add (bundle, "embedding", PM_DTYPE_F32, 2, (gsize[]) { (gsize) n, (gsize) E }, NULL);
  gint32 *sum = pm_bundle_add (bundle, "sha256", PM_DTYPE_I32, 1, (gsize[]) { N_SUM / 4 }, NULL);

  if (! values || ! sum || g_mkdir_with_parents (folder, 0700) != 0)
    return;
  memcpy (values, embedding, (gsize) n * E * sizeof (float));
  sum_values (values, (gsize) n * E, sum);
  if (pm_bundle_save (bundle, path, NULL))
    tidy (folder);
}
