/* Existing images: the whole canvas, a selection behind masks, grey images, a region for readings. */
#include "check.h"

#include "palette.h"

static int
count_layers (GimpImage *image)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);
  int n = 0;

  while (layers && layers[n])
    n++;
  return n;
}

static void
test_canvas (void)
{
  GimpImage *image = blank_image (96, 160, GIMP_RGB);
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);
  Call paint;
  int  x, y;

  paint = call ("plug-in-pentimento-generate", image, layers[0], STANDARD_CALL, "target", "current-image", NULL);
  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints into the current image (%s)", paint.error ? paint.error : "no error"))
    return;
  check (paint.image == image, "the image that comes back is the one that was given");
  check (count_layers (image) == 3, "two layers were added");
  check (gimp_drawable_get_width (GIMP_DRAWABLE (paint.picture)) == 96
           && gimp_drawable_get_height (GIMP_DRAWABLE (paint.picture)) == 160,
         "the picture covers the canvas");
  gimp_drawable_get_offsets (GIMP_DRAWABLE (paint.picture), &x, &y);
  check (x == 0 && y == 0, "the picture starts at the corner");
  check_picture (paint.picture);
  check_group (paint.group, FALSE, TRUE);
  gimp_image_delete (image);
}

/* The layer inside the selection against the same picture enlarged by GIMP: cropped in the middle, not stretched. */
static void
check_cover (GimpLayer *placed, int width, int height, int enlarged)
{
  Call plain = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  g_autofree float *a = pixels_of (GIMP_DRAWABLE (placed)), *b = NULL;

  if (! check (plain.status == GIMP_PDB_SUCCESS, "paints for comparison"))
    return;
  gimp_context_set_interpolation (GIMP_INTERPOLATION_CUBIC);
  gimp_layer_scale (plain.picture, enlarged, enlarged, FALSE);
  gimp_layer_resize (plain.picture, width, height, -(enlarged - width) / 2, -(enlarged - height) / 2);
  b = pixels_of (GIMP_DRAWABLE (plain.picture));
  check_near (largest_difference (a, b, width * height, FALSE), 0.0, 3.0 / 255.0, "the difference from the cropped picture");
  gimp_image_delete (plain.image);
}

static void
check_mask (GimpLayer *layer, GimpImage *image)
{
  GimpLayerMask *mask = gimp_layer_get_mask (layer);
  g_autoptr (GeglBuffer) buffer = NULL, selection = NULL;
  float  in, out, selected;
  int    x, y;

  if (! check (mask != NULL, "there is a layer mask"))
    return;
  gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &x, &y);
  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (mask));
  selection = gimp_drawable_get_buffer (GIMP_DRAWABLE (gimp_image_get_selection (image)));
  gegl_buffer_get (buffer, GEGL_RECTANGLE (150 - x, 100 - y, 1, 1), 1.0, babl_format ("Y float"), &in, 0, GEGL_ABYSS_NONE);
  gegl_buffer_get (buffer, GEGL_RECTANGLE (101 - x, 81 - y, 1, 1), 1.0, babl_format ("Y float"), &out, 0, GEGL_ABYSS_NONE);
  gegl_buffer_get (selection, GEGL_RECTANGLE (150, 100, 1, 1), 1.0, babl_format ("Y float"), &selected, 0, GEGL_ABYSS_NONE);
  check_near (in, selected, 0.01, "the mask in the middle of the ellipse");
  check_near (out, 0.0, 0.01, "the mask in its corner");
}

/* As the artist sees it: every pixel of the visible heat map has its palette's colour, wherever the selection was. */
static void
check_colours (GimpImage *image, GimpLayer *group)
{
  GimpLayer *map = first_child (group);
  g_autofree float *values = pixels_of (GIMP_DRAWABLE (map)), *seen = NULL;
  int    width = gimp_drawable_get_width (GIMP_DRAWABLE (map)), height = gimp_drawable_get_height (GIMP_DRAWABLE (map)), x, y;
  double largest = 0.0;

  gimp_drawable_get_offsets (GIMP_DRAWABLE (map), &x, &y);
  gimp_layer_set_mode (map, GIMP_LAYER_MODE_NORMAL);
  gimp_layer_set_opacity (map, 100.0);
  gimp_layer_remove_mask (group, GIMP_MASK_DISCARD);
  seen = pixels_of (GIMP_DRAWABLE (gimp_image_flatten (image)));
  for (int i = 0; i < width * height; i++)
    {
      const float *pixel = seen + 4 * ((gsize) (y + i / width) * gimp_image_get_width (image) + x + i % width);
      float rgb[3];

      pm_palette_lookup (PM_PALETTE_MAGMA, values[4 * i], rgb);
      for (int c = 0; c < 3; c++)
        largest = MAX (largest, ABS ((double) pixel[c] - rgb[c]));
    }
  check_near (largest, 0.0, 0.03, "the difference of what is seen from the palette");
}

static void
test_selection (void)
{
  GimpImage *image = blank_image (300, 200, GIMP_RGB);
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);
  Call paint;
  int  x, y;

  gimp_layer_set_offsets (layers[0], 20, -10);
  gimp_image_select_ellipse (image, GIMP_CHANNEL_OP_REPLACE, 100, 80, 120, 60);
  paint = call ("plug-in-pentimento-generate", image, layers[0], STANDARD_CALL, "target", "selection", NULL);
  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints into the selection (%s)", paint.error ? paint.error : "no error"))
    return;
  gimp_drawable_get_offsets (GIMP_DRAWABLE (paint.picture), &x, &y);
  check (x == 100 && y == 80, "the picture lies at the selection (%d, %d)", x, y);
  check (gimp_drawable_get_width (GIMP_DRAWABLE (paint.picture)) == 120
           && gimp_drawable_get_height (GIMP_DRAWABLE (paint.picture)) == 60,
         "the picture is as large as the selection");
  gimp_drawable_get_offsets (GIMP_DRAWABLE (first_child (paint.group)), &x, &y);
  check (x == 100 && y == 80, "the heat maps lie at the selection (%d, %d)", x, y);
  check_mask (paint.picture, image);
  check_mask (paint.group, image);
  check (! gimp_selection_is_empty (image), "the selection stays");
  check_cover (paint.picture, 120, 60, 120);
  check_colours (image, paint.group);
  gimp_image_delete (image);
}

/* The middle of the picture enlarged to a square of size: at the centres of its columns it has the colours between its middle
 * rows, as the unplaced picture shows them. */
static void
check_middle (GimpLayer *placed, int size)
{
  Call   plain = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  double sum = 0.0, spread = 0.0;
  g_autofree float *a = pixels_of (GIMP_DRAWABLE (placed)), *b = NULL;

  if (! check (plain.status == GIMP_PDB_SUCCESS, "paints for comparison"))
    return;
  b = pixels_of (GIMP_DRAWABLE (plain.picture));
  for (int x = 0; x < 64; x++)
    for (int c = 0; c < 3; c++)
      {
        const float *row = b + 4 * 64 * 31 + 4 * x + c;
        double expected = 0.5 * (row[0] + row[4 * 64]);

        sum += ABS (a[4 * (2 * size + (int) ((x + 0.5) * size / 64)) + c] - expected);
        spread += ABS (expected - 0.5 * (b[4 * 64 * 31 + c] + b[4 * 64 * 32 + c]));
      }
  check_near (sum / (3 * 64), 0.0, 0.02, "the mean difference of the long picture from the middle rows");
  check (spread / (3 * 64) > 0.05, "these rows show something (%g)", spread / (3 * 64));
  gimp_image_delete (plain.image);
}

/* The picture's middle over a canvas that is nearly a line: what is not seen must not be computed, for the whole picture at
 * that size would take gigabytes a layer. */
static void
test_line (void)
{
  GimpImage *image = blank_image (30000, 4, GIMP_RGB);
  Call   paint;
  gint64 began = g_get_monotonic_time ();
  double seconds;

  paint = call ("plug-in-pentimento-generate", image, NULL, STANDARD_CALL, "target", "current-image", NULL);
  seconds = (g_get_monotonic_time () - began) / 1e6;
  if (check (paint.status == GIMP_PDB_SUCCESS, "paints over a long canvas (%s)", paint.error ? paint.error : "no error"))
    {
      check (gimp_drawable_get_width (GIMP_DRAWABLE (paint.picture)) == 30000
               && gimp_drawable_get_height (GIMP_DRAWABLE (paint.picture)) == 4,
             "the picture has the long canvas's size");
      check_middle (paint.picture, 30000);
      check_group (paint.group, FALSE, TRUE);
      check (seconds < 20.0, "the long canvas took %.2f s", seconds);
    }
  gimp_image_delete (image);
}

static void
test_grey (void)
{
  GimpImage *image = blank_image (64, 64, GIMP_GRAY);
  Call paint = call ("plug-in-pentimento-generate", image, NULL, STANDARD_CALL, "target", "current-image", NULL);

  if (check (paint.status == GIMP_PDB_SUCCESS, "paints into a grey image (%s)", paint.error ? paint.error : "no error"))
    {
      check (gimp_drawable_type (GIMP_DRAWABLE (paint.picture)) == GIMP_GRAYA_IMAGE, "the picture is grey there");
      check_picture (paint.picture);
      check_group (paint.group, TRUE, TRUE);
    }
  gimp_image_delete (image);
}

static void
test_region (void)
{
  GimpImage *image = blank_image (64, 64, GIMP_RGB);
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *record, *request;
  Call paint;

  gimp_image_select_rectangle (image, GIMP_CHANNEL_OP_REPLACE, 0, 0, 16, 16);
  paint = call ("plug-in-pentimento-generate", image, NULL, "class", "fox", "seed", 7, "num-steps", 2, "read", "from",
                "show-layers", "5", "show-steps", "1", NULL);
  if (check (paint.status == GIMP_PDB_SUCCESS, "reads from the selected region (%s)", paint.error ? paint.error : "no error"))
    {
      record = record_of (paint.image, NULL, &parser);
      request = record ? json_object_get_object_member (record, "request") : NULL;
      check (request && json_object_has_member (request, "region"), "the record holds the region");
      check (paint.group && first_child (paint.group), "the region has a heat map");
      gimp_image_delete (paint.image);
    }
  gimp_selection_none (image);
  paint = call ("plug-in-pentimento-generate", image, NULL, "class", "fox", "num-steps", 2, "read", "from", NULL);
  check (paint.status == GIMP_PDB_CALLING_ERROR, "a region needs a selection");
  check_contains (paint.error, "select", "the error without a selection");
  gimp_image_delete (image);
}

void
suite_place (const char *folder)
{
  test_canvas ();
  test_selection ();
  test_line ();
  test_grey ();
  test_region ();
}
