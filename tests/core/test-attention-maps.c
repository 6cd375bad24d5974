/* Maps on their way to the eye: statistics, sinks, common scales, smooth enlarging, palettes. */
#include <math.h>
#include <string.h>

#include "attention/map.h"
#include "attention/palette.h"

#define GRID 10

static void
test_stats (void)
{
  float      values[101];
  PmMapStats stats;

  for (int i = 0; i <= 100; i++)
    values[(i * 37) % 101] = (float) i;
  pm_map_compute_stats (values, 101, 1, &stats);

  g_assert_cmpfloat (stats.min, ==, 0.0);
  g_assert_cmpfloat (stats.max, ==, 100.0);
  g_assert_cmpfloat (fabs (stats.mean - 50.0), <, 1e-9);
  g_assert_cmpfloat (fabs (stats.p01 - 1.0), <, 1e-9);
  g_assert_cmpfloat (fabs (stats.p50 - 50.0), <, 1e-9);
  g_assert_cmpfloat (fabs (stats.p99 - 99.0), <, 1e-9);
  g_assert_cmpint (stats.n_sinks, ==, 0);
}

/* Two corners of 100 patches draw 50 and 80 times the rest. */
static void
fill_with_sinks (float *values)
{
  for (int i = 0; i < GRID * GRID; i++)
    values[i] = 1.0f + 0.01f * (float) (i % 11);
  values[GRID - 1] = 50.0f;
  values[GRID * (GRID - 1)] = 80.0f;
}

static void
test_sinks (void)
{
  float      values[GRID * GRID];
  PmMapStats stats;

  fill_with_sinks (values);
  values[5] = NAN;
  pm_map_compute_stats (values, GRID, GRID, &stats);

  g_assert_cmpint (stats.n_sinks, ==, 2);
  g_assert_cmpint (stats.sinks[0].x, ==, 0);
  g_assert_cmpint (stats.sinks[0].y, ==, GRID - 1);
  g_assert_cmpfloat (stats.sinks[0].value, ==, 80.0);
  g_assert_cmpint (stats.sinks[1].x, ==, GRID - 1);
  g_assert_cmpint (stats.sinks[1].y, ==, 0);
  g_assert_cmpfloat (stats.p99, <, 1.2);
  g_assert_cmpfloat (stats.max, ==, 80.0);
  g_assert_cmpfloat (stats.min, ==, 0.0); /* the NaN */
}

/* At most two patches in a hundred are sinks, and noise in the last bits makes none. */
static void
test_sinks_limit (void)
{
  float      values[GRID * GRID];
  PmMapStats stats;

  fill_with_sinks (values);
  for (int i = 20; i < 25; i++)
    values[i] = 60.0f;
  pm_map_compute_stats (values, GRID, GRID, &stats);
  g_assert_cmpint (stats.n_sinks, ==, 2);

  for (int i = 0; i < GRID * GRID; i++)
    values[i] = 1.0f / 64;
  values[7] = nextafterf (values[7], 1.0f);
  pm_map_compute_stats (values, GRID, GRID, &stats);
  g_assert_cmpint (stats.n_sinks, ==, 0);
}

static PmMap *
map_new (int group, gboolean is_signed, const float *values)
{
  PmMap *map = g_new0 (PmMap, 1);

  map->group = group;
  map->is_signed = is_signed;
  map->grid_w = map->grid_h = GRID;
  map->values = g_memdup2 (values, GRID * GRID * sizeof (float));

  return map;
}

static void
test_scale (void)
{
  g_autoptr (GPtrArray) maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  float  values[GRID * GRID];
  PmMap *a, *b, *c, *d;

  fill_with_sinks (values);
  g_ptr_array_add (maps, a = map_new (0, FALSE, values));
  for (int i = 0; i < GRID * GRID; i++)
    values[i] = (float) i / 50.0f;
  g_ptr_array_add (maps, c = map_new (1, TRUE, values));
  g_ptr_array_add (maps, b = map_new (0, FALSE, values));
  memset (values, 0, sizeof values);
  g_ptr_array_add (maps, d = map_new (2, FALSE, values));
  pm_maps_scale (maps);

  g_assert_true (a->low == b->low && a->high == b->high);
  g_assert_cmpfloat (a->low, >=, 0.0);
  g_assert_cmpfloat (a->low, <, 0.1);
  g_assert_cmpfloat (a->high, >, 1.8);
  g_assert_cmpfloat (a->high, <, 2.0); /* the sinks of 50 and 80 do not count */
  g_assert_cmpfloat (c->low, ==, -c->high);
  g_assert_cmpfloat (fabs (c->high - 1.9602), <, 1e-3);
  g_assert_cmpfloat ((float) d->high, >, (float) d->low);
  g_assert_cmpfloat (fabs (pm_map_normalise (d, 0.0f) - 0.5), <, 1e-6);

  g_assert_cmpfloat (pm_map_normalise (a, 1000.0f), ==, 1.0);
  g_assert_cmpfloat (pm_map_normalise (a, -1000.0f), ==, 0.0);
  g_assert_cmpfloat (pm_map_normalise (a, NAN), ==, 0.0);
  g_assert_cmpfloat (fabs (pm_map_normalise (a, (float) (0.5 * (a->low + a->high))) - 0.5), <, 1e-6);
}

static void
fill_random (float *values, int n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (int i = 0; i < n; i++)
    values[i] = (float) g_rand_double (rand);
}

/* An odd factor has a pixel right at each patch centre: it must carry the patch's value. */
static void
test_upsample_centres (void)
{
  const int sizes[][3] = { { 1, 1, 7 }, { 2, 1, 3 }, { 1, 5, 3 }, { 3, 4, 5 }, { 8, 8, 9 }, { 32, 16, 3 } };

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      int               w = sizes[s][0], h = sizes[s][1], factor = sizes[s][2];
      g_autofree float *values = g_new (float, w *h), *out = g_new (float, w *h *factor *factor);

      fill_random (values, w * h);
      g_assert_true (pm_map_upsample (values, w, h, w * factor, h * factor, out));
      for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
          {
            int at = (y * factor + factor / 2) * w * factor + x * factor + factor / 2;

            g_assert_cmpfloat (fabs (out[at] - values[y * w + x]), <, 1e-6);
          }
    }
}

/* A constant stays constant, and no value leaves the range of the patches, for any size. */
static void
test_upsample_range (void)
{
  float             flat[12], values[12] = { 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1 };
  g_autofree float *out = g_new (float, 101 * 67);

  for (int i = 0; i < 12; i++)
    flat[i] = 0.3f;
  g_assert_true (pm_map_upsample (flat, 4, 3, 101, 67, out));
  for (int i = 0; i < 101 * 67; i++)
    g_assert_cmpfloat (out[i], ==, 0.3f);

  g_assert_true (pm_map_upsample (values, 4, 3, 101, 67, out));
  for (int i = 0; i < 101 * 67; i++)
    g_assert_true (out[i] >= 0.0f && out[i] <= 1.0f);

  values[3] = INFINITY;
  g_assert_true (pm_map_upsample (values, 4, 3, 3, 2, out)); /* smaller than the grid */
  for (int i = 0; i < 6; i++)
    g_assert_true (out[i] >= 0.0f && out[i] <= 1.0f);
}

/* A window is the crop of the whole, bit by bit, at every corner and for one pixel; and what the whole would need plays no
 * part: a strip of a picture that no machine could hold. */
static void
test_upsample_window (void)
{
  const int         whole_w = 101, whole_h = 67;
  const int         windows[][4] = { { 0, 0, 101, 67 }, { 0, 0, 1, 1 }, { 100, 66, 1, 1 }, { 13, 40, 50, 27 }, { 70, 3, 31, 9 } };
  float             values[12];
  g_autofree float *whole = g_new (float, whole_w *whole_h), *out = g_new (float, whole_w *whole_h);

  fill_random (values, 12);
  g_assert_true (pm_map_upsample (values, 4, 3, whole_w, whole_h, whole));
  for (guint i = 0; i < G_N_ELEMENTS (windows); i++)
    {
      const int *at = windows[i];

      g_assert_true (pm_map_upsample_window (values, 4, 3, whole_w, whole_h, at[0], at[1], at[2], at[3], out));
      for (int y = 0; y < at[3]; y++)
        for (int x = 0; x < at[2]; x++)
          g_assert_cmpfloat (out[y * at[2] + x], ==, whole[(at[1] + y) * whole_w + at[0] + x]);
    }

  g_assert_true (pm_map_upsample_window (values, 4, 3, 1 << 30, 1 << 30, 1 << 29, (1 << 30) - 8, 32, 8, out));
  for (int i = 0; i < 32 * 8; i++)
    g_assert_cmpfloat (out[i], ==, out[0]);
}

/* Smooth: with 64 pixels a patch, steps between neighbours and changes of these steps are small everywhere, which blocks
 * and straight lines between centres would break; and a mirrored map gives the mirrored picture. */
static void
test_upsample_smooth (void)
{
  const int         w = 5 * 64;
  float             values[5] = { 0.45f, 0.55f, 0.4f, 0.6f, 0.5f }, mirrored[5] = { 0.5f, 0.6f, 0.4f, 0.55f, 0.45f };
  g_autofree float *out = g_new (float, w), *back = g_new (float, w);

  g_assert_true (pm_map_upsample (values, 5, 1, w, 1, out));
  g_assert_true (pm_map_upsample (mirrored, 5, 1, w, 1, back));
  for (int x = 0; x < w; x++)
    g_assert_cmpfloat (fabs (out[x] - back[w - 1 - x]), <, 1e-6);

  for (int x = 96; x + 2 < w - 96; x++) /* between the outer centres; clamping at the extremes bends but little */
    {
      double step = out[x + 1] - out[x], next = out[x + 2] - out[x + 1];

      g_assert_cmpfloat (fabs (step), <, 0.3 / 64 * 2.0);
      g_assert_cmpfloat (fabs (next - step), <, 0.0006); /* a kink of straight lines: 0.35 / 64 = 0.0055 */
    }
}

static void
test_palette_ids (void)
{
  const char *ids[] = { "viridis", "magma", "inferno", "turbo", "cividis", "grey" };

  g_assert_cmpint (PM_N_PALETTES, ==, G_N_ELEMENTS (ids));
  for (int i = 0; i < PM_N_PALETTES; i++)
    {
      g_assert_cmpstr (pm_palette_id ((PmPalette) i), ==, ids[i]); /* files store these numbers */
      g_assert_cmpint (pm_palette_from_id (ids[i]), ==, i);
    }
  g_assert_cmpint (pm_palette_from_id ("plasma"), ==, -1);
  g_assert_cmpint (pm_palette_from_id (NULL), ==, -1);
  g_assert_null (pm_palette_id ((PmPalette) PM_N_PALETTES));
}

static void
assert_colour (PmPalette palette, float value, guint expected)
{
  float rgb[3];

  pm_palette_lookup (palette, value, rgb);
  for (int c = 0; c < 3; c++)
    g_assert_cmpint ((int) lroundf (rgb[c] * 255.0f), ==, (expected >> (16 - 8 * c)) & 0xff);
}

/* Ends and out-of-range values; the published first and last colours. */
static void
test_palette_ends (void)
{
  const guint ends[PM_N_PALETTES][2] = { { 0x440154, 0xfde725 }, { 0x000004, 0xfcfdbf }, { 0x000004, 0xfcffa4 },
                                         { 0x30123b, 0x7a0403 }, { 0x00224e, 0xfee838 }, { 0x000000, 0xffffff } };

  for (int i = 0; i < PM_N_PALETTES; i++)
    {
      assert_colour ((PmPalette) i, 0.0f, ends[i][0]);
      assert_colour ((PmPalette) i, -3.0f, ends[i][0]);
      assert_colour ((PmPalette) i, NAN, ends[i][0]);
      assert_colour ((PmPalette) i, 1.0f, ends[i][1]);
      assert_colour ((PmPalette) i, INFINITY, ends[i][1]);
    }
}

static double
get_luminance (const float *rgb)
{
  double linear[3];

  for (int c = 0; c < 3; c++)
    linear[c] = rgb[c] <= 0.04045f ? rgb[c] / 12.92 : pow ((rgb[c] + 0.055) / 1.055, 2.4);

  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/* Brighter all the way (turbo is a rainbow and is not), and without jumps. */
static void
test_palette_monotone (void)
{
  for (int i = 0; i < PM_N_PALETTES; i++)
    {
      float  rgb[3], before[3];
      double luminance = -1.0;

      for (int k = 0; k <= 1000; k++)
        {
          pm_palette_lookup ((PmPalette) i, (float) k / 1000.0f, rgb);
          for (int c = 0; k && c < 3; c++)
            g_assert_cmpfloat (fabs (rgb[c] - before[c]), <, 0.013);
          if (i != PM_PALETTE_TURBO)
            g_assert_cmpfloat (get_luminance (rgb), >=, luminance - 3e-4); /* 8 bits a channel */
          luminance = get_luminance (rgb);
          memcpy (before, rgb, sizeof rgb);
        }
    }
}

static void
test_palette_scale (void)
{
  g_assert_cmpfloat (pm_palette_scale (5, 0, 10, 1), ==, 0.5f);
  g_assert_cmpfloat (pm_palette_scale (-1, 0, 10, 1), ==, 0.0f);
  g_assert_cmpfloat (pm_palette_scale (11, 0, 10, 1), ==, 1.0f);
  g_assert_cmpfloat (fabsf (pm_palette_scale (0.25f, 0, 1, 2) - 0.5f), <, 1e-6);
  g_assert_cmpfloat (pm_palette_scale (NAN, 0, 1, 2), ==, 0.0f);
  g_assert_cmpfloat (pm_palette_scale (3, 2, 2, 1), ==, 1.0f);
  g_assert_cmpfloat (pm_palette_scale (2, 2, 2, 1), ==, 0.0f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/maps/stats", test_stats);
  g_test_add_func ("/maps/sinks", test_sinks);
  g_test_add_func ("/maps/sinks-limit", test_sinks_limit);
  g_test_add_func ("/maps/scale", test_scale);
  g_test_add_func ("/maps/upsample-centres", test_upsample_centres);
  g_test_add_func ("/maps/upsample-range", test_upsample_range);
  g_test_add_func ("/maps/upsample-window", test_upsample_window);
  g_test_add_func ("/maps/upsample-smooth", test_upsample_smooth);
  g_test_add_func ("/palette/ids", test_palette_ids);
  g_test_add_func ("/palette/ends", test_palette_ends);
  g_test_add_func ("/palette/monotone", test_palette_monotone);
  g_test_add_func ("/palette/scale", test_palette_scale);

  return g_test_run ();
}
