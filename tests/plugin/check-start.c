/* Painting over a layer and into a selection: what is kept of the layer, where the result lies, and that it runs again. */
#include "check.h"

#include <math.h>
#include <string.h>

#define VRAM_LIMIT 300 /* MiB */
#define BEGIN_CALL "class", "fox", "seed", 7, "num-steps", 8, "read", "", "guidance", 1.0

/* Colours that tell the place, in an image of its own: a layer with an offset on white. */
static GimpImage *
image_with_layer (int x, int y, int width, int height, GimpLayer **layer)
{
  GimpImage *image = blank_image (300, 200, GIMP_RGB);
  g_autoptr (GeglBuffer) buffer = NULL;
  g_autofree float *pixels = g_new (float, 3 * width * height);

  *layer = gimp_layer_new (image, "Ground", width, height, GIMP_RGB_IMAGE, 100, GIMP_LAYER_MODE_NORMAL);
  gimp_image_insert_layer (image, *layer, NULL, 0);
  gimp_layer_set_offsets (*layer, x, y);
  for (int i = 0; i < width * height; i++)
    {
      pixels[3 * i] = 0.2f + 0.6f * (i % width) / width;
      pixels[3 * i + 1] = 0.8f - 0.6f * (i / width) / height;
      pixels[3 * i + 2] = 0.5f;
    }
  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (*layer));
  gegl_buffer_set (buffer, NULL, 0, babl_format ("R'G'B' float"), pixels, GEGL_AUTO_ROWSTRIDE);
  gegl_buffer_flush (buffer);
  return image;
}

/* Mean difference of colour where picture and layer overlap on the canvas, but inside or outside of a rectangle [4] of it. */
static double
mean_difference (GimpLayer *picture, GimpLayer *layer, const int *rectangle, gboolean inside)
{
  g_autofree float *a = pixels_of (GIMP_DRAWABLE (picture)), *b = pixels_of (GIMP_DRAWABLE (layer));
  int    aw = gimp_drawable_get_width (GIMP_DRAWABLE (picture)), ah = gimp_drawable_get_height (GIMP_DRAWABLE (picture));
  int    bw = gimp_drawable_get_width (GIMP_DRAWABLE (layer)), bh = gimp_drawable_get_height (GIMP_DRAWABLE (layer));
  int    ax, ay, bx, by, n = 0;
  double sum = 0.0;

  gimp_drawable_get_offsets (GIMP_DRAWABLE (picture), &ax, &ay);
  gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &bx, &by);
  for (int i = 0; i < aw * ah; i++)
    {
      int      x = ax + i % aw, y = ay + i / aw;
      gboolean in = rectangle && x >= rectangle[0] && x < rectangle[0] + rectangle[2] && y >= rectangle[1]
                    && y < rectangle[1] + rectangle[3];

      if (x < bx || y < by || x >= bx + bw || y >= by + bh || in != inside)
        continue;
      for (int c = 0; c < 3; c++, n++)
        sum += ABS (a[4 * i + c] - b[4 * ((y - by) * bw + x - bx) + c]);
    }
  return n ? sum / n : 1.0;
}

static void
check_bounds (GimpLayer *picture, int x, int y, int width, int height)
{
  int own_x, own_y, own_width = gimp_drawable_get_width (GIMP_DRAWABLE (picture));
  int own_height = gimp_drawable_get_height (GIMP_DRAWABLE (picture));

  gimp_drawable_get_offsets (GIMP_DRAWABLE (picture), &own_x, &own_y);
  check (own_x == x && own_y == y && own_width == width && own_height == height,
         "the picture lies at %d, %d and has %d × %d pixels (got %d, %d and %d × %d)", x, y, width, height, own_x, own_y,
         own_width, own_height);
}

static void
check_same (const Call *first, const Call *again, const char *what)
{
  g_autofree float *a = NULL, *b = NULL;
  int width, height;

  if (! check (first->status == GIMP_PDB_SUCCESS && again->status == GIMP_PDB_SUCCESS, "%s works (%s)", what,
               again->error ? again->error : "no error"))
    return;
  a = pixels_of (GIMP_DRAWABLE (first->picture));
  b = pixels_of (GIMP_DRAWABLE (again->picture));
  width = gimp_drawable_get_width (GIMP_DRAWABLE (first->picture));
  height = gimp_drawable_get_height (GIMP_DRAWABLE (first->picture));
  if (check (gimp_drawable_get_width (GIMP_DRAWABLE (again->picture)) == width
               && gimp_drawable_get_height (GIMP_DRAWABLE (again->picture)) == height,
             "%s has the same size", what))
    check_near (largest_difference (a, b, width * height, FALSE), 0.0, 0.0, what);
}

/* The record holds the limit of a GPU's memory in bytes. */
static void
check_limit (Call *paint)
{
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *record = record_of (NULL, GIMP_ITEM (paint->picture), &parser);
  JsonObject *request = record ? json_object_get_object_member (record, "request") : NULL;

  check (request && json_object_get_int_member_with_default (request, "vram-limit", 0) == (gint64) VRAM_LIMIT << 20,
         "the record holds the limit of the GPU's memory");
}

/* Little strength keeps the layer, place for place; full strength does not; and the record repeats it without the layer. */
static void
test_over_layer (const char *folder)
{
  GimpLayer *layer;
  GimpImage *image = image_with_layer (120, 40, 160, 90, &layer);
  Call   faint = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "over-layer", "strength", 0.13,
                       "vram-limit", VRAM_LIMIT, NULL);
  Call   strong = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "over-layer", "strength", 1.0, NULL);
  Call   again;
  double kept, lost;
  g_autofree char *path = g_build_filename (folder, "started.xcf", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  if (! check (faint.status == GIMP_PDB_SUCCESS && strong.status == GIMP_PDB_SUCCESS, "paints over the layer (%s)",
               faint.error ? faint.error : "no error"))
    return;
  check_bounds (faint.picture, 120, 40, 160, 90);
  kept = mean_difference (faint.picture, layer, NULL, FALSE);
  lost = mean_difference (strong.picture, layer, NULL, FALSE);
  check (kept < 0.06, "little strength keeps the layer (%g)", kept);
  check (lost > 4.0 * kept, "full strength does not (%g)", lost);
  again = call ("plug-in-pentimento-run-again", image, faint.picture, "target", "over-layer", NULL);
  check_same (&faint, &again, "the repeated start");
  check_limit (&faint);
  check_limit (&again);
  gimp_image_remove_layer (image, layer);
  check (gimp_file_save (GIMP_RUN_NONINTERACTIVE, image, file, NULL), "the image is saved without the layer");
  gimp_image_delete (image);
}

/* A small selection in the middle, one at the layer's edge, and one that is nearly all of it: what surrounds it is what was. */
static void
test_into_selection (void)
{
  static const int rectangles[][4] = { { 150, 70, 24, 20 }, { 120, 40, 30, 80 }, { 130, 46, 130, 70 } };
  static const int windows[][4] = { { 130, 48, 64, 64 }, { 120, 40, 90, 90 }, { 130, 20, 130, 130 } };

  for (guint i = 0; i < G_N_ELEMENTS (rectangles); i++)
    {
      const int *at = rectangles[i], *window = windows[i];
      GimpLayer *layer;
      GimpImage *image = image_with_layer (120, 40, 160, 90, &layer);
      Call       paint;

      gimp_image_select_rectangle (image, GIMP_CHANNEL_OP_REPLACE, at[0], at[1], at[2], at[3]);
      paint = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "into-selection", "strength", 1.0, NULL);
      if (check (paint.status == GIMP_PDB_SUCCESS, "paints into selection %u (%s)", i, paint.error ? paint.error : "no error"))
        {
          /* A pixel of the picture that is partly selected is partly painted. */
          const int grown[] = { at[0] - 3, at[1] - 3, at[2] + 6, at[3] + 6 };

          check_bounds (paint.picture, window[0], window[1], window[2], window[3]);
          check_near (mean_difference (paint.picture, layer, grown, FALSE), 0.0, 0.012, "the difference around the selection");
          check (mean_difference (paint.picture, layer, at, TRUE) > 0.05, "something new is in the selection");
          check (gimp_layer_get_mask (paint.picture) != NULL, "the picture has a mask");
          check (! gimp_selection_is_empty (image), "the selection stays");
        }
      gimp_image_delete (image);
    }
}

static void
expect_usage (const Call *result, const char *what, const char *part)
{
  check (result->status == GIMP_PDB_CALLING_ERROR, "%s is refused (status %d)", what, result->status);
  check_contains (result->error, part, what);
}

static void
test_refusals (void)
{
  GimpLayer *layer;
  GimpImage *image = image_with_layer (120, 40, 160, 90, &layer);
  Call       result = call ("plug-in-pentimento-generate", NULL, NULL, BEGIN_CALL, "target", "over-layer", NULL);

  expect_usage (&result, "a start without an image", "no image");
  result = call ("plug-in-pentimento-generate", image, NULL, BEGIN_CALL, "target", "over-layer", NULL);
  expect_usage (&result, "a start without a layer", "no layer");
  result = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "into-selection", NULL);
  expect_usage (&result, "an empty selection", "selected");
  gimp_image_select_rectangle (image, GIMP_CHANNEL_OP_REPLACE, 0, 0, 50, 30);
  result = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "into-selection", NULL);
  expect_usage (&result, "a selection beside the layer", "outside the layer");
  result = call ("plug-in-pentimento-generate", image, layer, BEGIN_CALL, "target", "over-layer", "width", 16384, "height", 16384,
                 NULL);
  check (result.status != GIMP_PDB_SUCCESS && result.error && strstr (result.error, "64"),
         "a huge start names the right size: %s", result.error);
  gimp_image_delete (image);
}

void
suite_start (const char *folder)
{
  test_over_layer (folder);
  test_into_selection ();
  test_refusals ();
}

/* What the run began with travels in the file; damaged or taken away, that is said. */
void
check_start_reopened (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "started.xcf", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GimpImage *image = gimp_file_load (GIMP_RUN_NONINTERACTIVE, file);
  g_autofree GimpLayer **layers = image ? gimp_image_get_layers (image) : NULL;
  g_auto (GStrv) names = image ? gimp_image_get_parasite_list (image) : NULL;
  Call first = { .status = GIMP_PDB_SUCCESS }, again;
  int  n_kept = 0;

  if (! check (layers && layers[0] && layers[1] && layers[2], "started.xcf opens with its pictures"))
    return;
  first.picture = layers[2]; /* lowest of the pictures: the strong one lies over it, and its repetition over that */
  again = call ("plug-in-pentimento-run-again", image, first.picture, "target", "over-layer", NULL);
  check_same (&first, &again, "the start from a file");
  for (int i = 0; names && names[i]; i++)
    if (g_str_has_prefix (names[i], "pentimento-start-"))
      {
        GimpParasite *parasite = gimp_parasite_new (names[i], GIMP_PARASITE_PERSISTENT, 8, "\x89PNG\r\n\x1a\n");

        gimp_image_attach_parasite (image, parasite);
        gimp_parasite_free (parasite);
        n_kept++;
      }
  check (n_kept == 1, "the image keeps one start for its three runs (got %d)", n_kept);
  again = call ("plug-in-pentimento-run-again", image, first.picture, NULL);
  check (again.status == GIMP_PDB_EXECUTION_ERROR, "a damaged start is refused (status %d)", again.status);
  check_contains (again.error, "damaged", "the damaged start");
  for (int i = 0; names && names[i]; i++)
    if (g_str_has_prefix (names[i], "pentimento-start-"))
      gimp_image_detach_parasite (image, names[i]);
  again = call ("plug-in-pentimento-run-again", image, first.picture, NULL);
  expect_usage (&again, "a start that is not there", "does not hold");
  gimp_image_delete (image);
}
