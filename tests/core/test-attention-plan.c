/* What a tap takes on and what it refuses, and what that costs, before and around a run. */
#include <string.h>

#include <gio/gio.h>

#include "base/error.h"
#include "tap-network.h"

/* Only what is chosen is streamed. */
static void
test_want (void)
{
  const PmItemTag tags[] = { PM_ITEM_CONDITION };
  PmTestNetwork   network;
  PmTapOptions    options;
  PmTap          *tap;
  const PmReduce *reduce;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "layers=1;steps=0;read=received,entropy", NULL);
  g_assert_null (pm_tap_want (tap, &network.sites[1])); /* no step has begun */
  pm_tap_begin_step (tap, 0, tags, 1);
  g_assert_null (pm_tap_want (tap, &network.sites[0]));
  reduce = pm_tap_want (tap, &network.sites[1]);
  g_assert_nonnull (reduce);
  g_assert_cmpint (reduce->n_query_weights, ==, 1);
  g_assert_cmpint (reduce->n_key_weights, ==, 0);
  g_assert_nonnull (reduce->entropy);
  g_assert_null (reduce->matrix);
  pm_tap_begin_step (tap, 1, tags, 1);
  g_assert_null (pm_tap_want (tap, &network.sites[1]));

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

static void
expect_refusal (const PmTapOptions *options, const char *text, int code, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pm_test_tap_new (options, text, &error));
  g_assert_error (error, PM_ERROR, code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_refusals (void)
{
  const float   empty[N] = { 0 };
  PmTestNetwork network;
  PmTapOptions  options;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  expect_refusal (&options, "layers=3;read=received", PM_ERROR_USAGE, "layer 3");
  expect_refusal (&options, "heads=2;read=received", PM_ERROR_USAGE, "head 2");
  expect_refusal (&options, "steps=-4;read=received", PM_ERROR_USAGE, "step -4");

  options.budget = 100;
  expect_refusal (&options, "layers=all;heads=all;read=received", PM_ERROR_MEMORY, "18 maps");
  options.budget = 0;
  options.region = empty;
  expect_refusal (&options, "read=received,from", PM_ERROR_USAGE, "empty");
  options.region = NULL;
  expect_refusal (&options, "read=received,to", PM_ERROR_USAGE, "“to”");

  network.sites[2].key_spans[1].count--;
  expect_refusal (&options, "read=received", PM_ERROR_UNSUPPORTED, "layer 2");

  for (int l = 0; l < N_LAYERS; l++)
    for (int s = 0; s < 2; s++)
      network.sites[l].query_spans[s].count = network.sites[l].key_spans[s].count = s ? 4097 : N_TEXT;
  expect_refusal (&options, "read=subject", PM_ERROR_USAGE, "4097");

  pm_test_network_clear (&network);
}

static void
test_estimate (void)
{
  PmTapEstimate small, large;
  PmTestNetwork network;
  PmTapOptions  options;
  PmShow        show;
  gsize         n_waiting = 0;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  pm_show_init (&show);

  g_assert_true (pm_show_parse (&show, "layers=0;read=received", NULL));
  g_assert_true (pm_tap_estimate (&show, &options, &small, NULL));
  g_assert_true (pm_show_parse (&show, "layers=all;heads=all;read=received", NULL));
  g_assert_true (pm_tap_estimate (&show, &options, &large, NULL));
  g_assert_cmpint (small.n_maps, ==, 3);
  g_assert_cmpint (large.n_maps, ==, 18);
  if (pm_backend_get_class (network.backend)->download) /* what two more layers stream out waits elsewhere, and is fetched */
    n_waiting = 2 * N_HEADS * TOKENS;
  g_assert_cmpuint (large.n_bytes - small.n_bytes, ==, (15 * N + n_waiting) * sizeof (float));

  g_assert_true (pm_show_parse (&show, "read=subject,received", NULL));
  g_assert_true (pm_tap_estimate (&show, &options, &large, NULL));
  g_assert_cmpint (large.n_maps, ==, 9); /* one subject and two layers a step */
  g_assert_cmpuint (large.n_bytes, >, (n_waiting ? 1 : N_ITEMS) * TOKENS * TOKENS * sizeof (float));

  options.budget = 1;
  g_assert_false (pm_tap_estimate (&show, &options, &large, NULL));
  g_assert_cmpint (large.n_maps, ==, 9);

  pm_show_clear (&show);
  pm_test_network_clear (&network);
}

static void
test_cancelled (void)
{
  g_autoptr (PmJob) job = pm_job_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "read=subject", NULL);
  pm_test_network_run (&network, tap, (const int[]) { 2, 2, 2 }, FALSE);
  pm_job_cancel (job);
  g_assert_null (pm_tap_finish (tap, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

/* The largest picture that may be grouped fits into the default budget, guided and averaged over steps. */
static void
test_largest (void)
{
  PmTestNetwork network;
  PmTapOptions  options;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  options.region = NULL; /* it has the small picture's patches */
  for (int l = 0; l < N_LAYERS; l++)
    {
      PmSite *site = &network.sites[l];

      site->n_query_spans = site->n_key_spans = 1;
      site->query_spans[0] = site->key_spans[0]
          = (PmSpan) { .role = PM_ROLE_PICTURE, .count = 4096, .grid_w = 64, .grid_h = 64 };
      site->n_queries = site->n_keys = 4096;
    }

  for (int averaged = 0; averaged < 2; averaged++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PmTap) tap
          = pm_test_tap_new (&options, averaged ? "steps=mean;read=subject,received" : "steps=all;read=subject,received", &error);

      g_assert_no_error (error);
      g_assert_nonnull (tap);
    }

  pm_test_network_clear (&network);
}

/* A step's matrix is grouped when the next step begins: the job of the backend cancels that too. */
static void
test_cancelled_between (void)
{
  const PmItemTag tags[] = { PM_ITEM_CONDITION };
  g_autoptr (PmJob) job = pm_job_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  PmTestNetwork network;
  PmTapOptions  options;
  PmTap        *tap;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  tap = pm_test_tap_new (&options, "read=subject", NULL);
  pm_test_network_run (&network, tap, (const int[]) { 1, 1, 1 }, FALSE);
  pm_backend_set_job (network.backend, job);
  pm_job_cancel (job);
  pm_tap_begin_step (tap, 2, tags, 1);
  pm_backend_set_job (network.backend, NULL);
  g_assert_null (pm_tap_finish (tap, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tap/want", test_want);
  g_test_add_func ("/tap/refusals", test_refusals);
  g_test_add_func ("/tap/estimate", test_estimate);
  g_test_add_func ("/tap/largest", test_largest);
  g_test_add_func ("/tap/cancelled", test_cancelled);
  g_test_add_func ("/tap/cancelled-between", test_cancelled_between);

  return g_test_run ();
}
