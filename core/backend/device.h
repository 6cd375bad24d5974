/* What there is to compute on, and how: what people choose from. */
#ifndef PM_DEVICE_H
#define PM_DEVICE_H

#include <glib.h>

typedef struct
{
  char   *id;          /* "cpu", "cuda:0" */
  char   *name;        /* "cpu", "NVIDIA H200"; no two have the same */
  char   *problem;     /* why it cannot be used, and the remedy; NULL: it can */
  guint64 total_bytes; /* of its own memory; 0: it has none */
} PmDevice;

void pm_device_free (PmDevice *device);

/* Of PmDevice, the processor first; also what is known but cannot be used. Looks for graphics cards, which takes a moment where
 * there are some. Free with g_ptr_array_unref. */
GPtrArray *pm_device_find_all (void);

/* Names of devices that can be used: "cpu" first. Free with g_strfreev. */
char **pm_device_list (void);

/* What weights and what passes between operations are; sums, and all that is added up, stay f32. The processor computes in f32
 * whatever is said. */
typedef enum
{
  PM_PRECISION_AUTO, /* the fast one of the device: bf16, or f16 where it has no bf16 */
  PM_PRECISION_F32,
  PM_PRECISION_BF16,
  PM_PRECISION_F16,
  PM_N_PRECISIONS
} PmPrecision;

/* "auto", "f32", "bf16", "f16"; -1 when unknown. */
const char *pm_precision_id (PmPrecision precision);
int         pm_precision_from_id (const char *id);

/* What to do when a device's own memory is too small for a run. */
typedef enum
{
  PM_SHORTAGE_STREAM, /* keep weights that do not fit in the host's memory, and fetch them at each use */
  PM_SHORTAGE_CPU,    /* that, and where it is not enough paint on the processor */
  PM_SHORTAGE_STOP,   /* neither: an error */
  PM_N_SHORTAGES
} PmShortage;

/* "stream", "cpu", "stop"; -1 when unknown. */
const char *pm_shortage_id (PmShortage shortage);
int         pm_shortage_from_id (const char *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmDevice, pm_device_free)

#endif
