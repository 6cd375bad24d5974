/* See tap-store.h. An f16 map is divided by the power of two above its largest value before rounding, so that the error of a
 * value is at most 2^-11 of itself (2^-25 of the map's largest for very small ones), however small attention is.
 * Letters: N values of a map. */
#include "attention/tap-store.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/spill.h"
#include "tensor/tensor.h"

struct _PmTapStore
{
  PmMapStorage storage;
  int          n_chunks, N;
  gsize        n_rows;
  GBytes      *shared;  /* of floats, or of the file */
  float       *floats;  /* [n_chunks, n_rows, N] */
  guint16     *halves;  /* [n_chunks, n_rows, N] */
  float       *factors; /* [n_chunks, n_rows] powers of two */
  int          fd;      /* of [n_chunks, n_rows, N] f32; -1: none */
  float       *open;    /* [n_rows, N] of the open chunk, where the store is not f32 in memory */
  int          n_open;  /* which it is; -1: none */
  gboolean     is_changed;
  GError      *failure; /* of the file, until somebody asks */
};

static gsize
count_values (const PmTapStore *store)
{
  return store->n_chunks * store->n_rows * store->N;
}

static gboolean
transfer (int fd, float *values, gsize n, gsize first, gboolean is_write, GError **error)
{
  return pm_spill_transfer (fd, values, n * sizeof (float), first * sizeof (float), is_write, error);
}

/* The power of two in (max / 2, max], times 2; 1 for a map of zeros. Values that are not finite stay so. */
static float
find_factor (const float *values, int n)
{
  float largest = 0.0f;
  int   exponent;

  for (int i = 0; i < n; i++)
    largest = isfinite (values[i]) ? fmaxf (largest, fabsf (values[i])) : largest;
  frexpf (largest, &exponent);

  return largest > 0.0f ? ldexpf (1.0f, CLAMP (exponent, -120, 120)) : 1.0f;
}

static void
encode (PmTapStore *store, int chunk)
{
  g_autofree float *scaled = g_new (float, store->N);

  for (gsize row = 0; row < store->n_rows; row++)
    {
      gsize        at = chunk * store->n_rows + row;
      const float *values = store->open + row * store->N;

      store->factors[at] = find_factor (values, store->N);
      for (int i = 0; i < store->N; i++)
        scaled[i] = values[i] / store->factors[at];
      pm_convert_f32_to_f16 (scaled, store->N, store->halves + at * store->N);
    }
}

static void
decode (const PmTapStore *store, int chunk, float *out /* [n_rows, N] */)
{
  gsize first = chunk * store->n_rows;

  pm_convert_to_f32 (store->halves + first * store->N, PM_DTYPE_F16, store->n_rows * store->N, out);
  for (gsize row = 0; row < store->n_rows; row++)
    for (int i = 0; i < store->N; i++)
      out[row * store->N + i] *= store->factors[first + row];
}

gsize
pm_tap_store_count_bytes (PmMapStorage storage, int n_chunks, gsize n_rows, int N)
{
  gsize n = n_rows * N;

  switch (storage)
    {
    case PM_MAP_STORAGE_F32:
      return n_chunks * n * sizeof (float);
    case PM_MAP_STORAGE_F16:
      return n_chunks * (n * sizeof (guint16) + n_rows * sizeof (float)) + n * sizeof (float);
    default:
      return n * sizeof (float);
    }
}

gsize
pm_tap_store_count_file_bytes (PmMapStorage storage, int n_chunks, gsize n_rows, int N)
{
  return storage == PM_MAP_STORAGE_F32 ? 0 : n_chunks * n_rows * N * sizeof (float);
}

PmTapStore *
pm_tap_store_new (PmMapStorage storage, int n_chunks, gsize n_rows, int N, GError **error)
{
  g_autoptr (PmTapStore) store = g_new0 (PmTapStore, 1);
  gsize    n = MAX (n_rows * N, 1);
  gboolean is_good = TRUE;

  *store = (PmTapStore) { .storage = storage, .n_chunks = n_chunks, .N = N, .n_rows = n_rows, .fd = -1, .n_open = -1 };

  if (storage == PM_MAP_STORAGE_F32)
    is_good = (store->floats = g_try_new0 (float, MAX (n_chunks, 1) * n)) != NULL;
  else
    is_good = (store->open = g_try_new0 (float, n)) != NULL;

  if (is_good && storage == PM_MAP_STORAGE_F16)
    {
      store->halves = g_try_new0 (guint16, n_chunks * n);
      store->factors = g_try_new0 (float, n_chunks * n_rows + 1);
      is_good = store->halves && store->factors;
    }

  if (! is_good)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                   _("There is not enough memory to record %zu maps; choose fewer layers, heads or steps, or average over them."),
                   n_chunks * n_rows);
      return NULL;
    }
  if (storage == PM_MAP_STORAGE_FILE && (store->fd = pm_spill_open (n_chunks * n * sizeof (float), error)) < 0)
    return NULL;

  return g_steal_pointer (&store);
}

void
pm_tap_store_free (PmTapStore *store)
{
  if (! store)
    return;

  if (store->fd >= 0)
    g_close (store->fd, NULL);
  if (store->shared)
    g_bytes_unref (store->shared);
  else
    g_free (store->floats);
  g_free (store->halves);
  g_free (store->factors);
  g_free (store->open);
  g_clear_error (&store->failure);
  g_free (store);
}

/* What is worked on goes back to its place. */
static void
put_away (PmTapStore *store)
{
  gsize n = store->n_rows * store->N;

  if (store->is_changed && store->storage == PM_MAP_STORAGE_F16)
    encode (store, store->n_open);
  if (store->is_changed && store->storage == PM_MAP_STORAGE_FILE)
    transfer (store->fd, store->open, n, store->n_open * n, TRUE, store->failure ? NULL : &store->failure);
  store->is_changed = FALSE;
}

float *
pm_tap_store_open (PmTapStore *store, int chunk, gboolean for_writing)
{
  gsize n = store->n_rows * store->N;

  g_assert (chunk >= 0 && chunk < store->n_chunks);

  if (store->storage == PM_MAP_STORAGE_F32)
    return store->floats + chunk * n;

  if (chunk != store->n_open)
    {
      put_away (store);
      if (store->storage == PM_MAP_STORAGE_F16)
        decode (store, chunk, store->open);
      else
        transfer (store->fd, store->open, n, chunk * n, FALSE, store->failure ? NULL : &store->failure);
      store->n_open = chunk;
    }
  store->is_changed |= for_writing;

  return store->open;
}

gboolean
pm_tap_store_check (PmTapStore *store, GError **error)
{
  if (store->failure)
    g_propagate_error (error, g_error_copy (store->failure));

  return store->failure == NULL;
}

static GBytes *
map_file (int fd, gsize n_bytes, GError **error)
{
  g_autoptr (GError)      cause = NULL;
  g_autoptr (GMappedFile) file = n_bytes ? g_mapped_file_new_from_fd (fd, FALSE, &cause) : NULL;

  if (file)
    return g_mapped_file_get_bytes (file);
  if (! n_bytes)
    return g_bytes_new (NULL, 0);
  g_set_error (error, PM_ERROR, PM_ERROR_IO,
               _("The temporary file of the maps cannot be read (%s); close other programs and try again."), cause->message);

  return NULL;
}

/* into: [n_chunks, n_rows, N], or NULL to write to the file. */
static gboolean
spread_into (PmTapStore *store, float *into, int fd, GError **error)
{
  gsize    n = store->n_rows * store->N;
  gboolean is_good = TRUE;

  for (int chunk = 0; is_good && chunk < store->n_chunks; chunk++)
    {
      decode (store, chunk, into ? into + chunk * n : store->open);
      is_good = into || transfer (fd, store->open, n, chunk * n, TRUE, error);
    }
  store->n_open = -1;

  return is_good;
}

static GBytes *
spread_halves (PmTapStore *store, GError **error)
{
  g_autoptr (GError) full = NULL;
  gsize    n_bytes = count_values (store) * sizeof (float);
  int      fd = pm_spill_open (n_bytes, &full);
  float   *memory = fd < 0 ? g_try_malloc (MAX (n_bytes, 1)) : NULL;
  GBytes  *bytes = NULL;

  if (fd < 0 && ! memory)
    g_propagate_error (error, g_steal_pointer (&full));
  else if (spread_into (store, memory, fd, error))
    bytes = memory ? g_bytes_new_take (g_steal_pointer (&memory), n_bytes) : map_file (fd, n_bytes, error);
  g_free (memory);
  if (fd >= 0)
    g_close (fd, NULL);

  return bytes;
}

GBytes *
pm_tap_store_share (PmTapStore *store, GError **error)
{
  gsize n_bytes = count_values (store) * sizeof (float);

  put_away (store);
  if (! pm_tap_store_check (store, error))
    return NULL;

  if (! store->shared && store->storage == PM_MAP_STORAGE_F32)
    store->shared = g_bytes_new_take (store->floats, n_bytes);
  else if (! store->shared && store->storage == PM_MAP_STORAGE_F16)
    store->shared = spread_halves (store, error);
  else if (! store->shared)
    store->shared = map_file (store->fd, n_bytes, error);

  return store->shared ? g_bytes_ref (store->shared) : NULL;
}
