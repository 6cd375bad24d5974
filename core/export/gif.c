/* See gif.h. Source of the format: CompuServe, "Graphics Interchange Format, Version 89a", 1990. */
#include "export/gif.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

#define FRAME_DELAY 12 /* hundredths of a second */
#define LAST_DELAY 150

static void
append_word (GByteArray *file, int value)
{
  const guint8 bytes[] = { (guint8) (value & 0xff), (guint8) (value >> 8) };

  g_byte_array_append (file, bytes, 2);
}

static void
append_head (GByteArray *file, int width, int height, const guint8 colours[256][3])
{
  const guint8 flags[] = { 0xf7, 0, 0 }; /* a global table of 256 colours of 8 bits */
  const guint8 forever[] = { 0x21, 0xff, 11, 'N', 'E', 'T', 'S', 'C', 'A', 'P', 'E', '2', '.', '0', 3, 1, 0, 0, 0 };

  g_byte_array_append (file, (const guint8 *) "GIF89a", 6);
  append_word (file, width);
  append_word (file, height);
  g_byte_array_append (file, flags, sizeof flags);
  g_byte_array_append (file, colours[0], 256 * 3);
  g_byte_array_append (file, forever, sizeof forever);
}

static void
append_frame (GByteArray *file, const guint8 *indices, int width, int height, int delay)
{
  const guint8 control[] = { 0x21, 0xf9, 4, 1 << 2 /* the frame stays */, (guint8) (delay & 0xff), (guint8) (delay >> 8), 0, 0 };
  const guint8 separator = 0x2c, no_flags = 0;

  g_byte_array_append (file, control, sizeof control);
  g_byte_array_append (file, &separator, 1);
  append_word (file, 0);
  append_word (file, 0);
  append_word (file, width);
  append_word (file, height);
  g_byte_array_append (file, &no_flags, 1);
  pm_gif_append_lzw (file, indices, (gsize) width * height);
}

static int
find_nearest (const guint8 colours[256][3], const guint8 *rgb)
{
  int best = 0, smallest = G_MAXINT;

  for (int i = 0; i < 256; i++)
    {
      int distance = 0;

      for (int c = 0; c < 3; c++)
        distance += (colours[i][c] - rgb[c]) * (colours[i][c] - rgb[c]);
      if (distance < smallest)
        {
          smallest = distance;
          best = i;
        }
    }

  return best;
}

/* Colours of maps are found exactly; only the soft edges of letters are not of the palette. known: of indices by colour. */
static guint8 *
index_bitmap (const PmBitmap *bitmap, const guint8 colours[256][3], GHashTable *known)
{
  gsize   n = (gsize) bitmap->width * bitmap->height;
  guint8 *indices = g_new (guint8, n);

  for (gsize i = 0; i < n; i++)
    {
      const guint8 *rgb = bitmap->rgb + 3 * i;
      gpointer      key = GUINT_TO_POINTER (rgb[0] << 16 | rgb[1] << 8 | rgb[2]), value;

      if (! g_hash_table_lookup_extended (known, key, NULL, &value))
        {
          value = GINT_TO_POINTER (find_nearest (colours, rgb));
          g_hash_table_insert (known, key, value);
        }
      indices[i] = (guint8) GPOINTER_TO_INT (value);
    }

  return indices;
}

static int
compare_steps (gconstpointer a, gconstpointer b)
{
  const GPtrArray *x = *(GPtrArray *const *) a, *y = *(GPtrArray *const *) b;

  return ((const PmMap *) x->pdata[0])->step - ((const PmMap *) y->pdata[0])->step;
}

/* Of arrays of the maps of one step, noisiest first. Averages over steps are left out. */
static GPtrArray *
split_steps (GPtrArray *maps)
{
  g_autoptr (GHashTable) found = g_hash_table_new (NULL, NULL);
  GPtrArray *steps = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; i < maps->len; i++)
    {
      PmMap     *map = g_ptr_array_index (maps, i);
      GPtrArray *step = g_hash_table_lookup (found, GINT_TO_POINTER (map->step + 1));

      if (map->step < 0)
        continue;
      if (! step)
        {
          step = g_ptr_array_new ();
          g_ptr_array_add (steps, step);
          g_hash_table_insert (found, GINT_TO_POINTER (map->step + 1), step);
        }
      g_ptr_array_add (step, map);
    }
  g_ptr_array_sort (steps, compare_steps);

  return steps;
}

static PmBitmap *
draw_frame (GPtrArray *step, const PmSheetOptions *options, PmJob *job, GError **error)
{
  const PmMap     *first = g_ptr_array_index (step, 0);
  g_autofree char *title = g_strdup_printf (_("t %d"), (int) (first->time + 0.5));
  PmSheetOptions   frame = { .by = options->by == PM_SHEET_STEPS ? PM_SHEET_AUTO : options->by,
                             .palette = options->palette,
                             .cell = options->cell,
                             .is_frame = TRUE,
                             .title = title };

  return pm_sheet_draw (step, &frame, job, error);
}

static gboolean
append_frames (GByteArray *file, GPtrArray *steps, const PmSheetOptions *options, PmJob *job, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (NULL, NULL);
  guint8 colours[256][3];
  int    width = 0, height = 0;

  pm_sheet_get_colours (options->palette, colours);
  for (int i = 255; i >= 0; i--)
    g_hash_table_insert (known, GUINT_TO_POINTER (colours[i][0] << 16 | colours[i][1] << 8 | colours[i][2]), GINT_TO_POINTER (i));

  for (guint s = 0; s < steps->len; s++)
    {
      pm_job_report (job, _("Drawing the maps"), (int) s, (int) steps->len, (double) s / steps->len);
      g_autoptr (PmBitmap) bitmap = draw_frame (g_ptr_array_index (steps, s), options, job, error);
      g_autofree guint8 *indices = bitmap ? index_bitmap (bitmap, colours, known) : NULL;

      if (! bitmap)
        return FALSE;
      if (s == 0)
        append_head (file, width = bitmap->width, height = bitmap->height, colours);
      g_assert (bitmap->width == width && bitmap->height == height);
      append_frame (file, indices, width, height, s + 1 < steps->len ? FRAME_DELAY : LAST_DELAY);
    }

  return TRUE;
}

GBytes *
pm_maps_to_gif (GPtrArray *maps, const PmSheetOptions *options, PmJob *job, GError **error)
{
  g_autoptr (GPtrArray) steps = split_steps (maps);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  const guint8 trailer = 0x3b;

  if (steps->len < 2)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("An animation needs maps of at least two steps; show steps=all, or several steps."));
      return NULL;
    }
  if (! append_frames (file, steps, options, job, error))
    return NULL;
  g_byte_array_append (file, &trailer, 1);

  return g_byte_array_free_to_bytes (g_steal_pointer (&file));
}
