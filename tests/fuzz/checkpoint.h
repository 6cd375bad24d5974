/* Opens bytes as a checkpoint and reads every element of it. */
#ifndef PM_FUZZ_CHECKPOINT_H
#define PM_FUZZ_CHECKPOINT_H

#include "format/checkpoint.h"
#include "input.h"

static inline void
open_checkpoint (const guint8 *bytes, gsize n)
{
  int fd;
  g_autofree char *path = input_path (bytes, n, &fd);
  g_autoptr (GError) error = NULL;
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_open (path, &error);
  volatile guint8 last = 0;

  g_assert_true ((checkpoint == NULL) == (error != NULL));
  for (guint i = 0; checkpoint && i < pm_checkpoint_get_n_tensors (checkpoint); i++)
    {
      const PmTensor *tensor = pm_checkpoint_get_tensor (checkpoint, i);

      for (gsize j = 0; j < tensor->n_elements * pm_dtype_size (tensor->dtype); j++)
        last = ((const guint8 *) tensor->data)[j];
    }
  (void) last;
  close (fd);
}

#endif
