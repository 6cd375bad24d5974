/* A checkpoint: named tensors in a mapped file or several. Formats are recognised by content, not by name.
 *
 * Everything in a file is hostile until validated here; what pm_checkpoint_find returns may be trusted:
 * data lies inside the mapping, sizes multiply without overflow, elements are aligned. */
#ifndef PM_CHECKPOINT_H
#define PM_CHECKPOINT_H

#include "tensor/tensor.h"

typedef struct _PmCheckpoint PmCheckpoint;

/* path: a file, or a folder that holds model.safetensors, model.safetensors.index.json, diffusion_pytorch_model.*
 * or a single checkpoint. Errors: PM_ERROR_IO, PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED. */
PmCheckpoint *pm_checkpoint_open (const char *path, GError **error);

/* A checkpoint made from text in memory of the format "hash" (hash.c): weights from an integer hash. */
PmCheckpoint *pm_checkpoint_new_hash (const char *json, GError **error);

void          pm_checkpoint_free (PmCheckpoint *checkpoint);

/* Borrowed; NULL when there is none of that name. */
const PmTensor *pm_checkpoint_find (PmCheckpoint *checkpoint, const char *name);

/* Tensors in the order of the file; i < pm_checkpoint_get_n_tensors(). */
guint           pm_checkpoint_get_n_tensors (PmCheckpoint *checkpoint);
const PmTensor *pm_checkpoint_get_tensor (PmCheckpoint *checkpoint, guint i);

const char *pm_checkpoint_get_format (PmCheckpoint *checkpoint); /* "safetensors" */
const char *pm_checkpoint_get_path (PmCheckpoint *checkpoint);   /* as given */
gsize       pm_checkpoint_get_bytes (PmCheckpoint *checkpoint);  /* of tensor data */

/* Paths of the files that the tensors lie in; none for one made in memory. i < pm_checkpoint_get_n_files(). */
guint       pm_checkpoint_get_n_files (PmCheckpoint *checkpoint);
const char *pm_checkpoint_get_file (PmCheckpoint *checkpoint, guint i);

/* FALSE with PM_ERROR_IO when a mapped file's size or mtime changed since it was opened: reading past a
 * truncated mapping would be SIGBUS. Called before every run. */
gboolean pm_checkpoint_verify (PmCheckpoint *checkpoint, GError **error);

/* Lets go of the memory that a mapped tensor's pages take; they come back from the file when they are read again. */
void pm_checkpoint_let_go (PmCheckpoint *checkpoint, const PmTensor *tensor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmCheckpoint, pm_checkpoint_free)

#endif
