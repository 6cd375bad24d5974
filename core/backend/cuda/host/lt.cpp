/* See product-library.h: products by plain loops, inputs rounded as they are, sums in f32. Like the library, it refuses
 * what it has no kernel for: another type of C than of D, a bias of another type than D, a leading dimension below the rows,
 * matrices that lie at addresses less aligned than the heuristic was told, and (more than the library) rows of 16 bits that are
 * no multiple of 16 bytes. */
#include "backend/cuda/lt.h"

#include <stdio.h>
#include <string.h>

#include "host.h"
#include "toolchain.h"

struct PmHostLt
{
};

struct PmHostDesc
{
  cublasOperation_t  a = CUBLAS_OP_N, b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void        *bias = nullptr;
  int                bias_type = -1;
};

struct PmHostLayout
{
  cudaDataType_t type;
  uint64_t       rows, cols;
  int64_t        ld;
};

struct PmHostPreference
{
  size_t   workspace = 0;
  uint32_t alignment[4] = { 256, 256, 256, 256 };
};

bool
pm_lt_open (PmLt *lt, const std::vector<std::string> &given, PmCudaError *error)
{
  if (pm_host_setting ("library", 1) == 0)
    {
      pm_lt_set_missing (error, "libcublasLt.so.13", given);
      return false;
    }
#define X(name) lt->name = name;
  PM_LT_FUNCTIONS (X)
#undef X
  return true;
}

cublasStatus_t
cublasLtCreate (cublasLtHandle_t *handle)
{
  *handle = new PmHostLt ();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy (cublasLtHandle_t handle)
{
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescCreate (cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
  *desc = new PmHostDesc ();
  return compute == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t
cublasLtMatmulDescDestroy (cublasLtMatmulDesc_t desc)
{
  delete desc;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescSetAttribute (cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const void *value,
                                size_t n_bytes)
{
  void  *to = nullptr;
  size_t size = 4;

  if (attribute == CUBLASLT_MATMUL_DESC_TRANSA)
    to = &desc->a;
  else if (attribute == CUBLASLT_MATMUL_DESC_TRANSB)
    to = &desc->b;
  else if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE)
    to = &desc->epilogue;
  else if (attribute == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE)
    to = &desc->bias_type;
  else if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER)
    {
      to = &desc->bias;
      size = sizeof (void *);
    }
  if (! to || size != n_bytes)
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy (to, value, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutCreate (cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows, uint64_t cols, int64_t ld)
{
  *layout = new PmHostLayout { type, rows, cols, ld };
  return rows > 0 && cols > 0 && ld >= (int64_t) rows ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatrixLayoutDestroy (cublasLtMatrixLayout_t layout)
{
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceCreate (cublasLtMatmulPreference_t *preference)
{
  *preference = new PmHostPreference ();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy (cublasLtMatmulPreference_t preference)
{
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute (cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
                                      const void *value, size_t n_bytes)
{
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && n_bytes == sizeof (size_t))
    memcpy (&preference->workspace, value, n_bytes);
  else if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES && n_bytes == 4)
    memcpy (&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, 4);
  else
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

static bool
is_supported (cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
              cublasLtMatrixLayout_t d)
{
  uint64_t m = desc->a == CUBLAS_OP_T ? a->cols : a->rows, k = desc->a == CUBLAS_OP_T ? a->rows : a->cols;
  uint64_t n = desc->b == CUBLAS_OP_T ? b->rows : b->cols, depth = desc->b == CUBLAS_OP_T ? b->cols : b->rows;
  bool     has_bias = desc->epilogue & CUBLASLT_EPILOGUE_BIAS;

  if (a->type != CUDA_R_32F && (a->ld % 8 != 0 || b->ld % 8 != 0)) /* so that our own product is tried too */
    return false;
  return k == depth && d->rows == m && d->cols == n && c->rows == m && c->cols == n && a->type == b->type && c->type == d->type
         && (d->type == a->type || d->type == CUDA_R_32F) && has_bias == (desc->bias != nullptr)
         && (! has_bias || desc->bias_type == (int) d->type);
}

/* The algorithm remembers the alignment that it was chosen for. */
cublasStatus_t
cublasLtMatmulAlgoGetHeuristic (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                cublasLtMatmulPreference_t preference, int n_wanted, cublasLtMatmulHeuristicResult_t results[],
                                int *n_found)
{
  *n_found = 0;
  if (n_wanted < 1 || ! is_supported (desc, a, b, c, d))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  results[0] = cublasLtMatmulHeuristicResult_t ();
  for (int i = 0; i < 4; i++)
    results[0].algo.data[i] = preference->alignment[i];
  results[0].workspaceSize = preference->workspace / 2;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *n_found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

static float
read_at (const void *data, int type, size_t at)
{
  if (type == CUDA_R_32F)
    return ((const float *) data)[at];
  if (type == CUDA_R_16F)
    return __half2float (((const __half *) data)[at]);
  return __bfloat162float (((const __nv_bfloat16 *) data)[at]);
}

static void
write_at (void *data, int type, size_t at, float value)
{
  if (type == CUDA_R_32F)
    ((float *) data)[at] = value;
  else if (type == CUDA_R_16F)
    ((__half *) data)[at] = __float2half (value);
  else
    ((__nv_bfloat16 *) data)[at] = __float2bfloat16 (value);
}

/* op (matrix) as f32, k consecutive: [columns of the product, k]. */
static std::vector<float>
unpack (const void *data, const PmHostLayout &layout, bool k_in_rows)
{
  std::vector<float> values (layout.rows * layout.cols);
  uint64_t           k = k_in_rows ? layout.rows : layout.cols;

  for (uint64_t column = 0; column < layout.cols; column++)
    for (uint64_t row = 0; row < layout.rows; row++)
      values[k_in_rows ? column * k + row : row * k + column] = read_at (data, layout.type, column * layout.ld + row);
  return values;
}

static float
activate (cublasLtEpilogue_t epilogue, float x)
{
  if (epilogue & CUBLASLT_EPILOGUE_RELU)
    return x > 0 ? x : 0;
  if (epilogue & CUBLASLT_EPILOGUE_GELU)
    return 0.5f * x * (1 + tanhf (0.7978845608f * (x + 0.044715f * x * x * x)));
  return x;
}

struct Product
{
  PmHostDesc   desc;
  PmHostLayout a, b, c, d;
  float        alpha, beta;
  const void  *a_data, *b_data, *c_data;
  void        *d_data;
};

/* Eight sums at a time, as any compiler makes fast. */
static float
dot (const float *x, const float *y, uint64_t n)
{
  float    sums[8] = {}, sum = 0;
  uint64_t i = 0;

  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++)
      sums[j] += x[i + j] * y[i + j];
  for (; i < n; i++)
    sum += x[i] * y[i];
  return sum + ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static void
run (const Product &p)
{
  uint64_t           m = p.d.rows, n = p.d.cols, k = p.desc.a == CUBLAS_OP_T ? p.a.rows : p.a.cols;
  std::vector<float> a = unpack (p.a_data, p.a, p.desc.a == CUBLAS_OP_T), b = unpack (p.b_data, p.b, p.desc.b == CUBLAS_OP_N);

  for (uint64_t column = 0; column < n; column++)
    for (uint64_t row = 0; row < m; row++)
      {
        float sum = p.alpha * dot (&a[row * k], &b[column * k], k);
        if (p.beta != 0)
          sum += p.beta * read_at (p.c_data, p.c.type, column * p.c.ld + row);
        if (p.desc.bias)
          sum += read_at (p.desc.bias, p.desc.bias_type, row);
        write_at (p.d_data, p.d.type, column * p.d.ld + row, activate (p.desc.epilogue, sum));
      }
}

cublasStatus_t
cublasLtMatmul (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                void *workspace, size_t n_workspace, cudaStream_t stream)
{
  const void *places[4] = { a, b, c, d };
  Product     product = { *desc, *a_layout, *b_layout, *c_layout, *d_layout, *(const float *) alpha, *(const float *) beta,
                          a, b, c, d };

  if (! is_supported (desc, a_layout, b_layout, c_layout, d_layout) || ! algo)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  for (int i = 0; i < 4; i++)
    if (places[i] && (uintptr_t) places[i] % algo->data[i] != 0)
      return CUBLAS_STATUS_INVALID_VALUE;
  return pm_host_queue (stream, [product] () { run (product); }) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                               : CUBLAS_STATUS_INVALID_VALUE;
}
