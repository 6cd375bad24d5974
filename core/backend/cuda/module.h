/* Inside of the CUDA module: what its files share. abi.h is what the core sees.
 *
 * Everything runs on one stream, `stream`, so that order alone says what depends on what; only streamed weights are copied by
 * another, `copies`, with events in between. An operation is
 *     if (! pm_cuda_begin (cuda)) return true;   an error is kept, or the run is cancelled: dropped
 *     pm_cuda_check (cuda, PM_LAUNCH (...), "kernel"); return true; */
#ifndef PM_CUDA_MODULE_H
#define PM_CUDA_MODULE_H

#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "backend/cuda/abi.h"
#include "backend/cuda/device.h"
#include "backend/cuda/lt.h"

#define PM_CUDA_STAGES      4
#define PM_CUDA_STAGE_BYTES ((size_t) 8 << 20)
#define PM_CUDA_ROUND(n)    (((n) + 255) / 256 * 256)

/* Buffers that grow to what the largest operation needs and stay. */
typedef enum
{
  PM_SCRATCH_INPUT,     /* an operand in another type */
  PM_SCRATCH_WEIGHT,    /* a weight with wider rows */
  PM_SCRATCH_PRODUCT,   /* before its epilogue */
  PM_SCRATCH_PARTS,     /* partial sums */
  PM_SCRATCH_RAW,       /* weights as the file has them */
  PM_SCRATCH_ATTENTION, /* what attention keeps between its passes */
  PM_SCRATCH_SMALL,     /* host arrays of an operation */
  PM_N_SCRATCH
} PmScratch;

/* Behind PmWeight.owned. A row of one is f32, with the same in the compute type behind it where that is another. */
struct PmCudaWeight
{
  PmDtype dtype;
  size_t  rows, cols, n_bytes;
  void   *device;    /* resident; or where it lies in the ring now; or NULL */
  void   *host;      /* pinned; NULL: resident */
  bool    is_used;   /* since it came into the ring */
  cudaEvent_t   ready, done; /* copied into the ring; the last work that read it is over */
  PmCudaWeight *next;        /* was used after this one the last time */
};

/* Streamed weights of device memory, oldest first. */
struct PmCudaRing
{
  struct Entry
  {
    PmCudaWeight *weight;
    size_t        at, n_bytes;
  };
  char             *memory;
  size_t            size, head, largest; /* largest: of the weights that will come here */
  std::deque<Entry> entries;
  PmCudaWeight     *last; /* used */
};

struct PmCudaGraph
{
  int             n_seen;
  cudaGraphExec_t exec;   /* NULL: not yet captured */
  uint64_t        serial; /* of the newest memory that it can know */
};

struct PmCudaMemory
{
  size_t   n_bytes;
  uint64_t serial;
  bool     is_far;
};

struct PmCuda
{
  int            device, capability, n_processors; /* capability: 90 */
  size_t         shared_limit;                     /* bytes of dynamic shared memory a block can ask for */
  PmCudaOptions  options;
  PmDtype        compute;
  cudaStream_t   stream, copies;
  PmCudaError    error; /* the first since finish */
  PmCudaUsage    usage;

  void       *stages[PM_CUDA_STAGES]; /* pinned */
  cudaEvent_t staged[PM_CUDA_STAGES]; /* the copy out of it is over */
  unsigned    next_stage;

  std::unordered_map<void *, PmCudaMemory> memory;
  uint64_t                                 serial;
  size_t                                   far_bytes;
  void                                    *scratch[PM_N_SCRATCH];
  size_t                                   scratch_bytes[PM_N_SCRATCH];

  std::vector<PmCudaWeight *> weights;
  PmCudaWeight               *in_use; /* between pm_cuda_weight_data and _used */
  PmCudaRing                  ring;

  std::map<uint64_t, PmCudaGraph> graphs;
  bool                            is_capturing;
  uint64_t                        key; /* of the graph that is captured */

  PmLt             lt;
  cublasLtHandle_t lt_handle;
  void            *lt_workspace;
  size_t           lt_workspace_bytes;
  std::map<struct PmLinearKey, struct PmLinearPlan> *plans;
};

/* Errors (module.cu). check keeps the first that is not success and tells whether it was. */
void pm_cuda_set_error (PmCudaError *error, PmCudaStatus status, const char *format, ...);
PmCudaStatus pm_cuda_status (cudaError_t error);
bool pm_cuda_check (PmCuda *cuda, cudaError_t result, const char *what);
void pm_cuda_fail (PmCuda *cuda, PmCudaStatus status, const char *what);
bool pm_cuda_begin (PmCuda *cuda);

/* Memory (memory.cu). */
bool  pm_cuda_memory_init (PmCuda *cuda, PmCudaError *error);
void  pm_cuda_memory_clear (PmCuda *cuda);
bool  pm_cuda_alloc (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error);
bool  pm_cuda_alloc_far (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error);
void  pm_cuda_free (PmCuda *cuda, void *memory);
bool  pm_cuda_is_far (const PmCuda *cuda, const void *memory); /* its beginning */
void *pm_cuda_scratch (PmCuda *cuda, PmScratch which, size_t n_bytes); /* NULL: the error is kept */
void  pm_cuda_upload (PmCuda *cuda, void *to, const void *from, size_t n_bytes);
void  pm_cuda_download (PmCuda *cuda, void *to, const void *from, size_t n_bytes);
void  pm_cuda_copy (PmCuda *cuda, void *to, const void *from, size_t n_bytes);

/* Weights (weight.cu). data resolves a weight for work that is queued next and brings a streamed one in; used says that this
 * work is queued. floats is a one-row weight as f32, narrow the same in the compute type. */
bool pm_cuda_weight_new (PmCuda *cuda, PmDtype dtype, size_t rows, size_t cols, const void *data, PmWeight *weight,
                         PmCudaError *error);
void pm_cuda_weight_free (PmCuda *cuda, PmWeight *weight);
const void  *pm_cuda_weight_data (PmCuda *cuda, const PmWeight *weight); /* NULL: the error is kept */
void         pm_cuda_weight_used (PmCuda *cuda, const PmWeight *weight);
const float *pm_cuda_weight_floats (const PmWeight *weight);
const void  *pm_cuda_weight_narrow (const PmCuda *cuda, const PmWeight *weight);
void         pm_cuda_ring_clear (PmCuda *cuda);
bool         pm_cuda_weight_make_room (PmCuda *cuda); /* by moving one to the host; false: there is none that may */

/* n elements to another type (elementwise.cu). */
bool pm_cuda_convert (PmCuda *cuda, void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t n);

/* Rows of n elements, `stride` apart, to rows n_to apart of another type, with zeros behind the n. */
bool pm_cuda_convert_rows (PmCuda *cuda, void *to, PmDtype to_dtype, const void *from, PmDtype from_dtype, size_t rows, size_t n,
                           size_t stride, size_t n_to);

/* Graphs (graph.cu). */
bool pm_cuda_begin_graph (PmCuda *cuda, uint64_t key);
void pm_cuda_end_graph (PmCuda *cuda);
void pm_cuda_forget_graphs (PmCuda *cuda);
void pm_cuda_forget_graphs_of (PmCuda *cuda, uint64_t serial); /* that may know memory of that serial */

bool pm_cuda_linear_init (PmCuda *cuda, PmCudaError *error);
void pm_cuda_linear_clear (PmCuda *cuda);

/* The operations, one file or more each. */
#define X(name, type) bool pm_cuda_##name (PmCuda *cuda, const type *op);
PM_BACKEND_OPS (X)
#undef X

#endif
