/* The whole way from a prompt to a latent, against tests/reference/prompt_make.py; what is kept of it, and what is said of a
 * model that lacks a part. */
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <unistd.h>

#include "compare.h"
#include "fixture.h"
#include "prompt-model.h"

/* The beginning of a tokenizer.json, and what puts a token at the end of a text. */
#define LITTLE_TOKENIZER \
  "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"?\", 0], [\"</s>\", 0], [\"a\", -1]]}"
#define LITTLE_END \
  ", \"post_processor\": {\"type\": \"TemplateProcessing\", " \
  "\"single\": [{\"Sequence\": {\"id\": \"A\"}}, {\"SpecialToken\": {\"id\": \"</s>\"}}], " \
  "\"special_tokens\": {\"</s>\": {\"ids\": [1]}}}"

typedef struct
{
  char     *folder; /* the model's */
  PmBundle *expected;
} Fixture;

static void
fixture_open_model (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = pm_test_reference ("prompt", "expected.safetensors");

  fixture->folder = fixture_folder ();
  prompt_model_make (fixture->folder, FALSE);
  fixture->expected = pm_bundle_load (path, NULL);
  g_assert_nonnull (fixture->expected);
}

static void
fixture_close_model (Fixture *fixture, gconstpointer data)
{
  fixture_remove (fixture->folder);
  pm_bundle_free (fixture->expected);
}

static PmModel *
open_model (Fixture *fixture)
{
  return prompt_model_open (fixture->folder);
}

/* The member of prompts.json. Free with g_free. */
static char *
read_spec (const char *run, const char *key)
{
  g_autofree char       *path = pm_test_reference ("prompt", "prompts.json");
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_assert_true (json_parser_load_from_file (parser, path, NULL));
  JsonObject *spec = json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), run);
  return g_strdup (json_object_get_string_member (spec, key));
}

static PmRequest *
new_request (PmModel *model, const char *run)
{
  PmRequest *request = pm_request_new_for_model (model);

  g_free (request->prompt);
  g_free (request->negative_prompt);
  request->prompt = read_spec (run, "prompt");
  request->negative_prompt = read_spec (run, "negative");
  request->width = 64;
  request->height = 96;
  return request;
}

/* The fixture's noise. */
static PmBundle *
new_noise (void)
{
  g_autofree char     *path = pm_test_reference ("pixart-sigma", "inputs.hash.json");
  g_autoptr (PmBundle) given = pm_bundle_load (path, NULL);
  PmBundle            *in = pm_bundle_new ();
  gsize                n;
  const float         *from = pm_test_array (given, "noise", &n);
  float               *to = pm_bundle_add (in, "noise", PM_DTYPE_F32, 4, (gsize[]) { 1, 4, 12, 8 }, NULL);

  g_assert_cmpuint (n, ==, 4 * 12 * 8);
  memcpy (to, from, n * sizeof (float));
  return in;
}

static float *
sample (PmModel *model, const PmRequest *request)
{
  g_autoptr (GError)   error = NULL;
  g_autoptr (PmBundle) in = new_noise (), out = pm_eval_sample (model, request, in, NULL, &error);
  g_assert_no_error (error);
  return g_memdup2 (pm_test_array_of (out, "latent", 4 * 12 * 8), 4 * 12 * 8 * sizeof (float));
}

static void
test_parity (Fixture *fixture, gconstpointer data)
{
  static const char *const runs[] = { "plain", "negative" }, *const halves[] = { "prompt", "negative" };
  g_autoptr (PmModel)      model = open_model (fixture);

  g_assert_cmpstr (pm_model_get_info (model)->default_sampler, ==, "dpmpp2m");
  g_assert_cmpfloat (pm_model_get_info (model)->default_guidance, ==, 4.5);
  for (gsize i = 0; i < G_N_ELEMENTS (runs); i++)
    {
      g_autoptr (PmRequest) request = new_request (model, runs[i]);
      for (gsize j = 0; j < G_N_ELEMENTS (halves); j++)
        {
          g_autoptr (PmPrompt) prompt
              = pm_model_read_prompt (model, j ? request->negative_prompt : request->prompt, NULL);
          g_autofree char *name = g_strdup_printf ("%s.%s.ids", runs[i], halves[j]), *cleaned = read_spec (runs[i], "cleaned");
          const gint32    *ids = pm_bundle_get_i32 (fixture->expected, name, 1, (gssize[]) { -1 }, NULL);
          g_assert_cmpmem (prompt->ids, sizeof (int) * prompt->n_tokens, ids,
                           sizeof (int) * pm_bundle_find (fixture->expected, name)->n_elements);
          if (j == 0)
            g_assert_cmpstr (prompt->cleaned, ==, cleaned);
        }
      g_autofree char  *name = g_strdup_printf ("%s.latent", runs[i]);
      g_autofree float *latent = sample (model, request);
      pm_test_compare_rms (name, latent, pm_test_array_of (fixture->expected, name, 4 * 12 * 8), 4 * 12 * 8, 1e-5);
    }
}

/* How many embeddings are kept, and with `damage` all of them with a byte changed. */
static int
count_kept (gboolean damage)
{
  g_autofree char *folder = g_build_filename (g_get_user_cache_dir (), "pentimento", "text", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  int              n = 0;

  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL), *bytes = NULL;
      gsize            size;
      n++;
      if (! damage)
        continue;
      g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
      bytes[size / 2] ^= 1;
      fixture_write (folder, name, bytes, (gssize) size);
    }
  return n;
}

/* The second run finds what the first computed, and paints the same; so does one that finds damaged files. */
static void
test_kept (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "negative");
  PmEstimate            before, after;
  gsize                 size = 4 * 12 * 8 * sizeof (float);
  int                   n = count_kept (FALSE);

  for (int i = 0; i < 2; i++) /* prompts of no other test */
    {
      char **prompt = i ? &request->negative_prompt : &request->prompt;
      g_free (*prompt);
      *prompt = g_strdup (i ? "grey and flat" : "a snow cat");
    }
  g_assert_true (pm_generate_estimate (model, request, &before, &error));
  g_autofree float *first = sample (model, request);
  g_assert_cmpint (count_kept (FALSE), ==, n + 2);
  g_assert_true (pm_generate_estimate (model, request, &after, &error));
  g_assert_cmpfloat (after.floor_flops, <, before.floor_flops);
  g_assert_cmpuint (after.weight_bytes, <, before.weight_bytes);

  g_autofree float *second = sample (model, request);
  g_assert_cmpint (count_kept (TRUE), ==, n + 2);
  g_autofree float *third = sample (model, request);
  g_assert_cmpmem (first, size, second, size);
  g_assert_cmpmem (first, size, third, size);
  g_assert_cmpint (count_kept (FALSE), ==, n + 2);
}

static void
test_record (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "negative");
  g_autofree char      *weights = g_build_filename (fixture->folder, "text_encoder", "model.hash.json", NULL), *text = NULL;
  gsize                 n;

  request->num_steps = 2;
  g_autoptr (PmResult) result = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (weights, &text, &n, NULL));
  g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) text, n);
  g_assert_nonnull (strstr (result->record, sum));
  g_assert_nonnull (strstr (result->record, "text-encoder"));
  g_assert_nonnull (strstr (result->record, "The quick brown fox"));
  g_assert_nonnull (strstr (result->record, "Blurry"));

  g_assert_null (pm_record_compare_model (result->record, model, NULL));
  g_autofree char *end = g_strconcat (text, "\n", NULL); /* the same weights in another file */
  fixture_write (fixture->folder, "text_encoder/model.hash.json", end, -1);
  g_autofree char *difference = pm_record_compare_model (result->record, model, NULL);
  g_assert_nonnull (difference);
  g_assert_nonnull (strstr (difference, "model.hash.json"));
}

/* What a model of the folder as it is now says of the record; NULL: nothing. */
static char *
compare_now (Fixture *fixture, const char *record)
{
  g_autoptr (PmModel) model = open_model (fixture);
  return pm_record_compare_model (record, model, NULL);
}

/* The same tokenizer under another name is the same; another one is told, whatever its name. */
static void
test_record_tokenizer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  g_autofree char      *folder = g_build_filename (fixture->folder, "tokenizer", NULL);
  g_autofree char      *file = g_build_filename (folder, "spiece.model", NULL), *other = NULL;
  g_autofree char      *away = g_build_filename (folder, "else.model", NULL);

  request->num_steps = 1;
  g_autoptr (PmResult) result = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (compare_now (fixture, result->record));

  g_assert_cmpint (g_rename (file, away), ==, 0);
  fixture_write (fixture->folder, "config.json", "{\"tokenizer\": \"tokenizer/else.model\"}", -1);
  g_assert_null (compare_now (fixture, result->record));

  fixture_write (fixture->folder, "config.json", "{}", -1);
  fixture_write (folder, "tokenizer.json", LITTLE_TOKENIZER LITTLE_END "}", -1);
  other = compare_now (fixture, result->record);
  g_assert_nonnull (other);
  g_assert_nonnull (strstr (other, "“tokenizer.json”"));
}

static void
assert_refused (PmModel *model, const PmRequest *request, PmErrorCode code, const char *says)
{
  g_autoptr (GError) error = NULL;
  PmEstimate         estimate;

  g_assert_null (pm_generate (model, request, NULL, &error));
  fixture_assert_error (error, code, says);
  g_clear_error (&error);
  g_assert_false (pm_generate_estimate (model, request, &estimate, &error));
  g_assert_error (error, PM_ERROR, (int) code);
}

/* Too much is told, not cut; so is what makes no sense. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  g_autoptr (GString)   text = g_string_new (NULL);

  for (int i = 0; i < 299; i++)
    g_string_append (text, "fox ");
  g_autoptr (PmPrompt) whole = pm_model_read_prompt (model, text->str, NULL);
  g_assert_cmpint (whole->n_words, ==, 299);
  g_assert_cmpint (whole->max_tokens, ==, 300);
  g_assert_cmpint (whole->is_too_long, ==, whole->n_tokens > 300);
  for (int i = 0; i < 300; i++)
    g_string_append (text, "fox ");
  g_autoptr (PmPrompt) longer = pm_model_read_prompt (model, text->str, NULL);
  g_autofree char     *count = g_strdup_printf ("has %d tokens", longer->n_tokens);
  g_assert_true (longer->is_too_long);

  char *prompt = g_steal_pointer (&request->prompt);
  request->prompt = g_strdup (text->str);
  assert_refused (model, request, PM_ERROR_USAGE, count);
  assert_refused (model, request, PM_ERROR_USAGE, "300 at most");
  g_free (request->prompt);
  request->prompt = prompt;
  g_free (request->negative_prompt);
  request->negative_prompt = g_strdup (text->str);
  assert_refused (model, request, PM_ERROR_USAGE, "negative prompt");
  g_free (request->negative_prompt);
  request->negative_prompt = g_strdup ("\xff\xfe");
  assert_refused (model, request, PM_ERROR_USAGE, "UTF-8");
  g_free (request->negative_prompt);
  request->negative_prompt = NULL;
  g_free (request->class_name);
  request->class_name = g_strdup ("fox");
  assert_refused (model, request, PM_ERROR_USAGE, "classes");
}

static const PmModelPart *
find_part (PmModel *model, const char *name)
{
  const PmModelInfo *info = pm_model_get_info (model);
  for (int i = 0; i < info->n_parts; i++)
    if (strcmp (info->parts[i].name, name) == 0)
      return &info->parts[i];
  g_assert_not_reached ();
}

/* Opens all the same; says what is missing; does not run. */
static void
assert_lacks (Fixture *fixture, const char *part, PmErrorCode code, const char *says)
{
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  const PmModelInfo    *info = pm_model_get_info (model);

  g_assert_true (info->takes_prompt);
  g_assert_false (info->makes_picture);
  g_assert_nonnull (find_part (model, part)->problem);
  g_assert_nonnull (strstr (find_part (model, part)->problem, says));
  assert_refused (model, request, code, says);
}

static void
rename_in (Fixture *fixture, const char *from, const char *to)
{
  g_autofree char *source = g_build_filename (fixture->folder, from, NULL);
  g_autofree char *target = g_build_filename (fixture->folder, to, NULL);
  g_assert_cmpint (g_rename (source, target), ==, 0);
}

static void
test_parts (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PmModel) whole = open_model (fixture);
  const PmModelInfo  *info = pm_model_get_info (whole);

  g_assert_true (info->takes_prompt);
  g_assert_cmpint (info->max_tokens, ==, 300);
  g_assert_nonnull (strstr (info->text_encoder, "text_encoder"));
  g_assert_null (find_part (whole, "text_encoder")->problem);
  g_assert_null (find_part (whole, "tokenizer")->problem);
  g_assert_null (find_part (whole, "network")->problem);
  g_assert_nonnull (strstr (find_part (whole, "vae")->problem, "vae"));

  rename_in (fixture, "text_encoder", "away");
  assert_lacks (fixture, "text_encoder", PM_ERROR_NO_MODEL, "text encoder (T5) is not here");
  rename_in (fixture, "away", "t5-v1_1-xxl"); /* as PixArt's own repository has it */
  g_autoptr (PmModel) other = open_model (fixture);
  g_assert_null (find_part (other, "text_encoder")->problem);
  rename_in (fixture, "t5-v1_1-xxl", "text_encoder");

  rename_in (fixture, "tokenizer", "away");
  assert_lacks (fixture, "tokenizer", PM_ERROR_NO_MODEL, "spiece.model");
  rename_in (fixture, "away/spiece.model", "text_encoder/spiece.model"); /* beside the encoder, as T5 is published */
  g_autoptr (PmModel) beside = open_model (fixture);
  g_assert_null (find_part (beside, "tokenizer")->problem);
  rename_in (fixture, "text_encoder/spiece.model", "away/spiece.model");
  rename_in (fixture, "away", "tokenizer");

  rename_in (fixture, "text_encoder/model.hash.json", "text_encoder/x");
  assert_lacks (fixture, "text_encoder", PM_ERROR_NO_MODEL, "no checkpoint");
  prompt_model_copy ("t5-gated/text_encoder/model.hash.json", fixture->folder, "text_encoder/model.hash.json");
  assert_lacks (fixture, "text_encoder", PM_ERROR_UNSUPPORTED, "48");
}

/* Puts a link to nowhere in the file's place, asserts what is said of it, and puts the file back. */
static void
assert_lacks_blob (Fixture *fixture, const char *part, const char *file)
{
  g_autofree char *path = g_build_filename (fixture->folder, file, NULL), *base = g_path_get_basename (file);

  rename_in (fixture, file, "away");
  g_assert_cmpint (symlink ("../blobs/gone", path), ==, 0);
  assert_lacks (fixture, part, PM_ERROR_IO, "blobs/gone");
  assert_lacks (fixture, part, PM_ERROR_IO, base);
  g_assert_cmpint (g_unlink (path), ==, 0);
  rename_in (fixture, "away", file);
}

/* Blobs that were removed from a cache: no default stands in for what they say. */
static void
test_dangling (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = g_build_filename (fixture->folder, "vae", "config.json", NULL);

  assert_lacks_blob (fixture, "text_encoder", "text_encoder/config.json");
  assert_lacks_blob (fixture, "text_encoder", "text_encoder/model.hash.json");
  assert_lacks_blob (fixture, "tokenizer", "tokenizer/spiece.model");
  prompt_model_copy ("vae-four-levels/vae/diffusion_pytorch_model.hash.json", fixture->folder,
                     "vae/diffusion_pytorch_model.hash.json");
  g_assert_cmpint (symlink ("../blobs/gone", path), ==, 0);
  g_autoptr (PmModel) model = open_model (fixture);
  g_assert_null (pm_model_get_info (model)->vae);
  g_assert_false (pm_model_check_picture (model, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "config.json"));
  g_assert_cmpstr (find_part (model, "vae")->problem, ==, error->message);
  g_assert_null (find_part (model, "text_encoder")->problem);
}

/* A damaged decoder says so to whoever begins with a picture, and leaves latents and maps. */
static void
test_damaged_vae (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree float  *picture = g_new0 (float, 3 * 64 * 64);

  prompt_model_copy ("vae-four-levels/vae/diffusion_pytorch_model.hash.json", fixture->folder,
                     "vae/diffusion_pytorch_model.hash.json");
  fixture_write (fixture->folder, "vae/config.json", "[", -1);
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  g_assert_false (pm_model_get_info (model)->makes_picture);
  g_assert_false (pm_model_check_picture (model, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
  request->num_steps = 1;
  g_autoptr (PmResult) result = pm_generate (model, request, NULL, NULL);
  g_assert_nonnull (result);
  g_assert_null (result->picture);
  g_assert_true (pm_request_set_start (request, picture, 64, 64));
  assert_refused (model, request, PM_ERROR_DAMAGED, error->message);
}

/* A tokenizer that ends no text would leave an empty one without a token, and steered words nothing to look at beside them. */
static void
test_no_end (Fixture *fixture, gconstpointer data)
{
  g_autofree char  *file = g_build_filename (fixture->folder, "tokenizer", "spiece.model", NULL);

  g_assert_cmpint (g_unlink (file), ==, 0);
  fixture_write (fixture->folder, "tokenizer/tokenizer.json", LITTLE_TOKENIZER "}", -1);
  assert_lacks (fixture, "tokenizer", PM_ERROR_UNSUPPORTED, "end of a text");
  fixture_write (fixture->folder, "tokenizer/tokenizer.json", LITTLE_TOKENIZER LITTLE_END "}", -1);
  g_autoptr (PmModel)  model = open_model (fixture);
  g_autoptr (PmPrompt) empty = pm_model_read_prompt (model, "", NULL);
  g_assert_null (find_part (model, "tokenizer")->problem);
  g_assert_cmpint (empty->n_tokens, ==, 1);
}

/* A lone checkpoint says in its sidecar where the rest is. */
static void
test_sidecar (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *source = g_build_filename (fixture->folder, "transformer", "config.json", NULL), *text = NULL;
  g_autofree char   *path = g_build_filename (fixture->folder, "lone.hash.json", NULL);

  g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
  g_autofree char *tokenizer = g_build_filename (fixture->folder, "t", "spiece.model", NULL);
  g_autofree char *sidecar
      = g_strdup_printf ("{\"text_encoder\": \"./e\", \"tokenizer\": \"%s\",%s", tokenizer, strchr (text, '{') + 1);
  rename_in (fixture, "text_encoder", "e");
  rename_in (fixture, "tokenizer", "t");
  rename_in (fixture, "transformer/diffusion_pytorch_model.hash.json", "lone.hash.json");
  fixture_write (fixture->folder, "lone.json", sidecar, -1);
  g_autoptr (PmModel) model = pm_model_open (path, &error);
  g_assert_no_error (error);
  g_assert_null (find_part (model, "text_encoder")->problem);
  g_assert_null (find_part (model, "tokenizer")->problem);
  g_assert_cmpstr (find_part (model, "tokenizer")->path, ==, tokenizer);
}

/* With a decoder, here where PixArt-Sigma's authors publish it, a prompt paints. */
static void
test_picture (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "config.json", "diffusion_pytorch_model.hash.json" };
  g_autoptr (GError)       error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from = g_build_filename ("vae-four-levels", "vae", names[i], NULL);
      g_autofree char *to = g_build_filename ("pixart_sigma_sdxlvae_T5_diffusers", "vae", names[i], NULL);
      prompt_model_copy (from, fixture->folder, to);
    }
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  g_assert_true (pm_model_get_info (model)->makes_picture);
  g_assert_null (find_part (model, "vae")->problem);
  request->num_steps = 2;
  g_autoptr (PmResult) result = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (result->picture);
  g_assert_cmpint (result->width, ==, 64);
  g_assert_cmpint (result->height, ==, 96);
}

typedef struct
{
  PmJob *job;
  double last, stop;
} Progress;

static void
progress_cb (const PmProgress *progress, gpointer data)
{
  Progress *self = data;
  g_assert_cmpfloat (progress->fraction, >=, self->last);
  g_assert_cmpfloat (progress->fraction, <=, 1);
  self->last = progress->fraction;
  if (progress->fraction >= self->stop)
    pm_job_cancel (self->job);
}

static void
test_progress (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = open_model (fixture);
  g_autoptr (PmRequest) request = new_request (model, "plain");
  Progress              progress = { .stop = 2 };
  g_autoptr (PmJob)     job = pm_job_new (progress_cb, &progress), stopped = NULL;

  request->num_steps = 3;
  g_autoptr (PmResult) result = pm_generate (model, request, job, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (progress.last, ==, 1);

  int n = count_kept (FALSE);
  progress = (Progress) { .stop = 0.6 };
  g_autoptr (PmJob) late = progress.job = pm_job_new (progress_cb, &progress);
  g_free (request->prompt);
  request->prompt = g_strdup ("something read before it was cancelled");
  g_assert_null (pm_generate (model, request, late, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpint (count_kept (FALSE), ==, n + 1);

  progress = (Progress) { .stop = 0 };
  stopped = progress.job = pm_job_new (progress_cb, &progress);
  g_free (request->prompt);
  request->prompt = g_strdup ("something not kept");
  g_assert_null (pm_generate (model, request, stopped, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpfloat (progress.last, <, 0.5);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = { { "/prompt-run/parity", test_parity },     { "/prompt-run/kept", test_kept },
                { "/prompt-run/record", test_record },     { "/prompt-run/record-tokenizer", test_record_tokenizer },
                { "/prompt-run/refused", test_refused },
                { "/prompt-run/parts", test_parts },       { "/prompt-run/sidecar", test_sidecar },
                { "/prompt-run/dangling", test_dangling }, { "/prompt-run/no-end", test_no_end },
                { "/prompt-run/damaged-vae", test_damaged_vae },
                { "/prompt-run/picture", test_picture },
                { "/prompt-run/progress", test_progress } };
  char *cache = fixture_folder ();

  g_assert_true (g_setenv ("XDG_CACHE_HOME", cache, TRUE)); /* before GLib reads it */
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, fixture_open_model, tests[i].run, fixture_close_model);
  int code = g_test_run ();
  fixture_remove (cache);
  return code;
}
