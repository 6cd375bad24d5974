/* See kernel.h. One body for all processors: what differs is how many vectors fill the registers. A tile of 6 rows by
 * 4 vectors of 16 takes 24 of AVX-512's 32 registers, one of 6 by 1 takes 12 of AVX2's 16, or 24 of NEON's 32. */
#include "backend/kernel.h"

#define ROWS 6
#define MAX_VECTORS 4
#define STRETCH 512 /* of K, summed up by itself: thousands of terms cost no digits */
#define CHUNK 16    /* of K, written out without a loop: a line of memory of each row of weights */

/* Sums of a tile, and what they are made of. */
typedef struct
{
  PmVec        sums[ROWS][MAX_VECTORS];
  const float *rows[ROWS]; /* those behind the last are the last again, computed in vain */
} Tile;

PM_INLINE void
add_product (const int V, Tile *tile, gssize k, const float *panel)
{
  PmVec x[MAX_VECTORS];

#pragma GCC unroll 4
  for (int v = 0; v < V; v++)
    x[v] = pm_vec_load (panel + (k * V + v) * PM_LANES);
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
      tile->sums[r][v] += tile->rows[r][k] * x[v];
}

/* V is a constant wherever this is inlined, so that the sums live in registers. The panel streams in from the second-level
 * cache by the processor's own looking ahead; for the next rows of weights, which are scattered, it has to be asked. */
PM_INLINE void
multiply_tile (const int V, int n_rows, int K, const float *w, gsize w_stride, const float *next_w, const float *panel,
               float *out, gboolean adds)
{
  Tile   tile;
  gssize k = 0, ahead = next_w - w;

#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++)
    {
      tile.rows[r] = w + MIN (r, n_rows - 1) * w_stride;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++)
        tile.sums[r][v] = pm_vec_set (0.f);
    }
  for (; k + CHUNK <= K; k += CHUNK)
    {
#pragma GCC unroll 6
      for (int r = 0; r < ROWS; r++)
        __builtin_prefetch (tile.rows[r] + k + ahead);
#pragma GCC unroll 16
      for (int i = 0; i < CHUNK; i++)
        add_product (V, &tile, k + i, panel);
    }
  for (; k < K; k++)
    add_product (V, &tile, k, panel);
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V && r < n_rows; v++)
      {
        float *to = out + (r * V + v) * PM_LANES;
        pm_vec_store (to, adds ? tile.sums[r][v] + pm_vec_load (to) : tile.sums[r][v]);
      }
}

/* The body for one processor, of panels of 1 .. most vectors. */
#define DEFINE_MULTIPLY(name, most)                                                                                     \
  static void multiply_##name (int n_vectors, int n_rows, int K, const float *w, gsize w_stride, const float *next_w,   \
                               const float *panel, float *out, gboolean adds)                                           \
  {                                                                                                                     \
    if (most >= 4 && n_vectors == 4)                                                                                    \
      multiply_tile (4, n_rows, K, w, w_stride, next_w, panel, out, adds);                                              \
    else if (most >= 3 && n_vectors == 3)                                                                               \
      multiply_tile (3, n_rows, K, w, w_stride, next_w, panel, out, adds);                                              \
    else if (most >= 2 && n_vectors == 2)                                                                               \
      multiply_tile (2, n_rows, K, w, w_stride, next_w, panel, out, adds);                                              \
    else                                                                                                                \
      multiply_tile (1, n_rows, K, w, w_stride, next_w, panel, out, adds);                                              \
  }                                                                                                                     \
  static const PmKernel kernel_##name = { .n_vectors = most, .n_rows = ROWS, .n_group = 48, .multiply = multiply_##name };

#ifdef PM_TARGET_V4
__attribute__ ((target ("arch=x86-64-v4"))) DEFINE_MULTIPLY (v4, 4)
#endif
#ifdef PM_TARGET_V3
__attribute__ ((target ("arch=x86-64-v3"))) DEFINE_MULTIPLY (v3, 1)
#endif

/* What the whole program is compiled for. */
#if defined(__AVX512F__)
DEFINE_MULTIPLY (plain, 4)
#define HAS_PLAIN 1
#elif (defined(__AVX2__) && defined(__FMA__)) || defined(__aarch64__)
DEFINE_MULTIPLY (plain, 1)
#define HAS_PLAIN 1
#else
#define HAS_PLAIN 0
#endif

const PmKernel *
pm_kernel_find (void)
{
#ifdef PM_TARGET_V4
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") && __builtin_cpu_supports ("avx512dq")
      && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512cd"))
    return &kernel_v4;
#endif
#ifdef PM_TARGET_V3
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    return &kernel_v3;
#endif
#if HAS_PLAIN
  return &kernel_plain;
#else
  return NULL;
#endif
}

void
pm_kernel_run (const PmKernel *kernel, int n_vectors, int rows, int K, const float *w, gsize w_stride, const float *panel,
               float *out, gboolean adds)
{
  gsize width = (gsize) n_vectors * PM_LANES;

  for (int k = 0; k < K; k += STRETCH)
    for (int r = 0; r < rows; r += kernel->n_rows)
      {
        const float *from = w + r * w_stride + k, *next = r + kernel->n_rows < rows ? from + kernel->n_rows * w_stride : from;
        kernel->multiply (n_vectors, MIN (kernel->n_rows, rows - r), MIN (STRETCH, K - k), from, w_stride, next,
                          panel + k * width, out + r * width, adds || k > 0);
      }
}

PM_CLONES void
pm_panel_unpack (const float *panel, gsize panel_stride, float *rows, gsize row_stride)
{
  for (int i = 0; i < PM_LANES; i += 8)
    for (int r = 0; r < PM_LANES; r += 8)
      pm_transpose_8x8 (panel + r * panel_stride + i, panel_stride, rows + i * row_stride + r, row_stride);
}

/* 16 rows at a time: as many streams as the processor's prefetching follows, and whole cache lines written. */
PM_CLONES void
pm_panel_pack (int n, int K, const float *x, gsize x_stride, float *panel)
{
  int width = pm_panel_vectors (n) * PM_LANES, whole = K / 8 * 8;

  for (int i = 0; i + PM_LANES <= n; i += PM_LANES)
    for (int k = 0; k < whole; k += 8)
      {
        const float *from = x + i * x_stride + k;
        float       *to = panel + (gsize) k * width + i;
        pm_transpose_8x8 (from, x_stride, to, width);
        pm_transpose_8x8 (from + 8 * x_stride, x_stride, to + 8, width);
      }
  for (int k = 0; k < K; k++)
    for (int i = k < whole ? n / PM_LANES * PM_LANES : 0; i < width; i++)
      panel[(gsize) k * width + i] = i < n ? x[i * x_stride + k] : 0.f;
}
