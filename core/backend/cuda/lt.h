/* cuBLASLt, found while the program runs: gpu/lt.cu opens it, host/lt.cpp stands in for it. */
#ifndef PM_CUDA_LT_H
#define PM_CUDA_LT_H

#include <string>
#include <vector>

#include "backend/cuda/abi.h"
#include "product-library.h"

/* The functions that are called; X (name). */
#define PM_LT_FUNCTIONS(X)          \
  X (cublasLtCreate)                \
  X (cublasLtDestroy)               \
  X (cublasLtMatmulDescCreate)      \
  X (cublasLtMatmulDescDestroy)     \
  X (cublasLtMatmulDescSetAttribute) \
  X (cublasLtMatrixLayoutCreate)    \
  X (cublasLtMatrixLayoutDestroy)   \
  X (cublasLtMatmulPreferenceCreate) \
  X (cublasLtMatmulPreferenceDestroy) \
  X (cublasLtMatmulPreferenceSetAttribute) \
  X (cublasLtMatmulAlgoGetHeuristic) \
  X (cublasLtMatmul)

typedef struct
{
#define X(name) decltype (&::name) name;
  PM_LT_FUNCTIONS (X)
#undef X
} PmLt;

/* folders are searched first; PM_CUDA_NO_LIBRARY says where it was looked for. The library stays open as long as the process. */
bool pm_lt_open (PmLt *lt, const std::vector<std::string> &folders, PmCudaError *error);

#endif
