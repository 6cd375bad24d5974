/* Failures: the sentence names cause and remedy, and the image is as it was. */
#include "check.h"

#include <glib/gstdio.h>
#include <string.h>

static void
expect (const Call *result, GimpPDBStatusType status, const char *what, const char *part)
{
  check (result->status == status, "%s is refused (status %d)", what, result->status);
  check_contains (result->error, part, what);
}

static void
test_arguments (void)
{
  Call result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "foxx", "num-steps", 2, NULL);

  expect (&result, GIMP_PDB_CALLING_ERROR, "an unknown class", "fox");
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "width", 100, "height", 64, NULL);
  check (result.status != GIMP_PDB_SUCCESS && result.error && strstr (result.error, "64"), "a wrong size names the right one: %s",
         result.error);
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "sampler", "leapfrog", NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "an unknown sampler", "euler");
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "read", "tea-leaves", NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "an unknown reading", "subject");
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "read", "received", "show-layers", "99", NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "a layer that is not there", "99");
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "read", "received", "show-layers", "all",
                 "show-heads", "all", "show-steps", "all", NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "more than 512 layers", "512");
  result = call ("plug-in-pentimento-generate", NULL, NULL, "class", "fox", "target", "selection", NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "a selection without an image", "no image");
}

static void
test_models (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "damaged.safetensors", NULL);
  static const char bytes[] = "\x40\0\0\0\0\0\0\0{\"blocks.0.attn.qkv.weight\":{\"dtype\":\"F32\"";
  Call result = call ("plug-in-pentimento-generate", NULL, NULL, "model", "no-such-model", NULL);

  expect (&result, GIMP_PDB_CALLING_ERROR, "a missing model", "no-such-model");
  check_contains (result.error, "starter-pixel", "a missing model");
  g_file_set_contents (path, bytes, sizeof (bytes) - 1, NULL);
  result = call ("plug-in-pentimento-generate", NULL, NULL, "model", path, NULL);
  expect (&result, GIMP_PDB_EXECUTION_ERROR, "a damaged model", "damaged.safetensors");
  g_remove (path);
}

/* Said before anything is computed. */
static void
test_no_picture (const char *folder)
{
  g_autofree char *path = copy_model (folder, "latents"), *config = g_build_filename (path, "config.json", NULL);
  g_autofree char *before = log_news (), *news = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  Call result;

  check (json_parser_load_from_file (parser, config, NULL), "the configuration can be read");
  json_object_set_string_member (json_node_get_object (json_parser_get_root (parser)), "vae", "vae");
  json_generator_set_root (generator, json_parser_get_root (parser));
  json_generator_to_file (generator, config, NULL);
  result = call ("plug-in-pentimento-generate", NULL, NULL, "model", path, "class", "fox", "read", "", NULL);
  expect (&result, GIMP_PDB_EXECUTION_ERROR, "a latent model without its VAE", "VAE");
  news = log_news ();
  check_contains (news, "VAE", "the log");
  check (! strstr (news, "paint: "), "nothing was painted");
}

static void
test_images (void)
{
  GimpImage *image = blank_image (64, 64, GIMP_RGB);
  g_autofree GimpLayer **layers = NULL;
  Call result = call ("plug-in-pentimento-generate", image, NULL, "class", "fox", "target", "selection", NULL);

  expect (&result, GIMP_PDB_CALLING_ERROR, "an empty selection", "selected");
  result = call ("plug-in-pentimento-run-again", image, NULL, NULL);
  expect (&result, GIMP_PDB_CALLING_ERROR, "an image without a record", "record");
  gimp_image_convert_indexed (image, GIMP_CONVERT_DITHER_NONE, GIMP_CONVERT_PALETTE_GENERATE, 8, FALSE, FALSE, "");
  result = call ("plug-in-pentimento-generate", image, NULL, "class", "fox", "target", "current-image", NULL);
  expect (&result, GIMP_PDB_EXECUTION_ERROR, "an indexed image", "indexed");
  check_contains (result.error, "Mode > RGB", "the indexed image's remedy");
  layers = gimp_image_get_layers (image);
  check (layers && layers[0] && ! layers[1], "failures leave the image as it was");
  gimp_image_delete (image);
}

/* Records come with documents from anybody. */
static void
test_hostile_records (void)
{
  static const char *const texts[] = { "", "{", "[]", "{\"request\":3}", "{\"request\":{\"width\":\"wide\"}}",
                                       "{\"request\":{\"model\":\"no-such-model\"},\"look\":[]}" };
  GimpImage *image = blank_image (16, 16, GIMP_RGB);
  GString   *deep = g_string_new ("{\"look\":\"");

  /* Closing brackets in a string close nothing. */
  for (int i = 0; i < 200000; i++)
    g_string_append_c (deep, ']');
  g_string_append (deep, "\",\"request\":");
  for (int i = 0; i < 200000; i++)
    g_string_append_c (deep, '[');
  for (guint i = 0; i <= G_N_ELEMENTS (texts); i++)
    {
      const char   *text = i < G_N_ELEMENTS (texts) ? texts[i] : deep->str;
      GimpParasite *parasite = gimp_parasite_new ("pentimento-record", GIMP_PARASITE_PERSISTENT, strlen (text), text);
      Call result;

      gimp_image_attach_parasite (image, parasite);
      gimp_parasite_free (parasite);
      result = call ("plug-in-pentimento-run-again", image, NULL, NULL);
      check (result.status == GIMP_PDB_EXECUTION_ERROR || result.status == GIMP_PDB_CALLING_ERROR,
             "the hostile record %u is refused (status %d)", i, result.status);
      check (result.error && strlen (result.error) > 10, "with a sentence: %s", result.error ? result.error : "none");
      if (text == deep->str) /* of ours: a plug-in that has crashed leaves GIMP's own */
        check_contains (result.error, "paint anew", "the deep record");
    }
  g_string_free (deep, TRUE);
  gimp_image_delete (image);
}

/* One text of the plug-in, one of the core: both look into the one domain. */
void
suite_german (const char *folder)
{
  Call paint = call ("plug-in-pentimento-generate", NULL, NULL, STANDARD_CALL, NULL);
  g_autofree char *group = NULL, *map = NULL;

  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints in German"))
    return;
  group = gimp_item_get_name (GIMP_ITEM (paint.group));
  map = gimp_item_get_name (GIMP_ITEM (first_child (paint.group)));
  check_text (group, "Aufmerksamkeit", "the group");
  check_contains (map, "Gegenstand", "the heat map's name");
  gimp_image_delete (paint.image);
}

void
suite_errors (const char *folder)
{
  test_arguments ();
  test_models (folder);
  test_no_picture (folder);
  test_images ();
  test_hostile_records ();
}
