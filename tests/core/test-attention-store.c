/* Maps of a run that is larger than the budget: as f16, in a temporary file, and what happens where there is no room. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include <glib/gstdio.h>

#include "attention/map-private.h"
#include "base/error.h"
#include "tap-network.h"

static const int guided[N_STEPS] = { 2, 1, 2 };

static char *folder; /* for temporary files */

/* The smallest budget for each storage, and one byte less than any. */
static void
find_budgets (const PmTapOptions *options, const char *text, gsize budgets[4])
{
  PmTapOptions  limited = *options;
  PmTapEstimate estimate;
  PmShow        show;

  pm_show_init (&show);
  g_assert_true (pm_show_parse (&show, text, NULL));
  for (int storage = 0; storage < 3; storage++)
    {
      g_assert_true (pm_tap_estimate (&show, &limited, &estimate, NULL));
      g_assert_cmpint (estimate.storage, ==, storage);
      g_assert_cmpuint (estimate.n_file_bytes, ==,
                        storage ? estimate.n_maps * (options->keep_all_items ? N_ITEMS : 1) * N * sizeof (float) : 0);
      budgets[storage] = estimate.n_bytes;
      budgets[storage + 1] = limited.budget = estimate.n_bytes - 1;
    }
  g_assert_false (pm_tap_estimate (&show, &limited, &estimate, NULL));
  pm_show_clear (&show);
}

static GPtrArray *
run (PmTestNetwork *network, const char *text, gsize budget)
{
  g_autoptr (GError) error = NULL;
  PmTapOptions options = pm_test_network_get_options (network);
  GPtrArray   *maps;
  PmTap       *tap;

  options.budget = budget;
  tap = pm_test_tap_new (&options, text, &error);
  g_assert_no_error (error);
  pm_test_network_run (network, tap, guided, FALSE);
  maps = pm_tap_finish (tap, NULL, &error);
  g_assert_no_error (error);
  pm_tap_free (tap); /* the maps outlive it */

  return maps;
}

static void
compare (GPtrArray *maps, GPtrArray *expected, gboolean is_rounded)
{
  g_assert_cmpuint (maps->len, ==, expected->len);
  for (guint m = 0; m < maps->len; m++)
    {
      const PmMap *map = g_ptr_array_index (maps, m), *other = g_ptr_array_index (expected, m);
      double       largest = fmax (fabs (other->stats.max), fabs (other->stats.min));

      g_assert_cmpstr (map->id, ==, other->id);
      for (int i = 0; i < N; i++)
        {
          double limit = is_rounded ? fabs (other->values[i]) / 2048 + largest / (1 << 25) : 0;

          g_assert_cmpfloat (fabs (map->values[i] - other->values[i]), <=, limit);
        }
    }
}

static gboolean
differ (GPtrArray *maps, GPtrArray *expected)
{
  for (guint m = 0; m < maps->len; m++)
    if (memcmp (((PmMap *) maps->pdata[m])->values, ((PmMap *) expected->pdata[m])->values, N * sizeof (float)) != 0)
      return TRUE;

  return FALSE;
}

static void
test_storages (void)
{
  const char *texts[] = { "layers=all;heads=all;read=received,entropy",
                          "layers=all;heads=mean;read=distance,subject,from,rollout",
                          "layers=mean;heads=all;read=to,rollout;which=difference" };

  for (guint t = 0; t < G_N_ELEMENTS (texts); t++)
    {
      PmTestNetwork network;
      PmTapOptions  options;
      gsize         budgets[4];

      pm_test_network_init (&network);
      options = pm_test_network_get_options (&network);
      find_budgets (&options, texts[t], budgets);

      g_autoptr (GPtrArray) floats = run (&network, texts[t], budgets[0]);
      g_autoptr (GPtrArray) halves = run (&network, texts[t], budgets[1]);
      g_autoptr (GPtrArray) file = run (&network, texts[t], budgets[2]);

      compare (halves, floats, TRUE);
      g_assert_true (differ (halves, floats)); /* else nothing was rounded */
      compare (file, floats, FALSE);
      pm_test_network_clear (&network);
    }
}

static int
count_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  int n = 0;

  while (g_dir_read_name (dir))
    n++;

  return n;
}

/* Read raw, as `eval` does, in another order than recorded; the file has no name even while it is used. */
static void
test_read (void)
{
  const char   *text = "layers=all;heads=all;steps=all;read=received,to";
  float         a[N_ITEMS * N_HEADS * N], b[N_ITEMS * N_HEADS * N];
  PmTap        *taps[2];
  PmTestNetwork network;
  PmTapOptions  options;
  gsize         budgets[4];

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  options.keep_all_items = TRUE;

  find_budgets (&options, text, budgets);
  taps[0] = pm_test_tap_new (&options, text, NULL);
  options.budget = budgets[2];
  taps[1] = pm_test_tap_new (&options, text, NULL);
  g_assert_nonnull (taps[1]);
  g_assert_cmpint (count_entries (folder), ==, 0);

  for (int i = 0; i < 2; i++)
    pm_test_network_run (&network, taps[i], (const int[]) { 2, 2, 2 }, FALSE);
  for (int step = N_STEPS - 1; step >= 0; step--)
    for (int layer = N_LAYERS - 1; layer >= 0; layer--)
      {
        g_assert_true (pm_tap_read (taps[0], "to", step, layer, a, NULL));
        g_assert_true (pm_tap_read (taps[1], "to", step, layer, b, NULL));
        g_assert_cmpmem (a, sizeof a, b, sizeof b);
      }

  pm_tap_free (taps[0]);
  pm_tap_free (taps[1]);
  pm_test_network_clear (&network);
}

/* A full disk is told before the run; f16 is spread in memory instead. */
static void
test_no_room (void)
{
  const char   *text = "layers=all;heads=all;read=received";
  struct rlimit old, none;
  PmTestNetwork network;
  PmTapOptions  options;
  gsize         budgets[4];

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  find_budgets (&options, text, budgets);
  g_autoptr (GPtrArray) floats = run (&network, text, budgets[0]);

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  none = old;
  none.rlim_cur = 16;
  signal (SIGXFSZ, SIG_IGN);

  for (int what = 0; what < 2; what++) /* no room; no folder */
    {
      g_autoptr (GError) error = NULL;

      if (what == 0)
        g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &none), ==, 0);
      else
        g_assert_cmpint (g_rmdir (folder), ==, 0);

      g_autoptr (GPtrArray) halves = run (&network, text, budgets[1]);
      options.budget = budgets[2];
      g_assert_null (pm_test_tap_new (&options, text, &error));
      setrlimit (RLIMIT_FSIZE, &old);

      compare (halves, floats, TRUE);
      g_assert_error (error, PM_ERROR, PM_ERROR_IO);
      g_assert_nonnull (strstr (error->message, folder));
      g_assert_nonnull (strstr (error->message, "TMPDIR"));
    }
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  pm_test_network_clear (&network);
}

static int
compare_floats (const void *a, const void *b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* Counting gives what sorting gives, with negative, equal, huge, missing and sink values. */
static void
test_percentiles (void)
{
  enum { N_MAPS = 40, SIDE = 16, SIZE = SIDE * SIDE };
  const double percents[] = { 0, 1, 37.3, 50, 99, 100 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (GPtrArray) maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (float));
  double found[G_N_ELEMENTS (percents)];
  int    n_sinks = 0;

  for (int m = 0; m < N_MAPS; m++)
    {
      PmMap *map = g_new0 (PmMap, 1);
      int    n_kept;

      map->grid_w = map->grid_h = SIDE;
      map->group = m % 2;
      map->values = g_new (float, SIZE);
      for (int i = 0; i < SIZE; i++)
        map->values[i] = (float) (g_rand_double_range (rand, -1, 1) * (m % 5 ? 1e-3 : 1e-9));
      map->values[7] = m % 3 ? 1000.0f : NAN;
      map->values[9] = map->values[8];
      g_ptr_array_add (maps, map);

      g_autofree double *sorted = pm_map_sort (map->values, SIZE, &n_kept);

      n_sinks += map->group ? 0 : SIZE - n_kept;
      for (int i = 0; map->group == 0 && i < n_kept; i++)
        {
          float value = (float) sorted[i];

          g_array_append_val (kept, value);
        }
    }
  g_assert_cmpint (n_sinks, >, 5);
  qsort (kept->data, kept->len, sizeof (float), compare_floats);
  pm_maps_get_percentiles (maps, 0, percents, G_N_ELEMENTS (percents), found);

  for (guint p = 0; p < G_N_ELEMENTS (percents); p++)
    {
      double place = percents[p] / 100 * (kept->len - 1);
      guint  below = (guint) place, above = MIN (below + 1, kept->len - 1);
      double low = g_array_index (kept, float, below), high = g_array_index (kept, float, above);

      g_assert_cmpfloat (found[p], ==, low + (place - below) * (high - low));
    }
}

int
main (int argc, char **argv)
{
  int result;

  g_setenv ("LANGUAGE", "C", TRUE);
  folder = g_strdup_printf ("%s/pentimento-store-XXXXXX", g_getenv ("TMPDIR") ? g_getenv ("TMPDIR") : "/tmp");
  g_assert_nonnull (g_mkdtemp (folder));
  g_setenv ("TMPDIR", folder, TRUE); /* before anything asks GLib, which remembers the answer */
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/store/storages", test_storages);
  g_test_add_func ("/store/read", test_read);
  g_test_add_func ("/store/no-room", test_no_room);
  g_test_add_func ("/store/percentiles", test_percentiles);

  result = g_test_run ();
  g_rmdir (folder);
  g_free (folder);

  return result;
}
