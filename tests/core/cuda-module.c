/* See cuda-module.h. */
#include "cuda-module.h"

#include <string.h>

#include <gmodule.h>

const PmCudaModule *
pm_test_cuda_load (void)
{
  const char      *path = g_getenv ("PENTIMENTO_CUDA_MODULE");
  GModule         *file = path ? g_module_open (path, G_MODULE_BIND_LOCAL) : NULL;
  const PmCudaHost host = { .abi = PM_CUDA_ABI, .size = sizeof (PmCudaHost) };
  gpointer         symbol;

  if (! file)
    return NULL;
  g_module_make_resident (file);
  g_assert_true (g_module_symbol (file, PM_CUDA_MODULE_SYMBOL, &symbol));
  return ((PmCudaModuleFunc) symbol) (&host);
}

gboolean
pm_test_cuda_is_host (void)
{
  const char *path = g_getenv ("PENTIMENTO_CUDA_MODULE");
  return path && strstr (path, "cuda-host");
}

PmCuda *
pm_test_cuda_open (const PmCudaModule *module, const PmCudaOptions *options)
{
  PmCudaError error = { 0 };
  PmCuda     *cuda = NULL;

  if (! module->open (0, options, &cuda, &error))
    g_error ("%s", error.text);
  return cuda;
}

float *
pm_test_cuda_normals (PmRandom *random, gsize n, float scale)
{
  float *values = g_new (float, n + 16);
  pm_random_normal (random, n, values);
  for (gsize i = 0; i < n; i++)
    values[i] *= scale;
  return values;
}

static guint16
to_bf16 (float value)
{
  guint32 bits;
  memcpy (&bits, &value, 4);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

gpointer
pm_test_cuda_narrow (const float *values, gsize n, PmDtype dtype)
{
  guint16 *half = g_new (guint16, n);

  if (dtype == PM_DTYPE_F32)
    {
      g_free (half);
      return g_memdup2 (values, n * sizeof (float));
    }
  if (dtype == PM_DTYPE_F16)
    pm_convert_f32_to_f16 (values, n, half);
  for (gsize i = 0; dtype == PM_DTYPE_BF16 && i < n; i++)
    half[i] = to_bf16 (values[i]);
  return half;
}

void
pm_test_cuda_round (float *values, gsize n, PmDtype dtype)
{
  g_autofree gpointer rounded = pm_test_cuda_narrow (values, n, dtype);
  pm_convert_to_f32 (rounded, dtype, n, values);
}

gpointer
pm_test_cuda_put (const PmCudaModule *module, PmCuda *cuda, const float *values, gsize n, PmDtype dtype)
{
  g_autofree gpointer host = pm_test_cuda_narrow (values, n, dtype);
  PmCudaError         error;
  void               *memory;

  g_assert_true (module->alloc (cuda, n * pm_dtype_size (dtype), &memory, &error));
  module->upload (cuda, memory, host, n * pm_dtype_size (dtype));
  return memory;
}

float *
pm_test_cuda_take (const PmCudaModule *module, PmCuda *cuda, gpointer memory, gsize n, PmDtype dtype)
{
  g_autofree gpointer host = g_malloc (n * pm_dtype_size (dtype));
  float              *values = g_new (float, n);

  module->download (cuda, host, memory, n * pm_dtype_size (dtype));
  module->free (cuda, memory);
  pm_convert_to_f32 (host, dtype, n, values);
  return values;
}

void
pm_test_cuda_finish (const PmCudaModule *module, PmCuda *cuda)
{
  PmCudaError error = { 0 };
  if (! module->finish (cuda, &error))
    g_error ("%s", error.text);
}
