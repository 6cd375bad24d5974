/* The registry entry of a checkpoint format: one file, one constant descriptor `pm_format_<file>`. */
#ifndef PM_FORMAT_H
#define PM_FORMAT_H

#include "format/checkpoint.h"

typedef struct
{
  const char *id; /* "safetensors" */

  /* head: the first n <= 4096 bytes of the file. */
  gboolean (*probe) (const guint8 *head, gsize n);

  /* Fills the checkpoint through pm_checkpoint_add_* (checkpoint-private.h). file is mapped already and stays
   * mapped as long as the checkpoint lives. */
  gboolean (*open) (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error);
} PmFormat;

/* NULL-terminated, in order of priority; written by core/meson.build. */
extern const PmFormat *const pm_formats[];

#endif
