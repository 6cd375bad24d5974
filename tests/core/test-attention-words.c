/* Readings of the words of a prompt: every map is compared with what its definition makes of the whole matrices of a small
 * network, whose layers look at the picture and then at a text; and what these readings promise whatever the network. */
#include <math.h>
#include <string.h>

#include "attention/reduction.h"
#include "base/error.h"
#include "text-network.h"

#define LIMIT 1e-6

/* One reading of one row of P. */
static double
define_reading (const double *row, const PmMap *map)
{
  const float *weights = NULL;
  double       word = 0, said = 0, sink = 0;

  for (gsize w = 0; map->word && w < G_N_ELEMENTS (pm_test_words); w++)
    if (strcmp (pm_test_words[w].name, map->word) == 0)
      weights = pm_test_words[w].weights;
  for (int j = 0; j < MAX_TEXT; j++)
    {
      word += weights && j < N_PROMPT && weights[j] > 0 ? row[j] : 0;
      said += j < N_PROMPT - 1 ? row[j] : 0;
      sink += j >= N_PROMPT - 1 ? row[j] : 0;
    }

  return strcmp (map->reading, "word") == 0 ? word : strcmp (map->reading, "sink") == 0 ? sink : word / said;
}

/* The map's values from the whole matrices of item, averaged where the map's numbers are -1. */
static void
check_map (const PmTestTextNetwork *network, const PmMap *map, int item)
{
  g_assert_cmpint (map->grid_w, ==, GRID_W);
  g_assert_cmpint (map->grid_h, ==, GRID_H);
  for (int at = 0; at < N; at++)
    {
      double sum = 0;
      int    n = 0;

      for (int step = 0; step < N_STEPS; step++)
        for (int layer = 0; layer < N_LAYERS; layer++)
          for (int head = 0; head < N_HEADS; head++)
            if ((map->step < 0 || map->step == step) && (map->layer < 0 || map->layer == layer)
                && (map->head < 0 || map->head == head))
              {
                sum += define_reading (pm_test_text_network_get_P (network, step, N_LAYERS + layer, item, head) + at * N, map);
                n++;
              }
      g_assert_cmpfloat (fabs (map->values[at] - sum / n), <, LIMIT);
    }
}

static void
test_each (void)
{
  const char *const devices[] = { "ref", "cpu" };

  for (gsize d = 0; d < G_N_ELEMENTS (devices); d++)
    {
      PmTestTextNetwork     network;
      g_autoptr (GPtrArray) maps = NULL;
      const PmMap         *map;

      pm_test_text_network_init (&network, devices[d]);
      PmTapOptions options = pm_test_text_network_get_options (&network);
      maps = pm_test_text_network_record (&network, &options, "layers=0,2;heads=all;steps=1,-1;read=word,sink,word-share", FALSE);

      g_assert_cmpuint (maps->len, ==, (N_WORDS + 1 + N_WORDS) * 8);
      for (guint i = 0; i < maps->len; i++) /* in the order reading, word, step, layer, head */
        {
          map = g_ptr_array_index (maps, i);
          g_assert_cmpint (map->group, ==, (int) i / 8);
          g_assert_cmpstr (map->reading, ==, i < 40 ? "word" : i < 48 ? "sink" : "word-share");
          g_assert_cmpstr (map->word, ==, i < 40 ? pm_test_words[i / 8].name : i < 48 ? NULL : pm_test_words[(i - 48) / 8].name);
          g_assert_cmpint (map->step, ==, i / 4 % 2 ? 2 : 1);
          g_assert_cmpint (map->layer, ==, i / 2 % 2 ? 2 : 0);
          g_assert_cmpint (map->head, ==, (int) i % 2);
          check_map (&network, map, 0);
        }
      map = g_ptr_array_index (maps, 2 * 8 + 3);
      g_assert_cmpstr (map->id, ==, "word-cat-s01-l02-h01");
      g_assert_cmpstr (map->title, ==, "“cat” — Word, layer 2, head 1, t 600");
      map = g_ptr_array_index (maps, 48 + 4 * 8);
      g_assert_cmpstr (map->id, ==, "word-share-up-s01-l00-h00");
      g_assert_cmpstr (map->what, ==, "“Up” — Word share");
      g_assert_cmpstr (((PmMap *) g_ptr_array_index (maps, 40))->id, ==, "sink-s01-l00-h00");

      pm_test_text_network_clear (&network);
    }
}

/* Averages, and a batch whose other half leads: a map is of the item that is told the prompt. */
static void
test_means (void)
{
  const char *const texts[] = { "layers=mean;heads=all;read=word", "layers=all;heads=mean;steps=mean;read=sink,word-share",
                                "layers=mean:recommended;heads=mean;steps=mean;read=word,sink" };
  PmTestTextNetwork network;

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    for (int null_first = 0; null_first < 2; null_first++)
      {
        g_autoptr (GPtrArray) maps = pm_test_text_network_record (&network, &options, texts[i], null_first);

        g_assert_cmpuint (maps->len, >, 0);
        for (guint m = 0; i < 2 && m < maps->len; m++)
          check_map (&network, g_ptr_array_index (maps, m), null_first);
        if (i == 2)
          g_assert_cmpstr (((PmMap *) g_ptr_array_index (maps, 3))->id, ==, "word-sign");
      }

  pm_test_text_network_clear (&network);
}

/* All that a patch looks at is a word, a sign or the end; shares of all that is said are 1; sub-tokens add up. */
static void
test_sums (void)
{
  PmTestTextNetwork     network;
  g_autoptr (GPtrArray) maps = NULL;

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  options.n_words = G_N_ELEMENTS (pm_test_words);
  maps = pm_test_text_network_record (&network, &options, "layers=1;heads=mean;steps=0;read=word,word-share,sink", FALSE);
  g_assert_cmpuint (maps->len, ==, 15);

  for (int i = 0; i < N; i++)
    {
      double values[15], all = 0, shares = 0;

      for (int m = 0; m < 15; m++)
        values[m] = ((PmMap *) g_ptr_array_index (maps, m))->values[i];
      for (int w = 0; w < N_WORDS; w++)
        {
          all += values[w];
          shares += values[7 + w];
        }
      g_assert_cmpfloat (fabs (all + values[14] - 1), <, LIMIT);
      g_assert_cmpfloat (fabs (shares - 1), <, LIMIT);
      g_assert_cmpfloat (values[14], >, 0.01); /* the end draws something, else this would say nothing of it */
      g_assert_cmpfloat (fabs (values[5] + values[6] - values[2]), <, LIMIT);
    }

  pm_test_text_network_clear (&network);
}

/* What is read of the picture is the same with and without words, also what is carried from layer to layer. */
static void
test_beside_picture (void)
{
  static const char     picture[] = "layers=0,2;heads=all;steps=all;read=%sreceived,rollout%s,entropy,from,subject";
  PmTestTextNetwork     network;
  g_autoptr (GPtrArray) alone = NULL, together = NULL;
  g_autofree char      *without = g_strdup_printf (picture, "", ""), *with = g_strdup_printf (picture, "word,", ",sink");
  float                 region[N] = { 0, 1, 0, 0, 1 };
  guint                 at = 0;

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  options.region = region;
  options.region_items = 1;
  alone = pm_test_text_network_record (&network, &options, without, FALSE);
  together = pm_test_text_network_record (&network, &options, with, FALSE);

  for (guint i = 0; i < together->len; i++)
    {
      const PmMap *map = g_ptr_array_index (together, i), *other;

      if (pm_reading_needs_prompt (map->reading))
        {
          check_map (&network, map, 0);
          continue;
        }
      other = g_ptr_array_index (alone, at++);
      g_assert_cmpstr (map->id, ==, other->id);
      for (int k = 0; k < N; k++)
        g_assert_cmpfloat (fabs (map->values[k] - other->values[k]), <, LIMIT);
    }
  g_assert_cmpuint (at, ==, alone->len);
  g_assert_cmpuint (together->len, ==, alone->len + (N_WORDS + 1) * 12);

  pm_test_text_network_clear (&network);
}

/* One attention over picture and text together: the same readings work on its text tokens. */
static void
test_joint (void)
{
  const float     weights[N_TEXT] = { 1, 0 }, said[N_TEXT] = { 1, 0 };
  const PmTapWord word = { "cat", weights };
  g_autoptr (GError)    error = NULL;
  g_autoptr (GPtrArray) maps = NULL;
  PmTestNetwork   network;
  PmTapOptions    options;
  PmTap          *tap;

  pm_test_network_init (&network);
  options = pm_test_network_get_options (&network);
  options.words = &word;
  options.n_words = 1;
  options.content = said;
  options.n_text = N_TEXT;
  tap = pm_test_tap_new (&options, "layers=2;heads=all;steps=0;read=received,word,sink,entropy", &error);
  g_assert_no_error (error);
  pm_test_network_run (&network, tap, (const int[]) { 2, 2, 2 }, FALSE);
  maps = pm_tap_finish (tap, NULL, NULL);
  g_assert_cmpuint (maps->len, ==, 4 * N_HEADS);

  for (int head = 0; head < N_HEADS; head++)
    for (int i = 0; i < N; i++)
      {
        const double *P = pm_test_network_get_P (&network, 0, 2, 0, head), *row = P + (N_TEXT + i) * TOKENS;
        double        received = 0, entropy = 0;

        for (int j = 0; j < N; j++)
          received += P[(N_TEXT + j) * TOKENS + N_TEXT + i] / N;
        for (int j = 0; j < TOKENS; j++)
          entropy -= row[j] * log (row[j]);
        g_assert_cmpfloat (fabs (((PmMap *) maps->pdata[head])->values[i] - received), <, LIMIT);
        g_assert_cmpfloat (fabs (((PmMap *) maps->pdata[N_HEADS + head])->values[i] - row[0]), <, LIMIT);
        g_assert_cmpfloat (fabs (((PmMap *) maps->pdata[2 * N_HEADS + head])->values[i] - row[1]), <, LIMIT);
        g_assert_cmpfloat (fabs (((PmMap *) maps->pdata[3 * N_HEADS + head])->values[i] - entropy), <, 2 * LIMIT);
      }

  pm_tap_free (tap);
  pm_test_network_clear (&network);
}

static void
expect_refusal (const PmTapOptions *options, const char *text, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pm_test_tap_new (options, text, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_refusals (void)
{
  PmTestTextNetwork network;
  PmTap  *tap;

  pm_test_text_network_init (&network, "ref");
  PmTapOptions options = pm_test_text_network_get_options (&network), changed = options;

  expect_refusal (&options, "read=word;which=null", "which=condition");
  expect_refusal (&options, "read=received,word-share;which=difference", "“word-share”");
  expect_refusal (&options, "read=sink;which=null", "which=condition");
  changed.n_words = 0;
  expect_refusal (&changed, "read=word", "the prompt has none");
  changed.content = NULL;
  expect_refusal (&changed, "read=sink", "“sink”");
  expect_refusal (&changed, "read=word", "“word”");
  changed = options;
  changed.n_sites = N_LAYERS; /* no attention looks at a text */
  expect_refusal (&changed, "read=word", "reads prompts");
  network.sites[N_LAYERS + 1].key_spans[0].role = PM_ROLE_REGISTER;
  expect_refusal (&options, "layers=0-1;read=word", "Layer 1");
  tap = pm_test_tap_new (&options, "layers=0,2;read=word", NULL);
  g_assert_nonnull (tap);
  pm_tap_free (tap);

  pm_test_text_network_clear (&network);
}

/* What the other half is without, where it is told another prompt. */
static void
test_halves (void)
{
  const char *const texts[][2] = { { "layers=0;steps=0;read=received;which=null",
                                     "Received without the prompt, layer 0, t 1000" },
                                   { "layers=0;steps=0;read=received;which=difference",
                                     "Received, what the prompt changes, layer 0, t 1000" } };
  PmTestTextNetwork network;

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GPtrArray) maps = pm_test_text_network_record (&network, &options, texts[i][0], FALSE);

      g_assert_cmpuint (maps->len, ==, 1);
      g_assert_cmpstr (((PmMap *) maps->pdata[0])->title, ==, texts[i][1]);
    }
  pm_test_text_network_clear (&network);
}

/* A word costs what any other map does; many of them go where many maps go, and stay the same but for rounding. */
static void
test_memory (void)
{
  PmTapEstimate few, many, half;
  PmShow        show;
  PmTestTextNetwork       network;

  pm_test_text_network_init (&network, "cpu");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  pm_show_init (&show);
  g_assert_true (pm_show_parse (&show, "layers=all;heads=all;read=word", NULL));
  options.n_words = 1;
  g_assert_true (pm_tap_estimate (&show, &options, &few, NULL));
  options.n_words = N_WORDS;
  g_assert_true (pm_tap_estimate (&show, &options, &many, NULL));
  g_assert_cmpint (few.n_maps, ==, N_LAYERS * N_HEADS * N_STEPS);
  g_assert_cmpint (many.n_maps, ==, N_WORDS * few.n_maps);
  g_assert_cmpuint (many.n_bytes - few.n_bytes, >=, (gsize) (many.n_maps - few.n_maps) * N * sizeof (float));

  options.budget = many.n_bytes - 1;
  g_assert_true (pm_tap_estimate (&show, &options, &half, NULL));
  g_assert_cmpint (half.storage, ==, PM_MAP_STORAGE_F16);
  g_autoptr (GPtrArray) rounded = pm_test_text_network_record (&network, &options, "layers=all;heads=all;read=word", FALSE);
  options.budget = 0;
  g_autoptr (GPtrArray) whole = pm_test_text_network_record (&network, &options, "layers=all;heads=all;read=word", FALSE);
  g_assert_cmpuint (rounded->len, ==, whole->len);
  for (guint m = 0; m < whole->len; m++)
    for (int i = 0; i < N; i++)
      g_assert_cmpfloat (fabs (((PmMap *) rounded->pdata[m])->values[i] - ((PmMap *) whole->pdata[m])->values[i]), <, 1e-3);

  pm_show_clear (&show);
  pm_test_text_network_clear (&network);
}

/* Names of files: of one word each, whatever is in it. */
static void
test_ids (void)
{
  const struct
  {
    const char *word, *id;
  } cases[] = { { "Cat", "word-cat" }, { "cat", "word-cat-2" }, { "cat#2", "word-cat-2-2" }, { "red hat", "word-red-hat" },
                { "../猫/é", "word-猫-é" }, { "!?", "word-sign" }, { "…", "word-sign-2" },
                { "a word as long as nobody would write it", "word-a-word-as-long-as-nobody" } };
  PmTapWord             named[G_N_ELEMENTS (cases)];
  g_autoptr (GPtrArray) maps = NULL;
  PmTestTextNetwork     network;

  pm_test_text_network_init (&network, "ref");
  PmTapOptions options = pm_test_text_network_get_options (&network);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    named[i] = (PmTapWord) { cases[i].word, pm_test_words[i % N_WORDS].weights };
  options.words = named;
  options.n_words = G_N_ELEMENTS (cases);
  maps = pm_test_text_network_record (&network, &options, "layers=mean;steps=mean;read=word", FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_cmpstr (((PmMap *) maps->pdata[i])->id, ==, cases[i].id);
      g_assert_cmpstr (((PmMap *) maps->pdata[i])->word, ==, cases[i].word);
    }

  pm_test_text_network_clear (&network);
}

/* Shares of a prompt that patches hardly look at, steered or not: the same on every backend, however little it is, as long as f32
 * holds it. Logits stand in the bias: [1 head, queries, keys]; the last key is the prompt's end. */
static void
test_faint (void)
{
  enum { n_queries = 5, n_keys = 4 };
  static const double logits[n_queries][n_keys] = { { -1, -2, -3, 0 },       { -41, -40, -42, 0 }, { -65, -66, -64, 0 },
                                                    { -70, -72, -75, 0 },    { -78, -77, -80, 0 } };
  static const char *const devices[] = { "ref", "cpu" };
  static const float       word[n_keys] = { 0, 1, 0, 0 }, said[n_keys] = { 1, 1, 1, 0 };
  const PmReduction       *share = pm_reduction_find ("word-share");
  PmSite                   site = pm_site_new_cross (0, 1, n_queries, 1, n_keys);
  const PmReductionPlace   place = { .site = &site, .queries = &(PmSpan) { .count = n_queries },
                                     .keys = &(PmSpan) { .count = n_keys }, .word = word, .content = said };
  float                    bias[n_queries * n_keys], zeros[8 * n_keys] = { 0 }, weights[2 * n_keys], sums[2 * n_queries];
  int                      regions[n_keys] = { -1, -1, -1, -1 };
  const PmLogitEdit        edit = { .key_bias = zeros, .key_region = regions };

  for (int i = 0; i < n_queries * n_keys; i++)
    bias[i] = (float) logits[i / n_keys][i % n_keys];
  share->weigh (&place, NULL, weights);
  const PmReduce reduce = { .n_key_weights = 2, .key_weights = weights, .key_sums = sums };
  for (gsize run = 0; run < 2 * G_N_ELEMENTS (devices); run++)
    {
      g_autoptr (PmBackend) backend = pm_backend_open (devices[run % 2], 1, NULL);
      float                 got[n_queries], out[8 * n_queries];
      pm_backend_attention (backend, &(PmAttention) { .B = 1, .H = 1, .d = 8, .Tq = n_queries, .Tk = n_keys,
                                                      .q = pm_acts_f32 (zeros), .k = pm_acts_f32 (zeros),
                                                      .v = pm_acts_f32 (zeros), .kv_row = 8, .scale = 1,
                                                      .out = pm_acts_f32 (out), .out_row = 8, .bias = bias,
                                                      .edit = run < 2 ? &edit : NULL, .reduce = &reduce });
      share->compose (&place, NULL, sums, NULL, got);
      for (int i = 0; i < n_queries; i++)
        {
          double mass = exp (logits[i][0]) + exp (logits[i][1]) + exp (logits[i][2]);
          g_assert_cmpfloat_with_epsilon (got[i], exp (logits[i][1]) / mass, 1e-6);
        }
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/words/each", test_each);
  g_test_add_func ("/words/means", test_means);
  g_test_add_func ("/words/sums", test_sums);
  g_test_add_func ("/words/beside-picture", test_beside_picture);
  g_test_add_func ("/words/joint", test_joint);
  g_test_add_func ("/words/refusals", test_refusals);
  g_test_add_func ("/words/halves", test_halves);
  g_test_add_func ("/words/memory", test_memory);
  g_test_add_func ("/words/ids", test_ids);
  g_test_add_func ("/words/faint", test_faint);

  return g_test_run ();
}
