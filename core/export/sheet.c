/* See sheet.h. Everything is measured first, then drawn; all lengths are pixels. */
#include "export/sheet.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "export/sheet-layout.h"

#define MARGIN 24
#define GAP 6           /* between cells */
#define PANEL_GAP 28    /* between panels */
#define TITLE_SIZE 15.0 /* heights of capitals */
#define HEADING_SIZE 11.0
#define LABEL_SIZE 9.0
#define LABEL_SPACE 10 /* from a label to what it names */
#define BAR_WIDTH 12
#define BAR_SPACE 14
#define SHEET_WIDTH 1280 /* about as wide as the cells may become together */
#define MIN_CELL 48
#define MAX_CELL 160
#define LARGE_CELL 256 /* of a panel of few maps */

typedef struct
{
  const PmSheetOptions *options;
  GPtrArray            *panels;
  guint8                colours[256][3];
  guint8                paper[3], ink[3], faint[3];
  PmFont                title_font, heading_font, label_font;
  int                   cell_w, cell_h;
  int                   left, top;   /* of the first cell */
  int                   row_titles;  /* width of the widest, with its space; 0: none */
  int                   numbers;     /* width of the widest number at a bar */
  int                   width, height;
  PmJob                *job;
} Sheet;

int
pm_sheet_by_from_id (const char *id)
{
  const char *const ids[] = { "auto", "layers", "steps", "heads" };

  for (int i = 0; id && i < (int) G_N_ELEMENTS (ids); i++)
    if (strcmp (id, ids[i]) == 0)
      return i;

  return -1;
}

void
pm_sheet_get_colours (PmPalette palette, guint8 colours[256][3])
{
  for (int i = 0; i < 256; i++)
    {
      float rgb[3];

      pm_palette_lookup (palette, (float) i / 255.0f, rgb);
      for (int c = 0; c < 3; c++)
        colours[i][c] = (guint8) lround (255.0 * rgb[c]);
    }
}

static double
get_luminance (const guint8 colour[3])
{
  return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2];
}

static void
choose_colours (Sheet *sheet)
{
  const guint8 white[3] = { 255, 255, 255 }, black[3] = { 26, 26, 26 };
  int          darkest = 0, lightest = 0;

  pm_sheet_get_colours (sheet->options->palette, sheet->colours);
  for (int i = 1; i < 256; i++)
    {
      darkest = get_luminance (sheet->colours[i]) < get_luminance (sheet->colours[darkest]) ? i : darkest;
      lightest = get_luminance (sheet->colours[i]) > get_luminance (sheet->colours[lightest]) ? i : lightest;
    }
  memcpy (sheet->paper, sheet->options->is_frame ? sheet->colours[darkest] : white, 3);
  memcpy (sheet->ink, sheet->options->is_frame ? sheet->colours[lightest] : black, 3);
  for (int c = 0; c < 3; c++)
    sheet->faint[c] = sheet->options->is_frame ? sheet->ink[c] : (guint8) ((2 * sheet->ink[c] + sheet->paper[c]) / 3);

  sheet->title_font = (PmFont) { TITLE_SIZE, 0.15, sheet->ink };
  sheet->heading_font = (PmFont) { HEADING_SIZE, 0.15, sheet->ink };
  sheet->label_font = (PmFont) { LABEL_SIZE, 0.14, sheet->faint };
}

static char *
format_number (double value, double range)
{
  return g_strdup_printf ("%.3g", fabs (value) < 1e-6 * range ? 0.0 : value);
}

static gboolean
has_own_titles (const PmSheetPanel *panel)
{
  return panel->row_titles == NULL;
}

/* Room for titles of columns; none where all are empty. */
static int
get_label_height (const PmSheetPanel *panel)
{
  for (char **title = panel->column_titles; *title; title++)
    if (**title)
      return (int) LABEL_SIZE + LABEL_SPACE;

  return 0;
}

/* From the panel's top, where its heading stands, to the top of a row's cells. */
static int
get_row_offset (const Sheet *sheet, const PmSheetPanel *panel, int row)
{
  int heading = (int) HEADING_SIZE + 12 + get_label_height (panel);

  return heading + row * (sheet->cell_h + GAP + (has_own_titles (panel) ? get_label_height (panel) : 0));
}

static int
get_panel_height (const Sheet *sheet, const PmSheetPanel *panel)
{
  return get_row_offset (sheet, panel, panel->n_rows - 1) + sheet->cell_h;
}

static void
measure_cells (Sheet *sheet, int n_columns, int n_cells)
{
  const PmSheetOptions *options = sheet->options;
  const PmSheetPanel   *panel = g_ptr_array_index (sheet->panels, 0);
  const PmMap          *map = panel->cells[0];
  double                w = 1.0, h = 1.0;
  int                   n = n_columns + (options->picture != NULL);
  int                   largest = n_cells <= 2 ? LARGE_CELL : MAX_CELL;
  int                   cell = options->cell ? options->cell : CLAMP (SHEET_WIDTH / n - GAP, MIN_CELL, largest);

  if (options->picture)
    w = options->picture_width, h = options->picture_height;
  else if (map)
    w = map->grid_w, h = map->grid_h;

  sheet->cell_w = MAX (1, (int) lround (cell * fmin (w / h, 1.0)));
  sheet->cell_h = MAX (1, (int) lround (cell * fmin (h / w, 1.0)));
}

static void
measure (Sheet *sheet)
{
  const PmSheetOptions *options = sheet->options;
  int                   n_columns = 0, n_cells = 0, row_titles = 0, headings = 0, title = 0, cells;

  for (guint p = 0; p < sheet->panels->len; p++)
    {
      const PmSheetPanel *panel = g_ptr_array_index (sheet->panels, p);

      n_columns = MAX (n_columns, panel->n_columns);
      n_cells += panel->n_columns * panel->n_rows;
      headings = MAX (headings, (int) ceil (pm_font_measure (&sheet->heading_font, panel->title)));
      for (int r = 0; panel->row_titles && r < panel->n_rows; r++)
        row_titles = MAX (row_titles, (int) ceil (pm_font_measure (&sheet->label_font, panel->row_titles[r])));
      for (int i = 0; i < panel->n_rows * panel->n_columns; i++)
        if (panel->cells[i])
          {
            const PmMap     *map = panel->cells[i];
            g_autofree char *low = format_number (map->low, map->high - map->low);
            g_autofree char *high = format_number (map->high, map->high - map->low);

            sheet->numbers = MAX (sheet->numbers, (int) ceil (pm_font_measure (&sheet->label_font, low)));
            sheet->numbers = MAX (sheet->numbers, (int) ceil (pm_font_measure (&sheet->label_font, high)));
          }
    }

  measure_cells (sheet, n_columns, n_cells);
  cells = n_columns * (sheet->cell_w + GAP) - GAP;
  sheet->row_titles = row_titles ? row_titles + LABEL_SPACE : 0;
  sheet->left = MARGIN + (options->picture ? sheet->cell_w + 2 * BAR_SPACE : 0) + sheet->row_titles;
  sheet->top = MARGIN + (options->title ? (int) TITLE_SIZE + 20 : 0);
  if (options->title)
    title = (int) ceil (pm_font_measure (&sheet->title_font, options->title));
  sheet->width = sheet->left + MAX (cells + BAR_SPACE + BAR_WIDTH + 6 + sheet->numbers, headings) + MARGIN;
  sheet->width = MAX (sheet->width, title + 2 * MARGIN);

  sheet->height = sheet->top + MARGIN - PANEL_GAP;
  for (guint p = 0; p < sheet->panels->len; p++)
    sheet->height += get_panel_height (sheet, g_ptr_array_index (sheet->panels, p)) + PANEL_GAP;
}

static void
draw_map (const Sheet *sheet, PmBitmap *bitmap, const PmMap *map, int x, int y)
{
  int                n = sheet->cell_w * sheet->cell_h;
  g_autofree float  *values = g_new (float, n);
  g_autofree guint8 *rgb = g_new (guint8, 3 * n);

  pm_map_upsample (map->values, map->grid_w, map->grid_h, sheet->cell_w, sheet->cell_h, values);
  for (int i = 0; i < n; i++)
    memcpy (rgb + 3 * i, sheet->colours[(int) (pm_map_normalise (map, values[i]) * 255.0f + 0.5f)], 3);
  pm_bitmap_put (bitmap, x, y, sheet->cell_w, sheet->cell_h, rgb);
}

/* The mean of what each pixel covers, where the picture shrinks. [height, width] out of one channel of [h, w, 3]. */
static void
shrink (const float *picture, int w, int h, int channel, int width, int height, float *out)
{
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      {
        int    x0 = x * w / width, x1 = MAX ((x + 1) * w / width, x0 + 1);
        int    y0 = y * h / height, y1 = MAX ((y + 1) * h / height, y0 + 1);
        double sum = 0.0;

        for (int v = y0; v < y1; v++)
          for (int u = x0; u < x1; u++)
            sum += picture[3 * ((gsize) v * w + u) + channel];
        out[(gsize) y * width + x] = (float) (sum / ((x1 - x0) * (y1 - y0)));
      }
}

static void
draw_picture (const Sheet *sheet, PmBitmap *bitmap, int x, int y)
{
  const PmSheetOptions *options = sheet->options;
  int                   w = options->picture_width, h = options->picture_height, n = sheet->cell_w * sheet->cell_h;
  g_autofree float     *channel = g_new (float, (gsize) w *h), *scaled = g_new (float, n);
  g_autofree guint8    *rgb = g_new (guint8, 3 * n);

  for (int c = 0; c < 3; c++)
    {
      for (gsize i = 0; i < (gsize) w * h; i++)
        channel[i] = options->picture[3 * i + c];
      if (sheet->cell_w < w || sheet->cell_h < h)
        shrink (options->picture, w, h, c, sheet->cell_w, sheet->cell_h, scaled);
      else
        pm_map_upsample (channel, w, h, sheet->cell_w, sheet->cell_h, scaled);
      for (int i = 0; i < n; i++)
        rgb[3 * i + c] = (guint8) lround (255.0 * CLAMP (scaled[i], 0.0f, 1.0f));
    }
  pm_bitmap_put (bitmap, x, y, sheet->cell_w, sheet->cell_h, rgb);
}

/* A bar beside the panel's first rows, high at the top, with its ends in numbers, and the zero where there is a sign. */
static void
draw_bar (const Sheet *sheet, PmBitmap *bitmap, const PmSheetPanel *panel, int x, int y)
{
  const PmMap *map = NULL;
  int          last = MIN (panel->n_rows, 2) - 1;
  int          height = get_row_offset (sheet, panel, last) - get_row_offset (sheet, panel, 0) + sheet->cell_h;
  double       middle = 0.5 * LABEL_SIZE;

  for (int i = 0; ! map && i < panel->n_rows * panel->n_columns; i++)
    map = panel->cells[i];
  for (int row = 0; row < height; row++)
    pm_bitmap_fill (bitmap, x, y + row, BAR_WIDTH, 1, sheet->colours[255 - 255 * row / MAX (height - 1, 1)]);

  g_autofree char *low = format_number (map->low, map->high - map->low);
  g_autofree char *high = format_number (map->high, map->high - map->low);
  double           left = x + BAR_WIDTH + 6;

  pm_bitmap_write (bitmap, left, y + LABEL_SIZE, 0.0, &sheet->label_font, high);
  pm_bitmap_write (bitmap, left, y + height, 0.0, &sheet->label_font, low);
  if (map->is_signed)
    pm_bitmap_write (bitmap, left, y + 0.5 * height + middle, 0.0, &sheet->label_font, "0");
}

static void
draw_cell (const Sheet *sheet, PmBitmap *bitmap, const PmSheetPanel *panel, int row, int column, int top)
{
  int          x = sheet->left + column * (sheet->cell_w + GAP), y = top + get_row_offset (sheet, panel, row);
  int          at = row * panel->n_columns + column;
  const PmMap *map = panel->cells[at];

  if (map)
    draw_map (sheet, bitmap, map, x, y);
  if (has_own_titles (panel) || row == 0)
    pm_bitmap_write (bitmap, x + 0.5 * sheet->cell_w, y - LABEL_SPACE + 3, 0.5, &sheet->label_font, panel->column_titles[at]);
}

static gboolean
draw_panel (const Sheet *sheet, PmBitmap *bitmap, guint before, int top, GError **error)
{
  const PmSheetPanel *panel = g_ptr_array_index (sheet->panels, before);
  int bar = sheet->left + panel->n_columns * (sheet->cell_w + GAP) - GAP + BAR_SPACE;

  pm_bitmap_write (bitmap, sheet->left, top + HEADING_SIZE, 0.0, &sheet->heading_font, panel->title);
  draw_bar (sheet, bitmap, panel, bar, top + get_row_offset (sheet, panel, 0));

  for (int r = 0; r < panel->n_rows; r++)
    {
      double middle = top + get_row_offset (sheet, panel, r) + 0.5 * (sheet->cell_h + LABEL_SIZE);

      if (! pm_job_check (sheet->job, error))
        return FALSE;
      if (! sheet->options->is_frame)
        pm_job_report (sheet->job, _("Drawing the maps"), 0, 0, (before + (double) r / panel->n_rows) / sheet->panels->len);
      if (panel->row_titles)
        pm_bitmap_write (bitmap, sheet->left - LABEL_SPACE, middle, 1.0, &sheet->label_font, panel->row_titles[r]);
      for (int c = 0; c < panel->n_columns; c++)
        draw_cell (sheet, bitmap, panel, r, c, top);
    }

  return TRUE;
}

static PmBitmap *
draw (Sheet *sheet, GError **error)
{
  const PmSheetOptions *options = sheet->options;
  g_autoptr (PmBitmap) bitmap = NULL;
  int top = sheet->top;

  measure (sheet);
  bitmap = pm_bitmap_new (sheet->width, sheet->height, sheet->paper, error);
  if (! bitmap)
    return NULL;

  top = sheet->top;
  if (options->title)
    pm_bitmap_write (bitmap, MARGIN, MARGIN + TITLE_SIZE, 0.0, &sheet->title_font, options->title);
  if (options->picture)
    {
      pm_bitmap_write (bitmap, MARGIN, top + HEADING_SIZE, 0.0, &sheet->heading_font, _("Picture"));
      draw_picture (sheet, bitmap, MARGIN, top + get_row_offset (sheet, g_ptr_array_index (sheet->panels, 0), 0));
    }

  for (guint p = 0; p < sheet->panels->len; p++)
    {
      const PmSheetPanel *panel = g_ptr_array_index (sheet->panels, p);

      if (! draw_panel (sheet, bitmap, p, top, error))
        return NULL;
      top += get_panel_height (sheet, panel) + PANEL_GAP;
    }

  return g_steal_pointer (&bitmap);
}

PmBitmap *
pm_sheet_draw (GPtrArray *maps, const PmSheetOptions *options, PmJob *job, GError **error)
{
  Sheet     sheet = { .options = options, .job = job };
  PmBitmap *bitmap;

  if (maps->len == 0)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("There are no maps to put on a sheet; choose what to show."));
      return NULL;
    }

  sheet.panels = pm_sheet_layout_new (maps, options->by, ! options->is_frame);
  choose_colours (&sheet);
  bitmap = draw (&sheet, error);
  g_ptr_array_unref (sheet.panels);

  return bitmap;
}
