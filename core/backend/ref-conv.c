/* The reference loops of convolutions and of group norms: sums in f64, one thread. */
#include <math.h>

#include "backend/features.h"
#include "backend/ref.h"

/* activation (x * scale + shift) of all of x, [height * width, C]. */
static double *
activate_input (const PmConv *op)
{
  const PmFeatures *x = &op->x;
  gsize             area = (gsize) x->height * x->width;
  g_autofree float *row = g_new (float, x->channels);
  double           *a = g_new (double, area * x->channels);

  for (gsize p = 0; p < area; p++)
    {
      pm_features_read (x, p, x->channels, row);
      for (int c = 0; c < x->channels; c++)
        a[p * x->channels + c]
            = op->scale ? pm_ref_activate (op->activation, (double) row[c] * op->scale[c] + op->shift[c]) : row[c];
    }
  return a;
}

/* The sum over the kernel at y's pixel (i, j) for output channel n. */
static double
kernel_sum (const PmConv *op, const double *a, int i, int j, int n)
{
  const PmFeatures *x = &op->x;
  int               side = op->is_doubled ? 2 : op->side, n_phases = op->is_doubled ? 4 : 1, C = x->channels;
  int               phase = op->is_doubled ? i % 2 * 2 + j % 2 : 0;
  int               row = op->is_doubled ? i / 2 - 1 + i % 2 : i * op->stride - op->pad;
  int               column = op->is_doubled ? j / 2 - 1 + j % 2 : j * op->stride - op->pad;
  const float      *w = (const float *) op->w->data + ((gsize) n * n_phases + phase) * side * side * C;
  double            sum = 0;

  for (int ky = 0; ky < side; ky++)
    for (int kx = 0; kx < side; kx++, w += C)
      if (row + ky >= 0 && row + ky < x->height && column + kx >= 0 && column + kx < x->width)
        for (int c = 0; c < C; c++)
          sum += w[c] * a[((gsize) (row + ky) * x->width + column + kx) * C + c];
  return sum;
}

void
pm_ref_conv (PmBackend *backend, const PmConv *op)
{
  const PmFeatures  *y = &op->y;
  g_autofree double *a = activate_input (op);
  g_autofree float  *bias = g_new0 (float, y->channels);
  g_autofree float  *row = g_new0 (float, y->channels);

  g_assert (op->w->dtype == PM_DTYPE_F32);
  if (op->bias)
    pm_convert_to_f32 (op->bias->data, op->bias->dtype, y->channels, bias);
  for (int i = 0; i < y->height; i++)
    for (int j = 0; j < y->width; j++)
      {
        gsize pixel = (gsize) i * y->width + j;
        if (op->adds)
          pm_features_read (y, pixel, y->channels, row);
        for (int n = 0; n < y->channels; n++)
          row[n] = (float) (kernel_sum (op, a, i, j, n) + bias[n] + (op->adds ? row[n] : 0));
        pm_features_write (y, pixel, y->channels, row);
      }
}

void
pm_ref_group_norm (PmBackend *backend, const PmGroupNorm *op)
{
  int                C = op->x.channels, per_group = C / op->n_groups;
  gsize              area = (gsize) op->x.height * op->x.width;
  g_autofree float  *row = g_new (float, C), *weight = g_new (float, C), *bias = g_new (float, C);
  g_autofree double *mean = g_new0 (double, op->n_groups), *variance = g_new0 (double, op->n_groups);

  pm_convert_to_f32 (op->weight->data, op->weight->dtype, C, weight);
  pm_convert_to_f32 (op->bias->data, op->bias->dtype, C, bias);
  for (int pass = 0; pass < 2; pass++)
    for (gsize p = 0; p < area; p++)
      {
        pm_features_read (&op->x, p, C, row);
        for (int c = 0; c < C; c++)
          {
            int g = c / per_group;
            if (pass == 0)
              mean[g] += row[c] / ((double) area * per_group);
            else
              variance[g] += (row[c] - mean[g]) * (row[c] - mean[g]) / ((double) area * per_group);
          }
      }
  for (int c = 0; c < C; c++)
    {
      double scale = weight[c] / sqrt (variance[c / per_group] + op->eps);
      op->scale[c] = (float) scale;
      op->shift[c] = (float) (bias[c] - mean[c / per_group] * scale);
    }
}
