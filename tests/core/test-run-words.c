/* The words of a run: which tokens are read for each, what steers add to the logits, that a steered run is the twin's under the
 * same edit, and what steering does to the maps of a whole run. */
#include <math.h>
#include <string.h>

#include "compare.h"
#include "prompt-model.h"
#include "tokenizer-fixture.h"
#include "run/run.h"
#include "text/prompt-private.h"

#define GRID_W 4
#define GRID_H 3
#define T (GRID_W * GRID_H)

static const PmShape shape = { .grid_w = GRID_W, .grid_h = GRID_H, .max_items = 2 };

static PmPrompt *
read_prompt (const char *text)
{
  g_autoptr (GError)      error = NULL;
  g_autoptr (PmTokenizer) tokenizer = tokenizer_fixture_load ("t5.model");
  PmPrompt               *prompt = pm_prompt_new (tokenizer, text, 300, &error);

  g_assert_no_error (error);

  return prompt;
}

/* Whether token j stands for one of the prompt's words whose numbers are in a mask, a bit each. */
static gboolean
is_of (const PmPrompt *prompt, int j, guint mask)
{
  for (int w = 0; w < prompt->n_words; w++)
    if ((mask >> w & 1) && j >= prompt->words[w].first && j < prompt->words[w].first + prompt->words[w].n)
      return TRUE;

  return FALSE;
}

/* words 0 .. 7 */
#define PROMPT "a red Cat, and a red hat"

static void
check_words (const char *show, int n, const char *const *names, const guint *masks)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmPrompt)  prompt = read_prompt (PROMPT);
  g_autoptr (PmRequest) request = pm_request_new ();
  PmRunWords            words;

  g_assert_cmpint (prompt->n_words, ==, 7);
  g_assert_cmpint (prompt->n_tokens, >, 9); /* words of several tokens, a comma, the end */
  g_assert_true (pm_request_set_show (request, show, &error));
  g_assert_true (pm_run_words_init (&words, prompt, request, &shape, &error));
  g_assert_no_error (error);
  g_assert_cmpint (words.n_words, ==, n);
  g_assert_cmpint (words.n_text, ==, prompt->n_tokens);
  g_assert_null (words.edit);
  for (int w = 0; w < n; w++)
    {
      g_assert_cmpstr (words.words[w].name, ==, names[w]);
      for (int j = 0; j < prompt->n_tokens; j++)
        g_assert_cmpfloat (words.words[w].weights[j], ==, is_of (prompt, j, masks[w]) ? 1 : 0);
    }
  for (int j = 0; j < prompt->n_tokens; j++)
    g_assert_cmpfloat (words.content[j], ==, j < prompt->n_tokens - 1 ? 1 : 0);
  pm_run_words_clear (&words);
}

static void
test_words (void)
{
  check_words ("read=word", 5, (const char *const[]) { "a", "red", "Cat", "and", "hat" },
               (const guint[]) { 1 | 16, 2 | 32, 4, 8, 64 });
  check_words ("words=hat,red hat,red#2,CAT,cat;read=word-share", 4, (const char *const[]) { "hat", "red hat", "red#2", "CAT" },
               (const guint[]) { 64, 32 | 64, 32, 4 });
  check_words ("words=nothing of it;read=sink", 0, NULL, NULL); /* nobody asks for words */
  check_words ("none", 0, NULL, NULL);
}

static void
expect_refusal (const char *show, const char *steered, double weight, int n_steers, const char *part)
{
  const guint8          mask[2] = { 255, 0 };
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmPrompt)  prompt = read_prompt (PROMPT);
  g_autoptr (PmRequest) request = pm_request_new ();
  PmRunWords            words;

  g_assert_true (pm_request_set_show (request, show, NULL));
  if (steered)
    g_assert_true (pm_request_add_steer (request, steered, 2, mask, 2, 1, NULL));
  if (steered && weight != 2)
    request->steers[0].weight = weight;
  if (steered && ! part)
    memset (request->steers[0].region, 0, 2 * sizeof (float));
  for (int i = 1; i < n_steers; i++)
    {
      request->steers = g_renew (PmSteer, request->steers, i + 1);
      request->steers[i] = (PmSteer) { g_strdup ("red"), 1, NULL, 0, 0 };
      request->n_steers = i + 1;
    }
  g_assert_false (pm_run_words_init (&words, prompt, request, &shape, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, part ? part : "is empty"));
  pm_run_words_clear (&words);
}

static void
test_refusals (void)
{
  expect_refusal ("words=red,dog;read=word", NULL, 1, 0, "“dog”");
  expect_refusal ("words=red,dog;read=word", NULL, 1, 0, "hat"); /* the words there are */
  expect_refusal ("words=red cat hat;read=word", NULL, 1, 0, "red cat hat");
  expect_refusal ("none", "dog", 2, 1, "“dog”");
  expect_refusal ("none", "red#3", 2, 1, "red#3");
  expect_refusal ("none", "red", 101, 1, "100");
  expect_refusal ("none", "red", -1, 1, "“red”");
  expect_refusal ("none", "red", NAN, 1, "“red”");
  expect_refusal ("none", "red", 2, 65, "64");
  expect_refusal ("none", "red", 2, 1, NULL);
}

/* Weights add up where words share tokens, and the prompt's end is nobody's. */
static void
test_weights (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmPrompt)  prompt = read_prompt (PROMPT);
  g_autoptr (PmRequest) request = pm_request_new ();
  PmRunWords            words;

  g_assert_true (pm_request_add_steer (request, "a", 1, NULL, 0, 0, &error));
  g_assert_true (pm_run_words_init (&words, prompt, request, &shape, &error));
  g_assert_null (words.edit); /* as it is: not even a zero is added */
  pm_run_words_clear (&words);

  g_assert_true (pm_request_add_steer (request, "red", 3, NULL, 0, 0, &error));
  g_assert_true (pm_request_add_steer (request, "red hat", 0.5, NULL, 0, 0, &error));
  g_assert_true (pm_request_add_steer (request, "cat", 0, NULL, 0, 0, &error));
  g_assert_true (pm_run_words_init (&words, prompt, request, &shape, &error));
  g_assert_no_error (error);
  g_assert_nonnull (words.edit);
  g_assert_cmpint (words.edit->n_regions, ==, 0);
  for (int j = 0; j < prompt->n_tokens; j++)
    {
      double expected = is_of (prompt, j, 2 | 32) ? log (3) : 0;

      expected += is_of (prompt, j, 32 | 64) ? log (0.5) : 0;
      g_assert_cmpint (words.edit->key_region[j], ==, -1);
      if (is_of (prompt, j, 4))
        g_assert_true (words.edit->key_bias[j] == -INFINITY);
      else
        g_assert_cmpfloat (fabs (words.edit->key_bias[j] - expected), <, 1e-6);
    }
  g_assert_cmpfloat (words.edit->key_bias[prompt->n_tokens - 1], ==, 0);
  pm_run_words_clear (&words);
}

/* Regions become the ln of what they cover of each patch; where phrases share a token, theirs add up. */
static void
test_regions (void)
{
  guint8                masks[2][8 * 6];
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmPrompt)  prompt = read_prompt (PROMPT);
  g_autoptr (PmRequest) request = pm_request_new ();
  PmRunWords            words;

  for (int i = 0; i < 8 * 6; i++)
    {
      masks[0][i] = i % 8 < 3 ? 255 : 0; /* of patches of 2 x 2 pixels: all of the first column, half of the second */
      masks[1][i] = i / 8 < 2 ? 51 : 255;
    }
  g_assert_true (pm_request_add_steer (request, "red hat", 1, masks[0], 8, 6, &error));
  g_assert_true (pm_request_add_steer (request, "red", 4, masks[1], 8, 6, &error));
  g_assert_true (pm_request_add_steer (request, "cat", 1, masks[0], 8, 6, &error));
  g_assert_true (pm_run_words_init (&words, prompt, request, &shape, &error));
  g_assert_no_error (error);
  g_assert_cmpint (words.edit->n_regions, ==, 4); /* first red, cat, second red, hat */

  for (int j = 0; j < prompt->n_tokens; j++)
    {
      gboolean in_first = is_of (prompt, j, 32 | 64 | 4), in_second = is_of (prompt, j, 2 | 32);
      int      region = words.edit->key_region[j];

      g_assert_cmpfloat (fabs (words.edit->key_bias[j] - (in_second ? log (4) : 0)), <, 1e-6);
      g_assert_true ((region >= 0) == (in_first || in_second));
      for (int i = 0; region >= 0 && i < T; i++)
        {
          int    x = i % GRID_W, y = i / GRID_W;
          double coverage = (in_first ? (x == 0 ? 1 : x == 1 ? 0.5 : 0) : 1) * (in_second ? (y == 0 ? 0.2 : 1) : 1);
          float  bias = words.edit->region_bias[region * T + i];

          g_assert_true (coverage > 0 ? fabs (bias - log (coverage)) < 1e-6 : bias == -INFINITY);
        }
    }
  pm_run_words_clear (&words);
}

/* "one two three four five three more more ..." of n words, a token each, and an end behind them. */
static PmPrompt *
make_prompt (int n)
{
  static const char *const texts[] = { "one", "two", "three", "four", "five", "three" };
  g_autoptr (GString)      cleaned = g_string_new (NULL);
  PmPrompt                *prompt = g_new0 (PmPrompt, 1);

  prompt->n_words = n;
  prompt->n_tokens = n + 1;
  prompt->words = g_new0 (PmWord, n);
  for (int i = 0; i < n; i++)
    {
      const char *text = i < (int) G_N_ELEMENTS (texts) ? texts[i] : "more";
      gsize       begin = cleaned->len;

      prompt->words[i] = (PmWord) { g_strdup (text), i, 1, begin, begin + strlen (text) };
      g_string_append_printf (cleaned, "%s ", text);
    }
  prompt->cleaned = g_strdup (cleaned->str);

  return prompt;
}

/* A folder of the reference, and how many tokens its first two texts have. */
typedef struct
{
  const char *folder;
  int         lengths[2];
} Twin;

/* A request's weights and regions make the edit under which the twin ran (pixart_make.py, make_edit), and so its picture. */
static void
test_twin (gconstpointer data)
{
  const Twin           *twin = data;
  g_autoptr (GError)    error = NULL;
  g_autofree char      *model_path = pm_test_reference (twin->folder, "model");
  g_autofree char      *inputs_path = pm_test_reference (twin->folder, "inputs.hash.json");
  g_autofree char      *expected_path = pm_test_reference (twin->folder, "expected.safetensors");
  g_autoptr (PmModel)   model = pm_model_open (model_path, &error);
  g_autoptr (PmBundle)  inputs = pm_bundle_load (inputs_path, NULL), expected = pm_bundle_load (expected_path, NULL);
  g_autoptr (PmBackend) backend = pm_backend_open ("cpu", 2, NULL);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autoptr (PmPrompt)  prompt = make_prompt (twin->lengths[0]);
  const PmTensor       *x = pm_bundle_find (inputs, "x"), *text = pm_bundle_find (inputs, "text");
  int                   grid_w = (int) x->shape[3] / 2, grid_h = (int) x->shape[2] / 2;
  const char *const     regional[] = { "two", "three" };
  PmGiven               given = { .text_length = { twin->lengths[0], twin->lengths[1] } };
  PmRun                 run;
  gsize                 n;

  g_assert_no_error (error);
  request->width = (int) x->shape[3] * 8;
  request->height = (int) x->shape[2] * 8;
  given.text[0] = pm_test_array (inputs, "text", &n);
  if (! model->network_info.has_null_text)
    given.text[1] = given.text[0] + text->shape[1] * text->shape[2];
  g_assert_true (pm_run_init (&run, model, request, &given, &error));

  for (int r = 0; r < 2; r++)
    {
      const guint8 mask[1] = { 255 };
      const float *coverage = pm_test_array (inputs, "coverage", &n) + r * grid_w * grid_h;
      PmSteer     *steer;

      g_assert_true (pm_request_add_steer (request, regional[r], 1, mask, 1, 1, NULL));
      steer = &request->steers[r];
      steer->region_width = grid_w;
      steer->region_height = grid_h;
      steer->region = g_renew (float, steer->region, grid_w * grid_h);
      for (int i = 0; i < grid_w * grid_h; i++)
        steer->region[i] = CLAMP (coverage[i], 0.f, 1.f);
    }
  g_assert_true (pm_request_add_steer (request, "three#1", 2.5, NULL, 0, 0, NULL));
  g_assert_true (pm_request_add_steer (request, "five", 0, NULL, 0, 0, NULL));
  g_assert_true (pm_run_words_init (&run.words, prompt, request, &run.shape, &error));
  g_assert_no_error (error);
  run.told[0].edit = run.words.edit;

  const float      *latent = pm_test_array (expected, "edited.sample", &n);
  g_autofree float *trajectory = g_new (float, (request->num_steps + 1) * n);
  g_assert_true (pm_run_start (&run, backend, pm_test_array (inputs, "noise", &n), trajectory, NULL, &error));
  g_assert_true (pm_run_sample (&run, backend, NULL, trajectory, NULL, &error));
  pm_test_compare_rms ("edited.sample", trajectory + request->num_steps * n, latent, n, 1e-5);
  pm_run_clear (&run);
}

typedef struct
{
  char      *folder;
  PmModel   *model;
  PmRequest *request;
} Whole;

static void
whole_open (Whole *whole, gconstpointer data)
{
  whole->folder = fixture_folder ();
  prompt_model_make (whole->folder, FALSE);
  whole->model = prompt_model_open (whole->folder);
  whole->request = pm_request_new_for_model (whole->model);
  g_free (whole->request->prompt);
  whole->request->prompt = g_strdup ("a red fox sitting in the snow");
  whole->request->width = 64;
  whole->request->height = 96;
  whole->request->num_steps = 3;
  g_assert_true (pm_request_set_show (whole->request, "layers=all;heads=all;steps=all;read=word,word-share,sink", NULL));
}

static void
whole_close (Whole *whole, gconstpointer data)
{
  pm_request_free (whole->request);
  pm_model_unref (whole->model);
  fixture_remove (whole->folder);
}

static PmResult *
generate (Whole *whole)
{
  g_autoptr (GError) error = NULL;
  PmResult          *result = pm_generate (whole->model, whole->request, NULL, &error);

  g_assert_no_error (error);

  return result;
}

/* The sum of a map's values, and of those in patches of the left half. */
static double
sum_map (const PmResult *result, const char *id, double *left)
{
  for (guint m = 0; m < result->maps->len; m++)
    {
      const PmMap *map = result->maps->pdata[m];
      double       sum = 0;

      if (strcmp (map->id, id) != 0)
        continue;
      for (int i = 0; i < map->grid_w * map->grid_h; i++)
        {
          sum += map->values[i];
          *left += i % map->grid_w < map->grid_w / 2 ? map->values[i] : 0;
        }
      return sum;
    }
  g_assert_not_reached ();
}

/* Of every map there is one a word, layer, head and step, and they are the prompt's half's: words and end make 1. */
static void
test_maps (Whole *whole, gconstpointer data)
{
  g_autoptr (PmResult) result = generate (whole);
  const PmNetworkInfo *info = &whole->model->network_info;
  int                  n = info->n_layers * info->n_heads * 3;

  g_assert_cmpuint (result->maps->len, ==, (7 + 7 + 1) * n);
  for (int at = 0; at < n; at++)
    for (int i = 0; i < 4 * 6; i++)
      {
        double words = 0, shares = 0;

        for (int w = 0; w < 7; w++)
          {
            words += ((PmMap *) result->maps->pdata[w * n + at])->values[i];
            shares += ((PmMap *) result->maps->pdata[(7 + w) * n + at])->values[i];
          }
        words += ((PmMap *) result->maps->pdata[14 * n + at])->values[i];
        g_assert_cmpfloat (fabs (words - 1), <, 1e-5);
        g_assert_cmpfloat (fabs (shares - 1), <, 1e-5);
      }
  g_assert_cmpint (((PmMap *) result->maps->pdata[0])->grid_w, ==, 4);
  g_assert_cmpint (((PmMap *) result->maps->pdata[0])->grid_h, ==, 6);
}

/* What is steered is seen in the maps, which are of after the edit, and in the picture; the record does it again. */
static void
test_steered (Whole *whole, gconstpointer data)
{
  const guint8          left[2] = { 255, 0 };
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmResult)  plain = generate (whole);
  double                unused = 0, part = 0, before, after;
  gsize                 size;

  g_assert_true (pm_request_add_steer (whole->request, "fox", 0, NULL, 0, 0, NULL));
  g_assert_true (pm_request_add_steer (whole->request, "red", 8, NULL, 0, 0, NULL));
  g_assert_true (pm_request_add_steer (whole->request, "snow", 1, left, 2, 1, NULL));
  g_autoptr (PmResult) steered = generate (whole);

  g_assert_cmpfloat (sum_map (plain, "word-fox-s00-l00-h00", &unused), >, 0.01);
  g_assert_cmpfloat (sum_map (steered, "word-fox-s00-l00-h00", &unused), ==, 0);
  before = sum_map (plain, "word-red-s00-l00-h01", &unused);
  after = sum_map (steered, "word-red-s00-l00-h01", &unused);
  g_assert_cmpfloat (after, >, 1.5 * before);
  after = sum_map (steered, "word-snow-s00-l00-h01", &part);
  g_assert_cmpfloat (after, >, 0);
  g_assert_cmpfloat (part, ==, after);

  size = sizeof (float) * steered->channels * steered->latent_width * steered->latent_height;
  g_assert_cmpint (memcmp (plain->trajectory + 3 * size / 4, steered->trajectory + 3 * size / 4, size), !=, 0);
  g_autoptr (PmRequest) again = pm_request_from_json (steered->record, &error);
  g_assert_no_error (error);
  g_assert_cmpint (again->n_steers, ==, 3);
  g_autoptr (PmResult) repeated = pm_generate (whole->model, again, NULL, &error);
  g_assert_cmpmem (repeated->trajectory + 3 * size / 4, size, steered->trajectory + 3 * size / 4, size);
}

static void
expect_no_run (Whole *whole, const char *part)
{
  g_autoptr (GError) error = NULL;
  PmEstimate         estimate;

  g_assert_false (pm_generate_estimate (whole->model, whole->request, &estimate, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_refused (Whole *whole, gconstpointer data)
{
  g_assert_true (pm_request_set_show (whole->request, "words=dog;read=word", NULL));
  expect_no_run (whole, "“dog”");
  g_assert_true (pm_request_set_show (whole->request, "read=word;which=null", NULL));
  expect_no_run (whole, "which=condition");
  g_assert_true (pm_request_set_show (whole->request, "none", NULL));
  g_assert_true (pm_request_add_steer (whole->request, "dog", 2, NULL, 0, 0, NULL));
  expect_no_run (whole, "“dog”");
  pm_request_clear_steers (whole->request);
  g_free (whole->request->class_name);
  whole->request->class_name = g_strdup ("fox");
  expect_no_run (whole, "prompt instead of the class “fox”");
}

int
main (int argc, char **argv)
{
  static const Twin twins[] = { { "pixart-alpha", { 11, 4 } }, { "pixart-sigma", { 6, 9 } } };

  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/run-words/words", test_words);
  g_test_add_func ("/run-words/refusals", test_refusals);
  g_test_add_func ("/run-words/weights", test_weights);
  g_test_add_func ("/run-words/regions", test_regions);
  for (gsize i = 0; i < G_N_ELEMENTS (twins); i++)
    {
      g_autofree char *path = g_strconcat ("/run-words/twin/", twins[i].folder, NULL);

      g_test_add_data_func (path, &twins[i], test_twin);
    }
  g_test_add ("/run-words/whole/maps", Whole, NULL, whole_open, test_maps, whole_close);
  g_test_add ("/run-words/whole/steered", Whole, NULL, whole_open, test_steered, whole_close);
  g_test_add ("/run-words/whole/refused", Whole, NULL, whole_open, test_refused, whole_close);

  return g_test_run ();
}
