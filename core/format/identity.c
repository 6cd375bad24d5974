/* See identity.h. The cache is a convenience: whatever goes wrong with it only costs the time of summing again. */
#include "format/identity.h"

#include <glib/gstdio.h>
#include <stdio.h>

#define CHUNK (1 << 20)
#define WAIT_US 2000
#define MOST_REMEMBERED 1000

struct _PmIdentity
{
  GThread   *thread;
  GPtrArray *paths; /* of char* */
  GPtrArray *sums;  /* of char* or NULL; the thread's until it is done, as the next two */
  GPtrArray *groups, *stamps; /* of char*: of sums that are not remembered yet; else NULL */
  gint       stop;  /* atomic, as done */
  gint       done;
};

static char *
cache_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "pentimento", "sha256.ini", NULL);
}

/* The entry of a file: a group name that any path may have, and what must not have changed. */
static char *
file_stamp (const char *path, char **group)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  GStatBuf         now;

  if (g_stat (path, &now) != 0)
    return NULL;
  *group = g_compute_checksum_for_string (G_CHECKSUM_SHA256, absolute, -1);
  return g_strdup_printf ("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld %" G_GUINT64_FORMAT, (gint64) now.st_size,
                          (gint64) now.st_mtim.tv_sec, (long) now.st_mtim.tv_nsec, (guint64) now.st_ino);
}

static char *
sum_file (PmIdentity *identity, const char *path)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar    *chunk = g_malloc (CHUNK);
  FILE                 *file = g_fopen (path, "rb");
  gsize                 n = CHUNK;

  while (file && n > 0 && ! g_atomic_int_get (&identity->stop))
    {
      n = fread (chunk, 1, CHUNK, file);
      g_checksum_update (checksum, chunk, n);
    }
  gboolean whole = file && n == 0 && ! ferror (file);
  if (file)
    fclose (file);
  return whole ? g_strdup (g_checksum_get_string (checksum)) : NULL;
}

/* The remembered sum of a file that has not changed since; NULL when there is none. Free with g_free. */
static char *
find_sum (GKeyFile *known, const char *group, const char *stamp)
{
  g_autofree char *known_stamp = stamp ? g_key_file_get_string (known, group, "stamp", NULL) : NULL;
  return known_stamp && g_str_equal (stamp, known_stamp) ? g_key_file_get_string (known, group, "sha256", NULL) : NULL;
}

static gboolean
is_news (const PmIdentity *identity)
{
  for (guint i = 0; i < identity->stamps->len; i++)
    if (identity->stamps->pdata[i])
      return TRUE;
  return FALSE;
}

/* Forgets the oldest sums of too many: of files that are long gone, most of them. */
static void
forget_oldest (GKeyFile *known)
{
  gsize          n;
  g_auto (GStrv) groups = g_key_file_get_groups (known, &n);

  for (gsize i = 0; i + MOST_REMEMBERED < n; i++)
    g_key_file_remove_group (known, groups[i], NULL);
}

/* Adds new sums to what is remembered by now: other programs add theirs, and other identities of this one. */
static void
remember (PmIdentity *identity)
{
  g_autofree char     *cache = cache_path (), *folder = g_path_get_dirname (cache);
  g_autoptr (GKeyFile) known = g_key_file_new ();

  if (! is_news (identity))
    return;
  g_key_file_load_from_file (known, cache, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; i < identity->stamps->len; i++)
    if (identity->stamps->pdata[i])
      {
        g_key_file_set_string (known, identity->groups->pdata[i], "stamp", identity->stamps->pdata[i]);
        g_key_file_set_string (known, identity->groups->pdata[i], "sha256", identity->sums->pdata[i]);
        g_clear_pointer (&identity->stamps->pdata[i], g_free);
      }
  forget_oldest (known);
  if (g_mkdir_with_parents (folder, 0700) == 0)
    g_key_file_save_to_file (known, cache, NULL);
}

static gpointer
identity_thread (gpointer data)
{
  PmIdentity          *identity = data;
  g_autofree char     *cache = cache_path ();
  g_autoptr (GKeyFile) known = g_key_file_new ();

  g_key_file_load_from_file (known, cache, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; i < identity->paths->len; i++)
    {
      const char      *path = identity->paths->pdata[i];
      g_autofree char *group = NULL, *stamp = file_stamp (path, &group);
      char            *sum = find_sum (known, group, stamp);

      if (! sum && stamp && (sum = sum_file (identity, path)))
        {
          identity->groups->pdata[i] = g_steal_pointer (&group);
          identity->stamps->pdata[i] = g_steal_pointer (&stamp);
        }
      identity->sums->pdata[i] = sum;
    }
  g_atomic_int_set (&identity->done, 1);
  return NULL;
}

PmIdentity *
pm_identity_start (PmCheckpoint *checkpoint)
{
  PmIdentity *identity = g_new0 (PmIdentity, 1);
  guint       n = pm_checkpoint_get_n_files (checkpoint);

  identity->paths = g_ptr_array_new_with_free_func (g_free);
  GPtrArray **filled[] = { &identity->sums, &identity->groups, &identity->stamps };
  for (gsize i = 0; i < G_N_ELEMENTS (filled); i++)
    {
      *filled[i] = g_ptr_array_new_with_free_func (g_free);
      g_ptr_array_set_size (*filled[i], n);
    }
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (identity->paths, g_strdup (pm_checkpoint_get_file (checkpoint, i)));
  identity->thread = g_thread_try_new ("identity", identity_thread, identity, NULL);
  return identity;
}

gboolean
pm_identity_finish (PmIdentity *identity, PmJob *job, GError **error)
{
  while (identity->thread && ! g_atomic_int_get (&identity->done))
    {
      if (! pm_job_check (job, error))
        return FALSE;
      g_usleep (WAIT_US);
    }
  remember (identity);
  return TRUE;
}

const char *
pm_identity_get (PmIdentity *identity, guint i)
{
  return identity->sums->pdata[i];
}

char *
pm_identity_find (PmCheckpoint *checkpoint)
{
  g_autofree char      *cache = cache_path ();
  g_autoptr (GKeyFile)  known = g_key_file_new ();
  g_autoptr (GChecksum) all = g_checksum_new (G_CHECKSUM_SHA256);
  guint                 n = pm_checkpoint_get_n_files (checkpoint);

  g_key_file_load_from_file (known, cache, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *group = NULL, *stamp = file_stamp (pm_checkpoint_get_file (checkpoint, i), &group);
      g_autofree char *sum = find_sum (known, group, stamp);
      if (! sum)
        return NULL;
      g_checksum_update (all, (const guchar *) sum, -1);
    }
  return n > 0 ? g_strdup (g_checksum_get_string (all)) : NULL;
}

void
pm_identity_free (PmIdentity *identity)
{
  if (! identity)
    return;
  g_atomic_int_set (&identity->stop, 1);
  if (identity->thread)
    g_thread_join (identity->thread);
  remember (identity); /* of a run that was cancelled meanwhile */
  g_ptr_array_unref (identity->paths);
  g_ptr_array_unref (identity->sums);
  g_ptr_array_unref (identity->groups);
  g_ptr_array_unref (identity->stamps);
  g_free (identity);
}
