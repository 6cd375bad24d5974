/* Words in a request: copies, JSON there and back, and what is refused. */
#include <math.h>
#include <string.h>

#include "pentimento.h"
#include "request/cells.h"

static PmRequest *
new_request (void)
{
  const guint8       mask[12] = { 0, 0, 255, 255, 7, 7, 7, 0, 0, 0, 0, 128 };
  g_autoptr (GError) error = NULL;
  PmRequest         *request = pm_request_new ();

  g_free (request->prompt);
  request->prompt = g_strdup ("a “red” cat,\n猫 \\ \"hat\"");
  g_free (request->negative_prompt);
  request->negative_prompt = g_strdup ("blur");
  g_assert_true (pm_request_set_show (request, "words=cat,red hat;read=to", &error));
  g_assert_true (pm_request_add_steer (request, "cat", 1.5, NULL, 0, 0, &error));
  g_assert_true (pm_request_add_steer (request, "red hat", 1, mask, 4, 3, &error));
  g_assert_true (pm_request_add_steer (request, "猫#2", 0, mask, 3, 4, &error));
  g_assert_no_error (error);

  return request;
}

static void
check_equal (const PmRequest *a, const PmRequest *b)
{
  g_assert_cmpstr (a->prompt, ==, b->prompt);
  g_assert_cmpstr (a->negative_prompt, ==, b->negative_prompt);
  g_assert_true (! a->show.words == ! b->show.words);
  if (a->show.words)
    g_assert_true (g_strv_equal ((const char *const *) a->show.words, (const char *const *) b->show.words));
  g_assert_cmpint (a->n_steers, ==, b->n_steers);
  for (int i = 0; i < a->n_steers; i++)
    {
      const PmSteer *s = &a->steers[i], *t = &b->steers[i];

      g_assert_cmpstr (s->words, ==, t->words);
      g_assert_cmpfloat (s->weight, ==, t->weight);
      g_assert_cmpint (s->region_width, ==, t->region_width);
      g_assert_cmpint (s->region_height, ==, t->region_height);
      g_assert_true (! s->region == ! t->region);
      if (s->region)
        g_assert_cmpmem (s->region, sizeof (float) * s->region_width * s->region_height, t->region,
                         sizeof (float) * t->region_width * t->region_height);
    }
}

static void
test_copy (void)
{
  g_autoptr (PmRequest) request = new_request ();
  g_autoptr (PmRequest) copy = pm_request_copy (request);

  check_equal (request, copy);
  g_assert_true (request->steers != copy->steers && request->prompt != copy->prompt);
  g_assert_cmpint (copy->n_steers, ==, 3);
  g_assert_cmpfloat (copy->steers[1].region[11], ==, 128 / 255.f);
  pm_request_clear_steers (request);
  g_assert_cmpint (request->n_steers, ==, 0);
  g_assert_cmpstr (copy->steers[2].words, ==, "猫#2");
}

static void
test_json (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmRequest) request = new_request ();
  g_autofree char      *json = pm_request_to_json (request);
  g_autoptr (PmRequest) back = pm_request_from_json (json, &error);
  g_autofree char      *again = back ? pm_request_to_json (back) : NULL;
  g_autoptr (PmRequest) old = pm_request_from_json ("{\"class\": \"fox\"}", NULL);

  g_assert_no_error (error);
  check_equal (request, back);
  g_assert_cmpstr (json, ==, again);
  g_assert_cmpstr (old->prompt, ==, ""); /* a record of before there were prompts */
  g_assert_cmpint (old->n_steers, ==, 0);
}

static void
test_wrong_json (void)
{
  const char *const wrong[] = {
    "{\"prompt\": 3}",
    "{\"negative-prompt\": [\"blur\"]}",
    "{\"steers\": {}}",
    "{\"steers\": [3]}",
    "{\"steers\": [null]}",
    "{\"steers\": [{}]}",
    "{\"steers\": [{\"words\": \" \"}]}",
    "{\"steers\": [{\"words\": \"cat\", \"weight\": \"much\"}]}",
    "{\"steers\": [{\"words\": \"cat\", \"weight\": -1}]}",
    "{\"steers\": [{\"words\": \"cat\", \"weight\": 101}]}",
    "{\"steers\": [{\"words\": \"cat\", \"weight\": 1e999}]}",
    "{\"steers\": [{\"words\": \"cat\", \"region\": 3}]}",
    "{\"steers\": [{\"words\": \"cat\", \"region\": {\"width\": 2, \"height\": 2, \"runs\": [255, 5]}}]}",
    "{\"steers\": [{\"words\": \"cat\", \"region\": {\"width\": 2, \"height\": 2, \"runs\": [255, 3]}}]}",
    "{\"steers\": [{\"words\": \"cat\", \"region\": {\"width\": 2, \"height\": 2, \"runs\": [256, 4]}}]}",
    "{\"steers\": [{\"words\": \"cat\", \"region\": {\"width\": 0, \"height\": 2, \"runs\": []}}]}",
    /* All regions together have a limit: a few bytes must not become gigabytes. */
    "{\"region\": {\"width\": 65536, \"height\": 4, \"runs\": [0, 262144]}, "
    "\"steers\": [{\"words\": \"cat\", \"region\": {\"width\": 65536, \"height\": 4096, \"runs\": [9, 268435456]}}]}",
  };
  g_autoptr (GString) many = g_string_new ("{\"steers\": [{\"words\": \"a\"}");

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError)    error = NULL;
      g_autoptr (PmRequest) none = pm_request_from_json (wrong[i], &error);

      g_assert_null (none);
      g_assert_error (error, PM_ERROR, PM_ERROR_DAMAGED);
    }

  for (int i = 1; i < PM_MAX_STEERS; i++)
    g_string_append (many, ",{\"words\": \"a\"}");
  for (int excess = 0; excess < 2; excess++)
    {
      g_autofree char      *json = g_strconcat (many->str, excess ? ",{\"words\": \"a\"}]}" : "]}", NULL);
      g_autoptr (PmRequest) request = pm_request_from_json (json, NULL);

      g_assert_true ((request == NULL) == excess);
    }
}

/* A large soft mask is kept smaller: its record stays small, and patches see the same of it. */
static void
test_large_region (void)
{
  const int             width = 1000, height = 600, grid_w = 20, grid_h = 12;
  g_autofree guint8    *mask = g_new0 (guint8, width * height);
  g_autofree float     *from_mask = g_new (float, grid_w * grid_h), *from_region = g_new (float, grid_w * grid_h);
  g_autoptr (PmRequest) request = pm_request_new ();
  const PmSteer        *steer;

  for (int i = 0; i < width * height; i++)
    mask[i] = (guint8) (i % width * 255 / width);
  mask[0] = 1;
  g_assert_true (pm_request_add_steer (request, "cat", 1, mask, width, height, NULL));
  steer = &request->steers[0];
  g_assert_cmpint (steer->region_width, ==, 256);
  g_assert_cmpint (steer->region_height, ==, 153);
  pm_cells_average (mask, TRUE, width, height, grid_w, grid_h, from_mask);
  pm_cells_average (steer->region, FALSE, 256, 153, grid_w, grid_h, from_region);
  for (int i = 0; i < grid_w * grid_h; i++)
    g_assert_cmpfloat (fabs (from_region[i] - from_mask[i]), <, 0.01);

  g_autofree char      *json = pm_request_to_json (request);
  g_autoptr (PmRequest) back = pm_request_from_json (json, NULL);
  check_equal (request, back);
  g_assert_cmpuint (strlen (json), <, 500000);

  /* One covered pixel of many is not nothing. */
  memset (mask, 0, width * height);
  mask[width * 300 + 500] = 1;
  g_assert_true (pm_request_add_steer (request, "hat", 1, mask, width, height, NULL));
  g_assert_cmpfloat (request->steers[1].region[256 * 76 + 128], ==, 1 / 255.f);
}

static void
expect_refusal (PmRequest *request, const char *words, double weight, const guint8 *mask, const char *part)
{
  g_autoptr (GError) error = NULL;
  int                n = request->n_steers;

  g_assert_false (pm_request_add_steer (request, words, weight, mask, 2, 1, &error));
  g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_cmpint (request->n_steers, ==, n);
}

static void
test_refusals (void)
{
  const guint8          empty[2] = { 0, 0 };
  g_autoptr (PmRequest) request = new_request ();

  expect_refusal (request, "", 1, NULL, "No words");
  expect_refusal (request, " \t", 1, NULL, "No words");
  expect_refusal (request, NULL, 1, NULL, "No words");
  expect_refusal (request, "cat", -0.5, NULL, "“cat”");
  expect_refusal (request, "cat", 100.5, NULL, "100");
  expect_refusal (request, "cat", NAN, NULL, "“cat”");
  expect_refusal (request, "hat", 1, empty, "“hat” is empty");
  while (request->n_steers < PM_MAX_STEERS)
    g_assert_true (pm_request_add_steer (request, "cat", 1, NULL, 0, 0, NULL));
  expect_refusal (request, "ox", 1, NULL, "64");
}

/* A model of classes says so instead of painting something else. */
static void
test_class_model (void)
{
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmModel)   model = pm_model_open (PM_TEST_MODELS "/starter-pixel", &error);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autoptr (PmRequest) negative = pm_request_copy (request);
  g_autoptr (PmRequest) steered = pm_request_copy (request);
  PmRequest            *requests[] = { request, negative, steered };
  PmEstimate            estimate;

  g_assert_no_error (error);
  g_free (request->prompt);
  request->prompt = g_strdup ("a fox");
  g_free (negative->negative_prompt);
  negative->negative_prompt = g_strdup ("blur");
  g_assert_true (pm_request_add_steer (steered, "fox", 2, NULL, 0, 0, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (GError) refusal = NULL;

      g_assert_false (pm_generate_estimate (model, requests[i], &estimate, &refusal));
      g_assert_error (refusal, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (refusal->message, "starter-pixel"));
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/request/copy", test_copy);
  g_test_add_func ("/request/json", test_json);
  g_test_add_func ("/request/wrong-json", test_wrong_json);
  g_test_add_func ("/request/large-region", test_large_region);
  g_test_add_func ("/request/refusals", test_refusals);
  g_test_add_func ("/request/class-model", test_class_model);

  return g_test_run ();
}
