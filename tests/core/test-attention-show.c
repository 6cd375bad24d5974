/* The text that says which attention to show: what it may say, what it means, and how it is refused. */
#include <string.h>

#include "attention/show.h"
#include "base/error.h"

/* Parses text and writes it again. */
static char *
rewrite (const char *text)
{
  g_autoptr (GError) error = NULL;
  PmShow show;
  char  *again;

  pm_show_init (&show);
  g_assert_true (pm_show_parse (&show, text, &error));
  g_assert_no_error (error);
  again = pm_show_to_string (&show);
  pm_show_clear (&show);

  return again;
}

static void
test_good (void)
{
  const char *cases[][2] = {
    { "layers=2,8;heads=all;steps=0,5;read=received", "layers=2,8;heads=all;steps=0,5;read=received" },
    { "layers=3-7,9", "layers=3-7,9;heads=mean:all;steps=all;read=subject" },
    { "read=entropy", "layers=recommended;heads=mean:all;steps=all;read=entropy" },
    { "steps=-1,-3--2", "layers=recommended;heads=mean:all;steps=-1,-3,-2;read=subject" },
    { "steps=mean: 0-2", "layers=recommended;heads=mean:all;steps=mean:0-2;read=subject" },
    { "layers=mean;which=null", "layers=mean:all;heads=mean:all;steps=all;read=subject;which=null" },
    { "heads=none;read=to,from;which=difference", "layers=recommended;heads=none;steps=all;read=to,from;which=difference" },
    { "", "layers=recommended;heads=mean:all;steps=all;read=none" },
    { "none", "layers=recommended;heads=mean:all;steps=all;read=none" },
    { "layers=5;read=none;", "layers=5;heads=mean:all;steps=all;read=none" },
    { "words=cat, red hat ;read=to", "layers=recommended;heads=mean:all;steps=all;words=cat,red hat;read=to" },
    { "words=all;read=to", "layers=recommended;heads=mean:all;steps=all;read=to" },
    { "words=;read=to", "layers=recommended;heads=mean:all;steps=all;read=to" },
    { "words=\\all;read=to", "layers=recommended;heads=mean:all;steps=all;words=\\all;read=to" },
    { "words=1\\,5,a\\;b,c\\\\d,e=f#2;read=to",
      "layers=recommended;heads=mean:all;steps=all;words=1\\,5,a\\;b,c\\\\d,e=f#2;read=to" },
    { "words=\\n\\o,猫,end\\", "layers=recommended;heads=mean:all;steps=all;words=no,猫,end\\\\;read=word" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = NULL, *again = NULL;

      text = rewrite (cases[i][0]);
      g_assert_cmpstr (text, ==, cases[i][1]);
      again = rewrite (text);
      g_assert_cmpstr (again, ==, text);
    }
}

static void
test_spaces (void)
{
  g_autofree char *text = rewrite (" read = subject , received , subject ; layers = 3, 5-7 ");

  g_assert_cmpstr (text, ==, "layers=3,5-7;heads=mean:all;steps=all;read=subject,received");
}

static void
test_bad (void)
{
  const char *cases[][2] = {
    { "layers=2,x", "layers" },
    { "layers=7-3", "7-3" },
    { "layers=-1", "-1" },
    { "heads=recommended", "heads" },
    { "steps=1.5", "1.5" },
    { "steps=-1-2", "steps" },
    { "layers=0-2000000000", "layers" },
    { "steps=99999999999999999999", "steps" },
    { "layers=1,,2", "layers" },
    { "read=attention", "received" },
    { "which=both", "difference" },
    { "layer=2", "layers=2,8" },
    { "received", "read=received" },
    { "heads=1;heads=2", "heads" },
    { "layers=0-9999,0-9999", "layers" },
    { "words=cat,,dog;read=to", "words=cat" },
    { "words=cat;words=dog;read=to", "words" },
    { "words=a;b;read=to", "“b”" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *kept = NULL;
      PmShow           show;

      pm_show_init (&show);
      g_assert_true (pm_show_parse (&show, "layers=1;read=to", NULL));
      g_assert_false (pm_show_parse (&show, cases[i][0], &error));
      g_assert_error (error, PM_ERROR, PM_ERROR_USAGE);
      g_assert_nonnull (strstr (error->message, cases[i][1]));
      kept = pm_show_to_string (&show);
      g_assert_cmpstr (kept, ==, "layers=1;heads=mean:all;steps=all;read=to"); /* unchanged */
      pm_show_clear (&show);
    }
}

/* What the text says is what the words are. */
static void
test_words (void)
{
  const char *words[] = { "1,5", "a;b", "c\\d", "red hat", "all", NULL };
  g_autoptr (GString) text = g_string_new ("read=to;words=");
  PmShow              show;

  for (int i = 0; words[i]; i++)
    {
      g_autofree char *word = pm_show_escape_word (words[i]);

      g_string_append_printf (text, "%s%s", i ? "," : "", word);
    }
  pm_show_init (&show);
  g_assert_true (pm_show_parse (&show, text->str, NULL));
  g_assert_true (g_strv_equal ((const char *const *) show.words, words));
  g_assert_true (pm_show_parse (&show, "read=to", NULL));
  g_assert_null (show.words);
  pm_show_clear (&show);
}

/* "numbers" of a resolved axis, joined by spaces, or the message of its error. */
static char *
resolve (const char *name, const char *text, int n)
{
  const int recommended[] = { 3, 4 };
  g_autoptr (GError) error = NULL;
  GString        *joined = g_string_new (NULL);
  PmShow          show;
  int             n_out = 0;
  g_autofree int *numbers = NULL;

  pm_show_init (&show);
  g_assert_true (pm_axis_parse (&show.layers, name, text, NULL));
  numbers = pm_axis_resolve (&show.layers, name, n, recommended, 2, &n_out, &error);
  for (int i = 0; numbers && i < n_out; i++)
    g_string_append_printf (joined, "%s%d", i ? " " : "", numbers[i]);
  if (! numbers)
    g_string_append (joined, error->message);
  pm_show_clear (&show);

  return g_string_free (joined, FALSE);
}

static void
test_resolve (void)
{
  const char *cases[][3] = {
    { "layers", "2,0,2,1-2", "0 1 2" },
    { "layers", "all", "0 1 2 3 4 5" },
    { "layers", "recommended", "3 4" },
    { "layers", "mean:recommended", "3 4" },
    { "heads", "mean", "0 1 2 3 4 5" },
    { "steps", "-1,0", "0 5" },
    { "steps", "-6--5", "0 1" },
    { "layers", "none", "" },
    { "layers", "", "" },
  };
  g_autofree char *layer = resolve ("layers", "6", 6), *head = resolve ("heads", "0-9", 6), *step = resolve ("steps", "-7", 6);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *numbers = resolve (cases[i][0], cases[i][1], 6);

      g_assert_cmpstr (numbers, ==, cases[i][2]);
    }

  g_assert_cmpstr (layer, ==, "There is no layer 6; choose layers from 0 to 5.");
  g_assert_cmpstr (head, ==, "There is no head 6; choose heads from 0 to 5.");
  g_assert_nonnull (strstr (step, "no step -7"));
}

static void
test_copy (void)
{
  g_autofree char *a = NULL, *b = NULL;
  PmShow           from, to;

  pm_show_init (&from);
  pm_show_init (&to);
  g_assert_true (pm_show_parse (&from, "layers=1,4;heads=mean:2;steps=-1;words=cat;read=from,to;which=null", NULL));
  g_assert_true (pm_show_parse (&to, "layers=9;words=dog,ox;read=entropy", NULL));
  pm_show_copy (&from, &to);
  a = pm_show_to_string (&from);
  pm_show_clear (&from);
  b = pm_show_to_string (&to);
  pm_show_clear (&to);

  g_assert_cmpstr (a, ==, b);
}

int
main (int argc, char **argv)
{
  g_setenv ("LANGUAGE", "C", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/show/good", test_good);
  g_test_add_func ("/show/spaces", test_spaces);
  g_test_add_func ("/show/bad", test_bad);
  g_test_add_func ("/show/words", test_words);
  g_test_add_func ("/show/resolve", test_resolve);
  g_test_add_func ("/show/copy", test_copy);

  return g_test_run ();
}
