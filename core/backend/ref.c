/* The reference backend: plain loops with sums in f64, one thread. It is the truth that every other backend is tested
 * against, and the fallback for operations that a backend lacks; it is never meant to be fast. */
#include "backend/ref.h"

#include <math.h>
#include <string.h>

double
pm_ref_activate (PmActivation activation, double x)
{
  switch (activation)
    {
    case PM_ACTIVATION_SILU:
      return x / (1 + exp (-x));
    case PM_ACTIVATION_GELU_TANH: /* Hendrycks and Gimpel, arXiv 1606.08415, section 2 */
      return 0.5 * x * (1 + tanh (sqrt (2 / G_PI) * (x + 0.044715 * x * x * x)));
    case PM_ACTIVATION_RELU:
      return MAX (x, 0);
    case PM_ACTIVATION_NONE:
    case PM_N_ACTIVATIONS:
      break;
    }
  return x;
}

static void
ref_linear (PmBackend *backend, const PmLinear *op)
{
  g_autofree float *w = g_new (float, op->K);
  g_autofree float *bias = g_new0 (float, op->N);
  const float      *given = pm_acts_floats (op->x), *gate = pm_acts_floats (op->gate), *residual = pm_acts_floats (op->residual);
  float            *to = pm_acts_floats (op->y);
  gsize             size = pm_dtype_size (op->w->dtype);

  if (op->bias)
    pm_convert_to_f32 (op->bias->data, op->bias->dtype, op->N, bias);
  for (int n = 0; n < op->N; n++)
    {
      pm_convert_to_f32 ((const char *) op->w->data + size * n * op->K, op->w->dtype, op->K, w);
      for (int m = 0; m < op->M; m++)
        {
          const float *x = given + m * op->x_stride;
          float       *y = to + m * op->y_stride + n;
          double       sum = bias[n];
          for (int k = 0; k < op->K; k++)
            sum += (double) x[k] * w[k];
          sum = pm_ref_activate (op->activation, sum);
          if (gate)
            sum *= gate[m / op->rows_per_item * op->gate_stride + n];
          if (residual)
            sum += residual[m * op->y_stride + n];
          *y = (float) sum;
        }
    }
}

static void
ref_norm_modulate (PmBackend *backend, const PmNorm *op)
{
  for (int m = 0; m < op->M; m++)
    {
      const float *x = op->x + (gsize) m * op->D;
      float       *y = pm_acts_floats (op->y) + (gsize) m * op->D;
      gsize        mod = m / op->rows_per_item * op->mod_stride;
      double       mean = 0, variance = 0;
      for (int i = 0; i < op->D; i++)
        mean += x[i];
      mean /= op->D;
      for (int i = 0; i < op->D; i++)
        variance += (x[i] - mean) * (x[i] - mean);
      double inverse = 1 / sqrt (variance / op->D + op->eps);
      for (int i = 0; i < op->D; i++)
        y[i] = (float) ((x[i] - mean) * inverse * (1.0 + op->scale[mod + i]) + op->shift[mod + i]);
    }
}

static void
ref_rms_norm (PmBackend *backend, const PmRmsNorm *op)
{
  g_autofree float *weight = g_new (float, op->D);

  pm_convert_to_f32 (op->weight->data, op->weight->dtype, op->D, weight);
  for (int m = 0; m < op->M; m++)
    {
      const float *x = op->x + (gsize) m * op->D;
      float       *y = pm_acts_floats (op->y) + (gsize) m * op->D;
      double       squares = 0;
      for (int i = 0; i < op->D; i++)
        squares += (double) x[i] * x[i];
      double inverse = 1 / sqrt (squares / op->D + op->eps);
      for (int i = 0; i < op->D; i++)
        y[i] = (float) (x[i] * inverse * weight[i]);
    }
}

/* The picture's index for channel c and row and column inside the patch of token (ty, tx). */
static gsize
picture_index (const PmPatches *op, int b, int c, int ty, int tx, int ph, int pw)
{
  return (((gsize) b * op->C + c) * op->height + ty * op->patch + ph) * op->width + tx * op->patch + pw;
}

static void
ref_patchify (PmBackend *backend, const PmPatches *op)
{
  float *to = op->to;
  for (int b = 0; b < op->B; b++)
    for (int ty = 0; ty < op->height / op->patch; ty++)
      for (int tx = 0; tx < op->width / op->patch; tx++)
        for (int c = 0; c < op->C; c++)
          for (int ph = 0; ph < op->patch; ph++)
            for (int pw = 0; pw < op->patch; pw++)
              *to++ = op->from[picture_index (op, b, c, ty, tx, ph, pw)];
}

static void
ref_unpatchify (PmBackend *backend, const PmPatches *op)
{
  const float *from = op->from;
  for (int b = 0; b < op->B; b++)
    for (int ty = 0; ty < op->height / op->patch; ty++)
      for (int tx = 0; tx < op->width / op->patch; tx++)
        for (int ph = 0; ph < op->patch; ph++)
          for (int pw = 0; pw < op->patch; pw++)
            for (int c = 0; c < op->C; c++)
              op->to[picture_index (op, b, c, ty, tx, ph, pw)] = *from++;
}

/* What is added to a logit. */
static double
ref_edit (const PmAttention *op, int b, int i, int j)
{
  const PmLogitEdit *edit = op->edit;
  gsize              key = (gsize) b * op->Tk + j;
  int                region = edit->key_region[key];
  double             added = edit->key_bias[key];

  if (region >= 0)
    added += edit->region_bias[((gsize) b * edit->n_regions + region) * op->Tq + i];
  return added;
}

/* One row of probabilities. Returns its entropy. */
static double
ref_softmax_row (const PmAttention *op, int b, int h, int i, double *p /* [Tk] */)
{
  const float *q = pm_acts_floats (op->q) + b * op->q_item + i * op->q_row + (gsize) h * op->d;
  double       max = -INFINITY, sum = 0, entropy = 0;
  int          n_keys = op->key_counts ? op->key_counts[b] : op->Tk;

  for (int j = n_keys; j < op->Tk; j++)
    p[j] = 0;
  for (int j = 0; j < n_keys; j++)
    {
      const float *k = pm_acts_floats (op->k) + b * op->kv_item + j * op->kv_row + (gsize) h * op->d;
      double       dot = 0;
      for (int c = 0; c < op->d; c++)
        dot += (double) q[c] * k[c];
      p[j] = dot * op->scale + (op->edit ? ref_edit (op, b, i, j) : 0);
      p[j] += op->bias ? op->bias[((gsize) h * op->Tq + i) * op->Tk + j] : 0;
      max = MAX (max, p[j]);
    }
  for (int j = 0; j < n_keys; j++)
    sum += p[j] = exp (p[j] - max);
  for (int j = 0; j < n_keys; j++)
    {
      p[j] /= sum;
      entropy -= p[j] > 0 ? p[j] * log (p[j]) : 0;
    }
  return entropy;
}

/* Streams row i of head (b, h) into the reductions; query_sums gathers in f64. */
static void
ref_reduce_row (const PmAttention *op, int b, int h, int i, const double *p, double entropy, double *query_sums)
{
  const PmReduce *reduce = op->reduce;
  gsize           head = (gsize) b * op->H + h;

  for (int n = 0; n < reduce->n_query_weights; n++)
    for (int j = 0; j < op->Tk; j++)
      query_sums[(gsize) n * op->Tk + j] += reduce->query_weights[((gsize) b * reduce->n_query_weights + n) * op->Tq + i] * p[j];
  for (int n = 0; n < reduce->n_key_weights; n++)
    {
      const float *weights = reduce->key_weights + ((gsize) b * reduce->n_key_weights + n) * op->Tk;
      double       sum = 0;
      for (int j = 0; j < op->Tk; j++)
        sum += weights[j] * p[j];
      reduce->key_sums[pm_reduce_at (reduce, b, (gsize) op->H * reduce->n_key_weights * op->Tq)
                       + ((gsize) h * reduce->n_key_weights + n) * op->Tq + i] = (float) sum;
    }
  if (reduce->entropy)
    reduce->entropy[pm_reduce_at (reduce, b, (gsize) op->H * op->Tq) + (gsize) h * op->Tq + i] = (float) entropy;
  for (int n = 0; n < reduce->n_rows; n++)
    for (int j = 0; reduce->rows[n] == i && j < op->Tk; j++)
      reduce->row_probs[(head * reduce->n_rows + n) * op->Tk + j] = (float) p[j];
  for (int j = 0; reduce->matrix && j < op->Tk; j++)
    reduce->matrix[((gsize) b * op->Tq + i) * op->Tk + j] += (float) (reduce->head_weights[h] * p[j]);
}

static void
ref_attention (PmBackend *backend, const PmAttention *op)
{
  const float       *v = pm_acts_floats (op->v);
  float             *out = pm_acts_floats (op->out);
  int                n_sums = op->reduce ? op->reduce->n_query_weights : 0;
  g_autofree double *p = g_new (double, op->Tk);
  g_autofree double *sums = g_new (double, (gsize) n_sums * op->Tk + 1);

  for (int b = 0; b < op->B; b++)
    for (int h = 0; h < op->H; h++)
      {
        memset (sums, 0, sizeof (double) * n_sums * op->Tk);
        for (int i = 0; i < op->Tq; i++)
          {
            double entropy = ref_softmax_row (op, b, h, i, p);
            for (int c = 0; c < op->d; c++)
              {
                double sum = 0;
                for (int j = 0; j < op->Tk; j++)
                  sum += p[j] * v[b * op->kv_item + j * op->kv_row + (gsize) h * op->d + c];
                out[b * op->out_item + i * op->out_row + (gsize) h * op->d + c] = (float) sum;
              }
            if (op->reduce)
              ref_reduce_row (op, b, h, i, p, entropy, sums);
          }
        for (gsize j = 0; j < (gsize) n_sums * op->Tk; j++)
          op->reduce->query_sums[pm_reduce_at (op->reduce, b, (gsize) op->H * n_sums * op->Tk) + (gsize) h * n_sums * op->Tk + j]
              = (float) sums[j];
      }
}

static void
ref_add (PmBackend *backend, const PmAdd *op)
{
  for (gsize i = 0; i < op->n; i++)
    op->x[i] += op->y[i % op->n_y];
}

static void
ref_activate (PmBackend *backend, const PmActivate *op)
{
  for (gsize i = 0; i < op->n; i++)
    op->y[i] = (float) pm_ref_activate (op->activation, op->x[i]);
}

static void
ref_combine (PmBackend *backend, const PmCombine *op)
{
  for (gsize i = 0; i < op->n; i++)
    {
      double sum = 0;
      for (int k = 0; k < op->n_terms; k++)
        sum += (double) op->weights[k] * op->x[k][i];
      op->y[i] = (float) sum;
    }
}

const PmBackendClass pm_backend_ref = {
  .id = "ref",
  .device = "cpu",
  .is_hidden = TRUE,
  .ops = {
    .linear = ref_linear,
    .norm_modulate = ref_norm_modulate,
    .rms_norm = ref_rms_norm,
    .patchify = ref_patchify,
    .unpatchify = ref_unpatchify,
    .attention = ref_attention,
    .add = ref_add,
    .activate = ref_activate,
    .conv = pm_ref_conv,
    .group_norm = pm_ref_group_norm,
    .combine = ref_combine,
  },
};
