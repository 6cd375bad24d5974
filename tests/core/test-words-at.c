/* Which words named a place: the ranking at a place in given maps, and the request that makes such maps. */
#include <math.h>
#include <string.h>

#include "pentimento.h"

#define GRID_W 4
#define GRID_H 2

/* A map whose patches hold base, and those of a mask (a bit each) value. */
static void
add_map (GPtrArray *maps, const char *reading, const char *word, float base, guint mask, float value)
{
  PmMap *map = g_new0 (PmMap, 1);

  map->reading = g_strdup (reading);
  map->word = g_strdup (word);
  map->grid_w = GRID_W;
  map->grid_h = GRID_H;
  map->values = g_new (float, GRID_W * GRID_H);
  for (int i = 0; i < GRID_W * GRID_H; i++)
    map->values[i] = mask >> i & 1 ? value : base;
  g_ptr_array_add (maps, map);
}

static GPtrArray *
new_maps (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
}

static void
check (GPtrArray *words, guint at, const char *word, double value, double mean)
{
  const PmWordAt *found = words->pdata[at];

  g_assert_cmpstr (found->word, ==, word);
  g_assert_cmpfloat (fabs (found->value - value), <, 1e-6);
  g_assert_cmpfloat (fabs (found->mean - mean), <, 1e-6);
}

/* The patch (1, 0) of 4 x 2, in a picture of 400 x 200 pixels. */
static void
test_place (void)
{
  g_autoptr (GPtrArray) maps = new_maps ();
  g_autoptr (GError)    error = NULL;

  add_map (maps, "word-share", "a", 0.2f, 0, 0);
  add_map (maps, "word-share", "cat", 0.1f, 1u << 1, 0.7f);
  add_map (maps, "word-share", "hat", 0.0f, 1u << 2, 0.88f);
  add_map (maps, "word", "hat", 9, 0, 0);      /* another reading */
  add_map (maps, "received", NULL, 9, 0, 0);   /* of no word */

  g_autoptr (GPtrArray) at_cat = pm_words_at (maps, 400, 200, 150, 40, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (at_cat->len, ==, 3);
  check (at_cat, 0, "cat", 0.7, (0.7 + 7 * 0.1) / 8);
  check (at_cat, 1, "a", 0.2, 0.2);
  check (at_cat, 2, "hat", 0.0, 0.11);

  /* A disc on the border of both sees half of each. */
  g_autoptr (GPtrArray) between = pm_words_at (maps, 400, 200, 200, 50, 45, &error);
  check (between, 0, "hat", 0.44, 0.11);
  check (between, 1, "cat", 0.4, 0.175);

  /* The last pixel is of the last patch; the whole picture is the mean. */
  g_autoptr (GPtrArray) corner = pm_words_at (maps, 400, 200, 399.9, 199.9, 0, &error);
  check (corner, 0, "a", 0.2, 0.2);
  g_autoptr (GPtrArray) all = pm_words_at (maps, 400, 200, 200, 100, 1000, &error);
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpfloat (fabs (((PmWordAt *) all->pdata[i])->value - ((PmWordAt *) all->pdata[i])->mean), <, 1e-6);
}

/* A mask that covers a quarter of one patch, twice as strong as a quarter of the next. */
static void
test_mask (void)
{
  g_autoptr (GPtrArray) maps = new_maps (), nowhere = NULL, marked = NULL;
  g_autoptr (GError)    error = NULL;
  g_autofree guint8    *mask = g_new0 (guint8, 400 * 200);

  add_map (maps, "word-share", "cat", 0.1f, 1u << 1, 0.7f);
  add_map (maps, "word-share", "hat", 0.0f, 1u << 2, 0.88f);
  nowhere = pm_words_in (maps, mask, 400, 200, &error);
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_null (nowhere);
  g_clear_error (&error);
  for (int y = 0; y < 50; y++)
    for (int x = 150; x < 250; x++)
      mask[y * 400 + x] = x < 200 ? 200 : 100;
  marked = pm_words_in (maps, mask, 400, 200, &error);
  g_assert_no_error (error);
  check (marked, 0, "cat", (2 * 0.7 + 0.1) / 3, 0.175);
  check (marked, 1, "hat", 0.88 / 3, 0.11);
}

/* Several maps of a word are averaged; without shares plain sums are taken. */
static void
test_several (void)
{
  g_autoptr (GPtrArray) maps = new_maps ();

  add_map (maps, "word", "cat", 0.1f, 1u, 0.3f);
  add_map (maps, "word", "dog", 0.3f, 0, 0);
  add_map (maps, "word", "cat", 0.1f, 1u, 0.6f);
  add_map (maps, "word", "dog", 0.3f, 0, 0);
  add_map (maps, "word", "dog", 0.3f, 0, 0);
  g_autoptr (GPtrArray) words = pm_words_at (maps, 4, 2, 0, 0, 0, NULL);
  g_assert_cmpuint (words->len, ==, 2);
  check (words, 0, "cat", 0.45, (0.45 + 7 * 0.1) / 8);
  check (words, 1, "dog", 0.3, 0.3);
}

static void
test_refused (void)
{
  g_autoptr (GPtrArray) maps = new_maps ();
  const double          places[][3]
      = { { -1, 0, 0 }, { 400, 0, 0 }, { 0, 200, 0 }, { NAN, 0, 0 }, { 0, 0, -1 }, { 0, 0, INFINITY } };

  add_map (maps, "received", NULL, 0, 0, 0);
  g_autoptr (GError) error = NULL;
  g_assert_null (pm_words_at (maps, 400, 200, 1, 1, 0, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "maps of words"));

  add_map (maps, "word", "cat", 0, 0, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autoptr (GError) outside = NULL;

      g_assert_null (pm_words_at (maps, 400, 200, places[i][0], places[i][1], places[i][2], &outside));
      g_assert_false (pm_words_at_check (400, 200, places[i][0], places[i][1], places[i][2], NULL));
      g_assert_error (outside, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (outside->message, "outside"));
    }
}

/* A picture of any size becomes a start of the model's; nothing but maps is asked for. */
static void
test_request (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = pm_model_open (PM_TEST_MODELS "/starter-pixel", &error);
  g_autofree float     *picture = g_new (float, 3 * 128 * 32);
  PmEstimate            estimate;

  for (int i = 0; i < 3 * 128 * 32; i++)
    picture[i] = i / 3 % 128 / 127.f;
  g_autoptr (PmRequest) request = pm_words_at_request (model, "a fox", picture, 128, 32, &error);
  g_assert_no_error (error);
  g_assert_true (request->maps_only);
  g_assert_cmpint (request->start_width, ==, 64);
  g_assert_cmpint (request->start_height, ==, 64);
  for (int i = 0; i < 64 * 64; i++)
    g_assert_cmpfloat (fabs (request->start[3 * i] - (2 * (i % 64) + 0.5) / 127), <, 1e-6);
  g_assert_cmpstr (request->prompt, ==, "a fox");
  g_assert_false (pm_generate_estimate (model, request, &estimate, &error)); /* it reads no words */
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);

  g_clear_error (&error);
  g_assert_null (pm_words_at_request (model, " ", picture, 128, 32, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
}

/* A model of any size looks at the picture's shape, in as many pixels as it was trained with. */
static void
test_shape (void)
{
  const struct
  {
    int width, height, w, h;
  } cases[] = { { 640, 160, 256, 64 }, { 30, 30, 128, 128 }, { 3000, 2000, 160, 112 }, { 4000, 2, 4096, 16 } };
  g_autoptr (GError)  error = NULL;
  g_autoptr (PmModel) model = pm_model_open (PM_TEST_REFERENCE "/pixart-sigma/model", &error);

  g_assert_no_error (error);
  g_assert_cmpint (pm_model_get_info (model)->default_size, ==, 128);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree float     *picture = g_new0 (float, 3 * cases[i].width * cases[i].height);
      g_autoptr (PmRequest) request = pm_words_at_request (model, "a fox", picture, cases[i].width, cases[i].height, &error);

      g_assert_no_error (error);
      g_assert_cmpint (request->width, ==, cases[i].w);
      g_assert_cmpint (request->height, ==, cases[i].h);
      g_assert_cmpint (request->start_width, ==, cases[i].w);
    }
}

/* Maps alone: the same maps and trajectory, and no picture. */
static void
test_maps_only (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = pm_model_open (PM_TEST_MODELS "/starter-pixel", &error);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);

  request->num_steps = 2;
  g_assert_true (pm_request_set_show (request, "layers=3;read=received", NULL));
  g_autoptr (PmResult) whole = pm_generate (model, request, NULL, &error);
  request->maps_only = TRUE;
  g_autoptr (PmResult) maps = pm_generate (model, request, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (whole->picture);
  g_assert_null (maps->picture);
  g_assert_cmpuint (maps->maps->len, ==, whole->maps->len);
  g_assert_cmpmem (maps->trajectory, 3 * 3 * 64 * 64 * sizeof (float), whole->trajectory, 3 * 3 * 64 * 64 * sizeof (float));
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/words-at/place", test_place);
  g_test_add_func ("/words-at/mask", test_mask);
  g_test_add_func ("/words-at/several", test_several);
  g_test_add_func ("/words-at/refused", test_refused);
  g_test_add_func ("/words-at/request", test_request);
  g_test_add_func ("/words-at/shape", test_shape);
  g_test_add_func ("/words-at/maps-only", test_maps_only);

  return g_test_run ();
}
