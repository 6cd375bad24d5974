/* A bundle: a few named arrays in memory, read from and written to safetensors files. */
#ifndef PM_BUNDLE_H
#define PM_BUNDLE_H

#include "tensor/tensor.h"

typedef struct _PmBundle PmBundle;

PmBundle *pm_bundle_new (void);
PmBundle *pm_bundle_load (const char *path, GError **error); /* any checkpoint format */
void      pm_bundle_free (PmBundle *bundle);

/* Written to a temporary file and renamed. */
gboolean pm_bundle_save (PmBundle *bundle, const char *path, GError **error);

/* A new zeroed array (F32 or I32) owned by the bundle, replacing one of the same name; returns its data, or NULL with
 * PM_ERROR_MEMORY. shape: [rank]. */
gpointer pm_bundle_add (PmBundle *bundle, const char *name, PmDtype dtype, int rank, const gsize *shape, GError **error);

/* NULL when there is none. */
const PmTensor *pm_bundle_find (PmBundle *bundle, const char *name);

/* The array as f32 or i32, converted when stored otherwise; borrowed from the bundle. An error (PM_ERROR_USAGE) names
 * the array and the shape expected; dims of -1 match anything. */
const float *pm_bundle_get_f32 (PmBundle *bundle, const char *name, int rank, const gssize *dims, GError **error);
const gint32 *pm_bundle_get_i32 (PmBundle *bundle, const char *name, int rank, const gssize *dims, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmBundle, pm_bundle_free)

#endif
