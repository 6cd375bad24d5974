/* Steps that a backend remembers: what it streams out goes to the same places again, and the tap makes the same maps of it,
 * whenever it comes to that. Backends whose memory is the host's have nothing to remember. */
#include <string.h>

#include "text-network.h"

static void
require_same (GPtrArray *maps, GPtrArray *expected)
{
  g_assert_cmpuint (maps->len, ==, expected->len);
  for (guint m = 0; m < maps->len; m++)
    {
      const PmMap *map = g_ptr_array_index (maps, m), *other = g_ptr_array_index (expected, m);

      g_assert_cmpstr (map->id, ==, other->id);
      g_assert_cmpmem (map->values, N * sizeof (float), other->values, N * sizeof (float));
    }
}

/* Self and cross attentions take turns here, and are told to the tap in another order. */
static void
test_repeated (void)
{
  static const char *const texts[] = { "layers=all;heads=all;steps=all;read=received,entropy,to,from,word",
                                       "layers=0,2;heads=all;steps=mean;read=word,sink,received",
                                       "layers=mean;heads=mean;steps=1,2;read=received,word-share" };
  PmTestTextNetwork        network;
  float                    region[N] = { 0, 0.5f, 1 };

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  gboolean     is_own = pm_backend_get_class (network.backend)->download != NULL;
  options.region = region;
  options.region_items = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      network.remembers = FALSE;
      g_autoptr (GPtrArray) expected = pm_test_text_network_record (&network, &options, texts[i], FALSE);
      network.remembers = TRUE;
      network.n_repeated = 0;
      g_autoptr (GPtrArray) maps = pm_test_text_network_record (&network, &options, texts[i], FALSE);

      g_assert_cmpuint (maps->len, >, 0);
      g_assert_cmpint (network.n_repeated, ==, ! is_own ? 0 : i == 2 ? 1 : N_STEPS - 1);
      require_same (maps, expected);
    }

  pm_test_text_network_clear (&network);
}

/* What passes through the host on its way, and averaged matrices, which are added to. */
static void
test_unlike (void)
{
  static const char *const texts[] = { "layers=all;heads=all;steps=all;read=rollout", "steps=all;read=subject,received" };
  PmTestTextNetwork        network;
  float                    region[N] = { 0, 0.5f, 1 };

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  options.region = region;
  options.region_items = 1;
  network.remembers = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GPtrArray) maps = pm_test_text_network_record (&network, &options, texts[i], FALSE);

      g_assert_cmpuint (maps->len, >, 0);
      g_assert_cmpint (network.n_repeated, ==, 0);
    }
  pm_test_text_network_clear (&network);
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/repeat/same", test_repeated);
  g_test_add_func ("/repeat/unlike", test_unlike);

  return g_test_run ();
}
