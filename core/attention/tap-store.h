/* Private to core/attention: where the maps of a run lie while it lasts: in memory as f32; above the budget as f16; above
 * that as f32 in a temporary file without a name, which vanishes with the process whatever happens. One step is worked on at a
 * time, in f32. */
#ifndef PM_TAP_STORE_H
#define PM_TAP_STORE_H

#include "attention/map.h"

typedef struct _PmTapStore PmTapStore;

/* Room for n_chunks (steps) of n_rows maps of N values, all 0. PM_ERROR_MEMORY, or PM_ERROR_IO when the temporary folder
 * has no room for the file: its whole size is reserved here. */
PmTapStore *pm_tap_store_new (PmMapStorage storage, int n_chunks, gsize n_rows, int N, GError **error);
void        pm_tap_store_free (PmTapStore *store);

/* Bytes of memory and of the file that a store of that size takes. */
gsize pm_tap_store_count_bytes (PmMapStorage storage, int n_chunks, gsize n_rows, int N);
gsize pm_tap_store_count_file_bytes (PmMapStorage storage, int n_chunks, gsize n_rows, int N);

/* The values [n_rows, N] of one chunk to work on, until another one is opened. Changes are kept with for_writing. A file that
 * fails is told by pm_tap_store_check. */
float   *pm_tap_store_open (PmTapStore *store, int chunk, gboolean for_writing);
gboolean pm_tap_store_check (PmTapStore *store, GError **error);

/* All values [n_chunks, n_rows, N] as f32 for as long as the bytes live; without a copy where they lie as f32. f16 are
 * spread into a temporary file, or in memory where there is no room for one. The store must not be written any more. */
GBytes *pm_tap_store_share (PmTapStore *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTapStore, pm_tap_store_free)

#endif
