/* The host build of kernels tested by itself: do its barriers, warps, fragments, copies, streams and graphs mean what CUDA's
 * mean, and does it catch what it is there to catch? */
#include <glib.h>
#include <glib/gstdio.h>

#include "backend/cuda/device.h"
#include "backend/cuda/lt.h"

static const int sizes[] = { 1, 31, 32, 33, 255, 1000, 4097 };

/* What a test allocates and queues. */
struct Device
{
  cudaStream_t stream;

  Device ()
  {
    g_assert_cmpint (cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking), ==, cudaSuccess);
  }
  ~Device ()
  {
    cudaStreamDestroy (stream);
  }
  template <typename T>
  T *
  put (const T *from, size_t n)
  {
    void *memory;
    g_assert_cmpint (cudaMalloc (&memory, n * sizeof (T)), ==, cudaSuccess);
    g_assert_cmpint (cudaMemcpyAsync (memory, from, n * sizeof (T), cudaMemcpyHostToDevice, stream), ==, cudaSuccess);
    return (T *) memory;
  }
  template <typename T>
  void
  take (T *to, T *memory, size_t n)
  {
    g_assert_cmpint (cudaMemcpyAsync (to, memory, n * sizeof (T), cudaMemcpyDeviceToHost, stream), ==, cudaSuccess);
    g_assert_cmpint (cudaStreamSynchronize (stream), ==, cudaSuccess);
    g_assert_cmpint (cudaFree (memory), ==, cudaSuccess);
  }
};

static void
seed (int n)
{
  g_autofree char *text = g_strdup_printf ("seed=%d", n);
  g_setenv ("PM_CUDA_HOST", text, TRUE);
}

/* One block: the sum of n integers, by warps and then over shared memory. */
template <bool has_barrier>
__global__ void
sum_kernel (const int *x, int n, int *y)
{
  PM_SHARED (int, sums);
  int sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    sum += x[i];
  for (int lanes = 16; lanes > 0; lanes /= 2)
    sum += __shfl_xor_sync (PM_ALL_LANES, sum, lanes);
  if (threadIdx.x % 32 == 0)
    sums[threadIdx.x / 32] = sum;
  if (has_barrier)
    __syncthreads ();
  if (threadIdx.x == 0)
    {
      sum = 0;
      for (unsigned i = 0; i < blockDim.x / 32; i++)
        sum += sums[i];
      *y = sum;
    }
}

template <bool has_barrier>
static int
device_sum (int n, int n_threads)
{
  Device             device;
  g_autofree int *x = g_new (int, n);
  int                y = 0;
  for (int i = 0; i < n; i++)
    x[i] = i * 7 % 1001;
  int *dx = device.put (x, n), *dy = device.put (&y, 1);
  g_assert_cmpint (PM_LAUNCH (sum_kernel<has_barrier>, dim3 (1), dim3 (n_threads), n_threads / 32 * sizeof (int), device.stream,
                              dx, n, dy), ==, cudaSuccess);
  device.take (&y, dy, 1);
  cudaFree (dx);
  return y;
}

static void
test_sum (void)
{
  for (int s = 0; s < 20; s++)
    for (int n : sizes)
      {
        int expected = 0;
        seed (s);
        for (int i = 0; i < n; i++)
          expected += i * 7 % 1001;
        g_assert_cmpint (device_sum<true> (n, 256), ==, expected);
      }
}

/* Without its barrier the same kernel must be wrong for some order of threads. */
static void
test_missing_barrier (void)
{
  int n_wrong = 0, right = device_sum<true> (1000, 256);
  for (int s = 0; s < 20; s++)
    {
      seed (s);
      n_wrong += device_sum<false> (1000, 256) != right;
    }
  g_assert_cmpint (n_wrong, >, 0);
}

__global__ void
divergent_kernel (int *y)
{
  if (threadIdx.x < 16)
    __syncthreads ();
  else
    y[threadIdx.x] = __shfl_xor_sync (0xffffffffu, y[threadIdx.x], 1);
}

static void
test_divergence (void)
{
  if (g_test_subprocess ())
    {
      Device device;
      int    y[32] = {};
      int   *dy = device.put (y, 32);
      PM_LAUNCH (divergent_kernel, dim3 (1), dim3 (32), (size_t) 0, device.stream, dy);
      device.take (y, dy, 32);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*never come*");
}

__global__ void
warp_kernel (int *y)
{
  int lane = threadIdx.x;
  y[lane] = __shfl_sync (PM_ALL_LANES, lane * 10, 5, 8);
  y[32 + lane] = __shfl_down_sync (PM_ALL_LANES, lane, 3);
  y[64 + lane] = __shfl_up_sync (PM_ALL_LANES, lane, 3, 16);
  y[96 + lane] = __shfl_xor_sync (PM_ALL_LANES, lane, 9);
  y[128 + lane] = (int) __ballot_sync (PM_ALL_LANES, lane % 3 == 0);
  atomicAdd (&y[160], lane);
}

static void
test_warp (void)
{
  Device   device;
  int      y[161] = {};
  unsigned thirds = 0;
  int     *dy = device.put (y, 161);

  PM_LAUNCH (warp_kernel, dim3 (1), dim3 (32), (size_t) 0, device.stream, dy);
  device.take (y, dy, 161);
  for (int lane = 0; lane < 32; lane += 3)
    thirds |= 1u << lane;
  for (int lane = 0; lane < 32; lane++)
    {
      g_assert_cmpint (y[lane], ==, (lane / 8 * 8 + 5) * 10);
      g_assert_cmpint (y[32 + lane], ==, lane + 3 < 32 ? lane + 3 : lane);
      g_assert_cmpint (y[64 + lane], ==, lane % 16 >= 3 ? lane - 3 : lane);
      g_assert_cmpint (y[96 + lane], ==, lane ^ 9);
      g_assert_cmpuint ((unsigned) y[128 + lane], ==, thirds);
    }
  g_assert_cmpint (y[160], ==, 31 * 16);
}

/* One warp: c[16,8] = a[16,16] b[16,8], all rows 16-byte aligned; b as [k][n]. Loads by ldmatrix, as kernels do. */
template <typename T>
__global__ void
product_kernel (const T *a, const T *b, float *c)
{
  PM_SHARED (T, tile); /* a [16, 16], b [16, 8] */
  int      lane = threadIdx.x;
  uint32_t ra[4], rb[2];
  float    rc[4] = { 0, 0, 0, 0 };

  pm_cp_async_16 (tile + lane * 8, a + lane * 8, true);
  pm_cp_async_commit ();
  if (lane < 16)
    pm_cp_async_16 (tile + 256 + lane * 8, b + lane * 8, true);
  pm_cp_async_commit ();
  pm_cp_async_wait<0> ();
  __syncthreads ();
  pm_ldmatrix_x4 (ra, tile + (lane % 16) * 16 + lane / 16 * 8);
  pm_ldmatrix_x2_trans (rb, tile + 256 + (lane % 16) * 8);
  pm_mma (rc, ra, rb, (const T *) 0);
  for (int i = 0; i < 4; i++)
    c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = rc[i];
}

template <typename T>
static void
check_product (void)
{
  Device device;
  T      a[256], b[128];
  float  c[128], zeros[128] = {};

  for (int i = 0; i < 256; i++)
    pm_set (&a[i], (float) (i * 37 % 17 - 8));
  for (int i = 0; i < 128; i++)
    pm_set (&b[i], (float) (i * 29 % 13 - 6));
  T     *da = device.put (a, 256), *db = device.put (b, 128);
  float *dc = device.put (zeros, 128);
  g_assert_cmpint (PM_LAUNCH (product_kernel<T>, dim3 (1), dim3 (32), (size_t) 768, device.stream, da, db, dc), ==, cudaSuccess);
  device.take (c, dc, 128);
  cudaFree (da);
  cudaFree (db);
  for (int row = 0; row < 16; row++)
    for (int column = 0; column < 8; column++)
      {
        float sum = 0;
        for (int k = 0; k < 16; k++)
          sum += pm_get (a[row * 16 + k]) * pm_get (b[k * 8 + column]);
        g_assert_cmpfloat (c[row * 8 + column], ==, sum);
      }
}

static void
test_product (void)
{
  check_product<__half> ();
  check_product<__nv_bfloat16> ();
}

/* All values of f16 there and back; bf16 and f16 to nearest even. */
static void
test_conversion (void)
{
  for (unsigned bits = 0; bits < 0x10000; bits++)
    {
      __half        narrow = { (uint16_t) bits };
      __nv_bfloat16 bfloat = { (uint16_t) bits };
      if (! isnan (__half2float (narrow)))
        g_assert_cmpuint (__float2half (__half2float (narrow)).bits, ==, bits);
      if (! isnan (__bfloat162float (bfloat)))
        g_assert_cmpuint (__float2bfloat16 (__bfloat162float (bfloat)).bits, ==, bits);
    }
  g_assert_cmpfloat (__half2float (__float2half (1.f + 0x1p-11f)), ==, 1.f);
  g_assert_cmpfloat (__half2float (__float2half (1.f + 3 * 0x1p-11f)), ==, 1.f + 0x1p-9f);
  g_assert_cmpfloat (__half2float (__float2half (65519.f)), ==, 65504.f);
  g_assert_true (isinf (__half2float (__float2half (65520.f))));
  g_assert_cmpfloat (__half2float (__float2half (0x1.8p-25f)), ==, 0x1p-24f);
  g_assert_cmpfloat (__bfloat162float (__float2bfloat16 (1.f + 0x1p-8f)), ==, 1.f);
  g_assert_cmpfloat (__bfloat162float (__float2bfloat16 (1.f + 3 * 0x1p-8f)), ==, 1.f + 0x1p-6f);
}

__global__ void
scale_kernel (float *x, int n, float factor)
{
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    x[i] *= factor;
}

/* Two streams that an event orders are right for every seed; without it some seed is wrong. */
static int
run_streams (bool has_event)
{
  Device       one, two;
  cudaEvent_t  event;
  float        values[100], *pinned;
  int          n_wrong = 0;

  g_assert_cmpint (cudaHostAlloc ((void **) &pinned, sizeof values, cudaHostAllocDefault), ==, cudaSuccess);
  for (int i = 0; i < 100; i++)
    pinned[i] = (float) i;
  cudaEventCreateWithFlags (&event, cudaEventDisableTiming);
  float *x = one.put (pinned, 100);
  if (has_event)
    {
      cudaEventRecord (event, one.stream);
      cudaStreamWaitEvent (two.stream, event);
    }
  PM_LAUNCH (scale_kernel, dim3 (4), dim3 (32), (size_t) 0, two.stream, x, 100, 3.f);
  two.take (values, x, 100);
  for (int i = 0; i < 100; i++)
    n_wrong += values[i] != 3.f * i;
  cudaEventDestroy (event);
  cudaFreeHost (pinned);
  return n_wrong;
}

static void
test_streams (void)
{
  int n_wrong = 0;
  for (int s = 0; s < 20; s++)
    {
      seed (s);
      g_assert_cmpint (run_streams (true), ==, 0);
      n_wrong += run_streams (false);
    }
  g_assert_cmpint (n_wrong, >, 0);
}

static void
test_graph (void)
{
  Device          device;
  float           values[100], ones[100];
  cudaGraph_t     graph;
  cudaGraphExec_t exec;
  void           *memory;

  for (float &one : ones)
    one = 1;
  float *x = device.put (ones, 100);
  g_assert_cmpint (cudaStreamBeginCapture (device.stream, cudaStreamCaptureModeThreadLocal), ==, cudaSuccess);
  g_assert_cmpint (cudaMalloc (&memory, 16), ==, cudaErrorStreamCaptureUnsupported);
  PM_LAUNCH (scale_kernel, dim3 (4), dim3 (32), (size_t) 0, device.stream, x, 100, 2.f);
  g_assert_cmpint (cudaStreamEndCapture (device.stream, &graph), ==, cudaSuccess);
  g_assert_cmpint (cudaGraphInstantiate (&exec, graph), ==, cudaSuccess);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (cudaGraphLaunch (exec, device.stream), ==, cudaSuccess);
  device.take (values, x, 100);
  g_assert_cmpfloat (values[99], ==, 8.f);
  cudaGraphExecDestroy (exec);
  cudaGraphDestroy (graph);
  cudaGetLastError ();
}

/* What only queued work may do ends the program elsewhere: reading and writing a device's memory, and a kernel that runs over the
 * end of its own. */
static void
trespass (int how)
{
  Device          device;
  const float     zeros[64] = {};
  float           values[64];
  volatile float *x = device.put (zeros, 64);

  g_assert_cmpint (cudaStreamSynchronize (device.stream), ==, cudaSuccess);
  if (how == 0)
    values[0] = x[63];
  else if (how == 1)
    x[0] = 1;
  else
    PM_LAUNCH (scale_kernel, dim3 (how == 2 ? 3 : 2), dim3 (32), (size_t) 0, device.stream, (float *) x, 96, 2.f);
  device.take (values, (float *) x, 64);
}

static void
test_memory (gconstpointer data)
{
  if (g_test_subprocess ())
    {
      trespass (GPOINTER_TO_INT (data));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  if (GPOINTER_TO_INT (data) == 3)
    g_test_trap_assert_passed ();
  else
    g_test_trap_assert_failed ();
}

/* What a launch may not be, and a device that is lost. */
static void
test_refusals (void)
{
  Device device;
  float  x = 1, *dx = device.put (&x, 1);
  void  *memory;

  g_assert_cmpint (PM_LAUNCH (scale_kernel, dim3 (1), dim3 (1025), (size_t) 0, device.stream, dx, 1, 2.f), !=, cudaSuccess);
  g_assert_cmpint (PM_LAUNCH (scale_kernel, dim3 (1), dim3 (32), (size_t) 60000, device.stream, dx, 1, 2.f), !=, cudaSuccess);
  g_assert_cmpint (cudaFuncSetAttribute (scale_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000), ==, cudaSuccess);
  g_assert_cmpint (PM_LAUNCH (scale_kernel, dim3 (1), dim3 (32), (size_t) 60000, device.stream, dx, 1, 2.f), ==, cudaSuccess);
  device.take (&x, dx, 1);
  g_assert_cmpfloat (x, ==, 2.f);
  g_setenv ("PM_CUDA_HOST", "memory=1000", TRUE);
  g_assert_cmpint (cudaMalloc (&memory, 1001), ==, cudaErrorMemoryAllocation);
  g_setenv ("PM_CUDA_HOST", "driver=12000", TRUE);
  g_assert_cmpint (cudaSetDevice (0), ==, cudaErrorInsufficientDriver);
  cudaGetLastError ();
}

/* FOLDER/REST with all that is above it; free with g_free. */
static char *
make_folder (const char *folder, const char *rest)
{
  char *path = g_build_filename (folder, rest, NULL);
  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
  return path;
}

static int
find_folder (const std::vector<std::string> &folders, const char *path)
{
  for (size_t i = 0; i < folders.size (); i++)
    if (folders[i] == path)
      return (int) i;
  return -1;
}

/* cuBLASLt is looked for in the environment that is active, and in that of any python3 that would be found. */
static void
test_folders (void)
{
  g_autofree char *top = g_dir_make_tmp ("pentimento-XXXXXX", NULL), *before = g_strdup (g_getenv ("PATH"));
  g_autofree char *active = make_folder (top, "active/lib/python3.12/site-packages/nvidia/cu13/lib");
  g_autofree char *other = make_folder (top, "other/lib/python3.13/site-packages/nvidia/cublas/lib");
  g_autofree char *none = make_folder (top, "none/lib/python3.13/site-packages/nvidia/cublas/lib");
  g_autofree char *bin = make_folder (top, "other/bin"), *bare = make_folder (top, "none/bin");
  g_autofree char *program = g_build_filename (bin, "python3", NULL), *environment = g_build_filename (top, "active", NULL);
  g_autofree char *path = g_strjoin (":", bare, bin, NULL);
  char            *remove[] = { (char *) "rm", (char *) "-r", top, NULL };
  PmCudaError      error = {};

  g_assert_true (g_file_set_contents (program, "", 0, NULL));
  g_assert_cmpint (g_chmod (program, 0700), ==, 0);
  g_setenv ("PATH", path, TRUE);
  g_setenv ("VIRTUAL_ENV", environment, TRUE);
  std::vector<std::string> folders = pm_lt_folders ({ "/given" });
  g_setenv ("PATH", before, TRUE);
  g_unsetenv ("VIRTUAL_ENV");
  g_assert_cmpint (find_folder (folders, "/given"), ==, 0);
  g_assert_cmpint (find_folder (folders, ""), >, 0);
  g_assert_cmpint (find_folder (folders, active), >, find_folder (folders, ""));
  g_assert_cmpint (find_folder (folders, other), >, find_folder (folders, active));
  g_assert_cmpint (find_folder (folders, none), ==, -1); /* there is no Python */
  g_assert_true (g_spawn_sync (NULL, remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));

  pm_lt_set_missing (&error, "libcublasLt.so.13", { "/given" });
  g_assert_cmpint (error.status, ==, PM_CUDA_NO_LIBRARY);
  g_assert_nonnull (strstr (error.text, "libcublasLt.so.13 is not in /given, "));
  for (const char *place : { "/usr/local/cuda*", "VIRTUAL_ENV", "CONDA_PREFIX", "PATH", "/opt/*/.venv)" })
    g_assert_nonnull (strstr (error.text, place)); /* to the end: it was not cut */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cuda-host/sum", test_sum);
  g_test_add_func ("/cuda-host/missing-barrier", test_missing_barrier);
  g_test_add_func ("/cuda-host/divergence", test_divergence);
  g_test_add_func ("/cuda-host/warp", test_warp);
  g_test_add_func ("/cuda-host/product", test_product);
  g_test_add_func ("/cuda-host/conversion", test_conversion);
  g_test_add_func ("/cuda-host/streams", test_streams);
  g_test_add_func ("/cuda-host/graph", test_graph);
  g_test_add_func ("/cuda-host/refusals", test_refusals);
  g_test_add_func ("/cuda-host/folders", test_folders);
  g_test_add_data_func ("/cuda-host/memory/read", GINT_TO_POINTER (0), test_memory);
  g_test_add_data_func ("/cuda-host/memory/write", GINT_TO_POINTER (1), test_memory);
  g_test_add_data_func ("/cuda-host/memory/overrun", GINT_TO_POINTER (2), test_memory);
  g_test_add_data_func ("/cuda-host/memory/inside", GINT_TO_POINTER (3), test_memory);
  return g_test_run ();
}
