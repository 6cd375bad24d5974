/* The random numbers against PyTorch's own (tests/reference/random_tables.py): words of the generator and uniform numbers
 * bit for bit, normals to the last digits of logarithm and cosine. */
#include "base/random.h"
#include "compare.h"

#define N_UNIFORM 1000

static const guint64 seeds[] = { 5, G_GUINT64_CONSTANT (4294967299) };

/* Normals are at most about 5; libm and PyTorch's vector code differ by a few units in the last place. */
static const double normal_limit = 1e-6;

/* Counts 1 to 40, 100 and 1000, each from a fresh seed: below 16 pairs of doubles, above blocks of 16 with a redrawn rest. */
static void
test_normal (void)
{
  g_autoptr (PmBundle) tables = pm_test_load ("random", "expected.safetensors");

  for (guint s = 0; s < G_N_ELEMENTS (seeds); s++)
    {
      g_autofree char *name = g_strdup_printf ("normal.%" G_GUINT64_FORMAT, seeds[s]);
      const float *expected = pm_test_array_of (tables, name, 40 * 41 / 2 + 1100);

      for (int i = 1; i <= 42; i++)
        {
          gsize n = i <= 40 ? i : i == 41 ? 100 : 1000;
          g_autofree float *drawn = g_new (float, n);
          g_autofree char *what = g_strdup_printf ("%s, %" G_GSIZE_FORMAT " numbers", name, n);
          PmRandom random;

          pm_random_init (&random, seeds[s]);
          pm_random_normal (&random, n, drawn);
          pm_test_compare_absolute (what, drawn, expected, n, normal_limit);
          expected += n;
        }
    }
}

static void
test_uniform (void)
{
  g_autoptr (PmBundle) tables = pm_test_load ("random", "expected.safetensors");

  for (guint s = 0; s < G_N_ELEMENTS (seeds); s++)
    {
      g_autofree char *name = g_strdup_printf ("uniform.%" G_GUINT64_FORMAT, seeds[s]);
      const float *expected = pm_test_array_of (tables, name, N_UNIFORM);
      float drawn[N_UNIFORM];
      PmRandom random;

      pm_random_init (&random, seeds[s]);
      pm_random_uniform (&random, N_UNIFORM, drawn);
      g_assert_cmpmem (drawn, sizeof drawn, expected, sizeof drawn);
    }
}

/* One stream without seeding again: the half pair that an odd count leaves waits for the next small count, past a large one. */
static void
test_mixed (void)
{
  static const gsize counts[] = { 3, 2, 20, 1, 16, 5 };
  g_autoptr (PmBundle) tables = pm_test_load ("random", "expected.safetensors");

  for (guint s = 0; s < G_N_ELEMENTS (seeds); s++)
    {
      g_autofree char *name = g_strdup_printf ("mixed.%" G_GUINT64_FORMAT, seeds[s]);
      const float *expected = pm_test_array_of (tables, name, 51);
      float drawn[51];
      gsize at = 0;
      PmRandom random;

      pm_random_init (&random, seeds[s]);
      for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
        {
          pm_random_normal (&random, counts[i], drawn + at);
          at += counts[i];
        }
      pm_random_uniform (&random, 4, drawn + at);
      pm_test_compare_absolute (name, drawn, expected, at, normal_limit);
      g_assert_cmpmem (drawn + at, 4 * sizeof (float), expected + at, 4 * sizeof (float));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/random/normal", test_normal);
  g_test_add_func ("/random/uniform", test_uniform);
  g_test_add_func ("/random/mixed", test_mixed);
  return g_test_run ();
}
