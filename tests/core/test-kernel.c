/* The kernel of products: what it computes, and that it touches nothing but its operands. Each operand ends where a page
 * begins that may not be touched; sanitizers do not see into the kernel (core/meson.build says why).
 * Letters: K as in kernel.h. */
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "backend/kernel.h"

typedef struct
{
  char  *pages;
  gsize  n_bytes; /* of pages, the guard included */
  float *data;    /* ends at the guard */
} Guarded;

static void
guarded_init (Guarded *self, gsize n)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE), room = (n * sizeof (float) + page - 1) / page * page;

  self->n_bytes = room + page;
  self->pages = mmap (NULL, self->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert_true (self->pages != MAP_FAILED);
  g_assert_cmpint (mprotect (self->pages + room, page, PROT_NONE), ==, 0);
  self->data = (float *) (self->pages + room) - n;
}

static void
guarded_clear (Guarded *self)
{
  munmap (self->pages, self->n_bytes);
}

static void
fill (GRand *rand, float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = (float) g_rand_double_range (rand, -1, 1);
}

/* rows of weights, a row stride above K, and a panel of n_vectors. */
static void
check (const PmKernel *kernel, GRand *rand, int n_vectors, int rows, int K, int gap, gboolean adds)
{
  gsize   width = (gsize) n_vectors * PM_LANES, stride = K + gap, n_out = rows * width;
  Guarded w, panel, out;

  guarded_init (&w, (rows - 1) * stride + K);
  guarded_init (&panel, K * width);
  guarded_init (&out, n_out);
  fill (rand, w.data, (rows - 1) * stride + K);
  fill (rand, panel.data, K * width);
  fill (rand, out.data, n_out);
  g_autofree float *before = g_memdup2 (out.data, n_out * sizeof (float));

  pm_kernel_run (kernel, n_vectors, rows, K, w.data, stride, panel.data, out.data, adds);
  for (int r = 0; r < rows; r++)
    for (gsize i = 0; i < width; i++)
      {
        double sum = adds ? before[r * width + i] : 0, size = fabs (sum);
        for (int k = 0; k < K; k++)
          {
            double term = (double) w.data[r * stride + k] * panel.data[k * width + i];
            sum += term;
            size += fabs (term);
          }
        g_assert_cmpfloat (fabs (out.data[r * width + i] - sum), <=, 1e-6 * size + 1e-12);
      }
  guarded_clear (&w);
  guarded_clear (&panel);
  guarded_clear (&out);
}

static void
test_multiply (void)
{
  static const int sizes[] = { 1, 2, 7, 16, 72, 513, 1152 };
  const PmKernel *kernel = pm_kernel_find ();
  GRand          *rand = g_rand_new_with_seed (5);

  if (! kernel)
    g_test_skip ("this processor's vectors are too poor for the kernel");
  for (int v = 1; kernel && v <= kernel->n_vectors; v++)
    for (int rows = 1; rows <= 2 * kernel->n_rows + 1; rows++)
      for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
        check (kernel, rand, v, rows, sizes[i], (int) i % 3, (v + rows + i) % 2);
  g_rand_free (rand);
}

/* n tokens of K, into a panel and, 16 by 16, back again. */
static void
check_panel (GRand *rand, int n, int K, int gap)
{
  gsize   width = (gsize) pm_panel_vectors (n) * PM_LANES, stride = K + gap;
  Guarded x, panel, rows;

  guarded_init (&x, (n - 1) * stride + K);
  guarded_init (&panel, K * width);
  guarded_init (&rows, PM_LANES * PM_LANES);
  fill (rand, x.data, (n - 1) * stride + K);
  pm_panel_pack (n, K, x.data, stride, panel.data);
  for (int k = 0; k < K; k++)
    for (gsize i = 0; i < width; i++)
      g_assert_cmpfloat (panel.data[k * width + i], ==, (int) i < n ? x.data[i * stride + k] : 0);
  for (int k = 0; k + PM_LANES <= K; k += PM_LANES)
    for (gsize i = 0; i < width; i += PM_LANES)
      {
        pm_panel_unpack (panel.data + k * width + i, width, rows.data, PM_LANES);
        for (int j = 0; j < PM_LANES * PM_LANES; j++)
          g_assert_cmpfloat (rows.data[j], ==, panel.data[(k + j % PM_LANES) * width + i + j / PM_LANES]);
      }
  guarded_clear (&x);
  guarded_clear (&panel);
  guarded_clear (&rows);
}

static void
test_panels (void)
{
  GRand *rand = g_rand_new_with_seed (6);

  for (int n = 1; n <= 70; n++)
    for (int K = 1; K <= 40; K += 3)
      check_panel (rand, n, K, n % 4);
  g_rand_free (rand);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kernel/multiply", test_multiply);
  g_test_add_func ("/kernel/panels", test_panels);
  return g_test_run ();
}
