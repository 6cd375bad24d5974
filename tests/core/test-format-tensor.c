/* Element types and their conversion, against IEEE 754's definition in plain arithmetic. */
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

/* By definition, with an independent path through double. */
static double
half_value (guint16 half)
{
  int    exponent = half >> 10 & 31, mantissa = half & 1023;
  double sign = half & 0x8000 ? -1 : 1;

  if (exponent == 31)
    return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp (1024 + mantissa, exponent - 25) : ldexp (mantissa, -24));
}

static guint32
bits_of (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

static void
test_f16 (void)
{
  g_autofree guint16 *halves = g_new (guint16, 65536);
  g_autofree float *values = g_new (float, 65536);
  g_autofree guint16 *back = g_new (guint16, 65536);

  for (guint i = 0; i < 65536; i++)
    halves[i] = (guint16) i;
  pm_convert_to_f32 (halves, PM_DTYPE_F16, 65536, values);
  pm_convert_f32_to_f16 (values, 65536, back);
  for (guint i = 0; i < 65536; i++)
    {
      double expected = half_value ((guint16) i);

      if (isnan (expected))
        {
          g_assert_true (isnan (values[i]));
          g_assert_true (isnan (half_value (back[i])));
          continue;
        }
      g_assert_cmphex (bits_of (values[i]), ==, bits_of ((float) expected));
      g_assert_cmphex (back[i], ==, i);
    }
}

static void
test_bf16 (void)
{
  g_autofree guint16 *halves = g_new (guint16, 65536);
  g_autofree float *values = g_new (float, 65536);

  for (guint i = 0; i < 65536; i++)
    halves[i] = (guint16) i;
  pm_convert_to_f32 (halves, PM_DTYPE_BF16, 65536, values);
  for (guint i = 0; i < 65536; i++)
    g_assert_cmphex (bits_of (values[i]), ==, i << 16);
}

/* Rounding: between every pair of neighbours just below, at and just above the middle. */
static void
test_rounding (void)
{
  for (guint i = 0; i < 0x7c00; i++)
    {
      double  low = half_value ((guint16) i), high = i == 0x7bff ? 65536 : half_value ((guint16) (i + 1));
      float   middle = (float) ((low + high) / 2);
      float   values[6] = { nextafterf (middle, 0), middle, nextafterf (middle, INFINITY) };
      guint16 halves[6];

      for (int j = 0; j < 3; j++)
        values[3 + j] = -values[j];
      pm_convert_f32_to_f16 (values, 6, halves);
      for (int j = 0; j < 2; j++)
        {
          g_assert_cmphex (halves[3 * j], ==, i | j << 15);
          g_assert_cmphex (halves[3 * j + 1], ==, (i + (i & 1)) | j << 15);
          g_assert_cmphex (halves[3 * j + 2], ==, (i + 1) | j << 15);
        }
    }
}

static void
test_overflow (void)
{
  const float   values[] = { 65519.996f, 65520, 1e30f, INFINITY, -INFINITY, -65520, 1e-30f, -1e-30f, 0x1p-126f };
  const guint16 expected[] = { 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xfc00, 0, 0x8000, 0 };
  guint16       halves[G_N_ELEMENTS (values)];

  pm_convert_f32_to_f16 (values, G_N_ELEMENTS (values), halves);
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    g_assert_cmphex (halves[i], ==, expected[i]);
}

static void
test_wide (void)
{
  const double doubles[] = { 0.1, -1e300, 16777217, 3 };
  const gint32 ints[] = { -1, G_MAXINT32, 16777217, 0 };
  const gint64 longs[] = { G_MININT64, 5, -7, G_MAXINT64 };
  const float  floats[] = { 1, NAN, -0.0f, 3 };
  float        out[4];

  pm_convert_to_f32 (doubles, PM_DTYPE_F64, 4, out);
  g_assert_true (out[0] == 0.1f && out[1] == -INFINITY && out[2] == 16777216 && out[3] == 3);
  pm_convert_to_f32 (ints, PM_DTYPE_I32, 4, out);
  g_assert_true (out[0] == -1 && out[1] == 2147483648.0f && out[2] == 16777216 && out[3] == 0);
  pm_convert_to_f32 (longs, PM_DTYPE_I64, 4, out);
  g_assert_true (out[0] == -0x1p63f && out[1] == 5 && out[2] == -7 && out[3] == 0x1p63f);
  pm_convert_to_f32 (floats, PM_DTYPE_F32, 4, out);
  g_assert_cmpmem (out, sizeof out, floats, sizeof floats);
}

/* Odd lengths and places: the vector loop, its rest and a start that is aligned to an element only. */
static void
test_lengths (void)
{
  guint16 halves[80];
  float   values[80];

  for (int i = 0; i < 80; i++)
    halves[i] = (guint16) (0x3c00 + i);
  for (int begin = 0; begin < 5; begin++)
    for (int n = 0; n < 70; n++)
      {
        memset (values, 0, sizeof values);
        pm_convert_to_f32 (halves + begin, PM_DTYPE_F16, n, values + begin);
        for (int i = 0; i < 80; i++)
          g_assert_cmpfloat (values[i], ==, i >= begin && i < begin + n ? (float) half_value (halves[i]) : 0);
      }
}

static void
test_shapes (void)
{
  PmTensor tensor = { .name = "x", .rank = 3, .shape = { 2, 3, 40 } };
  g_autofree char *text = pm_tensor_shape_to_string (&tensor);

  g_assert_cmpstr (text, ==, "[2, 3, 40]");
  g_assert_true (pm_tensor_has_shape (&tensor, 3, (gsize) 2, (gsize) 3, (gsize) 40));
  g_assert_false (pm_tensor_has_shape (&tensor, 3, (gsize) 2, (gsize) 3, (gsize) 41));
  g_assert_false (pm_tensor_has_shape (&tensor, 2, (gsize) 2, (gsize) 3));
  g_assert_cmpstr (pm_dtype_name (PM_DTYPE_BF16), ==, "bf16");
  g_assert_cmpuint (pm_dtype_size (PM_DTYPE_F64), ==, 8);
  g_assert_cmpuint (pm_dtype_size (PM_DTYPE_OTHER), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tensor/f16", test_f16);
  g_test_add_func ("/tensor/bf16", test_bf16);
  g_test_add_func ("/tensor/f32-to-f16-rounding", test_rounding);
  g_test_add_func ("/tensor/f32-to-f16-overflow", test_overflow);
  g_test_add_func ("/tensor/wide-types", test_wide);
  g_test_add_func ("/tensor/lengths", test_lengths);
  g_test_add_func ("/tensor/shapes", test_shapes);
  return g_test_run ();
}
