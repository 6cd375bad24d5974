/* Weights: uploaded once as the file has them and brought to the compute type by the device, which is faster at it than the
 * host.
 *
 * Those beyond the limit, or that made room for something else, lie in pinned host memory and pass through a ring of device
 * memory: when one is used, those that were used after it the last time are already being copied by a second stream, as far as
 * the ring has room that is not in use. */
#include <string.h>

#include <algorithm>

#include "backend/cuda/module.h"

#define PREFETCHED 16 /* weights ahead: two blocks of a network */

static PmCudaWeight *
owned (const PmWeight *weight)
{
  return (PmCudaWeight *) weight->owned;
}

/* Elements [0, n) of data to `to` on the device, in pieces of the staging memory. */
static bool
bring (PmCuda *cuda, void *to, PmDtype to_dtype, const void *data, PmDtype dtype, size_t n)
{
  size_t from_size = pm_dtype_size (dtype), piece = PM_CUDA_STAGE_BYTES / from_size;
  void  *raw = to_dtype == dtype ? NULL : pm_cuda_scratch (cuda, PM_SCRATCH_RAW, PM_CUDA_STAGE_BYTES);

  if (to_dtype == dtype)
    pm_cuda_upload (cuda, to, data, n * from_size);
  for (size_t at = 0; raw && at < n; at += piece)
    {
      size_t count = n - at < piece ? n - at : piece;
      pm_cuda_upload (cuda, raw, (const char *) data + at * from_size, count * from_size);
      pm_cuda_convert (cuda, (char *) to + at * pm_dtype_size (to_dtype), to_dtype, raw, dtype, count);
    }
  return cuda->error.status == PM_CUDA_OK;
}

/* The weight's values into pinned memory, by way of the device. */
static bool
bring_to_host (PmCuda *cuda, PmCudaWeight *weight, const void *data, PmDtype dtype)
{
  size_t size = pm_dtype_size (weight->dtype), piece = PM_CUDA_STAGE_BYTES / 8, n = weight->rows * weight->cols;
  void  *narrow = pm_cuda_scratch (cuda, PM_SCRATCH_INPUT, PM_CUDA_STAGE_BYTES);

  for (size_t at = 0; narrow && at < n && cuda->error.status == PM_CUDA_OK; at += piece)
    {
      size_t count = n - at < piece ? n - at : piece;
      if (bring (cuda, narrow, weight->dtype, (const char *) data + at * pm_dtype_size (dtype), dtype, count))
        pm_cuda_check (cuda, cudaMemcpyAsync ((char *) weight->host + at * size, narrow, count * size, cudaMemcpyDeviceToHost,
                                              cuda->stream), "cudaMemcpyAsync to pinned memory");
    }
  return pm_cuda_check (cuda, cudaEventRecord (weight->done, cuda->stream), "cudaEventRecord")
         && cuda->error.status == PM_CUDA_OK;
}

/* The row itself, and the same in the compute type behind it. */
static bool
fill_row (PmCuda *cuda, PmCudaWeight *weight, const void *data, PmDtype dtype)
{
  char *narrow = (char *) weight->device + PM_CUDA_ROUND (weight->cols * sizeof (float));

  return bring (cuda, weight->device, PM_DTYPE_F32, data, dtype, weight->cols)
         && (cuda->compute == PM_DTYPE_F32
             || pm_cuda_convert (cuda, narrow, cuda->compute, weight->device, PM_DTYPE_F32, weight->cols));
}

/* What a weight has that is not resident. */
static bool
make_streamed (PmCuda *cuda, PmCudaWeight *weight)
{
  if (! pm_cuda_check (cuda, cudaHostAlloc (&weight->host, weight->n_bytes, cudaHostAllocDefault), "cudaHostAlloc")
      || ! pm_cuda_check (cuda, cudaEventCreateWithFlags (&weight->ready, cudaEventDisableTiming), "cudaEventCreate")
      || ! pm_cuda_check (cuda, cudaEventCreateWithFlags (&weight->done, cudaEventDisableTiming), "cudaEventCreate"))
    return false;
  pm_cuda_forget_graphs (cuda);
  cuda->ring.largest = std::max (cuda->ring.largest, PM_CUDA_ROUND (weight->n_bytes));
  cuda->usage.streamed_bytes += weight->n_bytes;
  return true;
}

/* The last ones first: they are needed last, when there was time to bring them. */
bool
pm_cuda_weight_make_room (PmCuda *cuda)
{
  if (cuda->options.resident_bytes == SIZE_MAX || cuda->error.status != PM_CUDA_OK)
    return false;
  for (size_t i = cuda->weights.size (); i > 0; i--)
    {
      PmCudaWeight *weight = cuda->weights[i - 1];
      void         *device = weight->device;
      if (weight->rows == 1 || weight->host || ! device || weight == cuda->in_use)
        continue;
      if (! make_streamed (cuda, weight)
          || ! pm_cuda_check (cuda, cudaMemcpyAsync (weight->host, device, weight->n_bytes, cudaMemcpyDeviceToHost, cuda->stream),
                              "cudaMemcpyAsync to pinned memory")
          || ! pm_cuda_check (cuda, cudaEventRecord (weight->done, cuda->stream), "cudaEventRecord"))
        return false;
      weight->device = NULL;
      cuda->usage.resident_bytes -= weight->n_bytes;
      pm_cuda_free (cuda, device);
      return true;
    }
  return false;
}

static bool
fill (PmCuda *cuda, PmCudaWeight *weight, const void *data, PmDtype dtype)
{
  PmCudaError error = {};
  size_t      limit = cuda->options.resident_bytes;
  bool        is_row = weight->rows == 1;

  if (is_row || limit == 0 || (weight->n_bytes <= limit && cuda->usage.resident_bytes <= limit - weight->n_bytes))
    {
      if (! pm_cuda_alloc (cuda, weight->n_bytes, &weight->device, &error))
        {
          pm_cuda_fail (cuda, error.status, error.text);
          return false;
        }
      cuda->usage.resident_bytes += weight->n_bytes;
      return is_row ? fill_row (cuda, weight, data, dtype)
                    : bring (cuda, weight->device, weight->dtype, data, dtype, weight->rows * weight->cols);
    }
  return make_streamed (cuda, weight) && bring_to_host (cuda, weight, data, dtype);
}

/* What goes wrong here is told at once, and is no error of the queue. */
bool
pm_cuda_weight_new (PmCuda *cuda, PmDtype dtype, size_t rows, size_t cols, const void *data, PmWeight *weight,
                    PmCudaError *error)
{
  bool          is_row = rows == 1;
  PmCudaWeight *made = new PmCudaWeight ();

  *weight = PmWeight ();
  made->dtype = is_row ? PM_DTYPE_F32 : cuda->compute;
  made->rows = rows;
  made->cols = cols;
  made->n_bytes = is_row ? PM_CUDA_ROUND (cols * sizeof (float)) + cols * pm_dtype_size (cuda->compute)
                         : rows * cols * pm_dtype_size (made->dtype);
  weight->dtype = made->dtype;
  weight->rows = rows;
  weight->cols = cols;
  weight->owned = made;
  for (size_t i = cuda->weights.size (); i > 0 && ! is_row; i--)
    if (cuda->weights[i - 1]->rows > 1)
      {
        if (! cuda->weights[i - 1]->next)
          cuda->weights[i - 1]->next = made; /* a first guess */
        break;
      }
  cuda->weights.push_back (made);
  if (dtype <= PM_DTYPE_F64 && cuda->error.status == PM_CUDA_OK && fill (cuda, made, data, dtype))
    {
      weight->data = made->device;
      return true;
    }
  if (error)
    {
      *error = cuda->error;
      if (error->status == PM_CUDA_OK)
        pm_cuda_set_error (error, PM_CUDA_UNSUPPORTED, "a weight of type %d", (int) dtype);
    }
  if (cuda->error.status != PM_CUDA_LOST)
    cuda->error = PmCudaError ();
  pm_cuda_weight_free (cuda, weight);
  return false;
}

static void
leave_ring (PmCudaRing *ring, PmCudaWeight *weight)
{
  for (auto entry = ring->entries.begin (); entry != ring->entries.end (); entry++)
    if (entry->weight == weight)
      {
        ring->entries.erase (entry);
        break;
      }
  weight->device = NULL;
}

void
pm_cuda_weight_free (PmCuda *cuda, PmWeight *weight)
{
  PmCudaWeight *made = owned (weight);

  *weight = PmWeight ();
  if (! made)
    return;
  if (made->host)
    {
      cudaStreamSynchronize (cuda->stream);
      cudaStreamSynchronize (cuda->copies);
      leave_ring (&cuda->ring, made);
      cuda->usage.streamed_bytes -= made->n_bytes;
      cudaFreeHost (made->host);
    }
  else if (made->device)
    {
      cuda->usage.resident_bytes -= made->n_bytes;
      pm_cuda_free (cuda, made->device);
    }
  if (made->ready)
    cudaEventDestroy (made->ready);
  if (made->done)
    cudaEventDestroy (made->done);
  for (PmCudaWeight *other : cuda->weights)
    if (other->next == made)
      other->next = made->next == other ? NULL : made->next;
  if (cuda->ring.last == made)
    cuda->ring.last = NULL;
  auto found = std::find (cuda->weights.rbegin (), cuda->weights.rend (), made);
  if (found != cuda->weights.rend ())
    cuda->weights.erase (std::next (found).base ());
  delete made;
}

void
pm_cuda_ring_clear (PmCuda *cuda)
{
  while (! cuda->ring.entries.empty ())
    leave_ring (&cuda->ring, cuda->ring.entries.front ().weight);
  pm_cuda_free (cuda, cuda->ring.memory);
  cuda->ring.memory = NULL;
  cuda->ring.size = cuda->ring.head = 0;
}

/* Room for two of the largest, at least. Taking it may move more weights to the host, and larger ones. */
static bool
ensure_ring (PmCuda *cuda)
{
  PmCudaRing *ring = &cuda->ring;
  PmCudaError error;
  void       *memory;

  while (! ring->memory || ring->size < 2 * ring->largest)
    {
      size_t size = std::max (PM_CUDA_ROUND (cuda->options.ring_bytes), 2 * ring->largest);
      if (! pm_cuda_check (cuda, cudaStreamSynchronize (cuda->copies), "cudaStreamSynchronize"))
        return false;
      pm_cuda_ring_clear (cuda);
      if (! pm_cuda_alloc (cuda, size, &memory, &error))
        {
          pm_cuda_fail (cuda, error.status, error.text);
          return false;
        }
      ring->memory = (char *) memory;
      ring->size = size;
      if (! pm_cuda_check (cuda, cudaStreamSynchronize (cuda->stream), "cudaStreamSynchronize")) /* the copies may use it now */
        return false;
    }
  return true;
}

static bool
overlap (const PmCudaRing::Entry &entry, size_t at, size_t n_bytes)
{
  return entry.at < at + n_bytes && at < entry.at + entry.n_bytes;
}

/* Queues the copy into the ring behind the work on what it takes the place of. is_early: only in the place of weights whose
 * work is queued; false without an error when there is no such place. */
static bool
load (PmCuda *cuda, PmCudaWeight *weight, const PmCudaWeight *kept, bool is_early)
{
  PmCudaRing *ring = &cuda->ring;
  size_t      n_bytes = PM_CUDA_ROUND (weight->n_bytes), at = ring->head + n_bytes <= ring->size ? ring->head : 0;

  for (const PmCudaRing::Entry &entry : ring->entries)
    if (is_early && overlap (entry, at, n_bytes) && (entry.weight == kept || ! entry.weight->is_used))
      return false;
  for (size_t i = 0; i < ring->entries.size ();)
    {
      PmCudaWeight *other = ring->entries[i].weight;
      if (! overlap (ring->entries[i], at, n_bytes))
        {
          i++;
          continue;
        }
      if (! pm_cuda_check (cuda, cudaStreamWaitEvent (cuda->copies, other->done, 0), "cudaStreamWaitEvent"))
        return false;
      leave_ring (ring, other);
    }
  if (! pm_cuda_check (cuda, cudaStreamWaitEvent (cuda->copies, weight->done, 0), "cudaStreamWaitEvent")
      || ! pm_cuda_check (cuda, cudaMemcpyAsync (ring->memory + at, weight->host, weight->n_bytes, cudaMemcpyHostToDevice,
                                                 cuda->copies), "cudaMemcpyAsync of a weight")
      || ! pm_cuda_check (cuda, cudaEventRecord (weight->ready, cuda->copies), "cudaEventRecord"))
    return false;
  weight->device = ring->memory + at;
  weight->is_used = false;
  ring->entries.push_back (PmCudaRing::Entry { weight, at, n_bytes });
  ring->head = at + n_bytes;
  cuda->usage.n_uploaded_bytes += weight->n_bytes;
  return true;
}

const void *
pm_cuda_weight_data (PmCuda *cuda, const PmWeight *weight)
{
  PmCudaWeight *made = owned (weight);

  cuda->in_use = made;
  if (! made->host)
    return made->device;
  if (! ensure_ring (cuda) || (! made->device && ! load (cuda, made, NULL, false))
      || ! pm_cuda_check (cuda, cudaStreamWaitEvent (cuda->stream, made->ready, 0), "cudaStreamWaitEvent"))
    return NULL;
  return made->device;
}

/* Only now is there an event that tells when the weight's place is free again, and the next ones can come. */
void
pm_cuda_weight_used (PmCuda *cuda, const PmWeight *weight)
{
  PmCudaWeight *made = owned (weight);
  PmCudaRing   *ring = &cuda->ring;

  cuda->in_use = NULL;
  if (! made->host)
    return;
  pm_cuda_check (cuda, cudaEventRecord (made->done, cuda->stream), "cudaEventRecord");
  made->is_used = true;
  if (ring->last && ring->last != made)
    ring->last->next = made;
  ring->last = made;
  PmCudaWeight *next = made->next;
  for (int i = 0; i < PREFETCHED && next && next != made && cuda->error.status == PM_CUDA_OK; i++, next = next->next)
    if (next->host && ! next->device && ! load (cuda, next, made, true))
      break;
}

const float *
pm_cuda_weight_floats (const PmWeight *weight)
{
  return weight ? (const float *) owned (weight)->device : NULL;
}

const void *
pm_cuda_weight_narrow (const PmCuda *cuda, const PmWeight *weight)
{
  const char *row = (const char *) owned (weight)->device;
  return cuda->compute == PM_DTYPE_F32 ? row : row + PM_CUDA_ROUND (weight->cols * sizeof (float));
}
