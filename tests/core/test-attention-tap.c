/* The tap at work: every map of a run is compared with what its definition makes of the whole matrices. */
#include <math.h>
#include <string.h>

#include "attention/reduction.h"
#include "base/error.h"
#include "tap-network.h"

#define LIMIT 2e-6 /* f32 sums over at most 14 tokens, 3 layers and 3 steps */

static const int guided[N_STEPS] = { 2, 2, 2 }, half_guided[N_STEPS] = { 1, 2, 1 };

/* One reading of one matrix; region NULL where it has none. */
static double
define_reading (const double *P, const char *id, const float *region, int at)
{
  double value = 0, weight = 0;

  for (int i = 0; i < N; i++)
    {
      double column = P[(N_TEXT + i) * TOKENS + N_TEXT + at], row = P[(N_TEXT + at) * TOKENS + N_TEXT + i];

      weight += region[i];
      if (strcmp (id, "received") == 0)
        value += column / N;
      else if (strcmp (id, "from") == 0)
        value += region[i] * column;
      else if (strcmp (id, "to") == 0)
        value += region[i] * row;
    }
  for (int j = 0; strcmp (id, "entropy") == 0 && j < TOKENS; j++)
    value -= P[(N_TEXT + at) * TOKENS + j] * log (P[(N_TEXT + at) * TOKENS + j]);

  return strcmp (id, "from") == 0 ? value / weight : value;
}

/* The map's values from the whole matrices of item, averaged where the map's numbers are -1. */
static double
define_value (const PmTestNetwork *network, const PmMap *map, int item, int at)
{
  double sum = 0;
  int    n = 0;

  for (int step = 0; step < N_STEPS; step++)
    for (int layer = 0; layer < N_LAYERS; layer++)
      for (int head = 0; head < N_HEADS; head++)
        if ((map->step < 0 || map->step == step) && (map->layer < 0 || map->layer == layer)
            && (map->head < 0 || map->head == head))
          {
            sum += define_reading (pm_test_network_get_P (network, step, layer, item, head), map->reading, network->region, at);
            n++;
          }

  return sum / n;
}

static void
check_map (const PmTestNetwork *network, const PmMap *map, int item)
{
  g_assert_cmpint (map->grid_w, ==, GRID_W);
  g_assert_cmpint (map->grid_h, ==, GRID_H);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat (fabs (map->values[i] - define_value (network, map, item, i)), <, LIMIT);
  g_assert_cmpfloat (map->stats.max, >, map->stats.min);
  g_assert_cmpfloat (map->high, >, map->low);
}

static void
test_each (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) maps = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;
  const PmMap  *map;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "layers=0,2;heads=all;steps=1,-1;read=received,entropy,from,to", &error);
  g_assert_no_error (error);
  pm_test_network_run (&network, tap, half_guided, FALSE);
  maps = pm_tap_finish (tap, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (maps->len, ==, 4 * 2 * 2 * N_HEADS);
  for (guint i = 0; i < maps->len; i++) /* in the order reading, step, layer, head */
    {
      map = g_ptr_array_index (maps, i);
      g_assert_cmpint (map->group, ==, (int) i / 8);
      g_assert_cmpint (map->step, ==, i / 4 % 2 ? 2 : 1);
      g_assert_cmpint (map->layer, ==, i / 2 % 2 ? 2 : 0);
      g_assert_cmpint (map->head, ==, (int) i % 2);
      g_assert_cmpfloat (map->time, ==, pm_test_times[map->step]);
      check_map (&network, map, 0);
    }

  map = g_ptr_array_index (maps, 3);
  g_assert_cmpstr (map->id, ==, "received-s01-l02-h01");
  g_assert_cmpstr (map->title, ==, "Received, layer 2, head 1, t 600");

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

static void
check_text (const char *text, const int *n_items, gboolean null_first, int item, const char *id, const char *title, guint n_maps)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) maps = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, text, &error);
  g_assert_no_error (error);
  pm_test_network_run (&network, tap, n_items, null_first);
  maps = pm_tap_finish (tap, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (maps->len, ==, n_maps);
  for (guint i = 0; i < maps->len; i++)
    check_map (&network, g_ptr_array_index (maps, i), item);
  if (n_maps)
    {
      g_assert_cmpstr (((PmMap *) g_ptr_array_index (maps, 0))->id, ==, id);
      g_assert_cmpstr (((PmMap *) g_ptr_array_index (maps, 0))->title, ==, title);
    }

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

static void
test_means (void)
{
  check_text ("layers=mean;heads=all;read=received", guided, FALSE, 0, "received-s00-h00", "Received, head 0, t 1000", 6);
  check_text ("layers=all;heads=mean;read=from", guided, FALSE, 0, "from-s00-l00", "From the region, layer 0, t 1000", 9);
  check_text ("layers=mean;heads=mean;read=entropy", guided, FALSE, 0, "entropy-s00", "Entropy, t 1000", 3);
  check_text ("layers=mean;heads=mean;steps=mean;read=to", guided, FALSE, 0, "to", "To the region, mean of 3 steps", 1);
  check_text ("layers=1;heads=0;steps=mean;read=to", guided, FALSE, 0, "to-l01-h00",
              "To the region, layer 1, head 0, mean of 3 steps", 1);
  check_text ("layers=mean:1;heads=mean:1;steps=mean:2;read=to", guided, FALSE, 0, "to-s02-l01-h01",
              "To the region, layer 1, head 1, t 200", 1);
}

/* Which item of the batch is kept follows its tag, not its place; an unguided step has no null half. */
static void
test_halves (void)
{
  check_text ("layers=0;read=received", guided, TRUE, 1, "received-s00-l00", "Received, layer 0, t 1000", 3);
  check_text ("layers=0;read=received;which=null", guided, TRUE, 0, "received-null-s00-l00",
              "Received without the class, layer 0, t 1000", 3);
  check_text ("layers=0;read=received;which=null", half_guided, FALSE, 1, "received-null-s01-l00",
              "Received without the class, layer 0, t 600", 1);
  check_text ("layers=none;read=received", guided, FALSE, 0, NULL, NULL, 0);
  check_text ("none", guided, FALSE, 0, NULL, NULL, 0);
}

static void
test_difference (void)
{
  g_autoptr (GPtrArray) maps = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;
  const PmMap  *map;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "layers=mean;steps=mean;read=received;which=difference", NULL);
  pm_test_network_run (&network, tap, half_guided, FALSE);
  maps = pm_tap_finish (tap, NULL, NULL);
  g_assert_cmpuint (maps->len, ==, 1);

  map = g_ptr_array_index (maps, 0);
  g_assert_true (map->is_signed);
  g_assert_cmpfloat (map->low, ==, -map->high);
  g_assert_cmpfloat (map->time, ==, pm_test_times[1]);
  for (int i = 0; i < N; i++)
    {
      PmMap one = *map; /* step 1 was the only guided one */

      one.step = 1;
      g_assert_cmpfloat (fabs (map->values[i] - define_value (&network, &one, 0, i) + define_value (&network, &one, 1, i)), <,
                         LIMIT);
    }

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

/* The subject of P averaged over all heads of layers first..last and steps from..to. */
static void
define_subject (const PmTestNetwork *network, int item, int first, int last, int from, int to, float *out)
{
  g_autofree float *matrix = g_new0 (float, TOKENS *TOKENS);
  PmReductionPlace  place = { &network->sites[0], pm_site_find_query_span (&network->sites[0], PM_ROLE_PICTURE),
                              pm_site_find_key_span (&network->sites[0], PM_ROLE_PICTURE), NULL };

  for (int step = from; step <= to; step++)
    for (int layer = first; layer <= last; layer++)
      for (int head = 0; head < N_HEADS; head++)
        for (int i = 0; i < TOKENS * TOKENS; i++)
          matrix[i] += (float) pm_test_network_get_P (network, step, layer, item, head)[i];
  g_assert_true (pm_reduction_find ("subject")->solve (&place, matrix, out, NULL, NULL));
}

static void
test_subject (void)
{
  const struct
  {
    const char *text, *id;
    int         first, last, from, to;
    guint       n_maps;
  } cases[] = {
    { "steps=all", "subject-s00", 1, 2, 0, 0, 3 }, /* of the recommended layers */
    { "layers=all;steps=mean;read=subject", "subject", 0, 2, 0, 2, 1 },
    { "layers=0;steps=1;read=subject", "subject-s01-l00", 0, 0, 1, 1, 1 },
    { "layers=1-2;heads=all;steps=2;read=subject", "subject-s02", 1, 2, 2, 2, 1 },
  };

  for (guint c = 0; c < G_N_ELEMENTS (cases); c++)
    {
      g_autoptr (GPtrArray) maps = NULL;
      PmTestNetwork network;
      PmTapOptions  options;
      PmTap        *tap;
      const PmMap  *map;
      float         expected[N];

      pm_test_network_init (&network);
      options = pm_test_network_get_options (&network);
      tap = pm_test_tap_new (&options, cases[c].text, NULL);
      pm_test_network_run (&network, tap, half_guided, TRUE);
      maps = pm_tap_finish (tap, NULL, NULL);
      g_assert_cmpuint (maps->len, ==, cases[c].n_maps);
      map = g_ptr_array_index (maps, 0);
      g_assert_cmpstr (map->id, ==, cases[c].id);

      if (cases[c].from == 0 && cases[c].to == 2)
        g_assert_cmpstr (map->title, ==, "Subject, mean of 3 steps");
      else
        {
          define_subject (&network, cases[c].from == 1 ? 1 : 0, cases[c].first, cases[c].last, cases[c].from, cases[c].to,
                          expected);
          for (int i = 0; i < N; i++)
            g_assert_cmpfloat (fabs (map->values[i] - expected[i]), <, 1e-4); /* of f32 matrices, over the eigenvalues' gap */
        }
      pm_tap_free (tap);
      pm_test_network_clear (&network);
    }
}

/* The conditional item is second at the guided step and first at the others: the sum over steps must follow it. */
static void
test_subject_over_steps (void)
{
  g_autoptr (GPtrArray) maps = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;
  float         expected[N];

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "layers=all;steps=mean;read=subject", NULL);
  pm_test_network_run (&network, tap, half_guided, TRUE);
  maps = pm_tap_finish (tap, NULL, NULL);
  for (int layer = 0; layer < N_LAYERS; layer++)
    memcpy (pm_test_network_get_P (&network, 1, layer, 0, 0), pm_test_network_get_P (&network, 1, layer, 1, 0),
            sizeof (double) * N_HEADS * TOKENS * TOKENS);
  define_subject (&network, 0, 0, 2, 0, 2, expected);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat (fabs (((PmMap *) g_ptr_array_index (maps, 0))->values[i] - expected[i]), <, 1e-4);

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

/* As `eval` uses it: every item, raw, and one layer's probabilities whole. */
static void
test_read (void)
{
  const char *ids[] = { "received", "entropy", "from" };
  g_autoptr (GError) error = NULL;
  g_autofree float *values = g_new (float, N_ITEMS *N_HEADS *TOKENS *TOKENS);
  PmTestNetwork     network;
  PmTapOptions      options;
  PmTap            *tap;
  float             expected[N];

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  options.keep_all_items = options.matrix_recommended = TRUE;
  tap = pm_test_tap_new (&options, "layers=all;heads=all;steps=all;read=received,entropy,from,subject", NULL);
  g_assert_true (pm_tap_set_probe_layer (tap, FALSE, 1, NULL));
  g_assert_false (pm_tap_read_probs (tap, FALSE, values, NULL));
  pm_test_network_run (&network, tap, guided, FALSE);

  for (int step = 0; step < N_STEPS; step++)
    for (int layer = 0; layer < N_LAYERS; layer++)
      for (guint r = 0; r < G_N_ELEMENTS (ids); r++)
        {
          g_assert_true (pm_tap_read (tap, ids[r], step, layer, values, &error));
          for (int i = 0; i < N_ITEMS * N_HEADS * N; i++)
            {
              const double *P = pm_test_network_get_P (&network, step, layer, i / N / N_HEADS, i / N % N_HEADS);

              g_assert_cmpfloat (fabs (values[i] - define_reading (P, ids[r], network.region, i % N)), <, LIMIT);
            }
        }

  g_assert_true (pm_tap_read (tap, "subject", 1, 99, values, &error));
  for (int item = 0; item < N_ITEMS; item++)
    {
      define_subject (&network, item, 1, 2, 1, 1, expected);
      for (int i = 0; i < N; i++)
        g_assert_cmpfloat (fabs (values[item * N + i] - expected[i]), <, 1e-4);
    }

  g_assert_true (pm_tap_read_probs (tap, FALSE, values, &error));
  for (int i = 0; i < N_ITEMS * N_HEADS * TOKENS * TOKENS; i++)
    g_assert_cmpfloat (fabs (values[i] - pm_test_network_get_P (&network, N_STEPS - 1, 1, 0, 0)[i]), <, 1e-6);

  g_assert_false (pm_tap_read (tap, "to", 0, 0, values, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_false (pm_tap_set_probe_layer (tap, FALSE, N_LAYERS, NULL));
  g_assert_false (pm_tap_set_probe_layer (tap, TRUE, 1, NULL)); /* the network has no text apart */

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

/* Each item has a region of its own. */
static void
test_regions (void)
{
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;
  float         regions[N_ITEMS][N] = { 0 }, values[N_ITEMS * N_HEADS * N];

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  regions[0][3] = regions[1][7] = 1.0f;
  options.region = regions[0];
  options.region_items = N_ITEMS;
  options.keep_all_items = TRUE;
  tap = pm_test_tap_new (&options, "layers=all;heads=all;read=from", NULL);
  pm_test_network_run (&network, tap, guided, FALSE);
  g_assert_true (pm_tap_read (tap, "from", 0, 0, values, NULL));
  for (int item = 0; item < N_ITEMS; item++)
    for (int j = 0; j < N; j++) /* a region of one patch is a chosen row */
      {
        const double *row = pm_test_network_get_P (&network, 0, 0, item, 1) + (N_TEXT + (item ? 7 : 3)) * TOKENS;

        g_assert_cmpfloat (fabs (values[(item * N_HEADS + 1) * N + j] - row[N_TEXT + j]), <, LIMIT);
      }

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tap/each", test_each);
  g_test_add_func ("/tap/means", test_means);
  g_test_add_func ("/tap/halves", test_halves);
  g_test_add_func ("/tap/difference", test_difference);
  g_test_add_func ("/tap/subject", test_subject);
  g_test_add_func ("/tap/subject-over-steps", test_subject_over_steps);
  g_test_add_func ("/tap/read", test_read);
  g_test_add_func ("/tap/regions", test_regions);

  return g_test_run ();
}
