/* Every operation of every backend against the reference loops, over odd and large shapes, the limit beside it; and bit by
 * bit the same whatever the number of threads. A backend without an operation of its own is no match for itself: it fails. */
#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "compare.h"
#include "devices.h"

/* Everything an operation of these tests touches, large enough for all. */
typedef struct
{
  int          M, N, K;
  PmDtype      dtype;
  PmActivation activation;
  gboolean     bias, gate, residual;
  int          pad; /* of the rows of x and y */
} LinearCase;

static const LinearCase linear_cases[] = {
  { 1, 1, 1, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 0 },
  { 2, 70, 19, PM_DTYPE_F16, PM_ACTIVATION_SILU, TRUE, TRUE, TRUE, 3 },
  { 8, 33, 1152, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, TRUE, 0 },
  { 9, 64, 17, PM_DTYPE_BF16, PM_ACTIVATION_GELU_TANH, FALSE, FALSE, FALSE, 0 },
  { 50, 75, 31, PM_DTYPE_F32, PM_ACTIVATION_GELU_TANH, TRUE, TRUE, TRUE, 5 },
  { 128, 576, 192, PM_DTYPE_F16, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 0 },
  { 130, 1153, 257, PM_DTYPE_F32, PM_ACTIVATION_SILU, TRUE, FALSE, TRUE, 0 },
  { 1030, 384, 96, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 0 },
  { 66, 2500, 513, PM_DTYPE_BF16, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 0 },
  { 64, 48, 64, PM_DTYPE_F32, PM_ACTIVATION_NONE, FALSE, FALSE, FALSE, 0 },
  { 17, 5, 4609, PM_DTYPE_F32, PM_ACTIVATION_NONE, TRUE, FALSE, FALSE, 1 },
  { 33, 400, 1552, PM_DTYPE_F16, PM_ACTIVATION_GELU_TANH, TRUE, TRUE, FALSE, 0 },
  { 1000, 50, 4700, PM_DTYPE_F16, PM_ACTIVATION_NONE, TRUE, TRUE, TRUE, 2 },
};

/* Weights as a file would hold them. */
static gpointer
new_weights (PmTestPair *fixture, PmDtype dtype, gsize n)
{
  float   *values = pm_test_new_normals (fixture, n, 1.f);
  guint16 *half = g_new (guint16, n);
  if (dtype == PM_DTYPE_F32)
    {
      g_free (half);
      return values;
    }
  if (dtype == PM_DTYPE_F16)
    pm_convert_f32_to_f16 (values, n, half);
  for (gsize i = 0; dtype == PM_DTYPE_BF16 && i < n; i++)
    {
      guint32 bits;
      memcpy (&bits, &values[i], 4);
      half[i] = bits >> 16;
    }
  g_free (values);
  return half;
}

static float *
run_linear (PmBackend *backend, const LinearCase *c, const float *x, gconstpointer w, const float *bias, const float *gate,
            const float *y0)
{
  g_autoptr (GError) error = NULL;
  PmTensor wt
      = { .name = "w", .dtype = c->dtype, .rank = 2, .shape = { c->N, c->K }, .n_elements = (gsize)c->N * c->K, .data = w };
  PmTensor bt = { .name = "b", .dtype = PM_DTYPE_F32, .rank = 1, .shape = { c->N }, .n_elements = c->N, .data = bias };
  PmWeight weight, bias_weight;
  int      rows_per_item = (c->M + 1) / 2;
  gsize    xs = c->K + c->pad, ys = c->N + c->pad;
  float *bx = pm_test_to_backend (backend, x, c->M * xs), *by = pm_test_to_backend (backend, y0, c->M * ys),
        *bg = pm_test_to_backend (backend, gate, 2 * c->N);

  g_assert_true (pm_backend_prepare (backend, &wt, &weight, &error) && pm_backend_prepare (backend, &bt, &bias_weight, &error));
  pm_backend_linear (backend, &(PmLinear) { .M = c->M, .N = c->N, .K = c->K, .x = pm_acts_f32 (bx), .x_stride = xs, .w = &weight,
                                            .bias = c->bias ? &bias_weight : NULL, .activation = c->activation,
                                            .gate = pm_acts_f32 (c->gate ? bg : NULL), .gate_stride = c->N,
                                            .rows_per_item = rows_per_item,
                                            .residual = pm_acts_f32 (c->residual ? by : NULL), .y = pm_acts_f32 (by),
                                            .y_stride = ys });
  g_assert_true (pm_backend_finish (backend, &error));
  pm_backend_release (backend, &weight);
  pm_backend_release (backend, &bias_weight);
  pm_backend_free (backend, bx);
  pm_backend_free (backend, bg);
  return pm_test_from_backend (backend, by, c->M * ys);
}

static void
check_linear (PmTestPair *fixture, const LinearCase *c)
{
  gsize               n_y = (gsize) c->M * (c->N + c->pad);
  g_autofree float   *x = pm_test_new_normals (fixture, (gsize) c->M * (c->K + c->pad), 1.f);
  g_autofree float   *y = pm_test_new_normals (fixture, n_y, 1.f);
  g_autofree float   *bias = pm_test_new_normals (fixture, c->N, 1.f), *gate = pm_test_new_normals (fixture, 2 * c->N, 1.f);
  g_autofree gpointer w = new_weights (fixture, c->dtype, (gsize) c->N * c->K);
  g_autofree char    *name = g_strdup_printf ("linear %d x %d x %d %s", c->M, c->N, c->K, pm_dtype_name (c->dtype));
  g_autofree float   *expected = run_linear (fixture->ref, c, x, w, bias, gate, y);
  g_autofree float   *got = run_linear (fixture->backend, c, x, w, bias, gate, y);

  pm_test_compare_relative (name, got, expected, n_y, 1e-6);
  for (int threads = 1; pm_test_has_threads (fixture->device) && threads <= 5; threads += 2)
    {
      g_autoptr (PmBackend) other = pm_test_open (fixture->device, threads);
      g_autofree float     *again = run_linear (other, c, x, w, bias, gate, y);
      g_assert_cmpmem (again, n_y * sizeof (float), got, n_y * sizeof (float));
    }
}

static void
test_linear (PmTestPair *fixture, gconstpointer data)
{
  fixture->device = data;
  for (gsize i = 0; i < G_N_ELEMENTS (linear_cases); i++)
    check_linear (fixture, &linear_cases[i]);
}

static float *
run_norm (PmBackend *backend, int M, int D, const float *x, const float *mod)
{
  float *bx = pm_test_to_backend (backend, x, (gsize)M * D), *bm = pm_test_to_backend (backend, mod, 4 * D),
        *by = pm_test_to_backend (backend, x, (gsize)M * D);
  pm_backend_norm_modulate (backend, &(PmNorm){ .M = M,
                                                .D = D,
                                                .rows_per_item = (M + 1) / 2,
                                                .x = bx,
                                                .shift = bm,
                                                .scale = bm + D,
                                                .mod_stride = 2 * (gsize)D,
                                                .eps = 1e-6f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_free (backend, bx);
  pm_backend_free (backend, bm);
  return pm_test_from_backend (backend, by, (gsize) M * D);
}

static void
test_norm (PmTestPair *fixture, gconstpointer data)
{
  static const int shapes[][2] = { { 1, 1 }, { 3, 17 }, { 128, 192 }, { 77, 1152 }, { 515, 75 } };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      int               M = shapes[i][0], D = shapes[i][1];
      g_autofree float *x = pm_test_new_normals (fixture, (gsize) M * D, 3.f), *mod = pm_test_new_normals (fixture, 4 * D, 1.f);
      for (gsize j = 0; j < (gsize) M * D; j++)
        x[j] += 5.f; /* a mean far from 0, as residual streams have */
      g_autofree float *expected = run_norm (fixture->ref, M, D, x, mod), *got = run_norm (fixture->backend, M, D, x, mod);
      pm_test_compare_relative ("norm_modulate", got, expected, (gsize) M * D, 2e-6);
    }
}

static float *
run_rms_norm (PmBackend *backend, int M, int D, PmDtype dtype, const float *x, gconstpointer w)
{
  PmTensor tensor = { .name = "w", .dtype = dtype, .rank = 1, .shape = { D }, .n_elements = D, .data = w };
  PmWeight weight;
  float   *bx = pm_test_to_backend (backend, x, (gsize) M * D), *by = pm_test_to_backend (backend, x, (gsize) M * D);

  g_assert_true (pm_backend_prepare (backend, &tensor, &weight, NULL));
  pm_backend_rms_norm (backend, &(PmRmsNorm) { .M = M, .D = D, .x = bx, .weight = &weight, .eps = 1e-6f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_rms_norm (backend, &(PmRmsNorm) { .M = M, .D = D, .x = by, .weight = &weight, .eps = 0.5f,
                                                .y = pm_acts_f32 (by) });
  pm_backend_release (backend, &weight);
  pm_backend_free (backend, bx);
  return pm_test_from_backend (backend, by, (gsize) M * D);
}

static void
test_rms_norm (PmTestPair *fixture, gconstpointer data)
{
  static const int     shapes[][2] = { { 1, 1 }, { 3, 17 }, { 128, 192 }, { 77, 4096 }, { 515, 75 } };
  static const PmDtype dtypes[] = { PM_DTYPE_F32, PM_DTYPE_F16, PM_DTYPE_BF16 };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      int                 M = shapes[i][0], D = shapes[i][1];
      PmDtype             dtype = dtypes[i % 3];
      g_autofree float   *x = pm_test_new_normals (fixture, (gsize) M * D, 3.f);
      g_autofree gpointer w = new_weights (fixture, dtype, D);
      for (gsize j = 0; j < (gsize) M * D; j++)
        x[j] += 5.f;
      g_autofree float *expected = run_rms_norm (fixture->ref, M, D, dtype, x, w);
      g_autofree float *got = run_rms_norm (fixture->backend, M, D, dtype, x, w);
      pm_test_compare_relative ("rms_norm", got, expected, (gsize) M * D, 2e-6);
    }
}

static void
test_patches (PmTestPair *fixture, gconstpointer data)
{
  static const int shapes[][5] = { { 1, 1, 2, 2, 1 }, { 2, 4, 32, 32, 2 }, { 3, 3, 24, 40, 8 }, { 2, 5, 6, 9, 3 } };
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      PmPatches op
          = { .B = shapes[i][0], .C = shapes[i][1], .height = shapes[i][2], .width = shapes[i][3], .patch = shapes[i][4] };
      gsize     n = (gsize) op.B * op.C * op.height * op.width;
      g_autofree float *x = pm_test_new_normals (fixture, n, 1.f);
      for (int reverse = 0; reverse < 2; reverse++)
        {
          float *results[2];
          for (int which = 0; which < 2; which++)
            {
              PmBackend *backend = which ? fixture->backend : fixture->ref;
              float     *from = pm_test_to_backend (backend, x, n), *to = pm_test_to_backend (backend, x, n);
              op.from = from;
              op.to = to;
              (reverse ? pm_backend_unpatchify : pm_backend_patchify) (backend, &op);
              results[which] = pm_test_from_backend (backend, to, n);
              pm_backend_free (backend, from);
            }
          g_assert_cmpmem (results[0], n * sizeof (float), results[1], n * sizeof (float));
          g_free (results[0]);
          g_free (results[1]);
        }
    }
}

static void
test_elements (PmTestPair *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 1, 15, 16, 33, 50001 };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int a = PM_ACTIVATION_NONE; a < PM_N_ACTIVATIONS; a++)
      {
        gsize             n = sizes[i], n_y = (n + 2) / 3;
        g_autofree float *x = pm_test_new_normals (fixture, n, 4.f);
        float            *results[2];
        x[0] = a % 2 ? -120.f : 120.f; /* past the range of exp */
        for (int which = 0; which < 2; which++)
          {
            PmBackend *backend = which ? fixture->backend : fixture->ref;
            float     *bx = pm_test_to_backend (backend, x, n), *by = pm_test_to_backend (backend, x, n_y);
            pm_backend_activate (backend, &(PmActivate) { .n = n, .activation = a, .x = bx, .y = bx });
            pm_backend_add (backend, &(PmAdd) { .n = n, .n_y = n_y, .x = bx, .y = by });
            pm_backend_free (backend, by);
            results[which] = pm_test_from_backend (backend, bx, n);
          }
        pm_test_compare_relative ("activate and add, far out", results[1], results[0], 1, 1e-6);
        if (n > 1)
          pm_test_compare_relative ("activate and add", results[1] + 1, results[0] + 1, n - 1, 1e-6);
        g_free (results[0]);
        g_free (results[1]);
      }
}

static void
test_combine (PmTestPair *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 1, 17, 70001 };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int n_terms = 1; n_terms <= PM_COMBINE_MAX; n_terms++)
      {
        gsize             n = sizes[i];
        g_autofree float *x = pm_test_new_normals (fixture, PM_COMBINE_MAX * n, 1.f);
        float            *results[2];
        for (int which = 0; which < 2; which++)
          {
            PmBackend *backend = which ? fixture->backend : fixture->ref;
            float     *bx = pm_test_to_backend (backend, x, PM_COMBINE_MAX * n);
            PmCombine  op = { .n = n, .n_terms = n_terms, .weights = { -1.f, 0.5f, 3.f, 1e-3f }, .y = bx + (n_terms - 1) * n };
            for (int k = 0; k < n_terms; k++)
              op.x[k] = bx + k * n; /* y is one of them */
            pm_backend_combine (backend, &op);
            results[which] = pm_test_from_backend (backend, bx, PM_COMBINE_MAX * n);
          }
        pm_test_compare_relative ("combine", results[1], results[0], PM_COMBINE_MAX * n, 1e-6);
        g_free (results[0]);
        g_free (results[1]);
      }
}

static void
test_unknown_device (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (pm_backend_open ("abacus", 1, &error));
  g_assert_nonnull (strstr (error->message, "abacus"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (PmTestPair *, gconstpointer);
  } tests[] = { { "linear", test_linear },     { "norm", test_norm }, { "rms-norm", test_rms_norm }, { "patches", test_patches },
                { "elements", test_elements }, { "combine", test_combine } };

  g_test_init (&argc, &argv, NULL);
  g_auto (GStrv) devices = pm_test_devices ();
  for (int i = 0; devices[i]; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (tests); j++)
      {
        g_autofree char *path = g_strdup_printf ("/backend/%s/%s", devices[i], tests[j].name);
        g_test_add (path, PmTestPair, devices[i], pm_test_pair_open, tests[j].run, pm_test_pair_close);
      }
  g_test_add_func ("/backend/unknown-device", test_unknown_device);
  return g_test_run ();
}
