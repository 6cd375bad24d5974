/* All maps of a run as files. headless.sh compares the arrays with those of the program `pentimento`. */
#include "check.h"

#include <string.h>

#define EXPORT "plug-in-pentimento-export-maps"

static Call
export_to (GimpImage *image, GimpLayer *layer, const char *folder, const char *name, const char *format)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  return call (EXPORT, image, layer, "file", file, "format", format, NULL);
}

static GimpImage *
open_exported (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GimpImage *image = gimp_file_load (GIMP_RUN_NONINTERACTIVE, file);

  check (image != NULL, "%s is a picture", name);
  return image;
}

static int
count_layers (GimpImage *image)
{
  g_autofree GimpLayer **layers = gimp_image_get_layers (image);
  int n = 0;

  while (layers && layers[n])
    n++;
  return n;
}

/* How many different colours a row of maps has, and that the picture's are among them, is for the eye; here: it is no blank. */
static void
check_sheet (const char *folder)
{
  GimpImage *image = open_exported (folder, "sheet.png");
  g_autofree GimpLayer **layers = image ? gimp_image_get_layers (image) : NULL;
  g_autofree float *pixels = layers ? pixels_of (GIMP_DRAWABLE (layers[0])) : NULL;
  g_autoptr (GHashTable) colours = g_hash_table_new (NULL, NULL);

  if (! pixels)
    return;
  check (gimp_image_get_width (image) > 400 && gimp_image_get_height (image) > 300, "the sheet has %d × %d pixels",
         gimp_image_get_width (image), gimp_image_get_height (image));
  for (int i = 0; i < gimp_image_get_width (image) * gimp_image_get_height (image); i++)
    g_hash_table_add (colours, GINT_TO_POINTER (((int) (pixels[4 * i] * 255.0f) << 16) + ((int) (pixels[4 * i + 1] * 255.0f) << 8)
                                                + (int) (pixels[4 * i + 2] * 255.0f)));
  check (g_hash_table_size (colours) > 300, "the sheet has more than a palette's colours (%u)", g_hash_table_size (colours));
  gimp_image_delete (image);
}

static void
check_animation (const char *folder)
{
  GimpImage *image = open_exported (folder, "steps.gif");

  if (! image)
    return;
  check (count_layers (image) == 2, "the animation has two frames (got %d)", count_layers (image));
  gimp_image_delete (image);
}

/* The header of a safetensors file: its length as 8 bytes, then JSON. */
static void
check_tensors (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "maps.safetensors", NULL), *bytes = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *header = NULL;
  guint64 n_header = 0;
  gsize   n = 0;

  if (check (g_file_get_contents (path, &bytes, &n, NULL) && n > 8, "the values were written"))
    memcpy (&n_header, bytes, 8);
  n_header = GUINT64_FROM_LE (n_header);
  if (n_header > 0 && n_header < n && json_parser_load_from_data (parser, bytes + 8, (gssize) n_header, NULL))
    header = json_node_get_object (json_parser_get_root (parser));
  check (header && json_object_get_size (header) >= 2 * STANDARD_MAPS, "each map has values and a description (%u entries)",
         header ? json_object_get_size (header) : 0);
}

/* Two runs in one image: the selected layer says which. The pixels of a heat map may be lost; its values are not. */
static void
test_formats (const char *folder)
{
  Call paint = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  Call other, result;
  g_autofree GimpItem **children = NULL;

  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints to export"))
    return;
  other = call ("plug-in-pentimento-generate", paint.image, NULL, "class", "cat", "num-steps", 2, "target", "current-image",
                "show-steps", "1", NULL);
  children = gimp_item_get_children (GIMP_ITEM (paint.group));
  gimp_drawable_fill (GIMP_DRAWABLE (children[0]), GIMP_FILL_WHITE);
  result = export_to (paint.image, paint.picture, folder, "arrays", "npy");
  check (result.status == GIMP_PDB_SUCCESS && result.count == STANDARD_MAPS, "%d arrays are written (got %d; %s)", STANDARD_MAPS,
         result.count, result.error ? result.error : "no error");
  result = export_to (paint.image, GIMP_LAYER (children[1]), folder, "sheet.png", "by-name");
  check (result.status == GIMP_PDB_SUCCESS && result.count == STANDARD_MAPS, "the sheet is written (%s)",
         result.error ? result.error : "no error");
  check_sheet (folder);
  result = export_to (paint.image, paint.group, folder, "steps.gif", "by-name");
  check (result.status == GIMP_PDB_SUCCESS, "the animation is written (%s)", result.error ? result.error : "no error");
  check_animation (folder);
  result = export_to (paint.image, paint.picture, folder, "maps.safetensors", "by-name");
  check (result.status == GIMP_PDB_SUCCESS, "the values are written (%s)", result.error ? result.error : "no error");
  check_tensors (folder);

  result = export_to (paint.image, other.picture, folder, "one", "npy");
  check (result.status == GIMP_PDB_SUCCESS && result.count == 1, "the other run has one map (got %d)", result.count);
  result = export_to (paint.image, other.picture, folder, "one.gif", "animation");
  check (result.status == GIMP_PDB_CALLING_ERROR, "an animation of one step is refused (status %d)", result.status);
  result = export_to (paint.image, other.picture, "/no/such/folder", "x.png", "sheet");
  check (result.status == GIMP_PDB_EXECUTION_ERROR, "a folder that is not there is refused (status %d)", result.status);
  check_contains (result.error, "x.png", "the error");
  gimp_image_delete (paint.image);
}

static void
test_refusals (const char *folder)
{
  GimpImage *image = blank_image (16, 16, GIMP_RGB);
  Call       result = export_to (image, NULL, folder, "nothing.png", "sheet");

  check (result.status == GIMP_PDB_CALLING_ERROR, "an image without maps is refused");
  check_contains (result.error, "no heat maps", "the error");
  gimp_image_delete (image);

  result = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  if (! check (result.status == GIMP_PDB_SUCCESS, "paints to damage"))
    return;
  image = result.image;
  gimp_item_detach_parasite (GIMP_ITEM (first_child (result.group)), "pentimento-values");
  result = export_to (image, NULL, folder, "lost.png", "sheet");
  check (result.status == GIMP_PDB_EXECUTION_ERROR, "lost values are refused (status %d)", result.status);
  check_contains (result.error, "Subject, t 750", "the error");
  result = call (EXPORT, image, NULL, NULL);
  check (result.status != GIMP_PDB_SUCCESS, "no file is refused");
  gimp_image_delete (image);
}

void
suite_export (const char *folder)
{
  test_formats (folder);
  test_refusals (folder);
}

/* From the file that the suite "paint" saved. */
void
check_export_reopened (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "painted.xcf", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GimpImage *image = gimp_file_load (GIMP_RUN_NONINTERACTIVE, file);
  Call       result = export_to (image, NULL, folder, "reopened", "npy");

  check (result.status == GIMP_PDB_SUCCESS && result.count == STANDARD_MAPS, "the file's arrays are written (%d; %s)",
         result.count, result.error ? result.error : "no error");
  gimp_image_delete (image);
}
