/* The rollout of a region against the dense product of all layers' matrices, over text and picture tokens. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "tap-network.h"

#define LIMIT 2e-6 /* f32 sums over 14 tokens and 3 layers */

static const int guided[N_STEPS] = { 2, 2, 2 }, half_guided[N_STEPS] = { 1, 2, 1 };

/* The product of (I + P) / 2 of layers 0 to last, the last one first; P is the mean over heads first_head and up. */
static void
multiply_layers (const PmTestNetwork *network, int step, int item, int last, int first_head, double *product)
{
  double factor[TOKENS * TOKENS], before[TOKENS * TOKENS];

  for (int i = 0; i < TOKENS * TOKENS; i++)
    product[i] = i % (TOKENS + 1) == 0;

  for (int layer = 0; layer <= last; layer++)
    {
      for (int i = 0; i < TOKENS * TOKENS; i++)
        {
          factor[i] = i % (TOKENS + 1) == 0 ? 0.5 : 0.0;
          for (int h = first_head; h < N_HEADS; h++)
            factor[i] += 0.5 * pm_test_network_get_P (network, step, layer, item, h)[i] / (N_HEADS - first_head);
        }

      memcpy (before, product, sizeof before);
      for (int i = 0; i < TOKENS; i++)
        for (int j = 0; j < TOKENS; j++)
          {
            product[i * TOKENS + j] = 0;
            for (int k = 0; k < TOKENS; k++)
              product[i * TOKENS + j] += factor[i * TOKENS + k] * before[k * TOKENS + j];
          }
    }
}

static double
define_rollout (const PmTestNetwork *network, int step, int item, int last, int first_head, int at)
{
  double product[TOKENS * TOKENS], sum = 0;

  multiply_layers (network, step, item, last, first_head, product);
  for (int j = 0; j < N; j++)
    sum += product[(N_TEXT + at) * TOKENS + N_TEXT + j] * network->region[j];

  return sum;
}

static GPtrArray *
run (PmTestNetwork *network, const char *text, const int *n_items, gboolean null_first)
{
  g_autoptr (GError) error = NULL;
  PmTapOptions options;
  PmTap       *tap;
  GPtrArray   *maps;

  pm_test_network_init (network);
  options = pm_test_network_get_options (network);
  tap = pm_test_tap_new (&options, text, &error);
  g_assert_no_error (error);
  pm_test_network_run (network, tap, n_items, null_first);
  maps = pm_tap_finish (tap, NULL, &error);
  g_assert_no_error (error);
  pm_tap_free (tap);

  return maps;
}

/* Of every layer, or of some: those between are passed all the same. Each step begins anew. */
static void
test_layers (void)
{
  const struct
  {
    const char *text;
    guint       n_maps;
    int         first_head;
  } cases[] = {
    { "layers=all;heads=all;read=rollout", N_STEPS * N_LAYERS, 0 },
    { "layers=2;heads=mean;steps=1-2;read=rollout", 2, 0 },
    { "layers=1;heads=1;steps=2;read=rollout", 1, 1 },
    { "layers=0,2;heads=all;read=rollout,received,to", N_STEPS * 2, 0 },
  };

  for (guint c = 0; c < G_N_ELEMENTS (cases); c++)
    {
      PmTestNetwork network;
      g_autoptr (GPtrArray) maps = run (&network, cases[c].text, half_guided, FALSE);

      for (guint m = 0; m < cases[c].n_maps; m++)
        {
          const PmMap *map = g_ptr_array_index (maps, m);

          g_assert_cmpstr (map->reading, ==, "rollout");
          g_assert_cmpint (map->head, ==, cases[c].first_head ? 1 : -1);
          for (int i = 0; i < N; i++)
            g_assert_cmpfloat (
                fabs (map->values[i] - define_rollout (&network, map->step, 0, map->layer, cases[c].first_head, i)), <, LIMIT);
        }
      if (maps->len > cases[c].n_maps) /* the others are not disturbed by layers that are passed */
        {
          const PmMap *received = g_ptr_array_index (maps, cases[c].n_maps + 3);
          double       value = 0;

          g_assert_cmpstr (received->id, ==, "received-s00-l02-h01");
          for (int i = 0; i < N; i++)
            value += pm_test_network_get_P (&network, 0, 2, 0, 1)[(N_TEXT + i) * TOKENS + N_TEXT + 4] / N;
          g_assert_cmpfloat (fabs (received->values[4] - value), <, LIMIT);
        }
      else
        g_assert_cmpuint (maps->len, ==, cases[c].n_maps);
      pm_test_network_clear (&network);
    }
}

static void
test_halves (void)
{
  PmTestNetwork network;
  g_autoptr (GPtrArray) maps = run (&network, "layers=mean:1,2;steps=mean;read=rollout;which=difference", guided, TRUE);
  const PmMap *map = g_ptr_array_index (maps, 0);

  g_assert_cmpuint (maps->len, ==, 1);
  g_assert_cmpstr (map->id, ==, "rollout-difference");
  for (int i = 0; i < N; i++)
    {
      double sum = 0;

      for (int step = 0; step < N_STEPS; step++)
        for (int layer = 1; layer < N_LAYERS; layer++)
          sum += define_rollout (&network, step, 1, layer, 0, i) - define_rollout (&network, step, 0, layer, 0, i);
      g_assert_cmpfloat (fabs (map->values[i] - sum / (N_STEPS * 2)), <, LIMIT);
    }
  pm_test_network_clear (&network);
}

/* As `eval` reads it: every item with its own region; a region of everything stays everything. */
static void
test_read (void)
{
  float         regions[N_ITEMS][N] = { 0 }, values[N_ITEMS * N], rest = 0;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  memcpy (regions[0], network.region, sizeof regions[0]);
  for (int i = 0; i < N; i++)
    regions[1][i] = 1;
  options.region = regions[0];
  options.region_items = N_ITEMS;
  options.keep_all_items = TRUE;
  tap = pm_test_tap_new (&options, "layers=all;heads=all;read=rollout", NULL);
  pm_test_network_run (&network, tap, guided, FALSE);
  g_assert_true (pm_tap_read (tap, "rollout", 2, 2, values, NULL));

  for (int i = 0; i < N; i++)
    {
      double product[TOKENS * TOKENS], text;

      multiply_layers (&network, 2, 1, 2, 0, product);
      text = product[(N_TEXT + i) * TOKENS] + product[(N_TEXT + i) * TOKENS + 1];
      g_assert_cmpfloat (fabs (values[i] - define_rollout (&network, 2, 0, 2, 0, i)), <, LIMIT);
      g_assert_cmpfloat (fabs (values[N + i] - (1 - text)), <, LIMIT); /* rows of the product sum to 1 */
      rest += (float) text;
    }
  g_assert_cmpfloat (rest, >, 0.1);

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;
  PmTestNetwork network;
  PmTapOptions  options;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  network.sites[0].n_keys++; /* passed, though not chosen */
  g_assert_null (pm_test_tap_new (&options, "layers=2;read=rollout", &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "rollout"));
  pm_test_network_clear (&network);
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/rollout/layers", test_layers);
  g_test_add_func ("/rollout/halves", test_halves);
  g_test_add_func ("/rollout/read", test_read);
  g_test_add_func ("/rollout/refused", test_refused);

  return g_test_run ();
}
