/* The contract between the networks and what computes them.
 *
 * Memory: pointers named here are the backend's (on the CPU, plain memory); they move by upload and download only.
 * Operations are queued in order and do not fail by themselves: pm_backend_finish waits and reports.
 * Every operation that a backend leaves NULL is taken from `ref`, counted, and listed by pm_backend_get_fallbacks. */
#ifndef PM_BACKEND_H
#define PM_BACKEND_H

#include "backend/device.h"
#include "backend/ops.h"
#include "base/job.h"
#include "tensor/tensor.h"

typedef struct _PmBackend PmBackend;

typedef enum
{
#define X(name, type) PM_OP_##name,
  PM_BACKEND_OPS (X)
#undef X
  PM_N_OPS
} PmOp;

typedef struct
{
#define X(name, type) void (*name) (PmBackend *backend, const type *op);
  PM_BACKEND_OPS (X)
#undef X
} PmBackendOps;

/* How a backend is opened. All zero is right. */
typedef struct
{
  int         n_threads;     /* 0: one per processor */
  PmPrecision precision;
  gsize       memory_limit;  /* bytes of the device's own memory; 0: what is free of it */
  gboolean    never_streams; /* weights that do not fit into it are an error; else they are fetched at each use */
  gsize       n_largest;     /* elements of the largest weight to come, from which room for those is reckoned; 0: unknown */
} PmBackendOptions;

/* What a run takes of a device's own memory. */
typedef struct
{
  guint64 needed_bytes;   /* with what is streamed passing through */
  guint64 streamed_bytes; /* weights that do not fit, and are fetched at each use */
  guint64 limit_bytes;    /* 0: there is one memory, the host's */
} PmBackendRoom;

/* The registry entry: one constant descriptor `pm_backend_<file>`. */
typedef struct
{
  const char *id;        /* "blas" */
  const char *device;    /* the name people use: "cpu"; several backends may serve one device, the first wins */
  gboolean    is_hidden; /* not offered in pm_device_list: the reference */

  gboolean (*is_available) (void);
  /* Its devices, of PmDevice with ids "DEVICE:INDEX"; NULL: the one that it is. Cheap where there are none. */
  GPtrArray *(*list) (void);

  /* Private state; index: of the device. */
  gpointer (*open) (PmBackend *backend, int index, const PmBackendOptions *options, GError **error);
  void (*close) (PmBackend *backend);

  /* Memory; NULL where the backend's memory is the host's. */
  gpointer (*alloc) (PmBackend *backend, gsize n_bytes, GError **error);
  gpointer (*alloc_far) (PmBackend *backend, gsize n_bytes, GError **error); /* see pm_backend_alloc_far */
  void (*free) (PmBackend *backend, gpointer memory);
  void (*upload) (PmBackend *backend, gpointer to, const void *from, gsize n_bytes);
  void (*download) (PmBackend *backend, void *to, gconstpointer from, gsize n_bytes);
  gboolean (*prepare) (PmBackend *backend, const PmTensor *tensor, PmWeight *weight, GError **error);
  void (*release) (PmBackend *backend, PmWeight *weight); /* NULL where nothing is owned */
  PmBackendRoom (*estimate_room) (PmBackend *backend, gsize n_elements, gsize n_bytes); /* NULL: there is one memory */
  gboolean (*finish) (PmBackend *backend, GError **error);

  /* See pm_backend_begin_step; NULL where queueing costs nothing. */
  gboolean (*begin_step) (PmBackend *backend, guint64 key);
  void (*end_step) (PmBackend *backend);
  void (*forget_steps) (PmBackend *backend);

  PmDtype (*get_activation_dtype) (PmBackend *backend); /* NULL: f32 */
  PmDtype (*get_wide_dtype) (PmBackend *backend);       /* see pm_backend_get_wide_dtype; NULL: activations are wide */
  gboolean likes_panels;
  const char *(*get_name) (PmBackend *backend);         /* of its device; NULL: `device` */

  PmBackendOps ops;
} PmBackendClass;

extern const PmBackendClass *const pm_backends[]; /* written by core/meson.build */

/* device: a PmDevice's name or id, "cuda" for the first of these, a backend's id, or NULL for the first of all. Errors:
 * PM_ERROR_USAGE for a name that nothing has, PM_ERROR_DEVICE for what cannot be used. */
PmBackend *pm_backend_open (const char *device, int n_threads, GError **error);
PmBackend *pm_backend_open_with (const char *device, const PmBackendOptions *options, GError **error);
void       pm_backend_close (PmBackend *backend);
const PmBackendClass *pm_backend_get_class (PmBackend *backend);
gpointer              pm_backend_get_state (PmBackend *backend);
const char           *pm_backend_get_name (PmBackend *backend); /* of its device */
struct _PmPool       *pm_backend_get_pool (PmBackend *backend);
void                  pm_backend_set_job (PmBackend *backend, PmJob *job); /* cancel reaches into operations; borrowed */
PmJob                *pm_backend_get_job (PmBackend *backend);             /* NULL: none */

/* Around operations that depend on nothing but the key and what the memory holds that they are told of: the same ones with the
 * same pointers and numbers each time, and no upload or download between them. FALSE: they were queued from what the backend
 * remembers of the key; then neither queue them nor end the step. */
gboolean pm_backend_begin_step (PmBackend *backend, guint64 key);
void     pm_backend_end_step (PmBackend *backend);
void     pm_backend_forget_steps (PmBackend *backend); /* before memory or weights go that remembered ones use */

/* The type of PmActs that the backend likes; it takes f32 everywhere, too. */
PmDtype pm_backend_get_activation_dtype (PmBackend *backend);

/* The same with the range of f32, for networks whose activations f16 cannot hold: bf16, or f32 where the device has no bf16. And
 * another backend of the same device and pool size that likes this type, in what is left of the memory's limit. */
PmDtype    pm_backend_get_wide_dtype (PmBackend *backend);
PmBackend *pm_backend_open_wide (PmBackend *backend, GError **error);

/* Whether PmActs that go from one operation to the next should be in_panels. */
gboolean pm_backend_likes_panels (PmBackend *backend);

/* Rows, for backends that know no other type. */
static inline float *
pm_acts_floats (PmActs acts)
{
  g_assert (acts.dtype == PM_DTYPE_F32 && ! acts.in_panels);
  return acts.data;
}

gpointer pm_backend_alloc (PmBackend *backend, gsize n_bytes, GError **error); /* 64-byte aligned, uninitialised */

/* The same of the host's memory for what a device's is too small for: operations reach it, slowly; nothing is uploaded to it or
 * downloaded from it. PM_ERROR_MEMORY also where that is not to be: PM_SHORTAGE_STOP. */
gpointer pm_backend_alloc_far (PmBackend *backend, gsize n_bytes, GError **error);
gboolean pm_backend_has_memory (PmBackend *backend); /* of its own: not the host's */
void     pm_backend_free (PmBackend *backend, gpointer memory);
void     pm_backend_upload (PmBackend *backend, gpointer to, const void *from, gsize n_bytes);
void     pm_backend_download (PmBackend *backend, void *to, gconstpointer from, gsize n_bytes);
gboolean pm_backend_finish (PmBackend *backend, GError **error);

/* A tensor as a [rows, cols] weight: rank 1 is [1, n], higher ranks fold behind the first. Release with _release. */
gboolean pm_backend_prepare (PmBackend *backend, const PmTensor *tensor, PmWeight *weight, GError **error);
void     pm_backend_release (PmBackend *backend, PmWeight *weight);

/* With weights of so many elements, and so many bytes for other things. */
PmBackendRoom pm_backend_estimate_room (PmBackend *backend, gsize n_elements, gsize n_bytes);

/* Runs one operation. */
#define X(name, type) void pm_backend_##name (PmBackend *backend, const type *op);
PM_BACKEND_OPS (X)
#undef X

/* Names of operations that ran on `ref` for want of an own one since the backend was opened; free with g_strfreev. */
char **pm_backend_get_fallbacks (PmBackend *backend);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmBackend, pm_backend_close)

#endif
