/* How a format fills a checkpoint that is being opened. Everything added is validated and owned here.
 *
 * In all of these, path is the file's name as shown in messages. */
#ifndef PM_CHECKPOINT_PRIVATE_H
#define PM_CHECKPOINT_PRIVATE_H

#include "format/checkpoint.h"

PmCheckpoint *pm_checkpoint_new (const char *path);

/* Adds one tensor. tensor: name (copied), dtype, rank, shape; n_elements and data are ignored. data: [n_bytes] inside
 * the mapping or in owned memory; copied when it is not aligned to its element. For PM_DTYPE_OTHER the size is not
 * compared with the shape, and data may be NULL. Errors: PM_ERROR_DAMAGED for a name that is there already, a rank
 * above PM_MAX_RANK, a size that does not fit the shape; PM_ERROR_MEMORY. */
gboolean pm_checkpoint_add (PmCheckpoint *checkpoint, const char *path, const PmTensor *tensor, const guint8 *data,
                            gsize n_bytes, GError **error);

/* Memory that lives as long as the checkpoint, aligned for every dtype, not cleared. Copies of tensors count against
 * the budget: twice the size of the files, so that a small file cannot ask for large memory. */
gpointer pm_checkpoint_alloc_copy (PmCheckpoint *checkpoint, const char *path, gsize n_bytes, GError **error);

/* As above without the budget, but never more than three quarters of the memory that is free. */
gpointer pm_checkpoint_alloc (PmCheckpoint *checkpoint, const char *path, gsize n_bytes, GError **error);

/* Product of the shape, FALSE when it overflows. */
gboolean pm_shape_count (int rank, const gsize *shape, gsize *n_elements);

/* Maps one file that is no index of shards, finds its format and adds its tensors. */
gboolean pm_checkpoint_add_file (PmCheckpoint *checkpoint, const char *path, GError **error);

/* shards.c: a "weight_map" of tensor names to files in the same folder. */
gboolean pm_shards_probe (const guint8 *head, gsize n);
gboolean pm_shards_open (PmCheckpoint *checkpoint, const char *path, GMappedFile *file, GError **error);

/* resolve.c: the checkpoint that a folder stands for. Errors: PM_ERROR_NO_MODEL, PM_ERROR_IO. */
char *pm_checkpoint_resolve_folder (const char *folder, GError **error);

/* hash.c: as the format, from text in memory. */
gboolean pm_hash_fill (PmCheckpoint *checkpoint, const char *path, const char *json, gsize n, GError **error);

#endif
