/* Captions are cleaned as diffusers' PixArt pipeline cleans them (tests/reference/captions.json, caption_make.py). */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "format/json.h"
#include "text/caption.h"
#include "text/entities.h"

static void
test_reference (void)
{
  g_autofree char *path = g_build_filename (PM_TEST_REFERENCE, "captions.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = pm_json_load (path, 1 << 20, &error);
  JsonArray *cases;
  guint      n_wrong = 0;

  g_assert_no_error (error);
  cases = json_node_get_array (root);
  g_assert_cmpuint (json_array_get_length (cases), >=, 300);
  for (guint i = 0; i < json_array_get_length (cases); i++)
    {
      JsonArray  *one = json_array_get_array_element (cases, i);
      const char *text = json_array_get_string_element (one, 0);
      g_autofree char *clean = pm_caption_clean (text, &error);
      g_autofree char *lower = NULL;

      g_assert_no_error (error);
      lower = pm_caption_lower (text, &error);
      g_assert_no_error (error);
      if (strcmp (clean, json_array_get_string_element (one, 1)) != 0
          || strcmp (lower, json_array_get_string_element (one, 2)) != 0)
        {
          g_test_message ("\"%s\" becomes \"%s\" and \"%s\", should become \"%s\" and \"%s\"", text, clean, lower,
                          json_array_get_string_element (one, 1), json_array_get_string_element (one, 2));
          n_wrong++;
        }
    }
  g_assert_cmpuint (n_wrong, ==, 0);
}

/* Where the reference gives a character 0, which no text here can have. */
static void
test_zero (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *clean = pm_caption_clean ("a%00b", &error);

  g_assert_no_error (error);
  g_assert_cmpstr (clean, ==, "a\ufffd" "b");
}

static void
test_refused (void)
{
  g_autofree char *text = g_strnfill (PM_CAPTION_MAX_BYTES + 1, 'a');
  const char *const texts[] = { "a\xff", "\xed\xa0\x80", text };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) lower_error = NULL;
      g_autofree char *clean = pm_caption_clean (texts[i], &error);
      g_autofree char *lower = pm_caption_lower (texts[i], &lower_error);

      g_assert_null (clean);
      g_assert_null (lower);
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_error (lower_error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_true (g_str_has_suffix (error->message, "."));
    }
}

/* The longest texts of what repeats end in time, by a result or by the one error that there is. */
static void
test_hostile (void)
{
  static const char *const parts[] = { "a.",    "1.1", "<",  "<a ", "<a b='", "</",        "<!--",    "&",     "&#1", "<b>",
                                       "x.png", "1",   "a1", " ",   "%ff",    "<br></br>", "'\u03a3", "free ", "a=",  "\"" };

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GError) error = NULL;
      g_autofree char *clean = NULL;
      const clock_t before = clock ();
      double seconds;

      while (text->len + strlen (parts[i]) <= PM_CAPTION_MAX_BYTES)
        g_string_append (text, parts[i]);
      clean = pm_caption_clean (text->str, &error);
      seconds = (double) (clock () - before) / CLOCKS_PER_SEC;
      g_test_message ("%s: %.2f s, %s", parts[i], seconds, clean ? "cleaned" : error->message);
      g_assert_true (clean || g_error_matches (error, PM_ERROR, PM_ERROR_FAILED));
      g_assert_cmpfloat (seconds, <, 20);
    }
}

/* More steps than a place may cost. */
static void
test_endless (void)
{
  g_autofree char *digits = g_strnfill (PM_CAPTION_MAX_BYTES - 1, '1');
  g_autofree char *text = g_strconcat (digits, "a", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *clean = pm_caption_clean (text, &error);

  g_assert_null (clean);
  g_assert_error (error, PM_ERROR, PM_ERROR_FAILED);
  g_assert_true (g_str_has_suffix (error->message, "."));
}

static void
test_entities (void)
{
  static const struct
  {
    const char *text, *plain;
  } cases[] = {
    { "&lt;&gt;&amp;&quot;&apos;", "<>&\"'" },
    { "&notit; &notin; &not", "\u00acit; \u2209 \u00ac" },
    { "&CounterClockwiseContourIntegral;&CounterClockwiseContourIntegralx;", "\u2233&CounterClockwiseContourIntegralx;" },
    { "&fjlig;&NotEqualTilde;&nvlt;", "fj\u2242\u0338<\u20d2" },
    { "&#x41;&#65&#0;&#13;&#128;&#129;&#xfdd0;&#x1;&#x10ffff;&#x110000;&#xd800;", "AA\ufffd\r\u20ac\xc2\x81\ufffd\ufffd" },
    { "&;&#;&#x;&# &", "&;&#;&#x;&# &" },
    { "&Aacute&aacute;&AACUTE", "\u00c1\u00e1&AACUTE" },
  };
  g_autoptr (PmEntities) entities = pm_entities_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *plain = pm_entities_unescape (entities, cases[i].text);

      g_assert_cmpstr (plain, ==, cases[i].plain);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/caption/reference", test_reference);
  g_test_add_func ("/caption/zero", test_zero);
  g_test_add_func ("/caption/refused", test_refused);
  g_test_add_func ("/caption/hostile", test_hostile);
  g_test_add_func ("/caption/endless", test_endless);
  g_test_add_func ("/caption/entities", test_entities);
  return g_test_run ();
}
