/* Names of classes in the user's language: shown and found beside those of the model, which records keep. The names are the
 * bundled ones, of a model of 1000 classes made from the reference's small flow of pixels. */
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "fixture.h"
#include "model/model.h"
#include "run/generate.h"

static char *folder;

/* list: the JSON of its names, NULL for none. */
static PmModel *
open_model (const char *list)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (GString) hashed = NULL;
  g_autofree char    *text = NULL;
  g_autofree char    *config
    = g_strdup_printf ("{\"num_attention_heads\": 4, \"prediction\": \"x0\", \"schedule\": {\"type\": \"flow\", "
                       "\"noise_at\": 0, \"time_scale\": 1000}%s%s}", list ? ", \"classes\": " : "", list ? list : "");

  g_file_get_contents (PM_TEST_REFERENCE "/pixel-flow/model/model.hash.json", &text, NULL, &error);
  g_assert_no_error (error);
  hashed = g_string_new (text);
  g_assert_cmpuint (g_string_replace (hashed, "[7, 64]", "[1001, 64]", 0), ==, 1);
  fixture_write (folder, "model.hash.json", hashed->str, -1);
  fixture_write (folder, "config.json", config, -1);
  PmModel *model = pm_model_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpint (pm_model_get_info (model)->n_classes, ==, 1000);
  return model;
}

static void
assert_class (PmModel *model, const char *text, int expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (pm_model_find_class (model, text, &error), ==, expected);
  g_assert_no_error (error);
}

static void
refuse_class (PmModel *model, const char *text, const char *first, const char *second)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (pm_model_find_class (model, text, &error), ==, -1);
  g_test_message ("%s", error->message);
  g_assert_error (error, PM_ERROR, PM_ERROR_NO_CLASS);
  g_assert_nonnull (strstr (error->message, first));
  g_assert_nonnull (strstr (error->message, second));
}

static char *
recorded_class (PmModel *model, const char *text)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);

  g_set_str (&request->class_name, text);
  request->num_steps = 1;
  g_autoptr (PmResult)  result = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (JsonNode)  root = json_from_string (result->record, &error);
  g_assert_no_error (error);
  JsonObject *again = json_object_get_object_member (json_node_get_object (root), "request");
  return g_strdup (json_object_get_string_member (again, "class"));
}

static void
assert_recorded (PmModel *model, const char *text, const char *expected)
{
  g_autofree char *recorded = recorded_class (model, text);

  g_assert_cmpstr (recorded, ==, expected);
}

/* Names in the user's language are shown and found beside the English ones; what is recorded means the same in every language. */
static void
test_local (void)
{
  g_setenv ("LANGUAGE", "pl", TRUE);
  g_autoptr (PmModel) polish = open_model (NULL);
  const PmModelInfo  *info = pm_model_get_info (polish);
  g_autofree char    *label = pm_class_label (info->classes[388], info->local_classes[388]);
  g_autofree char    *same = pm_class_label (info->classes[340], info->local_classes[340]);
  g_assert_cmpstr (label, ==, "panda wielka, panda (giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca)");
  g_assert_cmpstr (same, ==, "zebra");
  g_assert_null (info->local_classes[600]);
  g_assert_cmpstr (pm_model_get_class_name (polish, 388), ==, info->classes[388]);
  assert_class (polish, "PANDA WIELKA", 388);
  assert_class (polish, "złota rybka", 1);
  assert_class (polish, "ZŁOTA RYBKA", 1);
  assert_class (polish, "balon", 417); /* the whole of a name before the part of an English one */
  assert_class (polish, "goldfish", 1);
  assert_class (polish, "husky", 248); /* in English; Polish calls 250 so */
  refuse_class (polish, "lew", "291 (“lew", "paddlewheel"); /* a lion, and part of an English name */
  refuse_class (polish, "crane", "134 (“żuraw", "517 (“żuraw (crane)”)");
  refuse_class (polish, "żuraw", "134", "517");
  refuse_class (polish, "zlota rybkaa", "karaś złocisty, złota rybka (goldfish", "nearest");
  assert_recorded (polish, "złota rybka", "goldfish, Carassius auratus");
  assert_recorded (polish, "kozioł", "ibex, Capra ibex"); /* a part of one name */
  assert_recorded (polish, "goldfish", "goldfish");
  assert_recorded (polish, "1", "1");

  g_setenv ("LANGUAGE", "en_GB:pl", TRUE);
  g_autoptr (PmModel) english = open_model (NULL);
  g_assert_null (pm_model_get_info (english)->local_classes);
  assert_class (english, "goldfish, Carassius auratus", 1);
  refuse_class (english, "złota rybka", "no class", "nearest");

  g_setenv ("LANGUAGE", "xx:zh_CN:pl", TRUE);
  g_autoptr (PmModel) chinese = open_model (NULL);
  assert_class (chinese, "大熊猫", 388);
  assert_class (chinese, "大熊", 388);
}

/* A model's own names have others beside them only where it calls a class as ImageNet does. */
static void
test_own (void)
{
  g_autoptr (GString) list = g_string_new ("[\"Tench\", \"goldfish , Carassius\"");

  for (int i = 2; i < 1000; i++)
    g_string_append_printf (list, ", \"tone %d\"", i);
  g_string_append_c (list, ']');
  g_setenv ("LANGUAGE", "pl", TRUE);
  g_autoptr (PmModel) model = open_model (list->str);
  const PmModelInfo  *info = pm_model_get_info (model);
  g_assert_cmpstr (info->local_classes[0], ==, "lin, kaliniak, oczeretniak, pszenicznik");
  g_assert_cmpstr (info->local_classes[1], ==, "karaś złocisty, złota rybka");
  g_assert_null (info->local_classes[388]);
  assert_class (model, "lin", 0);
  assert_recorded (model, "lin", "Tench");
}

/* What is wrong with a file of names is told, and English remains; a language is no path. */
static void
test_damaged (void)
{
  static const struct
  {
    const char *language, *text, *says; /* NULL: nothing */
  } cases[] = {
    { "xx", "[\"a\", null]", "1000 class names" },
    { "xx", "[", "English only" },
    { "xx", "{\"0\": 3}", "JSON list of class names" },
    { "xx", "", "English only" },
    { "xx:pl", "[1]", "JSON list of class names" },
    { "../classes/imagenet-1k.xx", "[", NULL },
    { "yy", "[", NULL },
  };
  g_autofree char *models = g_build_filename (folder, "models", NULL), *classes = g_build_filename (folder, "classes", NULL);
  g_autofree char *path = g_strconcat (models, G_SEARCHPATH_SEPARATOR_S, PM_TEST_MODELS, NULL);

  g_mkdir (models, 0700);
  g_mkdir (classes, 0700);
  g_setenv ("PENTIMENTO_MODELS", path, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      fixture_write (folder, "classes/imagenet-1k.xx.json", cases[i].text, -1);
      g_setenv ("LANGUAGE", cases[i].language, TRUE);
      g_autoptr (PmModel) model = open_model (NULL);
      g_assert_null (pm_model_get_info (model)->local_classes);
      g_assert_true (fixture_has_note (pm_model_get_info (model)->notes, "English only") == (cases[i].says != NULL));
      g_assert_true (! cases[i].says || fixture_has_note (pm_model_get_info (model)->notes, cases[i].says));
      assert_class (model, "goldfish", 1);
    }
  g_setenv ("PENTIMENTO_MODELS", PM_TEST_MODELS, TRUE);
}

static void
in_new_folder (gconstpointer test)
{
  folder = fixture_folder ();
  ((void (*) (void)) test) ();
  fixture_remove (folder);
}

static void
test_synonyms (void)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = pm_model_open (PM_TEST_REFERENCE "/diffusers/model", &error);

  g_assert_no_error (error);
  assert_class (model, "tench", 0);
  assert_class (model, "tinca TINCA", 0);
  assert_class (model, "robin, American robin, Turdus migratorius", 3);
  assert_class (model, "American robin", 3);
  assert_class (model, "bald", 9);
  assert_class (model, "7", 7);
  refuse_class (model, "Crane", "2 (“crane”)", "7 (“crane”)");
  refuse_class (model, "american", "American robin", "American eagle");
}

/* ImageNet's names, in English alone. */
static void
test_imagenet (void)
{
  g_autoptr (PmModel) model = open_model (NULL);

  g_assert_null (pm_model_get_info (model)->local_classes);
  assert_class (model, "panda bear", 388);
  assert_class (model, "loggerhead", 33);
  assert_class (model, "toilet paper", 999);
  assert_class (model, "missile", 657); /* another class has it as a synonym */
  refuse_class (model, "crane", "134", "517");
}

int
main (int argc, char **argv)
{
  g_setenv ("PENTIMENTO_MODELS", PM_TEST_MODELS, TRUE);
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/class/synonyms", test_synonyms);
  g_test_add_data_func ("/class/imagenet", test_imagenet, in_new_folder);
  g_test_add_data_func ("/class/local", test_local, in_new_folder);
  g_test_add_data_func ("/class/own", test_own, in_new_folder);
  g_test_add_data_func ("/class/damaged", test_damaged, in_new_folder);
  return g_test_run ();
}
