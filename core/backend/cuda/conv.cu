/* Convolutions: the picture is brought to the compute type once, norm and activation applied, and then product.cu meets every
 * pixel with the weights where it lies, without unfolding. Large pictures go band by band, so that the copy stays small.
 *
 * No cuDNN: it is 700 MB more that people would have to have, in a version that fits, for an operation that is a small part of a
 * run (a decoder's 2.5 T operations at 512 px, against 20 steps of 1 T each and more), and it knows neither the norm on the
 * way in nor the features in units of 64. */
#include <algorithm>

#include "backend/cuda/elements.h"
#include "backend/cuda/product.h"

/* Of the copy: a 256th of what may be used, where that is limited. */
#define MOST_BAND_BYTES  ((size_t) 256 << 20)
#define LEAST_BAND_BYTES ((size_t) 64 << 10)

/* Rows of a picture as the product wants them: [n_pixels, C_to], zeros from C on. */
typedef struct
{
  PmFeatures   x;
  size_t       first, n_pixels;
  int          C_to;
  const float *scale, *shift;
  PmActivation activation;
  float        unit; /* what values are multiplied by */
  void        *to;
  PmDtype      to_dtype;
} Input;

PM_DEVICE float
prepare (const Input &in, int c, float value)
{
  value *= in.unit;
  return in.scale ? pm_activate (in.activation, fmaf (value, in.scale[c], in.shift[c])) : value;
}

static __global__ void
input8_kernel (Input in)
{
  size_t n = in.n_pixels * in.C_to;
  for (size_t i = 8 * pm_first (); i < n; i += 8 * pm_step ())
    {
      float values[8];
      int   c = (int) (i % in.C_to);
      pm_load8 (in.x.data, in.x.dtype, (in.first + i / in.C_to) * in.x.stride + c, values);
#pragma unroll
      for (int j = 0; j < 8; j++)
        values[j] = prepare (in, c + j, values[j]);
      pm_store8 (in.to, in.to_dtype, i, values);
    }
}

static __global__ void
input_kernel (Input in)
{
  size_t n = in.n_pixels * in.C_to;
  for (size_t i = pm_first (); i < n; i += pm_step ())
    {
      int   c = (int) (i % in.C_to);
      float value = 0;
      if (c < in.x.channels)
        value = prepare (in, c, pm_load (in.x.data, in.x.dtype, (in.first + i / in.C_to) * in.x.stride + c));
      pm_store (in.to, in.to_dtype, i, value);
    }
}

static bool
run_input (PmCuda *cuda, const Input *in)
{
  size_t n = in->n_pixels * in->C_to;
  bool   is_wide = in->x.channels == in->C_to && in->C_to % 8 == 0 && in->x.stride % 8 == 0 && pm_is_aligned (in->x.data);

  return pm_cuda_check (cuda, PM_LAUNCH (is_wide ? input8_kernel : input_kernel, pm_blocks (is_wide ? n / 8 : n),
                                         dim3 (PM_THREADS), 0, cuda->stream, *in), "a convolution's input");
}

/* f16 of values that no norm has tamed holds a 64th of them, as f16 features do; the sums are multiplied back. */
static float
input_factor (const PmCuda *cuda, const PmConv *op)
{
  return cuda->compute == PM_DTYPE_F16 && ! op->scale ? PM_FEATURES_UNIT : 1.f;
}

/* Such features are what the product wants already; but it looks at each many times. */
static bool
is_ready (const PmCuda *cuda, const PmConv *op)
{
  return cuda->compute == PM_DTYPE_F16 && op->x.dtype == PM_DTYPE_F16 && ! op->scale && op->x.channels % 8 == 0
         && op->x.stride % 8 == 0 && op->x.data != op->y.data && pm_is_aligned (op->x.data)
         && ! pm_cuda_is_far (cuda, op->x.data);
}

/* [N, taps, C] of the compute type, C rounded up. */
static const void *
find_weight (PmCuda *cuda, const PmConv *op, int n_taps, int C_to)
{
  size_t      C = op->x.channels, rows = (size_t) op->y.channels * n_taps;
  const void *w = op->w->rows == 1 ? pm_cuda_weight_narrow (cuda, op->w) : pm_cuda_weight_data (cuda, op->w);

  if ((size_t) C_to == C || ! w)
    return w;
  void *padded = pm_cuda_scratch (cuda, PM_SCRATCH_WEIGHT, rows * C_to * pm_dtype_size (cuda->compute));
  return padded && pm_cuda_convert_rows (cuda, padded, cuda->compute, w, cuda->compute, rows, C, C, C_to) ? padded : NULL;
}

/* The places of product->rows from out_row on: their pixels are brought first, where they are not ready. */
static bool
run_band (PmCuda *cuda, const PmConv *op, PmProduct *product, bool has_input)
{
  int first = std::max (product->out_row * product->stride - product->pad_y, 0);
  int end = std::min ((product->out_row + product->rows - 1) * product->stride - product->pad_y + product->side_y
                          + (op->is_doubled ? 1 : 0), product->height);

  if (has_input)
    {
      Input in = {};
      in.x = op->x;
      in.first = (size_t) first * op->x.width;
      in.n_pixels = (size_t) std::max (end - first, 1) * op->x.width;
      in.C_to = product->C;
      in.scale = op->scale;
      in.shift = op->shift;
      in.activation = op->activation;
      in.unit = (op->x.dtype == PM_DTYPE_F16 ? PM_FEATURES_UNIT : 1.f) / product->factor;
      in.to = pm_cuda_scratch (cuda, PM_SCRATCH_INPUT, in.n_pixels * in.C_to * pm_dtype_size (cuda->compute));
      in.to_dtype = cuda->compute;
      if (! in.to || ! run_input (cuda, &in))
        return false;
      product->a = in.to;
      product->first_row = first;
    }
  for (int phase = 0; phase < (op->is_doubled ? 4 : 1); phase++)
    {
      if (op->is_doubled)
        {
          product->first_tap = 4 * phase;
          product->y_row = phase / 2;
          product->y_column = phase % 2;
          product->pad_y = 1 - phase / 2;
          product->pad_x = 1 - phase % 2;
        }
      if (! pm_cuda_product (cuda, product, cuda->compute))
        return false;
    }
  product->pad_y = op->pad;
  return true;
}

/* How many rows of places go at once. */
static int
band_rows (const PmCuda *cuda, size_t row_bytes)
{
  size_t limit = cuda->options.limit_bytes, bytes = limit > 0 ? limit / 256 : MOST_BAND_BYTES;

  bytes = std::max (LEAST_BAND_BYTES, std::min (bytes, MOST_BAND_BYTES));
  return (int) std::max<size_t> (bytes / row_bytes, 1);
}

bool
pm_cuda_conv (PmCuda *cuda, const PmConv *op)
{
  const PmFeatures *places = op->is_doubled ? &op->x : &op->y;
  int               side = op->is_doubled ? 2 : op->side, n_taps = op->is_doubled ? 16 : side * side;
  int               C_to = cuda->compute == PM_DTYPE_F32 ? op->x.channels : (op->x.channels + 7) / 8 * 8;
  bool              has_input = ! is_ready (cuda, op);
  size_t            row_bytes = (size_t) op->x.width * C_to * pm_dtype_size (cuda->compute) * op->stride;
  PmProduct         product = {};

  if (! pm_cuda_begin (cuda))
    return true;
  product.a = op->x.data;
  product.height = op->x.height;
  product.width = op->x.width;
  product.C = C_to;
  product.a_stride = has_input ? (size_t) C_to : op->x.stride;
  product.w = find_weight (cuda, op, n_taps, C_to);
  product.N = op->y.channels;
  product.side_y = product.side_x = side;
  product.n_taps_all = n_taps;
  product.columns = places->width;
  product.stride = op->stride;
  product.pad_y = product.pad_x = op->pad;
  product.bias = pm_cuda_weight_floats (op->bias);
  product.factor = input_factor (cuda, op);
  product.adds = op->adds;
  product.y = op->y;
  product.y_step = op->is_doubled ? 2 : 1;
  int band = has_input ? band_rows (cuda, row_bytes) : places->height;
  for (int row = 0; product.w && row < places->height; row += band)
    {
      product.out_row = row;
      product.rows = std::min (band, places->height - row);
      if (! run_band (cuda, op, &product, has_input))
        break;
    }
  pm_cuda_weight_used (cuda, op->w);
  return true;
}
