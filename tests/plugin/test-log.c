/* The log's tail for "Copy report": valid UTF-8 whatever the file holds, whole lines, at most so many. */
#include "plugin/errors.h"

#include <string.h>

static void
write_log (const char *text, gsize length)
{
  g_autofree char *path = pm_log_path ();
  g_autofree char *folder = g_path_get_dirname (path);

  g_mkdir_with_parents (folder, 0700);
  g_assert_true (g_file_set_contents (path, text, length, NULL));
}

static void
test_missing (void)
{
  g_autofree char *tail = pm_log_tail ();

  g_assert_cmpstr (tail, ==, "");
}

static void
test_short (void)
{
  static const char text[] = "one\nt\xffo\nth\0ee\n";
  g_autofree char *tail = NULL;

  write_log (text, sizeof (text) - 1);
  tail = pm_log_tail ();
  g_assert_true (g_utf8_validate (tail, -1, NULL));
  g_assert_true (g_str_has_prefix (tail, "one\nt"));
  g_assert_nonnull (strstr (tail, "ee\n"));
}

static void
test_long (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *tail = NULL;
  int n = 0;

  for (int i = 0; i < 2000; i++)
    g_string_append_printf (text, "line %d \xe9\n", i);
  write_log (text->str, text->len);
  tail = pm_log_tail ();
  g_assert_true (g_utf8_validate (tail, -1, NULL));
  g_assert_true (g_str_has_prefix (tail, "line "));
  g_assert_nonnull (strstr (tail, "line 1999 "));
  for (const char *at = tail; (at = strchr (at, '\n')); at++)
    n++;
  g_assert_cmpint (n, >, 100);
  g_assert_cmpint (n, <, 400);
}

static void
test_written (void)
{
  g_autofree char *tail = NULL;

  pm_log ("class %s", "fox");
  tail = pm_log_tail ();
  g_assert_true (g_str_has_suffix (tail, " class fox\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  g_test_add_func ("/log/missing", test_missing);
  g_test_add_func ("/log/short", test_short);
  g_test_add_func ("/log/long", test_long);
  g_test_add_func ("/log/written", test_written);
  return g_test_run ();
}
