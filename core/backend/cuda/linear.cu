/* Products with weights by cuBLASLt. Its matrices lie in columns, so it computes y^T [N, M] = w x^T: both operands have K
 * consecutive, w is the transposed one, and a bias is one number a row.
 *
 * It adds a bias, GELU's tanh form or ReLU, and a residual, but no gate, and no residual behind an activation; those go to
 * scratch memory first, and a kernel of ours does the rest in f32. An algorithm is chosen once for a shape: the library's
 * first proposal, which depends on nothing but the shape and the device, so that a picture is the same when it is run again.
 * TF32 is never used: CUBLAS_COMPUTE_32F with f32 operands is f32 all through. */
#include <array>

#include "backend/cuda/elements.h"
#include "backend/cuda/module.h"
#include "backend/cuda/product.h"

#define SMALL_ROWS 64 /* results of so few rows wait for their epilogue in f32: they cost nothing, and modulate all others */

/* M, N, K, strides, type of y, epilogue, has a residual, four alignments. */
struct PmLinearKey
{
  std::array<uint64_t, 12> numbers;
  bool
  operator< (const PmLinearKey &other) const
  {
    return numbers < other.numbers;
  }
};

struct PmLinearPlan
{
  cublasLtMatmulDesc_t   desc;
  cublasLtMatrixLayout_t w, x, y;
  cublasLtMatmulAlgo_t   algo;
  bool                   is_found;
};

/* What cuBLASLt is to do: to is y itself or scratch. */
typedef struct
{
  const void *x, *w, *bias, *residual;
  size_t      x_stride, to_stride;
  void       *to;
  PmDtype     to_dtype;
  int         epilogue;
} Call;

static cudaDataType_t
lt_type (PmDtype dtype)
{
  return dtype == PM_DTYPE_F32 ? CUDA_R_32F : dtype == PM_DTYPE_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

static uint32_t
alignment (const void *at)
{
  uint32_t n = 256;
  while ((uintptr_t) at % n != 0)
    n /= 2;
  return n;
}

bool
pm_cuda_linear_init (PmCuda *cuda, PmCudaError *error)
{
  cuda->plans = new std::map<PmLinearKey, PmLinearPlan> ();
  cuda->lt_workspace_bytes = (size_t) (cuda->capability >= 90 ? 32 : 8) << 20;
  if (cuda->lt.cublasLtCreate (&cuda->lt_handle) != CUBLAS_STATUS_SUCCESS)
    {
      cuda->lt_handle = NULL;
      pm_cuda_set_error (error, PM_CUDA_FAILED, "cublasLtCreate failed");
      return false;
    }
  return pm_cuda_alloc (cuda, cuda->lt_workspace_bytes, &cuda->lt_workspace, error);
}

void
pm_cuda_linear_clear (PmCuda *cuda)
{
  for (auto &known : cuda->plans ? *cuda->plans : std::map<PmLinearKey, PmLinearPlan> ())
    {
      cuda->lt.cublasLtMatmulDescDestroy (known.second.desc);
      cuda->lt.cublasLtMatrixLayoutDestroy (known.second.w);
      cuda->lt.cublasLtMatrixLayoutDestroy (known.second.x);
      cuda->lt.cublasLtMatrixLayoutDestroy (known.second.y);
    }
  delete cuda->plans;
  cuda->plans = NULL;
  if (cuda->lt_handle)
    cuda->lt.cublasLtDestroy (cuda->lt_handle);
}

/* Asks for an algorithm. */
static void
choose (PmCuda *cuda, const PmLinearKey &key, const Call *call, PmLinearPlan *plan)
{
  PmLt                           *lt = &cuda->lt;
  cublasLtMatmulPreference_t      preference;
  cublasLtMatmulHeuristicResult_t result = {};
  int                             n_found = 0;

  if (lt->cublasLtMatmulPreferenceCreate (&preference) != CUBLAS_STATUS_SUCCESS)
    return;
  lt->cublasLtMatmulPreferenceSetAttribute (preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &cuda->lt_workspace_bytes,
                                            sizeof cuda->lt_workspace_bytes);
  for (int i = 0; i < 4; i++)
    {
      uint32_t bytes = (uint32_t) key.numbers[8 + i];
      lt->cublasLtMatmulPreferenceSetAttribute (
          preference, (cublasLtMatmulPreferenceAttributes_t) (CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i), &bytes,
          sizeof bytes);
    }
  plan->is_found = lt->cublasLtMatmulAlgoGetHeuristic (cuda->lt_handle, plan->desc, plan->w, plan->x, plan->y, plan->y,
                                                       preference, 1, &result, &n_found) == CUBLAS_STATUS_SUCCESS
                   && n_found > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan->algo = result.algo;
  lt->cublasLtMatmulPreferenceDestroy (preference);
}

/* NULL: cuBLASLt has none for this. */
static PmLinearPlan *
find_plan (PmCuda *cuda, const PmLinear *op, const Call *call)
{
  PmLt             *lt = &cuda->lt;
  const void       *c = call->residual ? call->residual : call->to;
  const PmLinearKey key = { { (uint64_t) op->M, (uint64_t) op->N, (uint64_t) op->K, call->x_stride, call->to_stride,
                              (uint64_t) call->to_dtype, (uint64_t) call->epilogue, call->residual != NULL, alignment (call->w),
                              alignment (call->x), alignment (c), alignment (call->to) } };
  auto              known = cuda->plans->find (key);
  int32_t           turned = CUBLAS_OP_T, epilogue = call->epilogue, bias_type = lt_type (call->to_dtype);

  if (known != cuda->plans->end ())
    return known->second.is_found ? &known->second : NULL;
  PmLinearPlan  *plan = &(*cuda->plans)[key];
  cudaDataType_t type = lt_type (cuda->compute);
  if (lt->cublasLtMatmulDescCreate (&plan->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) != CUBLAS_STATUS_SUCCESS
      || lt->cublasLtMatrixLayoutCreate (&plan->w, type, op->K, op->N, op->K) != CUBLAS_STATUS_SUCCESS
      || lt->cublasLtMatrixLayoutCreate (&plan->x, type, op->K, op->M, (int64_t) call->x_stride) != CUBLAS_STATUS_SUCCESS
      || lt->cublasLtMatrixLayoutCreate (&plan->y, lt_type (call->to_dtype), op->N, op->M, (int64_t) call->to_stride)
             != CUBLAS_STATUS_SUCCESS)
    return NULL;
  lt->cublasLtMatmulDescSetAttribute (plan->desc, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned);
  lt->cublasLtMatmulDescSetAttribute (plan->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  if (call->bias)
    {
      lt->cublasLtMatmulDescSetAttribute (plan->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias_type, sizeof bias_type);
      lt->cublasLtMatmulDescSetAttribute (plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &call->bias, sizeof call->bias);
    }
  choose (cuda, key, call, plan);
  return plan->is_found ? plan : NULL;
}

/* to = x w^T by our own kernel, for what cuBLASLt refuses; without an epilogue, to be f32. */
static bool
multiply_alone (PmCuda *cuda, const PmLinear *op, const void *w, float *to)
{
  size_t    size = pm_dtype_size (cuda->compute);
  size_t    K = cuda->compute == PM_DTYPE_F32 ? (size_t) op->K : ((size_t) op->K + 7) / 8 * 8;
  void     *x = pm_cuda_scratch (cuda, PM_SCRATCH_INPUT, op->M * K * size);
  void     *padded = pm_cuda_scratch (cuda, PM_SCRATCH_WEIGHT, op->N * K * size);
  PmProduct product = {};

  if (! x || ! padded
      || ! pm_cuda_convert_rows (cuda, x, cuda->compute, op->x.data, op->x.dtype, op->M, op->K, op->x_stride, K)
      || ! pm_cuda_convert_rows (cuda, padded, cuda->compute, w, cuda->compute, op->N, op->K, op->K, K))
    return false;
  product.a = x;
  product.height = product.rows = product.side_y = product.side_x = product.n_taps_all = product.stride = product.y_step = 1;
  product.width = product.columns = op->M;
  product.C = (int) K;
  product.a_stride = K;
  product.w = padded;
  product.N = op->N;
  product.factor = 1;
  product.y.height = 1;
  product.y.width = op->M;
  product.y.channels = op->N;
  product.y.stride = op->N;
  product.y.dtype = PM_DTYPE_F32;
  product.y.data = to;
  return pm_cuda_product (cuda, &product, cuda->compute);
}

/* False: it has no algorithm; nothing was queued. */
static bool
multiply (PmCuda *cuda, const PmLinear *op, const Call *call)
{
  PmLinearPlan *plan = find_plan (cuda, op, call);
  float         one = 1, beta = call->residual ? 1.f : 0.f;

  if (! plan)
    return false;
  if (call->bias)
    cuda->lt.cublasLtMatmulDescSetAttribute (plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &call->bias, sizeof call->bias);
  cublasStatus_t status = cuda->lt.cublasLtMatmul (cuda->lt_handle, plan->desc, &one, call->w, plan->w, call->x, plan->x, &beta,
                                                   call->residual ? call->residual : call->to, plan->y, call->to, plan->y,
                                                   &plan->algo, cuda->lt_workspace, cuda->lt_workspace_bytes, cuda->stream);
  if (status != CUBLAS_STATUS_SUCCESS && pm_cuda_check (cuda, cudaPeekAtLastError (), "cublasLtMatmul"))
    pm_cuda_set_error (&cuda->error, PM_CUDA_FAILED, "cublasLtMatmul %d x %d x %d: status %d", op->M, op->N, op->K, (int) status);
  return true;
}

typedef struct
{
  size_t       M, N;
  const void  *from; /* [M, N] */
  PmDtype      from_dtype;
  const float *bias;
  PmActivation activation;
  PmActs       gate, residual, y;
  size_t       gate_stride, y_stride;
  int          rows_per_item;
} Epilogue;

PM_DEVICE float
apply (const Epilogue &op, size_t n, float x, float gate, float residual)
{
  x = pm_activate (op.activation, op.bias ? x + op.bias[n] : x);
  x = op.gate.data ? x * gate : x;
  return op.residual.data ? x + residual : x;
}

static __global__ void
epilogue8_kernel (Epilogue op)
{
  for (size_t i = 8 * pm_first (); i < op.M * op.N; i += 8 * pm_step ())
    {
      size_t m = i / op.N, n = i % op.N;
      float  values[8], gate[8] = {}, residual[8] = {};
      pm_load8 (op.from, op.from_dtype, i, values);
      if (op.gate.data)
        pm_load8 (op.gate.data, op.gate.dtype, m / op.rows_per_item * op.gate_stride + n, gate);
      if (op.residual.data)
        pm_load8 (op.residual.data, op.residual.dtype, m * op.y_stride + n, residual);
#pragma unroll
      for (int j = 0; j < 8; j++)
        values[j] = apply (op, n + j, values[j], gate[j], residual[j]);
      pm_store8 (op.y.data, op.y.dtype, m * op.y_stride + n, values);
    }
}

static __global__ void
epilogue_kernel (Epilogue op)
{
  for (size_t i = pm_first (); i < op.M * op.N; i += pm_step ())
    {
      size_t m = i / op.N, n = i % op.N, at = m * op.y_stride + n;
      float  gate = op.gate.data ? pm_load (op.gate.data, op.gate.dtype, m / op.rows_per_item * op.gate_stride + n) : 0;
      float  residual = op.residual.data ? pm_load (op.residual.data, op.residual.dtype, at) : 0;
      pm_store (op.y.data, op.y.dtype, at, apply (op, n, pm_load (op.from, op.from_dtype, i), gate, residual));
    }
}

static void
finish (PmCuda *cuda, const PmLinear *op, const void *from, PmDtype from_dtype)
{
  Epilogue e = {};
  e.M = (size_t) op->M;
  e.N = (size_t) op->N;
  e.from = from;
  e.from_dtype = from_dtype;
  e.bias = pm_cuda_weight_floats (op->bias);
  e.activation = op->activation;
  e.gate = op->gate;
  e.residual = op->residual;
  e.y = op->y;
  e.gate_stride = op->gate_stride;
  e.y_stride = op->y_stride;
  e.rows_per_item = op->rows_per_item;
  bool is_wide = e.N % 8 == 0 && e.gate_stride % 8 == 0 && e.y_stride % 8 == 0 && pm_is_aligned (from)
                 && pm_is_aligned (e.gate.data) && pm_is_aligned (e.residual.data) && pm_is_aligned (e.y.data);
  pm_cuda_check (cuda, PM_LAUNCH (is_wide ? epilogue8_kernel : epilogue_kernel, pm_blocks (is_wide ? e.M * e.N / 8 : e.M * e.N),
                                  dim3 (PM_THREADS), 0, cuda->stream, e), "a product's epilogue");
}

/* Whether cuBLASLt can write y itself. */
static bool
is_direct (const PmCuda *cuda, const PmLinear *op)
{
  return ! op->gate.data && (op->y.dtype == PM_DTYPE_F32 || op->y.dtype == cuda->compute)
         && (op->residual.data ? op->activation == PM_ACTIVATION_NONE && op->residual.dtype == op->y.dtype
                               : op->activation != PM_ACTIVATION_SILU);
}

static int
lt_epilogue (const PmLinear *op)
{
  int bias = op->bias ? CUBLASLT_EPILOGUE_BIAS : 0;

  if (op->activation == PM_ACTIVATION_GELU_TANH)
    return CUBLASLT_EPILOGUE_GELU | bias;
  if (op->activation == PM_ACTIVATION_RELU)
    return CUBLASLT_EPILOGUE_RELU | bias;
  return bias ? bias : CUBLASLT_EPILOGUE_DEFAULT;
}

/* The product alone into scratch, then ours. */
static void
run_in_two (PmCuda *cuda, const PmLinear *op, Call *call)
{
  call->to_dtype = op->M <= SMALL_ROWS ? PM_DTYPE_F32 : cuda->compute;
  call->to = pm_cuda_scratch (cuda, PM_SCRATCH_PRODUCT, (size_t) op->M * op->N * sizeof (float));
  call->to_stride = (size_t) op->N;
  call->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  call->bias = call->residual = NULL;
  if (! call->to)
    return;
  if (! multiply (cuda, op, call))
    {
      call->to_dtype = PM_DTYPE_F32;
      if (! multiply_alone (cuda, op, call->w, (float *) call->to))
        return;
    }
  if (cuda->error.status == PM_CUDA_OK)
    finish (cuda, op, call->to, call->to_dtype);
}

bool
pm_cuda_linear (PmCuda *cuda, const PmLinear *op)
{
  Call call = {};

  if (! pm_cuda_begin (cuda))
    return true;
  call.w = op->w->rows == 1 ? pm_cuda_weight_narrow (cuda, op->w) : pm_cuda_weight_data (cuda, op->w);
  call.x = op->x.data;
  call.x_stride = op->x_stride;
  if (call.w && op->x.dtype != cuda->compute)
    {
      void *x = pm_cuda_scratch (cuda, PM_SCRATCH_INPUT, (size_t) op->M * op->K * pm_dtype_size (cuda->compute));
      if (x && ! pm_cuda_convert_rows (cuda, x, cuda->compute, op->x.data, op->x.dtype, op->M, op->K, op->x_stride, op->K))
        x = NULL;
      call.x = x;
      call.x_stride = (size_t) op->K;
    }
  if (! call.w || ! call.x)
    return true;
  call.to = op->y.data;
  call.to_dtype = op->y.dtype;
  call.to_stride = op->y_stride;
  call.residual = op->residual.data;
  call.epilogue = lt_epilogue (op);
  call.bias = ! op->bias ? NULL
              : op->y.dtype == PM_DTYPE_F32 ? (const void *) pm_cuda_weight_floats (op->bias)
                                            : pm_cuda_weight_narrow (cuda, op->bias);
  if (! is_direct (cuda, op) || ! multiply (cuda, op, &call))
    run_in_two (cuda, op, &call);
  pm_cuda_weight_used (cuda, op->w);
  return true;
}
