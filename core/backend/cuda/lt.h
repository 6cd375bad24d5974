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

/* Folders that may hold it, in the order in which they are tried; "" is the loader's own search. given come first. */
std::vector<std::string> pm_lt_folders (std::vector<std::string> given);

/* PM_CUDA_NO_LIBRARY, and where it was looked for. */
void pm_lt_set_missing (PmCudaError *error, const char *name, const std::vector<std::string> &given);

/* The library stays open as long as the process. */
bool pm_lt_open (PmLt *lt, const std::vector<std::string> &given, PmCudaError *error);

#endif
