/* The family `pixart` against its twin (tests/reference/pixart_make.py): folders of tests/reference with a pixart.json, on the
 * reference loops and on the CPU; pictures that are not square, texts of different lengths, steered runs; and files that are
 * refused. Expected values were computed in float64, whole runs with diffusers' scheduler. */
#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "compare.h"
#include "fixture.h"
#include "eval/eval.h"
#include "run/run.h"

#define N_ITEMS 3

static const char *const folders[] = { "pixart-alpha", "pixart-sigma" };
static const char *const   devices[] = { "ref", "cpu" };
static const PmEvalOptions single = { .n_threads = 1 };

typedef struct
{
  PmModel    *model;
  PmBundle   *inputs; /* x, t, noise, text, text_length, coverage */
  PmBundle   *expected;
  JsonParser *parser;
  int         lengths[N_ITEMS], layer;
  int         width, height; /* of x */
} Fixture;

static void
setup (Fixture *self, gconstpointer folder)
{
  g_autoptr (GError) error = NULL;
  g_autofree char   *path = pm_test_reference (folder, "pixart.json");
  g_autofree char   *model = pm_test_reference (folder, "model");
  float              t[N_ITEMS];

  self->parser = json_parser_new ();
  json_parser_load_from_file (self->parser, path, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (self->parser));
  self->model = pm_model_open (model, &error);
  g_assert_no_error (error);
  self->inputs = pm_test_load (folder, "inputs.hash.json");
  self->expected = pm_test_load (folder, "expected.safetensors");
  for (int i = 0; i < N_ITEMS; i++)
    {
      t[i] = (float) json_array_get_double_element (json_object_get_array_member (root, "t"), i);
      self->lengths[i] = (int) json_array_get_int_element (json_object_get_array_member (root, "lengths"), i);
    }
  self->layer = (int) json_object_get_int_member (root, "layer");
  self->height = (int) pm_bundle_find (self->inputs, "x")->shape[2];
  self->width = (int) pm_bundle_find (self->inputs, "x")->shape[3];
  pm_test_add (self->inputs, "t", PM_DTYPE_F32, N_ITEMS, t);
  pm_test_add (self->inputs, "text_length", PM_DTYPE_I32, N_ITEMS, self->lengths);
}

static void
teardown (Fixture *self, gconstpointer folder)
{
  pm_model_unref (self->model);
  pm_bundle_free (self->inputs);
  pm_bundle_free (self->expected);
  g_object_unref (self->parser);
}

static void
compare (Fixture *self, PmBundle *out, const char *name, const char *expected, gboolean is_relative, double limit)
{
  gsize        n;
  const float *values = pm_test_array (self->expected, expected, &n);
  if (is_relative)
    pm_test_compare_relative (expected, pm_test_array_of (out, name, n), values, n, limit);
  else
    pm_test_compare_absolute (expected, pm_test_array_of (out, name, n), values, n, limit);
}

/* One call with three texts of their own; the same bits from any number of threads. */
static void
test_denoise (Fixture *self, gconstpointer folder)
{
  g_autofree char *capture = g_strdup_printf ("received,cross:%d", self->layer);

  for (guint d = 0; d < G_N_ELEMENTS (devices); d++)
    {
      g_autoptr (PmBundle) first = NULL;
      for (int n_threads = 1; n_threads <= 3; n_threads++)
        {
          g_autoptr (GError)   error = NULL;
          const PmEvalOptions  options = { .device = devices[d], .n_threads = n_threads };
          g_autoptr (PmBundle) out = pm_eval_denoise (self->model, &options, self->inputs, capture, NULL, &error);
          gsize                n;
          g_assert_no_error (error);
          compare (self, out, "out", "out", TRUE, 2e-6);
          compare (self, out, "received", "received", FALSE, 1e-6);
          compare (self, out, "cross", "cross", FALSE, 1e-6);
          if (first)
            {
              const float *values = pm_test_array (first, "out", &n);
              g_assert_cmpmem (values, n * sizeof (float), pm_test_array_of (out, "out", n), n * sizeof (float));
            }
          else
            first = g_steal_pointer (&out);
        }
    }
}

/* pixart_make.py, make_edit: one word weighed, one hidden, two of regions. */
typedef struct
{
  float     *key_bias, *region_bias;
  int       *key_region;
  PmTextEdit edit;
} Edit;

static void
edit_init (Edit *edit, Fixture *self)
{
  gsize        n_bias;
  const float *coverage = pm_test_array (self->inputs, "coverage", &n_bias);

  edit->key_bias = g_new0 (float, self->lengths[0]);
  edit->key_region = g_new (int, self->lengths[0]);
  edit->region_bias = g_new (float, n_bias);
  for (int i = 0; i < self->lengths[0]; i++)
    edit->key_region[i] = i == 1 ? 0 : i == 2 || i == 5 ? 1 : -1;
  edit->key_bias[2] = logf (2.5f);
  edit->key_bias[4] = -INFINITY;
  for (gsize i = 0; i < n_bias; i++)
    edit->region_bias[i] = logf (CLAMP (coverage[i], 0.f, 1.f));
  edit->edit = (PmTextEdit) { .n_regions = 2, .key_bias = edit->key_bias, .key_region = edit->key_region,
                              .region_bias = edit->region_bias };
}

static void
edit_clear (Edit *edit)
{
  g_free (edit->key_bias);
  g_free (edit->key_region);
  g_free (edit->region_bias);
}

/* One call of the family itself, of which the first text is steered; x for all three, told in the order of tags. */
static void
denoise_edited (Fixture *self, PmBackend *backend, const PmTextEdit *edit, PmTap *tap, float *out)
{
  g_autoptr (GError)   error = NULL;
  const PmFamily      *family = self->model->family;
  const PmNetworkInfo *info = &self->model->network_info;
  const PmTensor      *text = pm_bundle_find (self->inputs, "text");
  PmShape              shape = { self->width / info->patch, self->height / info->patch, N_ITEMS, (int) text->shape[1] };
  const PmItemTag      tags[N_ITEMS] = { PM_ITEM_CONDITION, PM_ITEM_NULL, PM_ITEM_NEGATIVE };
  gsize                n;
  PmDenoise            in = { .B = N_ITEMS, .x = pm_test_array (self->inputs, "x", &n), .tags = tags, .tap = tap,
                              .t = pm_test_array (self->inputs, "t", &n) };
  PmPrepared          *prepared = family->prepare (self->model->network, backend, &shape, &error);

  g_assert_no_error (error);
  for (int i = 0; i < N_ITEMS; i++)
    {
      const float *embedding = pm_test_array (self->inputs, "text", &n) + i * text->shape[1] * text->shape[2];
      /* Told something else first: the last word counts. */
      g_assert_true (family->set_text (prepared, tags[i], embedding, 1, i == 1 ? edit : NULL, NULL, &error));
      g_assert_true (family->set_text (prepared, tags[i], embedding, self->lengths[i], i == 0 ? edit : NULL, NULL, &error));
    }
  if (tap)
    pm_tap_begin_step (tap, 0, tags, N_ITEMS);
  g_assert_true (family->denoise (prepared, &in, out, &error));
  family->release (prepared);
}

static void
test_edited (Fixture *self, gconstpointer folder)
{
  Edit edit;

  edit_init (&edit, self);
  for (guint d = 0; d < G_N_ELEMENTS (devices); d++)
    {
      g_autoptr (PmBackend) backend = pm_backend_open (devices[d], 2, NULL);
      const PmTensor *text = pm_bundle_find (self->inputs, "text");
      PmShape      shape = { self->width / 2, self->height / 2, N_ITEMS, (int) text->shape[1] };
      int          n_sites = 0;
      double       time = 0;
      g_autofree PmSite *sites = self->model->family->sites (self->model->network, &shape, &n_sites);
      PmTapOptions options = { .backend = backend, .sites = sites, .n_sites = n_sites, .n_items = N_ITEMS, .n_steps = 1,
                               .times = &time, .budget = 1 << 24 };
      PmShow       show;
      gsize        n, n_cross;
      const float *expected = pm_test_array (self->expected, "edited.out", &n);
      const float *cross = pm_test_array (self->expected, "edited.cross", &n_cross);
      g_autofree float *out = g_new (float, n), *probs = g_new (float, n_cross);

      pm_show_init (&show);
      g_autoptr (PmTap) tap = pm_tap_new (&show, &options, NULL);
      g_assert_true (pm_tap_set_probe_layer (tap, TRUE, self->layer, NULL));
      denoise_edited (self, backend, &edit.edit, tap, out);
      pm_test_compare_relative ("edited.out", out, expected, n, 2e-6);
      g_assert_true (pm_tap_read_probs (tap, TRUE, probs, NULL));
      pm_test_compare_absolute ("edited.cross", probs, cross, n_cross, 1e-6);
    }
  edit_clear (&edit);
}

static PmRequest *
make_request (Fixture *self)
{
  JsonObject *root = json_node_get_object (json_parser_get_root (self->parser));
  PmRequest  *request = pm_request_new_for_model (self->model);

  g_assert_cmpstr (request->sampler, ==, "dpmpp2m"); /* as pipelines of the family have it */
  g_assert_cmpint (request->num_steps, ==, json_object_get_int_member (root, "steps"));
  g_assert_cmpfloat (request->guidance, ==, json_object_get_double_member (root, "guidance"));
  request->width = self->width * 8;
  request->height = self->height * 8;
  return request;
}

/* A whole run from given texts; without a second one the network's own text of nothing is told. */
static void
test_sample (Fixture *self, gconstpointer folder)
{
  g_autoptr (PmRequest) request = make_request (self);
  g_autoptr (PmBundle)  in = pm_bundle_new ();
  const PmTensor       *text = pm_bundle_find (self->inputs, "text"), *noise = pm_bundle_find (self->inputs, "noise");
  gsize                 n_texts = self->model->network_info.has_null_text ? 1 : 2;
  const gsize           shape[] = { n_texts, text->shape[1], text->shape[2] };
  g_autoptr (GError)    error = NULL;
  gsize                 n;

  float *values = pm_bundle_add (in, "text", PM_DTYPE_F32, 3, shape, NULL);
  memcpy (values, text->data, sizeof (float) * n_texts * text->shape[1] * text->shape[2]);
  pm_test_add (in, "text_length", PM_DTYPE_I32, n_texts, self->lengths);
  values = pm_bundle_add (in, "noise", PM_DTYPE_F32, 4, noise->shape, NULL);
  memcpy (values, noise->data, sizeof (float) * noise->n_elements);
  for (guint d = 0; d < G_N_ELEMENTS (devices); d++)
    {
      g_set_str (&request->device, devices[d]);
      g_autoptr (PmBundle) out = pm_eval_sample (self->model, request, in, NULL, &error);
      g_assert_no_error (error);
      const float *expected = pm_test_array (self->expected, "sample", &n);
      pm_test_compare_rms ("sample", pm_test_array_of (out, "latent", n), expected, n, 1e-5);
    }
}

/* The same run while its words are steered. */
static void
test_sample_edited (Fixture *self, gconstpointer folder)
{
  g_autoptr (PmRequest) request = make_request (self);
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmBackend) backend = pm_backend_open ("cpu", 2, &error);
  const PmTensor       *text = pm_bundle_find (self->inputs, "text");
  gsize                 n, n_text;
  const float          *embedding = pm_test_array (self->inputs, "text", &n_text);
  const float          *expected = pm_test_array (self->expected, "edited.sample", &n);
  g_autofree float     *trajectory = g_new (float, (request->num_steps + 1) * n);
  PmGiven               given = { .text = { embedding }, .text_length = { self->lengths[0], self->lengths[1] } };
  PmRun                 run;
  Edit                  edit;

  if (! self->model->network_info.has_null_text)
    given.text[1] = embedding + text->shape[1] * text->shape[2];
  edit_init (&edit, self);
  g_assert_true (pm_run_init (&run, self->model, request, &given, &error));
  run.told[0].edit = &edit.edit;
  g_assert_true (pm_run_start (&run, backend, pm_test_array (self->inputs, "noise", &n), trajectory, NULL, &error));
  g_assert_true (pm_run_sample (&run, backend, NULL, trajectory, NULL, &error));
  pm_test_compare_rms ("edited.sample", trajectory + request->num_steps * n, expected, n, 1e-5);
  pm_run_clear (&run);
  edit_clear (&edit);
}

/* A region in pixels of a picture that is not square becomes shares of its patches, and maps have the picture's grid. */
static void
test_regions (Fixture *self, gconstpointer folder)
{
  g_autoptr (PmRequest) request = make_request (self);
  g_autoptr (GError)    error = NULL;
  int                   w = request->width, h = request->height, gw = self->width / 2, gh = self->height / 2;
  g_autofree guint8    *mask = g_new0 (guint8, (gsize) w * h);
  gsize                 n;
  const float          *embedding = pm_test_array (self->inputs, "text", &n);
  PmGiven               given = { .text = { embedding, embedding }, .text_length = { 3, 1 } };
  PmRun                 run;

  g_assert_cmpint (gw, !=, gh);
  for (int y = 0; y < h; y++) /* the last column of patches, and half of the patch in the first row beside it */
    for (int x = 0; x < w; x++)
      mask[y * w + x] = x >= w - 16 || (y < 16 && x >= w - 24) ? 255 : 0;
  g_assert_true (pm_request_set_region (request, mask, w, h));
  g_assert_true (pm_request_set_show (request, "layers=1;heads=0;steps=0,1;read=from,received,distance", &error));
  request->num_steps = 2;
  g_assert_true (pm_run_init (&run, self->model, request, &given, &error));
  for (int i = 0; i < gw * gh; i++)
    g_assert_cmpfloat (run.region[i], ==, i % gw == gw - 1 ? 1 : i == gw - 2 ? 0.5 : 0);
  pm_run_clear (&run);
  g_autoptr (PmResult) result = pm_generate_from (self->model, request, &given, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->latent_width, ==, self->width);
  g_assert_cmpint (result->latent_height, ==, self->height);
  g_assert_cmpint (result->width, ==, w);
  g_assert_cmpuint (result->maps->len, ==, 6);
  for (guint i = 0; i < result->maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (result->maps, i);
      g_assert_cmpint (map->grid_w, ==, gw);
      g_assert_cmpint (map->grid_h, ==, gh);
    }
}

static void
assert_no_run (Fixture *self, int width, int height, const char *says)
{
  g_autoptr (PmRequest) request = make_request (self);
  g_autoptr (GError)    error = NULL;
  PmGiven               given = { 0 };
  gsize                 n;
  PmRun                 run;

  given.text[0] = given.text[1] = pm_test_array (self->inputs, "text", &n);
  given.text_length[0] = given.text_length[1] = 1;
  request->width = width;
  request->height = height;
  g_assert_false (pm_run_init (&run, self->model, request, &given, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, says));
}

static void
test_sizes (Fixture *self, gconstpointer folder)
{
  const PmModelInfo *info = pm_model_get_info (self->model);

  g_assert_true (info->any_size);
  g_assert_cmpint (info->size_multiple, ==, 16);
  assert_no_run (self, 100, 96, "16");
  assert_no_run (self, 96, 0, "96 × 0");
  assert_no_run (self, info->max_size + 16, 96, "4096");
}

/* The nearest size that is painted; larger pictures keep their ratio. */
static void
test_fit (Fixture *self, gconstpointer folder)
{
  static const int sizes[][4] = { { 90, 90, 96, 96 },       { 64, 96, 64, 96 },      { 1, 3000, 16, 3008 },
                                  { 8192, 4096, 4096, 2048 }, { 12000, 9000, 4096, 3072 }, { 0, 0, 16, 16 } };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      int width, height;
      pm_model_fit_size (self->model, sizes[i][0], sizes[i][1], &width, &height);
      g_assert_cmpint (width, ==, sizes[i][2]);
      g_assert_cmpint (height, ==, sizes[i][3]);
    }
}

/* What `eval` is given wrong is said, not run. */
static void
test_refused (Fixture *self, gconstpointer folder)
{
  const gint32 none[N_ITEMS] = { 1, 0, 1 }, many[N_ITEMS] = { 1, 1, 100 };

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      pm_test_add (self->inputs, "text_length", PM_DTYPE_I32, N_ITEMS, i ? many : none);
      g_assert_null (pm_eval_denoise (self->model, &single, self->inputs, NULL, NULL, &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (error->message, "text_length"));
    }
}

static char *
read_hash (void)
{
  g_autofree char *path = pm_test_reference ("pixart-alpha", "model/model.hash.json");
  char            *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static PmModel *
open_hash (const char *folder, const char *json, const char *config_json, GError **error)
{
  fixture_write (folder, "model.hash.json", json, -1);
  fixture_write (folder, "config.json", config_json, -1);
  return pm_model_open (folder, error);
}

static char *
replace (const char *text, const char *from, const char *to)
{
  g_auto (GStrv) parts = g_strsplit (text, from, 2);
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  return g_strjoinv (to, parts);
}

static void
test_damaged (void)
{
  static const char config[] = "{\"num_attention_heads\": 3, \"sample_size\": 8}";
  static const struct
  {
    const char *from, *to, *config, *says;
    int         code;
  } cases[] = {
    { "\"blocks.1.scale_shift_table\": {\"shape\": [6", "\"blocks.1.scale_shift_table\": {\"shape\": [5", config,
      "scale_shift_table", PM_ERROR_DAMAGED },
    { "\"blocks.2.cross_attn.kv_linear.weight\": {\"shape\": [144", "\"blocks.2.cross_attn.kv_linear.weight\": {\"shape\": [143",
      config, "kv_linear", PM_ERROR_DAMAGED },
    { "\"ar_embedder.mlp.2.bias\": {\"shape\": [24", "\"ar_embedder.mlp.2.bias\": {\"shape\": [25", config, "ar_embedder",
      PM_ERROR_DAMAGED },
    { "\"y_embedder.y_proj.fc1.weight\"", "\"another\"", config, "y_proj.fc1", PM_ERROR_DAMAGED },
    { "\"blocks.0.attn.proj.bias\"", "\"blocks.0.attn.q_norm.weight\"", config, "q_norm", PM_ERROR_UNSUPPORTED },
    { "\"tensors\": {", "\"tensors\": {\"pos_embed\": {\"shape\": [1, 1099511627776, 0]},", config, "pos_embed",
      PM_ERROR_DAMAGED },
    { "\"tensors\": {", "\"tensors\": {\"pos_embed\": {\"shape\": [1, 17, 72]},", config, "pos_embed", PM_ERROR_DAMAGED },
    { "format", "format", "{\"num_attention_heads\": 3}", "sample_size", PM_ERROR_UNSUPPORTED },
    { "format", "format", "{\"num_attention_heads\": 3, \"sample_size\": 9000}", "9000", PM_ERROR_DAMAGED },
    { "format", "format", "{\"num_attention_heads\": 3, \"sample_size\": 8, \"caption_channels\": 21}", "caption_channels",
      PM_ERROR_DAMAGED },
    { "format", "format", "{\"num_attention_heads\": 3, \"sample_size\": 8, \"interpolation_scale\": 0}", "interpolation_scale",
      PM_ERROR_DAMAGED },
  };
  g_autofree char *json = read_hash ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char   *changed = replace (json, cases[i].from, cases[i].to);
      char              *folder = fixture_folder ();
      g_assert_null (open_hash (folder, changed, cases[i].config, &error));
      fixture_remove (folder);
      g_assert_error (error, PM_ERROR, cases[i].code);
      if (! strstr (error->message, cases[i].says))
        g_test_fail_printf ("“%s” does not name %s", error->message, cases[i].says);
    }
}

#define SIDE 4
#define D 72

/* The table of a grid of SIDE with coordinates divided by scale, as precise as f16. */
static void
make_positions (double scale, float *table /* [SIDE * SIDE, D] */)
{
  guint16 half[SIDE * SIDE * D];

  for (int i = 0; i < SIDE * SIDE * D; i++)
    {
      int    channel = i % D, token = i / D, k = channel % (D / 4);
      double place = (channel < D / 2 ? token % SIDE : token / SIDE) / scale * pow (10000, -k / (D / 4.0));
      table[i] = (float) (channel / (D / 4) % 2 ? cos (place) : sin (place));
    }
  pm_convert_f32_to_f16 (table, SIDE * SIDE * D, half);
  pm_convert_to_f32 (half, PM_DTYPE_F16, SIDE * SIDE * D, table);
}

/* The hashed weights with a table of positions beside them, as a lone file. */
static PmModel *
open_with_positions (const char *folder, double scale)
{
  g_autoptr (GError)       error = NULL;
  g_autofree char         *hash = pm_test_reference ("pixart-alpha", "model/model.hash.json");
  g_autofree char         *path = g_build_filename (folder, "lone.safetensors", NULL);
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_open (hash, &error);
  g_autoptr (PmBundle)     bundle = pm_bundle_new ();

  g_assert_no_error (error);
  for (guint i = 0; i < pm_checkpoint_get_n_tensors (checkpoint); i++)
    {
      const PmTensor *tensor = pm_checkpoint_get_tensor (checkpoint, i);
      memcpy (pm_bundle_add (bundle, tensor->name, PM_DTYPE_F32, tensor->rank, tensor->shape, NULL), tensor->data,
              tensor->n_elements * sizeof (float));
    }
  make_positions (scale, pm_bundle_add (bundle, "pos_embed", PM_DTYPE_F32, 3, (gsize[]) { 1, SIDE * SIDE, D }, NULL));
  g_assert_true (pm_bundle_save (bundle, path, &error));
  fixture_write (folder, "lone.json", "{\"num_attention_heads\": 3}", -1);
  PmModel *model = pm_model_open (path, &error);
  g_assert_no_error (error);
  return model;
}

/* A stored table tells the trained grid and how positions are scaled, so that other sizes can be painted. */
static void
test_stored_positions (void)
{
  static const double scales[] = { 0.5, 1, 2, 4 };
  g_autofree char    *json = read_hash ();

  for (guint i = 0; i < G_N_ELEMENTS (scales); i++)
    {
      g_autoptr (GError)  error = NULL;
      char                number[G_ASCII_DTOSTR_BUF_SIZE];
      g_autofree char    *config
          = g_strdup_printf ("{\"num_attention_heads\": 3, \"sample_size\": 8, \"interpolation_scale\": %s}",
                             g_ascii_dtostr (number, sizeof number, scales[i]));
      char               *folders_of[2] = { fixture_folder (), fixture_folder () };
      g_autoptr (PmModel) stored = open_with_positions (folders_of[0], scales[i]);
      g_autoptr (PmModel) said = open_hash (folders_of[1], json, config, &error);
      Fixture             self;
      gsize               n;

      g_assert_no_error (error);
      g_assert_cmpint (pm_model_get_info (stored)->default_size, ==, 64);
      setup (&self, "pixart-alpha");
      g_autoptr (PmBundle) a = pm_eval_denoise (stored, &single, self.inputs, NULL, NULL, &error);
      g_autoptr (PmBundle) b = pm_eval_denoise (said, &single, self.inputs, NULL, NULL, &error);
      g_assert_no_error (error);
      const float *values = pm_test_array (a, "out", &n);
      g_assert_cmpmem (values, n * sizeof (float), pm_test_array_of (b, "out", n), n * sizeof (float));
      teardown (&self, NULL);
      for (int k = 0; k < 2; k++)
        fixture_remove (folders_of[k]);
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = { { "denoise", test_denoise }, { "edited", test_edited },
                { "sample", test_sample },   { "sample-edited", test_sample_edited },
                { "regions", test_regions }, { "sizes", test_sizes }, { "fit", test_fit },
                { "refused", test_refused } };

  g_test_init (&argc, &argv, NULL);
  for (guint f = 0; f < G_N_ELEMENTS (folders); f++)
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
      {
        g_autofree char *path = g_strdup_printf ("/%s/%s", folders[f], tests[i].name);
        g_test_add (path, Fixture, folders[f], setup, tests[i].run, teardown);
      }
  g_test_add_func ("/pixart/damaged", test_damaged);
  g_test_add_func ("/pixart/stored-positions", test_stored_positions);
  return g_test_run ();
}
