/* Files opened again: with the operation, without it, and after it was missing once. */
#include "check.h"

static GimpImage *
open_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GimpImage *image = gimp_file_load (GIMP_RUN_NONINTERACTIVE, file);

  check (image != NULL, "%s opens", name);
  return image;
}

static GimpLayer *
group_of (GimpImage *image)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);

  return layers && layers[0] && gimp_item_is_group (GIMP_ITEM (layers[0])) ? layers[0] : NULL;
}

static GimpLayer *
picture_of (GimpImage *image)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);

  return layers && layers[0] ? layers[1] : NULL;
}

/* Coloured pixels, and nothing that GIMP would have to know. */
static void
check_baked (GimpLayer *group, int n_expected)
{
  g_autofree GimpItem **children = group ? gimp_item_get_children (GIMP_ITEM (group)) : NULL;
  double colour = 0.0;
  int    n = 0;

  for (; children && children[n]; n++)
    {
      g_autofree GimpDrawableFilter **filters = gimp_drawable_get_filters (GIMP_DRAWABLE (children[n]));
      g_autofree float *pixels = pixels_of (GIMP_DRAWABLE (children[n]));

      check (! filters || ! filters[0], "the baked heat map has no filter");
      for (int i = 0; i < 64 * 64; i++)
        colour = MAX (colour, ABS (pixels[4 * i] - pixels[4 * i + 2]));
    }
  check (n == n_expected, "there are %d baked heat maps (got %d)", n_expected, n);
  check (colour > 0.1, "the colours are in the pixels (%g)", colour);
}

void
suite_bare (const char *folder)
{
  GimpImage *image = open_file (folder, "painted.xcf");
  g_autofree char *path = g_build_filename (folder, "lost.xcf", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autofree GimpDrawableFilter **filters = NULL;
  Call result;

  if (! image)
    return;
  filters = gimp_drawable_get_filters (GIMP_DRAWABLE (first_child (group_of (image))));
  check (! filters || ! filters[0], "without the operation GIMP drops the filter");
  check_group (group_of (image), FALSE, FALSE);
  result = call ("plug-in-pentimento-reapply", image, NULL, NULL);
  check (result.status == GIMP_PDB_EXECUTION_ERROR, "nothing can be re-applied without the operation");
  check_contains (result.error, "pentimento:heatmap", "the error");
  check (gimp_file_save (GIMP_RUN_NONINTERACTIVE, image, file, NULL), "the image is saved without filters");

  result = call ("plug-in-pentimento-bake", image, NULL, NULL);
  check (result.status == GIMP_PDB_SUCCESS && result.count == STANDARD_MAPS, "bake works from the records");
  check_baked (group_of (image), STANDARD_MAPS);
  gimp_image_delete (image);

  result = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  if (check (result.status == GIMP_PDB_SUCCESS, "generate bakes where the operation is missing"))
    check_baked (result.group, STANDARD_MAPS);
}

static void
test_painted (const char *folder)
{
  GimpImage *image = open_file (folder, "painted.xcf");
  g_autoptr (JsonParser) parser = NULL;
  g_autofree float *a = NULL, *b = NULL;
  Call again;

  if (! image)
    return;
  check_picture (picture_of (image));
  check_group (group_of (image), FALSE, TRUE);
  check (record_of (image, NULL, &parser) != NULL, "the image still has its record");

  again = call ("plug-in-pentimento-run-again", image, NULL, NULL);
  if (! check (again.status == GIMP_PDB_SUCCESS, "the opened image runs again (%s)", again.error ? again.error : "no error"))
    return;
  a = pixels_of (GIMP_DRAWABLE (picture_of (image)));
  b = pixels_of (GIMP_DRAWABLE (again.picture));
  check_near (largest_difference (a, b, 64 * 64, FALSE), 0.0, 0.0, "the difference of the repeated picture");
  check_group (again.group, FALSE, TRUE);
  gimp_image_delete (image);
  gimp_image_delete (again.image);
}

static void
test_lost (const char *folder)
{
  GimpImage *image = open_file (folder, "lost.xcf"), *painted = open_file (folder, "painted.xcf"), *restored;
  g_autofree float *a = NULL, *b = NULL;
  Call result;

  if (! image || ! painted)
    return;
  gimp_image_select_rectangle (image, GIMP_CHANNEL_OP_REPLACE, 0, 0, 20, 20);
  result = call ("plug-in-pentimento-reapply", image, NULL, NULL);
  check (! gimp_selection_is_empty (image), "the selection stays");
  check (result.status == GIMP_PDB_SUCCESS && result.count == STANDARD_MAPS, "re-apply restores %d filters (got %d)",
         STANDARD_MAPS, result.count);
  check_group (group_of (image), FALSE, TRUE);
  restored = gimp_image_duplicate (image);
  a = pixels_of (GIMP_DRAWABLE (gimp_image_flatten (restored)));
  b = pixels_of (GIMP_DRAWABLE (gimp_image_flatten (painted)));
  check_near (largest_difference (a, b, 64 * 64, FALSE), 0.0, 1e-3, "the difference of the restored image");
  gimp_image_delete (restored);
  gimp_image_delete (painted);
  result = call ("plug-in-pentimento-reapply", image, NULL, NULL);
  check (result.status == GIMP_PDB_SUCCESS && result.count == 0, "a second re-apply finds nothing to do");
  result = call ("plug-in-pentimento-bake", image, NULL, NULL);
  check (result.count == STANDARD_MAPS, "restored filters can be baked");
  check_baked (group_of (image), STANDARD_MAPS);
  gimp_image_delete (image);
}

void
suite_reopen (const char *folder)
{
  test_painted (folder);
  test_lost (folder);
  check_start_reopened (folder);
  check_export_reopened (folder);
  check_words_reopened (folder);
}
