/* Convolutions and group norms of every backend against the reference loops, the limit beside it, and bit by bit the same
 * whatever the number of threads; and the reference's doubling convolution against a picture that is doubled first. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/features.h"
#include "base/random.h"
#include "compare.h"
#include "devices.h"

typedef struct
{
  int          height, width, C, N, side, stride, pad;
  gboolean     is_doubled, adds;
  gboolean     normed;   /* scale, shift and SiLU */
  PmDtype      from, to; /* types of x and y */
  int          extra;    /* of the strides */
} ConvCase;

static const ConvCase cases[] = {
  { 1, 1, 1, 1, 1, 1, 0, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 1, 1, 3, 5, 3, 1, 1, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 5, 7, 4, 17, 3, 1, 1, FALSE, TRUE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 3 },
  { 70, 67, 24, 33, 3, 1, 1, FALSE, TRUE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 9, 130, 32, 16, 1, 1, 0, FALSE, FALSE, TRUE, PM_DTYPE_F16, PM_DTYPE_F32, 16 },
  { 40, 66, 20, 40, 3, 1, 1, FALSE, TRUE, TRUE, PM_DTYPE_F16, PM_DTYPE_F16, 0 },
  { 8, 6, 16, 24, 3, 2, 0, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 66, 140, 16, 16, 3, 2, 0, FALSE, FALSE, FALSE, PM_DTYPE_F16, PM_DTYPE_F16, 0 },
  { 4, 4, 700, 300, 3, 1, 1, FALSE, FALSE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 1, 1, 8, 8, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 0 },
  { 33, 70, 16, 12, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F16, 0 },
  { 20, 3, 24, 24, 3, 1, 1, TRUE, TRUE, TRUE, PM_DTYPE_F32, PM_DTYPE_F32, 8 },
};

static float *
new_normals (PmRandom *random, gsize n, float scale)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= scale;
  return values;
}

/* Features of that size whose every pixel, the gap between strides included, is written from values. */
static PmFeatures
new_features (PmBackend *backend, int height, int width, int channels, PmDtype dtype, int extra, const float *values)
{
  g_autoptr (GError)   error = NULL;
  gsize                stride = channels + extra, area = (gsize) height * width, n_bytes = area * stride * pm_dtype_size (dtype);
  g_autofree float    *row = g_new (float, stride);
  g_autofree gpointer  host = g_malloc (n_bytes);
  PmFeatures           features = { .height = height, .width = width, .channels = channels, .stride = stride, .dtype = dtype };

  features.data = host;
  for (gsize p = 0; p < area; p++)
    {
      memcpy (row, values + p * stride, sizeof (float) * stride);
      pm_features_write (&features, p, (int) stride, row);
    }
  features.data = pm_backend_alloc (backend, n_bytes, &error);
  g_assert_no_error (error);
  pm_backend_upload (backend, features.data, host, n_bytes);
  return features;
}

/* All of it as f32, gaps too; the features' memory is freed. */
static float *
read_features (PmBackend *backend, PmFeatures features)
{
  gsize               area = (gsize) features.height * features.width;
  gsize               n_bytes = area * features.stride * pm_dtype_size (features.dtype);
  g_autofree gpointer host = g_malloc (n_bytes);
  float              *values = g_new (float, area * features.stride);

  pm_backend_download (backend, host, features.data, n_bytes);
  pm_backend_free (backend, features.data);
  features.data = host;
  for (gsize p = 0; p < area; p++)
    pm_features_read (&features, p, (int) features.stride, values + p * features.stride);
  return values;
}

static PmWeight
prepare (PmBackend *backend, gsize rows, gsize cols, const float *values)
{
  g_autoptr (GError) error = NULL;
  PmTensor           tensor
      = { .name = "w", .dtype = PM_DTYPE_F32, .rank = rows > 1 ? 2 : 1, .n_elements = rows * cols, .data = values };
  PmWeight           weight;

  tensor.shape[0] = rows > 1 ? rows : cols;
  tensor.shape[1] = cols;
  g_assert_true (pm_backend_prepare (backend, &tensor, &weight, &error));
  return weight;
}

typedef struct
{
  float *x, *y, *w, *bias, *affine;
  gsize  n_x, n_y; /* floats, gaps included */
  int    out_height, out_width;
  gsize  taps;
} ConvData;

static float *
run_conv (PmBackend *backend, const ConvCase *c, const ConvData *data)
{
  g_autoptr (GError) error = NULL;
  PmFeatures         x = new_features (backend, c->height, c->width, c->C, c->from, c->extra, data->x);
  PmFeatures         y = new_features (backend, data->out_height, data->out_width, c->N, c->to, c->extra, data->y);
  PmWeight           w = prepare (backend, c->N, data->taps * c->C, data->w), bias = prepare (backend, 1, c->N, data->bias);
  float             *affine = pm_backend_alloc (backend, sizeof (float) * 2 * c->C, &error);

  g_assert_no_error (error);
  if (c->N == 1)
    w.cols = data->taps * c->C;
  pm_backend_upload (backend, affine, data->affine, sizeof (float) * 2 * c->C);
  pm_backend_conv (backend, &(PmConv) { .x = x, .y = y, .side = c->side, .stride = c->stride, .pad = c->pad,
                                        .is_doubled = c->is_doubled, .scale = c->normed ? affine : NULL,
                                        .shift = c->normed ? affine + c->C : NULL, .activation = PM_ACTIVATION_SILU, .w = &w,
                                        .bias = &bias, .adds = c->adds });
  g_assert_true (pm_backend_finish (backend, &error));
  pm_backend_release (backend, &w);
  pm_backend_release (backend, &bias);
  pm_backend_free (backend, affine);
  pm_backend_free (backend, x.data);
  return read_features (backend, y);
}

static void
conv_data_init (ConvData *data, const ConvCase *c, PmRandom *random)
{
  *data = (ConvData) { .out_height = c->is_doubled ? 2 * c->height : c->height / c->stride,
                       .out_width = c->is_doubled ? 2 * c->width : c->width / c->stride,
                       .taps = c->is_doubled ? 16 : c->side * c->side };
  data->n_x = (gsize) c->height * c->width * (c->C + c->extra);
  data->n_y = (gsize) data->out_height * data->out_width * (c->N + c->extra);
  data->x = new_normals (random, data->n_x, 1);
  data->y = new_normals (random, data->n_y, 1);
  data->w = new_normals (random, data->taps * c->C * c->N, (float) (1 / sqrt ((double) data->taps * c->C)));
  data->bias = new_normals (random, c->N, 1);
  data->affine = new_normals (random, 2 * c->C, 1);
}

static void
conv_data_clear (ConvData *data)
{
  float *all[] = { data->x, data->y, data->w, data->bias, data->affine };
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

static void
test_conv (gconstpointer data)
{
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  PmRandom              random;

  pm_random_init (&random, 5);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const ConvCase   *c = &cases[i];
      ConvData          given;
      conv_data_init (&given, c, &random);
      g_autofree char  *name = g_strdup_printf ("case %d: %d x %d, %d to %d", (int) i, c->height, c->width, c->C, c->N);
      g_autofree float *expected = run_conv (ref, c, &given), *first = NULL;
      for (int threads = 1; threads <= (pm_test_has_threads (data) ? 5 : 1); threads += 2)
        {
          g_autoptr (PmBackend) backend = pm_test_open (data, threads);
          g_autofree float *got = run_conv (backend, c, &given);
          g_auto (GStrv) fallbacks = pm_backend_get_fallbacks (backend);
          g_assert_cmpuint (g_strv_length (fallbacks), ==, 0);
          pm_test_compare_relative (name, got, expected, given.n_y,
                                    c->to == PM_DTYPE_F16 ? 1e-3 : 2e-6); /* f16: half a unit of 2^-10 */
          if (first)
            g_assert_cmpmem (got, sizeof (float) * given.n_y, first, sizeof (float) * given.n_y);
          else
            first = g_steal_pointer (&got);
        }
      conv_data_clear (&given);
    }
}

/* A point's convolution may write where it reads, as narrower rows of the same memory. */
static void
test_in_place (gconstpointer data)
{
  const ConvCase        c = { 70, 90, 24, 16, 1, 1, 0, FALSE, FALSE, FALSE, PM_DTYPE_F16, PM_DTYPE_F16, 0 };
  g_autoptr (PmBackend) backend = pm_test_open (data, 3);
  PmRandom              random;
  ConvData              given;

  pm_random_init (&random, 6);
  conv_data_init (&given, &c, &random);
  g_autofree float *apart = run_conv (backend, &c, &given);
  PmFeatures        x = new_features (backend, c.height, c.width, c.C, c.from, 0, given.x), y = x;
  PmWeight          w = prepare (backend, c.N, c.C, given.w), bias = prepare (backend, 1, c.N, given.bias);
  y.channels = c.N;
  pm_backend_conv (backend, &(PmConv) { .x = x, .y = y, .side = 1, .stride = 1, .w = &w, .bias = &bias });
  pm_backend_release (backend, &w);
  pm_backend_release (backend, &bias);
  g_autofree float *got = read_features (backend, x);
  for (gsize p = 0; p < (gsize) c.height * c.width; p++)
    g_assert_cmpmem (got + p * c.C, sizeof (float) * c.N, apart + p * c.N, sizeof (float) * c.N);
  conv_data_clear (&given);
}

/* The kernels of the four quarters from one of 3 x 3, by the definition: x's pixel that a pixel of the doubled one repeats. */
static void
fold (const ConvCase *c, const float *w /* [N, 9, C] */, float *to /* [N, 16, C] */)
{
  memset (to, 0, sizeof (float) * c->N * 16 * c->C);
  for (int n = 0; n < c->N; n++)
    for (int phase = 0; phase < 4; phase++)
      for (int tap = 0; tap < 9; tap++)
        {
          int py = phase / 2, px = phase % 2;
          int ky = (py + tap / 3 - 1 + 2) / 2 - py, kx = (px + tap % 3 - 1 + 2) / 2 - px;
          for (int ch = 0; ch < c->C; ch++)
            to[((gsize) n * 16 + phase * 4 + ky * 2 + kx) * c->C + ch] += w[((gsize) n * 9 + tap) * c->C + ch];
        }
}

static void
test_doubling (void)
{
  const ConvCase        doubled = { 5, 4, 6, 7, 3, 1, 1, TRUE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 0 };
  const ConvCase        plain = { 10, 8, 6, 7, 3, 1, 1, FALSE, FALSE, FALSE, PM_DTYPE_F32, PM_DTYPE_F32, 0 };
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  PmRandom              random;
  ConvData              small, large;

  pm_random_init (&random, 8);
  conv_data_init (&small, &doubled, &random);
  conv_data_init (&large, &plain, &random);
  fold (&doubled, large.w, small.w);
  memcpy (small.bias, large.bias, sizeof (float) * 7);
  for (int y = 0; y < 10; y++)
    for (int x = 0; x < 8; x++)
      memcpy (large.x + (y * 8 + x) * 6, small.x + (y / 2 * 4 + x / 2) * 6, sizeof (float) * 6);
  g_autofree float *got = run_conv (ref, &doubled, &small), *expected = run_conv (ref, &plain, &large);
  pm_test_compare_relative ("doubled", got, expected, large.n_y, 1e-6);
  conv_data_clear (&small);
  conv_data_clear (&large);
}

static void
run_group_norm (PmBackend *backend, int height, int width, int C, int groups, PmDtype dtype, const float *values,
                const float *weights, float *out /* [2, C] */)
{
  g_autoptr (GError) error = NULL;
  PmFeatures         x = new_features (backend, height, width, C, dtype, 0, values);
  PmWeight           weight = prepare (backend, 1, C, weights), bias = prepare (backend, 1, C, weights + C);
  float             *affine = pm_backend_alloc (backend, sizeof (float) * 2 * C, &error);

  g_assert_no_error (error);
  pm_backend_group_norm (backend, &(PmGroupNorm) { .x = x, .n_groups = groups, .eps = 1e-6f, .weight = &weight, .bias = &bias,
                                                   .scale = affine, .shift = affine + C });
  g_assert_true (pm_backend_finish (backend, &error));
  pm_backend_download (backend, out, affine, sizeof (float) * 2 * C);
  pm_backend_release (backend, &weight);
  pm_backend_release (backend, &bias);
  pm_backend_free (backend, affine);
  pm_backend_free (backend, x.data);
}

static void
test_group_norm (gconstpointer data)
{
  static const int      shapes[][4]
      = { { 1, 1, 4, 2 }, { 3, 5, 32, 32 }, { 16, 16, 48, 16 }, { 61, 47, 40, 8 }, { 33, 31, 512, 32 } };
  g_autoptr (PmBackend) ref = pm_test_open ("ref", 1);
  PmRandom              random;

  pm_random_init (&random, 9);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (shapes); i++)
    {
      const int        *s = shapes[i / 2];
      PmDtype           dtype = i % 2 ? PM_DTYPE_F16 : PM_DTYPE_F32;
      gsize             n = (gsize) s[0] * s[1] * s[2], n_out = 2 * s[2];
      g_autofree float *x = new_normals (&random, n, 2), *weights = new_normals (&random, n_out, 1);
      g_autofree float *expected = g_new (float, n_out), *first = g_new (float, n_out);
      for (gsize j = 0; j < n; j++)
        x[j] += (float) (j % s[2] % 7) * 3; /* means that differ, far from 0 */
      run_group_norm (ref, s[0], s[1], s[2], s[3], dtype, x, weights, expected);
      for (int threads = 1; threads <= (pm_test_has_threads (data) ? 3 : 1); threads++)
        {
          g_autoptr (PmBackend) backend = pm_test_open (data, threads);
          g_autofree float     *got = g_new (float, n_out);
          run_group_norm (backend, s[0], s[1], s[2], s[3], dtype, x, weights, got);
          pm_test_compare_relative ("scale", got, expected, s[2], 1e-6);
          pm_test_compare_relative ("shift", got + s[2], expected + s[2], s[2], 1e-6);
          if (threads > 1)
            g_assert_cmpmem (got, sizeof (float) * n_out, first, sizeof (float) * n_out);
          memcpy (first, got, sizeof (float) * n_out);
        }
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char   *name;
    GTestDataFunc run;
  } tests[] = { { "conv", test_conv }, { "in-place", test_in_place }, { "group-norm", test_group_norm } };

  g_test_init (&argc, &argv, NULL);
  g_auto (GStrv) devices = pm_test_devices ();
  for (int i = 0; devices[i]; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (tests); j++)
      {
        g_autofree char *path = g_strdup_printf ("/backend-conv/%s/%s", devices[i], tests[j].name);
        g_test_add_data_func (path, devices[i], tests[j].run);
      }
  g_test_add_func ("/backend-conv/doubling", test_doubling);
  return g_test_run ();
}
