/* Model folders as people have them: Hugging Face's cache with its links, links of one's own, and what is told of parts that are
 * missing. Nothing may be written into them. */
#include <string.h>

#include <glib/gstdio.h>
#include <unistd.h>

#include "fixture.h"
#include "pentimento.h"

#define REPOSITORY "models--somebody--little--dit"

/* A cache folder with the fixture pipeline "diffusers" in it, as a download leaves it. */
typedef struct
{
  char *home;       /* $HF_HOME */
  char *repository; /* home/hub/models--... */
  char *snapshot;
} Cache;

static void
make_folder (const char *path)
{
  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
}

/* Removes a tree without following links. */
static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);
      remove_tree (inside);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}

/* Puts a file of the fixture among the blobs, and a link to it into the snapshot. */
static void
add_file (Cache *cache, const char *name)
{
  g_autofree char *source = g_build_filename (PM_TEST_REFERENCE, "diffusers", "model", name, NULL), *text = NULL;
  g_autofree char *blob_name = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  g_autofree char *blob = g_build_filename (cache->repository, "blobs", blob_name, NULL);
  g_autofree char *link = g_build_filename (cache->snapshot, name, NULL), *folder = g_path_get_dirname (link);
  g_autofree char *target = g_strconcat (strchr (name, '/') ? "../" : "", "../../blobs/", blob_name, NULL);
  gsize            n;

  make_folder (folder);
  g_assert_true (g_file_get_contents (source, &text, &n, NULL));
  g_assert_true (g_file_set_contents (blob, text, n, NULL));
  g_assert_cmpint (symlink (target, link), ==, 0);
}

static void
cache_open (Cache *cache, gconstpointer data)
{
  cache->home = g_dir_make_tmp ("pentimento-test-XXXXXX", NULL);
  cache->repository = g_build_filename (cache->home, "hub", REPOSITORY, NULL);
  cache->snapshot = g_build_filename (cache->repository, "snapshots", "0a1b2c", NULL);
  g_autofree char *blobs = g_build_filename (cache->repository, "blobs", NULL);
  g_autofree char *refs = g_build_filename (cache->repository, "refs", NULL), *ref = g_build_filename (refs, "main", NULL);

  make_folder (blobs);
  make_folder (refs);
  make_folder (cache->snapshot);
  g_assert_true (g_file_set_contents (ref, "0a1b2c", -1, NULL));
  add_file (cache, "model_index.json");
  add_file (cache, "config.json");
  add_file (cache, "scheduler/scheduler_config.json");
  add_file (cache, "transformer/config.json");
  add_file (cache, "transformer/diffusion_pytorch_model.hash.json");
  g_assert_true (g_setenv ("HF_HOME", cache->home, TRUE));
}

static void
cache_close (Cache *cache, gconstpointer data)
{
  g_unsetenv ("HF_HOME");
  remove_tree (cache->home);
  g_free (cache->home);
  g_free (cache->repository);
  g_free (cache->snapshot);
}

static void
assert_opens (const char *path, const char *name)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = pm_model_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pm_model_get_info (model)->dialect, ==, "diffusers");
  g_assert_cmpstr (pm_model_get_info (model)->name, ==, name);
}

static void
assert_refused (const char *path, PmErrorCode code, const char *says)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = pm_model_open (path, &error);
  g_assert_null (model);
  fixture_assert_error (error, code, says);
}

static void
test_hub (Cache *cache, gconstpointer data)
{
  g_auto (GStrv) names = pm_model_list ();

  g_assert_true (g_strv_contains ((const char *const *) names, "somebody/little--dit"));
  assert_opens ("somebody/little--dit", "somebody/little--dit");
  assert_opens (cache->repository, "somebody/little--dit");
  assert_opens (cache->snapshot, "somebody/little--dit");
  assert_refused ("somebody/else", PM_ERROR_NO_MODEL, "somebody/little--dit"); /* which is there instead */
  assert_refused ("somebody/../x", PM_ERROR_NO_MODEL, "There is no model");
}

/* Without refs/main the only snapshot is meant; of two, none. */
static void
test_snapshots (Cache *cache, gconstpointer data)
{
  g_autofree char *ref = g_build_filename (cache->repository, "refs", "main", NULL);
  g_autofree char *other = g_build_filename (cache->repository, "snapshots", "ffff", NULL);

  g_assert_true (g_file_set_contents (ref, "../../../x", -1, NULL));
  assert_opens (cache->repository, "somebody/little--dit");
  g_assert_cmpint (g_unlink (ref), ==, 0);
  assert_opens (cache->repository, "somebody/little--dit");
  make_folder (other);
  assert_refused (cache->repository, PM_ERROR_NO_MODEL, "2 snapshots");
  g_assert_true (g_file_set_contents (ref, "0a1b2c\n", -1, NULL));
  assert_opens (cache->repository, "somebody/little--dit");
}

/* What is listed must be one of the known pipelines. */
static void
test_strangers (Cache *cache, gconstpointer data)
{
  static const char *const texts[] = { "{\"_class_name\": \"StableDiffusionPipeline\"}", "{\"_class_name\": 3}", "[", "" };
  g_autofree char         *index = g_build_filename (cache->snapshot, "model_index.json", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_assert_cmpint (g_unlink (index), ==, 0);
      g_assert_true (g_file_set_contents (index, texts[i], -1, NULL));
      g_auto (GStrv) names = pm_model_list ();
      g_assert_false (g_strv_contains ((const char *const *) names, "somebody/little--dit"));
    }
}

/* Blobs that were removed: each file that is needed says so, and no default stands in for what a file would have said. */
static void
test_dangling (Cache *cache, gconstpointer data)
{
  static const char *const names[] = { "model_index.json", "config.json", "scheduler/scheduler_config.json",
                                       "transformer/config.json", "transformer/diffusion_pytorch_model.hash.json" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (cache->snapshot, names[i], NULL), *away = g_strconcat (path, ".away", NULL);
      g_autofree char *base = g_path_get_basename (names[i]);
      g_assert_cmpint (g_rename (path, away), ==, 0);
      g_assert_cmpint (symlink ("../blobs/gone", path), ==, 0);
      assert_refused (cache->repository, PM_ERROR_IO, base);
      g_assert_cmpint (g_unlink (path), ==, 0);
      g_assert_cmpint (g_rename (away, path), ==, 0);
    }
  assert_opens (cache->repository, "somebody/little--dit");

  g_autofree char *link = g_build_filename (cache->home, "model", NULL);
  g_assert_cmpint (symlink ("nowhere", link), ==, 0);
  assert_refused (link, PM_ERROR_IO, "nowhere");
}

/* A folder of one's own whose parts are links, the network's to a folder elsewhere; a link to itself ends. */
static void
test_links (Cache *cache, gconstpointer data)
{
  g_autofree char *own = g_build_filename (cache->home, "own", NULL);
  const char      *parts[] = { "transformer", "scheduler", "model_index.json", "config.json" };

  make_folder (own);
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *target = g_build_filename (cache->snapshot, parts[i], NULL);
      g_autofree char *link = g_build_filename (own, parts[i], NULL);
      g_assert_cmpint (symlink (target, link), ==, 0);
    }
  assert_opens (own, "own");
  g_autofree char *transformer = g_build_filename (own, "transformer", NULL);
  g_assert_cmpint (g_unlink (transformer), ==, 0);
  g_assert_cmpint (symlink (".", transformer), ==, 0);
  assert_refused (own, PM_ERROR_NO_MODEL, "transformer");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Cache *, gconstpointer);
  } tests[] = { { "/folders/hub", test_hub },
                { "/folders/snapshots", test_snapshots },
                { "/folders/strangers", test_strangers },
                { "/folders/dangling", test_dangling },
                { "/folders/links", test_links } };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Cache, NULL, cache_open, tests[i].run, cache_close);
  return g_test_run ();
}
