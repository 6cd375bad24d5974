/* Exports: what stands where on a sheet, that maps keep their colours, letters, NumPy's header, and GIF's LZW against a decoder
 * of this file's own. The files themselves are read by other programs in tests/cli. */
#include <math.h>
#include <string.h>

#include "export/sheet-layout.h"
#include "pentimento.h"

#define SIDE 4

static PmMap *
add_map (GPtrArray *maps, int group, int step, int layer, int head, float value)
{
  PmMap *map = g_new0 (PmMap, 1);

  map->what = g_strdup_printf ("Reading %d", group);
  map->id = g_strdup_printf ("r%d-s%02d-l%02d-h%02d", group, step, layer, head);
  map->reading = g_strdup ("received");
  map->layer = layer;
  map->head = head;
  map->step = step;
  map->time = 1000 - 100 * step;
  map->group = group;
  map->grid_w = map->grid_h = SIDE;
  map->high = 1;
  map->values = g_new (float, SIDE * SIDE);
  for (int i = 0; i < SIDE * SIDE; i++)
    map->values[i] = value;
  g_ptr_array_add (maps, map);

  return map;
}

static GPtrArray *
make_maps (int n_groups, int n_steps, int n_layers, int n_heads)
{
  GPtrArray *maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);

  for (int g = 0; g < n_groups; g++)
    for (int s = 0; s < n_steps; s++)
      for (int l = 0; l < n_layers; l++)
        for (int h = 0; h < n_heads; h++)
          add_map (maps, g, s, 2 * l + 1, n_heads > 1 ? h : -1, 0.5f);

  return maps;
}

static void
check_panel (GPtrArray *maps, PmSheetBy by, guint n_panels, int n_rows, int n_columns, const char *row, const char *column,
             const char *title)
{
  g_autoptr (GPtrArray) panels = pm_sheet_layout_new (maps, by, TRUE);
  const PmSheetPanel *panel = g_ptr_array_index (panels, panels->len - 1);

  g_assert_cmpuint (panels->len, ==, n_panels);
  g_assert_cmpint (panel->n_rows, ==, n_rows);
  g_assert_cmpint (panel->n_columns, ==, n_columns);
  g_assert_cmpstr (panel->row_titles ? panel->row_titles[n_rows - 1] : NULL, ==, row);
  g_assert_cmpstr (panel->column_titles[n_columns - 1], ==, column);
  g_assert_cmpstr (panel->title, ==, title);
}

static void
test_layout (void)
{
  g_autoptr (GPtrArray) all = make_maps (2, 3, 2, 4), heads = make_maps (1, 1, 1, 4), steps = make_maps (1, 20, 1, 1);
  g_autoptr (GPtrArray) panels = NULL;
  const PmSheetPanel *panel;

  check_panel (all, PM_SHEET_HEADS, 6, 2, 4, "layer 3", "head 3", "Reading 1, t 800");
  check_panel (all, PM_SHEET_STEPS, 8, 2, 3, "layer 3", "t 800", "Reading 1, head 3");
  check_panel (all, PM_SHEET_LAYERS, 8, 3, 2, "t 800", "layer 3", "Reading 1, head 3");
  check_panel (all, PM_SHEET_AUTO, 6, 2, 4, "layer 3", "head 3", "Reading 1, t 800");
  check_panel (heads, PM_SHEET_AUTO, 1, 1, 4, "layer 1", "head 3", "Reading 0, t 1000");
  check_panel (steps, PM_SHEET_AUTO, 1, 3, 7, NULL, "t 400", "Reading 0, layer 1"); /* broken into rows */

  panels = pm_sheet_layout_new (steps, PM_SHEET_STEPS, TRUE);
  panel = g_ptr_array_index (panels, 0);
  for (int i = 0; i < 21; i++)
    g_assert_true (panel->cells[i] == (i < 20 ? steps->pdata[i] : NULL));
  g_assert_cmpstr (panel->column_titles[19], ==, "t -900");
  g_assert_cmpstr (panel->column_titles[20], ==, "");
}

static int
count_pixels (const PmBitmap *bitmap, const guint8 *colour)
{
  int n = 0;

  for (gsize i = 0; i < (gsize) bitmap->width * bitmap->height; i++)
    n += memcmp (bitmap->rgb + 3 * i, colour, 3) == 0;

  return n;
}

/* Maps of one value each have exactly the palette's colour on exactly their cells (the bar adds some rows of it). */
static void
test_sheet (void)
{
  const float picture[] = { 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1 };
  const guint8 magenta[] = { 255, 0, 255 };
  guint8       colours[256][3];
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  PmSheetOptions options = { .palette = PM_PALETTE_MAGMA, .title = "a fox", .cell = 64 };

  for (int i = 0; i < 6; i++)
    add_map (maps, 0, i / 3, 5, i % 3, i == 4 ? 0.2f : 0.6f);
  pm_sheet_get_colours (PM_PALETTE_MAGMA, colours);

  g_autoptr (PmBitmap) plain = pm_sheet_draw (maps, &options, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (count_pixels (plain, colours[153]), >=, 5 * 64 * 64);
  g_assert_cmpint (count_pixels (plain, colours[153]), <, 5 * 64 * 64 + 3 * 12);
  g_assert_cmpint (count_pixels (plain, colours[51]), >=, 64 * 64);
  g_assert_cmpint (count_pixels (plain, colours[51]), <, 64 * 64 + 3 * 12);
  g_assert_cmpint (count_pixels (plain, magenta), ==, 0);

  options.picture = picture;
  options.picture_width = options.picture_height = 2;
  g_autoptr (PmBitmap) with_picture = pm_sheet_draw (maps, &options, NULL, &error);
  g_assert_cmpint (count_pixels (with_picture, magenta), ==, 64 * 64);
  g_assert_cmpint (with_picture->width, >, plain->width + 64);
}

static void
count_cb (const PmProgress *progress, gpointer data)
{
  int *n = data;

  g_assert_cmpfloat (progress->fraction, <=, 1);
  ++*n;
}

static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) none = make_maps (1, 1, 1, 0), one = make_maps (1, 1, 1, 1), many = make_maps (1, 2, 1, 700);
  int n_reports = 0;
  g_autoptr (PmJob) job = pm_job_new (count_cb, &n_reports);
  PmSheetOptions options = { .cell = 256 };

  g_assert_null (pm_sheet_draw (none, &options, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_null (pm_sheet_draw (many, &options, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_null (pm_maps_to_gif (one, &options, NULL, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "steps"));
  g_clear_error (&error);
  g_autoptr (PmBitmap) drawn = pm_sheet_draw (one, &options, job, &error);
  g_assert_no_error (error);
  g_assert_cmpint (n_reports, >=, 1);
  pm_job_cancel (job);
  g_assert_null (pm_sheet_draw (one, &options, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (pm_sheet_by_from_id ("heads"), ==, PM_SHEET_HEADS);
  g_assert_cmpint (pm_sheet_by_from_id ("rows"), ==, -1);
}

/* Every letter has ink of its own, as wide as measured; what is not ASCII becomes something that is. */
static void
test_text (void)
{
  const guint8 white[] = { 255, 255, 255 }, black[] = { 0, 0, 0 };
  PmFont       font = { 14, 0.14, black };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (char c = '!'; c <= '~'; c++)
    {
      const char           text[] = { c, 0 };
      g_autoptr (PmBitmap) bitmap = pm_bitmap_new (32, 32, white, NULL);
      g_autoptr (GString)  shape = g_string_new (NULL);
      int                  right = 0;

      pm_bitmap_write (bitmap, 6, 22, 0, &font, text);
      for (int i = 0; i < 32 * 32; i++)
        {
          g_string_append_c (shape, bitmap->rgb[3 * i] < 128 ? '#' : '.');
          right = bitmap->rgb[3 * i] < 128 ? MAX (right, i % 32) : right;
        }
      g_assert_nonnull (strchr (shape->str, '#'));
      g_assert_cmpfloat (fabs (6 + pm_font_measure (&font, text) - right), <, 2.5);
      if (! strchr ("Il|'", c)) /* the same stroke, and nearly so */
        g_assert_true (g_hash_table_add (seen, g_strdup (shape->str)));
    }

  g_assert_cmpfloat (pm_font_measure (&font, "caf\xc3\xa9"), ==, pm_font_measure (&font, "cafe"));
  g_assert_cmpfloat (pm_font_measure (&font, "\xe7\x8b\x90"), ==, pm_font_measure (&font, "?"));

  g_autoptr (PmBitmap) small = pm_bitmap_new (5, 5, white, NULL);
  pm_bitmap_write (small, -40, 3, 0, &font, "over all borders"); /* cut off */
  pm_bitmap_write (small, 3, 60, 0.5, &font, "below");
  pm_bitmap_put (small, -1, -1, 2, 2, (const guint8[12]) { 0 });
  g_assert_cmpint (small->rgb[0], ==, 0);
}

static void
test_npy (void)
{
  const char *start = "\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }";
  g_autoptr (GPtrArray) maps = make_maps (1, 1, 1, 1);
  PmMap            *map = g_ptr_array_index (maps, 0);
  g_autoptr (GBytes) bytes = pm_map_to_npy (map);
  gsize              n;
  const char        *data = g_bytes_get_data (bytes, &n);

  g_assert_cmpuint (n, ==, 128 + sizeof (float) * SIDE * SIDE);
  g_assert_cmpmem (data, 10 + 59, start, 10 + 59);
  g_assert_cmpint (data[127], ==, '\n');
  g_assert_cmpmem (data + 128, sizeof (float) * SIDE * SIDE, map->values, sizeof (float) * SIDE * SIDE);
}

/* Codes to strings by their definition: a code is the string before and its own last index. */
static GByteArray *
decode_lzw (const guint8 *data, gsize n_data)
{
  g_autoptr (GByteArray) packed = g_byte_array_new ();
  GByteArray *out = g_byte_array_new ();
  guint8      string[4097];
  int         before[4096], last[4096], next = 258, size = 9, old = -1;
  gsize       bit = 0, at = 1;

  g_assert_cmpint (data[0], ==, 8);
  for (; data[at]; at += data[at] + 1)
    g_byte_array_append (packed, data + at + 1, data[at]);
  g_assert_cmpuint (at + 1, ==, n_data);

  for (;;)
    {
      int code = 0, n = 0;

      g_assert_cmpuint (bit + size, <=, 8 * packed->len);
      for (int i = 0; i < size; i++, bit++)
        code |= (packed->data[bit / 8] >> bit % 8 & 1) << i;
      if (code == 257)
        return out;
      if (code == 256)
        {
          next = 258;
          size = 9;
          old = -1;
          continue;
        }

      g_assert_true (code < 256 || (code >= 258 && (code < next || (code == next && old >= 0))));
      if (code == next) /* not known yet: the string before, and its own first index */
        n++;
      for (int c = code == next ? old : code; n <= 4096; c = before[c])
        {
          string[n++] = (guint8) (c < 256 ? c : last[c]);
          if (c < 256)
            break;
        }
      if (code == next)
        string[0] = string[n - 1];
      if (old >= 0 && next < 4096)
        {
          before[next] = old;
          last[next++] = string[n - 1];
        }
      for (int i = n - 1; i >= 0; i--)
        g_byte_array_append (out, &string[i], 1);
      old = code;
      size += next == 1 << size && size < 12;
    }
}

static void
test_lzw (void)
{
  const gsize sizes[] = { 0, 1, 2, 255, 256, 257, 5000, 100000 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);

  for (int kind = 0; kind < 4; kind++)
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
      {
        g_autofree guint8 *indices = g_new (guint8, sizes[s] + 1);
        g_autoptr (GByteArray) file = g_byte_array_new ();

        for (gsize i = 0; i < sizes[s]; i++)
          {
            const guint8 kinds[] = { 7, (guint8) g_rand_int (rand), (guint8) (i / 13), (guint8) (g_rand_int (rand) & 1) };

            indices[i] = kinds[kind];
          }
        pm_gif_append_lzw (file, indices, sizes[s]);

        g_autoptr (GByteArray) back = decode_lzw (file->data, file->len);
        g_assert_cmpmem (back->data, back->len, indices, sizes[s]);
        if (kind == 0 && sizes[s] == 100000)
          g_assert_cmpuint (file->len, <, 1000);
      }
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/export/layout", test_layout);
  g_test_add_func ("/export/sheet", test_sheet);
  g_test_add_func ("/export/refused", test_refused);
  g_test_add_func ("/export/text", test_text);
  g_test_add_func ("/export/npy", test_npy);
  g_test_add_func ("/export/lzw", test_lzw);

  return g_test_run ();
}
