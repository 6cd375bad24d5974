/* A model that reads words: prompts, layers of words, weights and regions, and who named a place. headless.sh puts the model,
 * whose weights are a hash, into the folder "prompted". */
#include "check.h"

#include <math.h>
#include <string.h>

#define GENERATE "plug-in-pentimento-generate"
#define WHO_NAMED "plug-in-pentimento-who-named"
#define AGAIN "plug-in-pentimento-run-again"
#define PROMPT "a red fox on blue grass"
#define PROMPT_CALL                                                                                                           \
  "model", model, "prompt", PROMPT, "seed", 7, "num-steps", 3, "read", "word", "show-words", "fox, blue grass", "show-steps", "1"

static char *
model_in (const char *folder)
{
  return g_build_filename (folder, "prompted", NULL);
}

/* The values that a heat-map layer keeps, their number in n; free with g_free. */
static float *
values_of (GimpItem *layer, gsize *n)
{
  GimpParasite *parasite = gimp_item_get_parasite (layer, "pentimento-values");
  guint32       size = 0;
  gconstpointer data = parasite ? gimp_parasite_get_data (parasite, &size) : NULL;
  float        *values = g_memdup2 (data, size);

  *n = size / sizeof (float);
  g_clear_pointer (&parasite, gimp_parasite_free);
  return values;
}

/* Mean of the columns from first up to last of an 8 x 8 grid. */
static double
mean_of (GimpItem *layer, int first, int last)
{
  gsize  n;
  double sum = 0.0;
  g_autofree float *values = values_of (layer, &n);

  if (! check (n == 64, "the heat map has 64 values (got %" G_GSIZE_FORMAT ")", n))
    return -1.0;
  for (gsize i = 0; i < n; i++)
    if ((int) (i % 8) >= first && (int) (i % 8) < last)
      sum += values[i];
  return sum / (8 * (last - first));
}

static GimpItem *
child (GimpLayer *group, int index)
{
  g_autofree GimpItem **children = group ? gimp_item_get_children (GIMP_ITEM (group)) : NULL;

  for (int i = 0; children && children[i]; i++)
    if (i == index)
      return children[i];
  return NULL;
}

static void
check_name (GimpItem *item, const char *expected)
{
  g_autofree char *name = item ? gimp_item_get_name (item) : NULL;

  check (name && g_str_has_prefix (name, expected), "a layer is called “%s” (got “%s”)", expected, name ? name : "nothing");
}

static JsonObject *
request_of (GimpItem *item, JsonParser **parser)
{
  JsonObject *record = record_of (NULL, item, parser);

  return record && json_object_has_member (record, "request") ? json_object_get_object_member (record, "request") : NULL;
}

/* Two words in two layers of the model: a group for each word. */
static void
check_word_groups (GimpLayer *picture, GimpLayer *group)
{
  static const char *const words[] = { "fox", "blue grass" };
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *request = request_of (GIMP_ITEM (picture), &parser);

  check_name (GIMP_ITEM (picture), PROMPT " · seed 7");
  check_text (request ? json_object_get_string_member (request, "prompt") : NULL, PROMPT, "the record's prompt");
  check (child (group, 2) == NULL, "there are two groups of words");
  for (int i = 0; i < 2; i++)
    {
      GimpItem *inner = child (group, i);
      g_autofree char *title = g_strdup_printf ("“%s”", words[i]);

      if (! check (inner && gimp_item_is_group (inner), "the word %s has a group", words[i]))
        continue;
      check_name (inner, title);
      check (gimp_layer_get_mode (GIMP_LAYER (inner)) == GIMP_LAYER_MODE_PASS_THROUGH, "the word's group passes through");
      for (int k = 0; k < 2; k++)
        {
          GimpItem *layer = child (GIMP_LAYER (inner), k);
          g_autofree char *start = g_strdup_printf ("“%s” — Word, layer %d, t ", words[i], k);
          g_autoptr (JsonParser) map_parser = NULL;
          JsonObject *record = layer ? record_of (NULL, layer, &map_parser) : NULL;

          check_name (layer, start);
          if (check (record && json_object_has_member (record, "map"), "the heat map has a record"))
            check_text (json_object_get_string_member (json_object_get_object_member (record, "map"), "word"), words[i],
                        "the record's word");
          check (layer && gimp_item_get_visible (layer) == (i == 0 && k == 0), "only the first heat map is visible");
          check (layer && mean_of (layer, 0, 8) > 0.0, "patches look at the word");
        }
    }
}

static void
test_prompt (const char *folder)
{
  g_autofree char *model = model_in (folder), *path = g_build_filename (folder, "worded.xcf", NULL);
  g_autofree char *before = log_news (), *news = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (path);
  Call paint = call (GENERATE, NULL, NULL, PROMPT_CALL, NULL);
  Call shown;

  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints a prompt (%s)", paint.error ? paint.error : "no error"))
    return;
  check (gimp_image_get_width (paint.image) == 128, "the picture has the model's size");
  check_word_groups (paint.picture, paint.group);
  check (gimp_file_save (GIMP_RUN_NONINTERACTIVE, paint.image, file, NULL), "the image is saved");
  gimp_image_delete (paint.image);

  shown = call (GENERATE, NULL, NULL, "model", model, "prompt", PROMPT, "negative-prompt", "a cat", "seed", 7, "num-steps", 2,
                "read", "word-share,subject", "show-words", "all", "show-layers", "mean:recommended", "show-steps", "1", "width",
                160, "height", 96, NULL);
  if (! check (shown.status == GIMP_PDB_SUCCESS, "shows every word (%s)", shown.error ? shown.error : "no error"))
    return;
  check (gimp_image_get_width (shown.image) == 160 && gimp_image_get_height (shown.image) == 96, "the model paints other sizes");
  check (child (shown.group, 6) && ! child (shown.group, 7), "six words and the subject have a layer each");
  check (! gimp_item_is_group (child (shown.group, 0)), "a word with one heat map needs no group");
  gimp_image_delete (shown.image);
  shown = call (GENERATE, NULL, NULL, "model", model, "prompt", PROMPT, "num-steps", 2, "read", "word", "show-words", "",
                "negative-prompt", "a cat", "guidance", 1.0, NULL);
  check (shown.status == GIMP_PDB_SUCCESS && ! shown.group, "no word, no heat maps (%s)", shown.error ? shown.error : "no error");
  news = log_news ();
  check_contains (news, "negative prompt changes nothing", "the log");
  gimp_image_delete (shown.image);
}

static GimpLayer *
add_region (GimpImage *image, const char *name, int x, int width)
{
  GimpLayer *layer = gimp_layer_new (image, name, width, gimp_image_get_height (image), GIMP_RGBA_IMAGE, 100,
                                     GIMP_LAYER_MODE_NORMAL);

  gimp_image_insert_layer (image, layer, NULL, 0);
  gimp_layer_set_offsets (layer, x, 0);
  gimp_drawable_fill (GIMP_DRAWABLE (layer), GIMP_FILL_WHITE);
  return layer;
}

/* Weight 0 hides a word from every patch; a region from all but its own: several at once, one from a layer of its name. */
static void
test_steers (const char *folder)
{
  g_autofree char *model = model_in (folder);
  GimpImage *image = blank_image (128, 128, GIMP_RGB);
  Call       paint, again;
  g_autofree char *before = log_news (), *news = NULL;
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *request;

  add_region (image, "fox", 0, 64);
  add_region (image, "ground", 64, 64);
  paint = call (GENERATE, image, NULL, "model", model, "prompt", "a red fox on blue grass", "num-steps", 2, "read", "word",
                "show-words", "red, fox, grass, hat", "show-layers", "mean:recommended", "show-steps", "1", "word-weights",
                "red=0, fox=2", "word-regions", "fox, grass=ground, hat=[selection]", "target", "new-image", NULL);
  check (paint.status == GIMP_PDB_CALLING_ERROR, "a region without a selection is refused");
  check_contains (paint.error, "selected", "the error");
  gimp_image_select_rectangle (image, GIMP_CHANNEL_OP_REPLACE, 32, 0, 32, 128);
  paint = call (GENERATE, image, NULL, "model", model, "prompt", "a red fox on blue grass", "num-steps", 2, "read", "word",
                "show-words", "red, fox, grass, hat", "show-layers", "mean:recommended", "show-steps", "1", "word-weights",
                "red=0, fox=2", "word-regions", "fox, grass=ground, hat=[selection]", "target", "new-image", NULL);
  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints with steered words (%s)", paint.error ? paint.error : "no error"))
    return;
  check_near (mean_of (child (paint.group, 0), 0, 8), 0.0, 0.0, "how much anything looks at the hidden word");
  check (mean_of (child (paint.group, 1), 0, 4) > 0.0, "the left looks at the fox");
  check_near (mean_of (child (paint.group, 1), 4, 8), 0.0, 0.0, "how much the right looks at the fox");
  check_near (mean_of (child (paint.group, 2), 0, 4), 0.0, 0.0, "how much the left looks at the grass");
  check (mean_of (child (paint.group, 2), 4, 8) > 0.0, "the right looks at the grass");
  check (mean_of (child (paint.group, 3), 2, 4) > 0.0, "the selection looks at the hat");
  check_near (mean_of (child (paint.group, 3), 0, 2) + mean_of (child (paint.group, 3), 4, 8), 0.0, 0.0, "the rest at the hat");
  request = request_of (GIMP_ITEM (paint.picture), &parser);
  check_text (request ? json_object_get_string_member (request, "prompt") : NULL, "a red fox on blue grass, hat",
              "the prompt with the phrase that it had not");
  news = log_news ();
  check_contains (news, "“hat”", "the log of the added phrase");

  gimp_image_delete (image); /* the record needs no layers */
  again = call (AGAIN, paint.image, NULL, NULL);
  if (check (again.status == GIMP_PDB_SUCCESS, "the steered run is repeated (%s)", again.error ? again.error : "no error"))
    {
      g_autofree float *a = pixels_of (GIMP_DRAWABLE (paint.picture)), *b = pixels_of (GIMP_DRAWABLE (again.picture));

      check_near (largest_difference (a, b, 128 * 128, FALSE), 0.0, 0.0, "the difference of the repeated picture");
      check_near (mean_of (child (again.group, 1), 0, 4), mean_of (child (paint.group, 1), 0, 4), 0.0, "the repeated heat map");
      gimp_image_delete (again.image);
    }
  gimp_image_delete (paint.image);
}

static void
expect (const Call *result, const char *what, const char *part)
{
  check (result->status == GIMP_PDB_CALLING_ERROR, "%s is refused (status %d)", what, result->status);
  check_contains (result->error, part, what);
}

static void
test_refusals (const char *folder)
{
  g_autofree char *model = model_in (folder);
  Call result = call (GENERATE, NULL, NULL, "model", model, "prompt", PROMPT, "class", "fox", NULL);

  expect (&result, "a class of a model of prompts", "no classes");
  result = call (GENERATE, NULL, NULL, "prompt", PROMPT, "class", "fox", NULL);
  expect (&result, "a prompt of a model of classes", "reads no words");
  result = call (GENERATE, NULL, NULL, "class", "fox", "read", "word", NULL);
  check (result.status != GIMP_PDB_SUCCESS, "words of a model of classes are refused: %s", result.error);
  result = call (GENERATE, NULL, NULL, PROMPT_CALL, "word-weights", "cat=2", NULL);
  expect (&result, "the weight of no word", "grass");
  result = call (GENERATE, NULL, NULL, PROMPT_CALL, "word-weights", "fox=much", NULL);
  expect (&result, "a weight in words", "no number");
  result = call (GENERATE, NULL, NULL, PROMPT_CALL, "word-regions", "fox", NULL);
  expect (&result, "a region of no layer", "no layer");
  result = call (GENERATE, NULL, NULL, PROMPT_CALL, "width", 100, "height", 128, NULL);
  check (result.status != GIMP_PDB_SUCCESS && result.error && strstr (result.error, "16"),
         "a wrong size names what sides are: %s", result.error);
}

/* The models that come along: a prompt without a model is for the one that reads it. */
static void
test_default_model (void)
{
  Call painted = call (GENERATE, NULL, NULL, "model", "starter-class", "prompt", PROMPT, "num-steps", 1, "read", "", NULL);
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *request;

  if (! check (painted.status == GIMP_PDB_SUCCESS, "a prompt finds its model (%s)", painted.error ? painted.error : "no error"))
    return;
  request = request_of (GIMP_ITEM (painted.picture), &parser);
  if (check (request != NULL, "the picture has a record"))
    check_contains (json_object_get_string_member (request, "model"), "starter-prompt", "the model of a prompt");
  gimp_image_delete (painted.image);
  painted = call (GENERATE, NULL, NULL, "model", "starter-class", "prompt", PROMPT, "class", "fox", NULL);
  expect (&painted, "a prompt and a class", "reads no words");
}

/* Calls the procedure; its words, in their order, with the shares in shares and the error in error. */
static char **
ask (GimpImage *image, GimpLayer *layer, double x, double y, double *shares, int n_shares, char **error)
{
  GimpProcedure *procedure = gimp_pdb_lookup_procedure (gimp_get_pdb (), WHO_NAMED);
  g_autoptr (GimpProcedureConfig) config = gimp_procedure_create_config (procedure);
  GimpDrawable   *drawables[] = { GIMP_DRAWABLE (layer), NULL };
  GimpValueArray *values;
  char          **words = NULL;

  g_object_set (config, "run-mode", GIMP_RUN_NONINTERACTIVE, "image", image, "x", x, "y", y, NULL);
  gimp_procedure_config_set_core_object_array (config, "drawables", (GObject **) drawables, layer ? 1 : 0);
  values = gimp_procedure_run_config (procedure, config);
  if (GIMP_VALUES_GET_ENUM (values, 0) == GIMP_PDB_SUCCESS)
    {
      gsize         n = 0;
      const double *own = GIMP_VALUES_GET_DOUBLE_ARRAY (values, 2, &n);

      words = GIMP_VALUES_DUP_STRV (values, 1);
      for (int i = 0; i < n_shares; i++)
        shares[i] = (gsize) i < n ? own[i] : -1.0;
    }
  else
    *error = g_strdup (gimp_pdb_get_last_error (gimp_get_pdb ()));
  gimp_value_array_unref (values);
  return words;
}

/* All words, ranked; a place far away tells something else than this one; the selection is a place too. */
static void
test_who_named (const char *folder)
{
  g_autofree char *model = model_in (folder), *error = NULL;
  Call   paint = call (GENERATE, NULL, NULL, PROMPT_CALL, NULL);
  double shares[6], others[6], selected[6], sum = 0.0;
  g_auto (GStrv) words = NULL, other = NULL, in_selection = NULL, none = NULL;

  if (! check (paint.status == GIMP_PDB_SUCCESS, "paints to ask about"))
    return;
  words = ask (paint.image, paint.picture, 20.0, 100.0, shares, 6, &error);
  if (! check (words && g_strv_length (words) == 6, "six words are ranked (%s)", error ? error : "no error"))
    return;
  for (int i = 0; i < 6; i++)
    {
      check (strstr (PROMPT, words[i]) != NULL, "“%s” is of the prompt (%g)", words[i], shares[i]);
      check (i == 0 || shares[i] <= shares[i - 1], "words come in their order");
      sum += shares[i];
    }
  check (sum > 0.5 && sum < 1.0001, "the words have most of what is looked at (%g); pieces between them have the rest", sum);
  other = ask (paint.image, paint.picture, 110.0, 10.0, others, 6, &error);
  check (other && memcmp (others, shares, sizeof shares) != 0, "another place has other shares");
  gimp_image_select_rectangle (paint.image, GIMP_CHANNEL_OP_REPLACE, 16, 96, 16, 16); /* the patch of 20, 100 */
  in_selection = ask (paint.image, paint.picture, -1.0, -1.0, selected, 6, &error);
  check (in_selection && g_strv_equal ((const char *const *) in_selection, (const char *const *) words),
         "the selection of that patch has its order");
  for (int i = 0; i < 6; i++)
    check_near (selected[i], shares[i], 1e-6, "the share of the selected patch");
  gimp_selection_none (paint.image);
  none = ask (paint.image, paint.picture, -1.0, -1.0, selected, 6, &error);
  check (! none, "no place is refused");
  check_contains (error, "selected", "the error");
  gimp_image_delete (paint.image);
}

void
suite_words (const char *folder)
{
  test_prompt (folder);
  test_steers (folder);
  test_refusals (folder);
  test_default_model ();
  test_who_named (folder);
}

void
check_words_reopened (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "worded.xcf", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GimpImage *image = gimp_file_load (GIMP_RUN_NONINTERACTIVE, file);
  g_autofree GimpLayer **layers = image ? gimp_image_get_layers (image) : NULL;
  Call again;

  if (! check (layers && layers[0] && layers[1], "worded.xcf opens"))
    return;
  check_word_groups (layers[1], layers[0]);
  again = call (AGAIN, image, NULL, NULL);
  if (check (again.status == GIMP_PDB_SUCCESS, "the prompt runs again (%s)", again.error ? again.error : "no error"))
    {
      g_autofree float *a = pixels_of (GIMP_DRAWABLE (layers[1])), *b = pixels_of (GIMP_DRAWABLE (again.picture));

      check_near (largest_difference (a, b, 128 * 128, FALSE), 0.0, 0.0, "the difference of the repeated picture");
      check_word_groups (again.picture, again.group);
      gimp_image_delete (again.image);
    }
  gimp_image_delete (image);
}
