/* Products from several threads at once are those of one thread, bit by bit: the BLAS underneath must lock its buffers. Small
 * shapes ask for buffers most often; without locks one product in a hundred of 64 x 64 x 32 was wrong. */
#include <glib.h>
#include <string.h>

#include "backend/cpu.h"
#include "base/random.h"

#define N_THREADS 4

/* c[M,N] = a[M,K] . b[N,K]^T, or b[K,N] */
typedef struct
{
  int      M, N, K, n_repeats;
  gboolean is_nt;
  float   *a, *b, *expected;
  gint     n_wrong; /* atomic */
} Product;

static void
multiply (const Product *product, float *c)
{
  const Product *p = product;

  if (p->is_nt)
    pm_cpu_gemm_nt (p->M, p->N, p->K, p->a, p->K, p->b, p->K, c, p->N);
  else
    pm_cpu_gemm_nn (p->M, p->N, p->K, p->a, p->K, p->b, p->N, c, p->N);
}

static gpointer
repeat (gpointer data)
{
  Product          *product = data;
  gsize             n = (gsize) product->M * product->N * sizeof (float);
  g_autofree float *c = g_malloc (n);

  for (int i = 0; i < product->n_repeats; i++)
    {
      memset (c, 0, n);
      multiply (product, c);
      if (memcmp (c, product->expected, n) != 0)
        g_atomic_int_inc (&product->n_wrong);
    }
  return NULL;
}

static void
test_threads (gconstpointer data)
{
  Product  product = *(const Product *) data;
  gsize    n_a = (gsize) product.M * product.K, n_b = (gsize) product.N * product.K;
  GThread *threads[N_THREADS];
  PmRandom random;

  product.a = g_new (float, n_a);
  product.b = g_new (float, n_b);
  product.expected = g_new (float, (gsize) product.M * product.N);
  pm_random_init (&random, 3);
  pm_random_normal (&random, n_a, product.a);
  pm_random_normal (&random, n_b, product.b);
  multiply (&product, product.expected);

  for (int i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("product", repeat, &product);
  for (int i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (product.n_wrong, ==, 0);
  g_free (product.a);
  g_free (product.b);
  g_free (product.expected);
}

int
main (int argc, char **argv)
{
  static const Product products[] = {
    { .M = 64, .N = 64, .K = 32, .n_repeats = 20000, .is_nt = TRUE },
    { .M = 64, .N = 32, .K = 64, .n_repeats = 20000, .is_nt = FALSE },
    { .M = 64, .N = 192, .K = 192, .n_repeats = 2000, .is_nt = TRUE },
    { .M = 128, .N = 320, .K = 192, .n_repeats = 1000, .is_nt = TRUE },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (products); i++)
    {
      const Product   *p = &products[i];
      g_autofree char *name = g_strdup_printf ("/blas-threads/%dx%dx%d%s", p->M, p->N, p->K, p->is_nt ? "-nt" : "-nn");
      g_test_add_data_func (name, p, test_threads);
    }
  return g_test_run ();
}
