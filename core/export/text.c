/* Text on a bitmap: the strokes of glyphs.h, smooth at any size because a pixel's ink is its distance to the nearest stroke. */
#include <math.h>
#include <string.h>

#include "export/bitmap.h"
#include "export/glyphs.h"

#define CURVE_PIECES 6 /* straight ones for each quadratic curve */
#define DOT 1.5        /* a dot is so much thicker than a stroke */

typedef struct
{
  double x0, y0, x1, y1; /* y upwards from the baseline */
} Segment;

static double
get_x (char c)
{
  return c <= '9' ? c - '0' : c - 'A' + 10;
}

static double
get_y (char c)
{
  return c - 'e';
}

static const char *
find_glyph (char c)
{
  gboolean is_known = c >= PM_GLYPH_FIRST && c < PM_GLYPH_FIRST + (int) G_N_ELEMENTS (pm_glyphs);

  return pm_glyphs[(is_known ? c : '?') - PM_GLYPH_FIRST];
}

static void
add_line (GArray *segments, double *at /* [2] */, double x, double y)
{
  Segment segment = { at[0], at[1], x, y };

  g_array_append_val (segments, segment);
  at[0] = x;
  at[1] = y;
}

static void
add_curve (GArray *segments, double *at /* [2] */, double cx, double cy, double x, double y)
{
  double x0 = at[0], y0 = at[1];

  for (int i = 1; i <= CURVE_PIECES; i++)
    {
      double t = (double) i / CURVE_PIECES, u = 1.0 - t;

      add_line (segments, at, u * u * x0 + 2.0 * u * t * cx + t * t * x, u * u * y0 + 2.0 * u * t * cy + t * t * y);
    }
}

/* points: n pairs of characters. */
static void
add_stroke (GArray *segments, const char *points, int n, char mark, double scale, double left)
{
  double at[2] = { left + scale * get_x (points[0]), scale * get_y (points[1]) };
  int    n_curves = mark == '@' ? n : n - 2;

  if (mark == '@')
    {
      at[0] = 0.5 * (at[0] + left + scale * get_x (points[2 * n - 2]));
      at[1] = 0.5 * (at[1] + scale * get_y (points[2 * n - 1]));
    }

  for (int i = 0; mark && i < n_curves; i++)
    {
      int    control = mark == '@' ? i : i + 1, next = (control + 1) % n;
      double cx = left + scale * get_x (points[2 * control]), cy = scale * get_y (points[2 * control + 1]);
      double x = left + scale * get_x (points[2 * next]), y = scale * get_y (points[2 * next + 1]);
      double part = mark == '~' && i == n_curves - 1 ? 1.0 : 0.5; /* to the end, or half way to the next control */

      add_curve (segments, at, cx, cy, cx + part * (x - cx), cy + part * (y - cy));
    }

  for (int i = 1; ! mark && i < n; i++)
    add_line (segments, at, left + scale * get_x (points[2 * i]), scale * get_y (points[2 * i + 1]));
}

static void
add_glyph (GArray *segments, const char *glyph, double scale, double left)
{
  while ((glyph = strchr (glyph, ' ')))
    {
      char mark = glyph[1] == '~' || glyph[1] == '@' ? glyph[1] : 0;
      int  length;

      glyph += mark ? 2 : 1;
      length = (int) strcspn (glyph, " ");
      add_stroke (segments, glyph, length / 2, mark, scale, left);
    }
}

static double
measure_ascii (const PmFont *font, const char *text)
{
  double units = 0.0;

  for (const char *c = text; *c; c++)
    units += get_x (find_glyph (*c)[0]) + (c[1] ? PM_GLYPH_SPACING : 0);

  return units * font->size / PM_GLYPH_CAPITAL;
}

double
pm_font_measure (const PmFont *font, const char *text)
{
  g_autofree char *ascii = g_str_to_ascii (text, "C");

  return measure_ascii (font, ascii);
}

static double
get_distance (const Segment *s, double x, double y)
{
  double dx = s->x1 - s->x0, dy = s->y1 - s->y0, square = dx * dx + dy * dy;
  double t = square > 0.0 ? ((x - s->x0) * dx + (y - s->y0) * dy) / square : 0.0;

  t = CLAMP (t, 0.0, 1.0);

  return hypot (x - s->x0 - t * dx, y - s->y0 - t * dy) * (square > 0.0 ? 1.0 : 1.0 / DOT);
}

/* Inks one glyph; x and y of the segments are from the baseline's left end. */
static void
draw_segments (PmBitmap *bitmap, const GArray *segments, double x, double y, const PmFont *font, double left, double right)
{
  double radius = 0.5 * font->size * font->weight;
  int    top = (int) floor (y - 1.2 * font->size - 2), bottom = (int) ceil (y + 0.4 * font->size + 2);

  for (int row = MAX (top, 0); row < MIN (bottom, bitmap->height); row++)
    for (int column = MAX ((int) (x + left - 2), 0); column < MIN ((int) (x + right + 3), bitmap->width); column++)
      {
        guint8 *pixel = bitmap->rgb + 3 * ((gsize) row * bitmap->width + column);
        double  nearest = G_MAXDOUBLE, ink;

        for (guint i = 0; i < segments->len; i++)
          nearest = fmin (nearest, get_distance (&g_array_index (segments, Segment, i), column + 0.5 - x, y - row - 0.5));

        ink = CLAMP (radius + 0.5 - nearest, 0.0, 1.0);
        for (int c = 0; c < 3 && ink > 0.0; c++)
          pixel[c] = (guint8) lround (pixel[c] + ink * (font->colour[c] - pixel[c]));
      }
}

void
pm_bitmap_write (PmBitmap *bitmap, double x, double y, double align, const PmFont *font, const char *text)
{
  g_autofree char *ascii = g_str_to_ascii (text, "C");
  g_autoptr (GArray) segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  double scale = font->size / PM_GLYPH_CAPITAL, left = 0.0;

  x = round (x - align * measure_ascii (font, ascii)); /* whole pixels: upright stems stay sharp */
  y = round (y);

  for (const char *c = ascii; *c; c++)
    {
      const char *glyph = find_glyph (*c);
      double      width = scale * get_x (glyph[0]);

      g_array_set_size (segments, 0);
      add_glyph (segments, glyph, scale, left);
      draw_segments (bitmap, segments, x, y, font, left, left + width);
      left += width + scale * PM_GLYPH_SPACING;
    }
}
