/* Comparing arrays with the reference: each check prints what it measured and fails the running test above its limit. */
#ifndef PM_TEST_COMPARE_H
#define PM_TEST_COMPARE_H

#include <glib.h>

#include "tensor/bundle.h"

/* max |a - b| / max |b| */
void pm_test_compare_relative (const char *what, const float *a, const float *b, gsize n, double limit);

/* max |a - b| */
void pm_test_compare_absolute (const char *what, const float *a, const float *b, gsize n, double limit);

/* rms (a - b) / rms (b) */
void pm_test_compare_rms (const char *what, const float *a, const float *b, gsize n, double limit);

/* The f32 array of that name, whatever its shape; fails the program when there is none. *n: its elements. */
const float *pm_test_array (PmBundle *bundle, const char *name, gsize *n);

/* The same, with exactly n elements. */
const float *pm_test_array_of (PmBundle *bundle, const char *name, gsize n);

/* Adds an array of one dimension and copies the values in. */
void pm_test_add (PmBundle *bundle, const char *name, PmDtype dtype, gsize n, gconstpointer values);

/* PM_TEST_REFERENCE/folder/file; free with g_free. */
char *pm_test_reference (const char *folder, const char *file);

/* That file's arrays; fails the program when it cannot be read. */
PmBundle *pm_test_load (const char *folder, const char *file);

#endif
