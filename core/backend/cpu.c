/* The CPU backend: operations on blocks of the output, run by our own workers, with the products of kernel.h. Where the
 * processor has no vectors for these, blas.c serves instead, with the same operations over a BLAS. */
#include "backend/cpu.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/pool.h"

typedef struct
{
  const PmKernel *kernel;
  void           *memory[PM_POOL_MAX_WORKERS][PM_N_SCRATCH];
  gsize           size[PM_POOL_MAX_WORKERS][PM_N_SCRATCH];
  gint            out_of_memory; /* atomic */
} PmCpu;

const PmKernel *
pm_cpu_get_kernel (PmBackend *backend)
{
  PmCpu *cpu = pm_backend_get_state (backend);
  return cpu->kernel;
}

float *
pm_cpu_scratch (PmBackend *backend, int worker, PmScratch slot, gsize n)
{
  PmCpu *cpu = pm_backend_get_state (backend);
  gsize  size = n * sizeof (float);

  if (cpu->size[worker][slot] < size)
    {
      free (cpu->memory[worker][slot]);
      cpu->size[worker][slot] = 0;
      if (posix_memalign (&cpu->memory[worker][slot], 64, size) != 0)
        {
          cpu->memory[worker][slot] = NULL;
          g_atomic_int_set (&cpu->out_of_memory, 1);
          return NULL;
        }
      cpu->size[worker][slot] = size;
    }
  return cpu->memory[worker][slot];
}

gpointer
pm_cpu_open (const PmKernel *kernel)
{
  PmCpu *cpu = g_new0 (PmCpu, 1);

  pm_blas_init ();
  cpu->kernel = kernel;
  return cpu;
}

void
pm_cpu_close (PmBackend *backend)
{
  PmCpu *cpu = pm_backend_get_state (backend);

  for (int i = 0; i < PM_POOL_MAX_WORKERS; i++)
    for (int slot = 0; slot < PM_N_SCRATCH; slot++)
      free (cpu->memory[i][slot]);
  g_free (cpu);
}

gboolean
pm_cpu_finish (PmBackend *backend, GError **error)
{
  PmCpu *cpu = pm_backend_get_state (backend);

  if (! g_atomic_int_compare_and_exchange (&cpu->out_of_memory, 1, 0))
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("Memory ran out during the computation; close other programs, or choose a smaller picture."));
  return FALSE;
}

static gboolean
cpu_is_available (void)
{
  return pm_kernel_find () != NULL;
}

static gpointer
cpu_open (PmBackend *backend, int index, const PmBackendOptions *options, GError **error)
{
  return pm_cpu_open (pm_kernel_find ());
}

const PmBackendClass pm_backend_cpu = {
  .id = "cpu",
  .device = "cpu",
  .is_available = cpu_is_available,
  .open = cpu_open,
  .close = pm_cpu_close,
  .finish = pm_cpu_finish,
  .likes_panels = TRUE,
  .ops = PM_CPU_OPS,
};
