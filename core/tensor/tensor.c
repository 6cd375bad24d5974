/* Element types, shapes, and conversion of elements to and from f32.
 * Formats: IEEE 754-2008 binary16 and binary32; bfloat16 is binary32 without its low 16 bits. The loops are plain
 * integer and float arithmetic without branches, so that the compiler vectorises them. */
#include "tensor/tensor.h"

#include <stdarg.h>
#include <string.h>

#include "base/clones.h"

const char *
pm_dtype_name (PmDtype dtype)
{
  static const char *const names[] = { "f32", "f16", "bf16", "f64", "i32", "i64" };

  return (guint) dtype < G_N_ELEMENTS (names) ? names[dtype] : "other";
}

gboolean
pm_tensor_has_shape (const PmTensor *tensor, int rank, ...)
{
  gboolean same = tensor->rank == rank;
  va_list  sizes;

  va_start (sizes, rank);
  for (int i = 0; same && i < rank; i++)
    same = tensor->shape[i] == va_arg (sizes, gsize);
  va_end (sizes);
  return same;
}

char *
pm_tensor_shape_to_string (const PmTensor *tensor)
{
  GString *text = g_string_new ("[");

  for (int i = 0; i < tensor->rank; i++)
    g_string_append_printf (text, "%s%" G_GSIZE_FORMAT, i ? ", " : "", tensor->shape[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

static inline float
float_from_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline guint32
bits_from_float (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

/* Exponent and mantissa move to f32's places; what is left is the difference of the exponents' biases (127 - 15 = 112).
 * A subnormal has no implied one: it is read as if it had one, which is then taken away (exact: 2^-14 + m 2^-24). */
static inline float
float_from_half (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 magnitude = (guint32) (half & 0x7fff) << 13;
  guint32 normal = magnitude + (112u << 23);
  guint32 special = magnitude + (224u << 23); /* exponent 31 becomes 255 */
  guint32 subnormal = bits_from_float (float_from_bits (magnitude + (113u << 23)) - float_from_bits (113u << 23));
  guint32 bits = magnitude >= (31u << 23) ? special : normal;

  return float_from_bits (sign | (magnitude < (1u << 23) ? subnormal : bits));
}

/* Adding 0.5, whose last place is 2^-24 as that of f16's subnormals, rounds a small value by the processor's own
 * rule, to nearest even; larger ones are rounded in integers, where a carry runs into the exponent as it should. */
static inline guint16
half_from_float (float value)
{
  guint32 bits = bits_from_float (value);
  guint32 sign = (bits >> 16) & 0x8000;
  guint32 magnitude = bits & 0x7fffffff;
  guint32 moved = magnitude - (112u << 23);
  guint32 normal = (moved + 0xfff + ((moved >> 13) & 1)) >> 13;
  guint32 subnormal = bits_from_float (float_from_bits (magnitude) + 0.5f) - (126u << 23);
  guint32 nan = 0x7e00 | ((magnitude >> 13) & 0x1ff);
  guint32 half = magnitude < (113u << 23) ? subnormal : normal;

  half = magnitude >= (143u << 23) ? 0x7c00 : half; /* 65536 and above */
  half = magnitude > (255u << 23) ? nan : half;
  return (guint16) (sign | half);
}

PM_CLONES static void
convert_f16 (const guint16 *restrict src, gsize n, float *restrict dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = float_from_half (src[i]);
}

PM_CLONES static void
convert_bf16 (const guint16 *restrict src, gsize n, float *restrict dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = float_from_bits ((guint32) src[i] << 16);
}

static void
convert_f64 (const double *restrict src, gsize n, float *restrict dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = (float) src[i];
}

static void
convert_i32 (const gint32 *restrict src, gsize n, float *restrict dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = (float) src[i];
}

static void
convert_i64 (const gint64 *restrict src, gsize n, float *restrict dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = (float) src[i];
}

void
pm_convert_to_f32 (const void *src, PmDtype dtype, gsize n, float *dst)
{
  switch (dtype)
    {
    case PM_DTYPE_F32:
      if (n > 0)
        memmove (dst, src, n * sizeof *dst);
      break;
    case PM_DTYPE_F16:
      convert_f16 (src, n, dst);
      break;
    case PM_DTYPE_BF16:
      convert_bf16 (src, n, dst);
      break;
    case PM_DTYPE_F64:
      convert_f64 (src, n, dst);
      break;
    case PM_DTYPE_I32:
      convert_i32 (src, n, dst);
      break;
    case PM_DTYPE_I64:
      convert_i64 (src, n, dst);
      break;
    case PM_DTYPE_OTHER:
      g_assert_not_reached ();
    }
}

PM_CLONES void
pm_convert_f32_to_f16 (const float *src, gsize n, guint16 *dst)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = half_from_float (src[i]);
}
