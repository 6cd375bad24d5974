/* The door of libpentimento-cuda.so, in plain C: what core/backend/cuda.c and the module tell each other. The module knows no
 * GLib and is built by another compiler, maybe on another system; so both sides compare PM_CUDA_ABI and the sizes of the two
 * tables, and PM_CUDA_ABI is counted up whenever a struct here or in backend/ops.h changes.
 *
 * Everything of a PmCuda is called by one thread at a time. Work is queued in order; what goes wrong on the way is kept, later
 * work is dropped, and `finish` reports it. */
#ifndef PM_CUDA_ABI_H
#define PM_CUDA_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "backend/ops.h"

#define PM_CUDA_ABI 4

typedef enum
{
  PM_CUDA_OK,
  PM_CUDA_NO_DRIVER,
  PM_CUDA_OLD_DRIVER,  /* older than PmCudaModule.least_driver */
  PM_CUDA_NO_DEVICE,   /* a driver, but no GPU, or none that the module has code for */
  PM_CUDA_NO_LIBRARY,  /* a GPU, but cuBLASLt was not found; the text names where it was looked for */
  PM_CUDA_OUT_OF_MEMORY,
  PM_CUDA_LOST,        /* the device answers no more: unplugged, reset, an uncorrectable error; open anew */
  PM_CUDA_UNSUPPORTED, /* asked for what the device cannot do: bf16 below compute capability 8.0 */
  PM_CUDA_FAILED
} PmCudaStatus;

typedef struct
{
  PmCudaStatus status;
  char         text[512]; /* technical, English, for a report: "cudaMalloc (1234): cudaErrorMemoryAllocation" */
} PmCudaError;

typedef struct
{
  char   name[256];   /* "NVIDIA H200" */
  int    major, minor; /* compute capability */
  int    n_processors;
  size_t total_bytes;
  bool   has_bf16;
} PmCudaDevice;

/* What the core gives; copied by pentimento_cuda_module. */
typedef struct
{
  int                abi;
  size_t             size; /* sizeof (PmCudaHost) */
  const char *const *library_folders; /* NULL-terminated, searched for cuBLASLt before the usual places; or NULL */
} PmCudaHost;

typedef struct
{
  PmDtype compute;        /* F32: true f32, for proof; F16, BF16: weights and activations, sums in f32 */
  size_t  resident_bytes; /* weights beyond that are streamed from pinned host memory at each use; 0: all that fit, and when
                             memory runs out later, the last of them make room; SIZE_MAX: never */
  size_t  ring_bytes;     /* device memory for streamed weights: two blocks of a network; taken when first needed */
  size_t  limit_bytes;    /* of device memory altogether; 0: what is free */
  bool (*is_cancelled) (void *user); /* asked before each operation; then nothing more is queued. NULL: never */
  void *user;
} PmCudaOptions;

typedef struct
{
  size_t free_bytes;                        /* of device memory, when the device was opened */
  size_t used_bytes, peak_bytes;            /* of it, all that follows included */
  size_t resident_bytes, streamed_bytes;    /* weights */
  size_t peak_far_bytes;                    /* of alloc_far */
  size_t n_uploaded_bytes;                  /* of streamed weights, since the device was opened */
  int    n_operations, n_graphs, n_replays; /* queued one by one; captured; graphs launched again */
} PmCudaUsage;

typedef struct PmCuda PmCuda;

/* Functions that can fail at once return false and fill *error. */
typedef struct
{
  int         abi;
  size_t      size;         /* sizeof (PmCudaModule) */
  const char *least_driver; /* "580" */
  const char *toolkit;      /* "13.0" */

  /* Both open no context on the device, which would take a second and some hundred megabytes of it: nobody but a context is told
   * how much is free. */
  bool (*count) (int *n_devices, PmCudaError *error);
  bool (*describe) (int index, PmCudaDevice *device, PmCudaError *error);

  /* Takes the streams, the pinned staging and cuBLASLt's workspace. options may be NULL: f32, no limits. */
  bool (*open) (int index, const PmCudaOptions *options, PmCuda **cuda, PmCudaError *error);
  void (*close) (PmCuda *cuda); /* weights first; memory that is left is freed */

  /* Waits for all that is queued; the first error since the last call. */
  bool (*finish) (PmCuda *cuda, PmCudaError *error);
  void (*get_usage) (PmCuda *cuda, PmCudaUsage *usage);

  /* Memory of the device, 256-byte aligned, uninitialised. Freed in the order of the queue: work that was queued before may
   * still use it. */
  bool (*alloc) (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error);
  void (*free) (PmCuda *cuda, void *memory);

  /* The same of the host's memory, pinned, where operations reach it over the bus: slowly, and only with weights that may be
   * streamed (resident_bytes not SIZE_MAX). For large things that are gone through once and in order. No uploads or downloads. */
  bool (*alloc_far) (PmCuda *cuda, size_t n_bytes, void **memory, PmCudaError *error);

  /* `from` and `to` of the host may be reused on return; download waits for what was queued before. copy stays on the device. */
  void (*upload) (PmCuda *cuda, void *to, const void *from, size_t n_bytes);
  void (*download) (PmCuda *cuda, void *to, const void *from, size_t n_bytes);
  void (*copy) (PmCuda *cuda, void *to, const void *from, size_t n_bytes);

  /* A weight of host memory, F32, F16, BF16 or F64, [rows, cols]. One row (biases, norms) is kept as f32, others in the compute
   * type. `data` is not looked at after the return. Fills dtype, rows, cols, and owned; data is the module's business. */
  bool (*weight_new) (PmCuda *cuda, PmDtype dtype, size_t rows, size_t cols, const void *data, PmWeight *weight,
                      PmCudaError *error);
  void (*weight_free) (PmCuda *cuda, PmWeight *weight);

  /* Operations between begin and end depend on the key alone: the same operations with the same pointers, sizes and numbers each
   * time. begin returns false when it has launched them from what it knows of the key: queue nothing then, and do not call
   * end. No memory is allocated or moved to or from the host in between. Keys are forgotten by forget_graphs, and with
   * weights that are freed. */
  bool (*begin_graph) (PmCuda *cuda, uint64_t key);
  void (*end_graph) (PmCuda *cuda);
  void (*forget_graphs) (PmCuda *cuda);

  /* One function an operation. False: not for this shape or these types, nothing was queued, and the core runs `ref`. */
#define X(name, type) bool (*name) (PmCuda *cuda, const type *op);
  PM_BACKEND_OPS (X)
#undef X
} PmCudaModule;

/* NULL when the host's ABI number or size is another. The one symbol that the module exports. */
typedef const PmCudaModule *(*PmCudaModuleFunc) (const PmCudaHost *host);
#define PM_CUDA_MODULE_SYMBOL "pentimento_cuda_module"

#endif
