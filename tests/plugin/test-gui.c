/* The whole way in the real GIMP: the menu, the dialog, the search, the progress, Cancel, the layers, one undo, the errors.
 * Run by gui.sh, which starts GIMP with the test plug-in; its menu items tell what is in the images. */
#include "screen.h"

#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>

#define GIMP "gimp"
#define PLUG_IN "pentimento"
#define GENERATE "Generate with Pentimento"

/* When nothing more is waited for. */
static gint64
patience_ends (void)
{
  return g_get_monotonic_time () + (gint64) (SCREEN_PATIENCE * G_USEC_PER_SEC);
}

/* An item of GIMP's menus. */
static void
choose (const char *menu_item)
{
  g_assert_true (screen_click (GIMP, ATSPI_ROLE_MENU_ITEM, menu_item, SCREEN_PATIENCE));
}

/* What GIMP holds now, as the test plug-in writes it; free with g_free. */
static char *
state (void)
{
  const char *path = g_getenv ("PENTIMENTO_CHECK_STATE");
  char *text = NULL;

  g_remove (path);
  choose ("Write the state");
  for (gint64 until = patience_ends (); g_get_monotonic_time () < until && ! g_file_test (path, G_FILE_TEST_EXISTS);)
    g_usleep (100000);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static int
count (const char *text, const char *part)
{
  int n = 0;

  for (const char *at = strstr (text, part); at; at = strstr (at + 1, part))
    n++;
  return n;
}

/* The state once it holds part as often as n and the plug-in has ended. A plug-in that has just been called is not there yet, and
 * one that was quick no more: what it did is waited for, not itself. */
static char *
wait_state (const char *part, int n)
{
  char *text;

  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  text = state ();
  for (gint64 until = patience_ends (); g_get_monotonic_time () < until && count (text, part) != n;)
    {
      g_usleep (250000);
      g_free (text);
      text = state ();
    }
  if (count (text, part) != n)
    g_error ("“%s” is not there %d times; GIMP holds:\n%s", part, n, text);
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  return text;
}

static void
wait_there (AtspiRole role, const char *name)
{
  AtspiAccessible *found = screen_find (PLUG_IN, role, name, SCREEN_PATIENCE);

  g_assert_nonnull (found);
  g_object_unref (found);
}

static void
open_dialog (const char *menu_item)
{
  AtspiAccessible *dialog;
  g_autofree char *title = NULL;

  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  choose (menu_item);
  dialog = screen_find (PLUG_IN, ATSPI_ROLE_DIALOG, "", SCREEN_PATIENCE);
  g_assert_nonnull (dialog);
  title = atspi_accessible_get_name (dialog, NULL);
  g_assert_cmpstr (title, ==, GENERATE);
  wait_there (ATSPI_ROLE_SPIN_BUTTON, "Seed");
  g_object_unref (dialog);
}

static double
get_spin (const char *name)
{
  AtspiAccessible *spin = screen_find (PLUG_IN, ATSPI_ROLE_SPIN_BUTTON, name, SCREEN_PATIENCE);
  double           value;

  g_assert_nonnull (spin);
  value = atspi_value_get_current_value (atspi_accessible_get_value_iface (spin), NULL);
  g_object_unref (spin);
  return value;
}

static void
set_spin (const char *name, double value)
{
  AtspiAccessible *spin = screen_find (PLUG_IN, ATSPI_ROLE_SPIN_BUTTON, name, SCREEN_PATIENCE);

  g_assert_true (screen_set_value (spin, value));
  g_object_unref (spin);
}

static void
search_class (const char *text)
{
  AtspiAccessible *entry = NULL;

  for (gint64 until = patience_ends (); g_get_monotonic_time () < until && ! entry;)
    if (! (entry = screen_find (PLUG_IN, ATSPI_ROLE_TEXT, "Search classes", 0.0)))
      entry = screen_find (PLUG_IN, ATSPI_ROLE_ENTRY, "Search classes", 0.0);
  g_assert_nonnull (entry);
  g_assert_true (screen_type (entry, text));
  g_object_unref (entry);
}

/* The line below the columns once it says part. */
static void
wait_note (const char *part)
{
  g_autofree char *labels = NULL;

  for (gint64 until = patience_ends (); g_get_monotonic_time () < until;)
    {
      g_free (labels);
      labels = screen_labels (PLUG_IN);
      if (strstr (labels, part))
        return;
      g_usleep (100000);
    }
  g_error ("the dialog never said “%s” but:\n%s", part, labels);
}

static void
wait_sensitive (AtspiRole role, const char *name, gboolean expected)
{
  AtspiAccessible *widget = screen_find (PLUG_IN, role, name, SCREEN_PATIENCE);

  g_assert_nonnull (widget);
  for (gint64 until = patience_ends (); g_get_monotonic_time () < until && screen_is_sensitive (widget) != expected;)
    g_usleep (100000);
  g_assert_cmpint (screen_is_sensitive (widget), ==, expected);
  g_object_unref (widget);
}

static void
press (const char *button)
{
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_PUSH_BUTTON, button, SCREEN_PATIENCE));
}

static void
test_menu (void)
{
  AtspiAccessible *item = screen_find (GIMP, ATSPI_ROLE_MENU_ITEM, GENERATE, SCREEN_PATIENCE);
  AtspiAccessible *create, *file;
  g_autofree char *create_name = NULL, *file_name = NULL;

  g_assert_nonnull (item);
  create = atspi_accessible_get_parent (item, NULL);
  file = atspi_accessible_get_parent (create, NULL);
  create_name = atspi_accessible_get_name (create, NULL);
  file_name = atspi_accessible_get_name (file, NULL);
  g_assert_cmpstr (create_name, ==, "Create");
  g_assert_cmpstr (file_name, ==, "File");
  g_assert_true (screen_is_sensitive (item)); /* though no image is open */
  g_object_unref (item);
}

static void
set_text (const char *name, const char *text)
{
  AtspiAccessible *entry = screen_find (PLUG_IN, ATSPI_ROLE_TEXT, name, SCREEN_PATIENCE);

  g_assert_nonnull (entry);
  g_assert_true (screen_type (entry, text));
  g_object_unref (entry);
}

static void
test_generate (void)
{
  g_autofree char *text = NULL;

  open_dialog (GENERATE);
  wait_note ("heat map");
  screen_shoot ("0-first");
  set_text ("Model", "starter-pixel"); /* small and quick; the later tests begin with what was chosen last */
  wait_there (ATSPI_ROLE_TABLE_CELL, "dog face");
  search_class ("FOX");
  g_assert_true (screen_wait_absent (PLUG_IN, ATSPI_ROLE_TABLE_CELL, "dog face", SCREEN_PATIENCE));
  wait_there (ATSPI_ROLE_TABLE_CELL, "fox");
  set_spin ("Seed", 7);
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_CHECK_BOX, "Received", SCREEN_PATIENCE));
  wait_note ("18 heat maps");
  wait_note ("614.4"); /* 64 x 64 pixels of 2 bytes a channel: 18 maps of 4 channels, a picture of 3 */
  screen_shoot ("1-dialog");
  press ("Generate");

  text = wait_state ("image 64x64", 1);
  g_assert_cmpint (count (text, "layer fox · seed 7"), ==, 1);
  g_assert_cmpint (count (text, "layer Attention"), ==, 1);
  g_assert_cmpint (count (text, "layer Subject"), ==, 3);
  g_assert_cmpint (count (text, "layer Received"), ==, 15);
  g_assert_cmpint (count (text, "changed"), ==, 0);
  screen_shoot ("2-generated");
}

static void
test_cancel (void)
{
  g_autofree char *before = state (), *after = NULL, *labels = NULL;
  gint64 began, look;

  open_dialog (GENERATE);
  set_spin ("Number of steps", 1000);
  wait_note ("heat map");
  press ("Generate");
  wait_there (ATSPI_ROLE_PROGRESS_BAR, "");
  wait_note ("of 1000");
  labels = screen_labels (PLUG_IN);
  g_assert_nonnull (strstr (labels, "Painting “fox”"));
  screen_shoot ("3-progress");
  began = g_get_monotonic_time ();
  g_free (labels);
  labels = screen_labels (PLUG_IN);
  look = g_get_monotonic_time () - began; /* on this machine, as busy as it is */
  began = g_get_monotonic_time ();
  press ("Cancel");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  g_assert_cmpint (g_get_monotonic_time () - began, <, 2 * G_USEC_PER_SEC + 4 * look); /* a second, and what this takes */

  after = state ();
  g_assert_cmpstr (after, ==, before);
}

/* More than 64 layers are asked about; "no" is no. */
static void
test_many (void)
{
  g_autofree char *before = state (), *after = NULL, *labels = NULL;

  open_dialog (GENERATE);
  set_text ("Layers", "all");
  set_text ("Heads", "all");
  wait_note ("147 heat maps");
  press ("Generate");
  wait_there (ATSPI_ROLE_ALERT, "");
  labels = screen_labels (PLUG_IN);
  g_assert_nonnull (strstr (labels, "Add 147 heat-map layers?"));
  screen_shoot ("8-many");
  press ("Cancel");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  after = state ();
  g_assert_cmpstr (after, ==, before);
}

static void
test_current_image (void)
{
  g_autofree char *added = NULL, *undone = NULL;

  open_dialog (GENERATE);
  set_spin ("Number of steps", 4);
  set_spin ("Seed", 8);
  g_assert_true (screen_choose (PLUG_IN, "Target", "Current image"));
  wait_note ("heat map");
  press ("Generate");
  added = wait_state ("layer fox · seed 8", 1);
  g_assert_cmpint (count (added, "layer Attention"), ==, 2);
  g_assert_cmpint (count (added, "image 64x64 changed"), ==, 1);
  screen_shoot ("4-current-image");

  choose ("Undo");
  undone = wait_state ("layer fox · seed 8", 0);
  g_assert_cmpint (count (undone, "layer Attention"), ==, 1);
  g_assert_cmpint (count (undone, "layer fox · seed 7"), ==, 1);
}

/* The image is closed while its picture is painted: the picture comes as a new image, and GIMP goes on. */
static void
test_closed (void)
{
  g_autofree char *opened = NULL, *kept = NULL;

  choose ("Open a clean image");
  opened = wait_state ("image 90x90", 1);
  open_dialog (GENERATE);
  set_spin ("Number of steps", 400);
  g_assert_true (screen_choose (PLUG_IN, "Target", "Current image"));
  set_spin ("Seed", 9);
  wait_note ("heat map");
  press ("Generate");
  wait_note ("of 400");
  choose ("Close View");
  kept = wait_state ("layer fox · seed 9", 1);
  g_assert_cmpint (count (kept, "image 90x90"), ==, 0);
  screen_shoot ("9-closed");
}

static void
test_run_again (void)
{
  g_autofree char *text = NULL;

  open_dialog ("Run again...");
  g_assert_cmpfloat (get_spin ("Seed"), ==, 7.0);
  screen_shoot ("5-run-again");
  press ("Generate");
  text = wait_state ("layer fox · seed 7", 2);
  g_assert_cmpint (count (text, "image 64x64"), ==, 2);
}

/* The dialog suggests a file, and its name follows the format. */
static void
test_export (void)
{
  g_autofree char *sheet = g_build_filename (g_get_home_dir (), "attention.png", NULL);
  g_autofree char *animation = g_build_filename (g_get_home_dir (), "attention.gif", NULL);
  g_autofree char *copy = g_build_filename (g_getenv ("PENTIMENTO_SCREENSHOTS"), "sheet.png", NULL);
  const char *argv[] = { "cp", sheet, copy, NULL };

  for (int i = 0; i < 2; i++)
    {
      g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
      choose ("Export heat maps");
      wait_there (ATSPI_ROLE_DIALOG, "Export heat maps");
      wait_note ("18 heat maps of starter-pixel: fox, seed 7");
      if (i == 1)
        g_assert_true (screen_choose (PLUG_IN, "Format", "Animation"));
      g_usleep (300000);
      screen_shoot (i == 0 ? "14-export" : "15-export-animation");
      press ("Export");
      g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
    }
  g_assert_true (g_file_test (sheet, G_FILE_TEST_IS_REGULAR));
  g_assert_true (g_file_test (animation, G_FILE_TEST_IS_REGULAR));
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

/* A record with a region and a huge seed, in an image without a selection: OK repeats it, and a typed seed wins. */
static void
test_region (void)
{
  g_autofree char *opened = NULL, *again = NULL, *changed = NULL;

  choose ("Paint with a region");
  opened = wait_state ("layer From the region", 1);
  open_dialog ("Run again...");
  wait_note ("1 heat map.");
  screen_shoot ("10-region");
  press ("Generate");
  again = wait_state ("layer From the region", 2);
  g_assert_cmpint (count (again, "layer fox · seed 8589934592"), ==, 1);

  open_dialog ("Run again...");
  set_spin ("Seed", 5);
  wait_note ("1 heat map.");
  press ("Generate");
  changed = wait_state ("layer From the region", 3);
  g_assert_cmpint (count (changed, "layer fox · seed 5"), ==, 1);
}

/* The dialog looked at what was typed before the button could be pressed. */
static gboolean
is_refused (void)
{
  AtspiAccessible *button = screen_find (PLUG_IN, ATSPI_ROLE_PUSH_BUTTON, "Generate", 0.0);
  gboolean         refused = button && ! screen_is_sensitive (button);

  g_clear_object (&button);
  return refused;
}

/* OK quicker than the dialog looks at a change: what was typed counts, and what fails is said. A busy machine may look
 * before the press, which then presses nothing, and this tries again. */
static void
test_quick (void)
{
  AtspiAccessible *entry, *button, *dialog = NULL;
  g_autofree char *before = state (), *after = NULL, *labels = NULL;

  open_dialog (GENERATE);
  wait_note ("heat map");
  entry = screen_find (PLUG_IN, ATSPI_ROLE_TEXT, "Model", SCREEN_PATIENCE);
  button = screen_find (PLUG_IN, ATSPI_ROLE_PUSH_BUTTON, "Generate", SCREEN_PATIENCE);
  g_assert_nonnull (entry);
  g_assert_nonnull (button);
  for (int i = 0; i < 5 && ! dialog; i++)
    {
      g_assert_true (screen_type (entry, "starter-pixel"));
      wait_note ("heat map");
      g_assert_true (screen_type (entry, "no-such-model"));
      screen_act (button);
      for (gint64 until = patience_ends (); g_get_monotonic_time () < until && ! dialog;)
        if (! (dialog = screen_find (PLUG_IN, ATSPI_ROLE_DIALOG, "Pentimento", 1.0)) && is_refused ())
          break;
    }
  g_object_unref (entry);
  g_object_unref (button);
  g_assert_nonnull (dialog);
  g_object_unref (dialog);
  labels = screen_labels (PLUG_IN);
  g_assert_nonnull (strstr (labels, "no-such-model"));
  screen_shoot ("11-quick");
  press ("Close");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  after = state ();
  g_assert_cmpstr (after, ==, before);
}

/* Strength is for targets that begin with pixels; the advanced part is folded away; and GIMP's own Repeat does it once more. */
static void
test_over_layer (void)
{
  g_autofree char *opened = NULL, *text = NULL;

  choose ("Open a clean image");
  opened = wait_state ("image 90x90", 1);
  open_dialog (GENERATE);
  wait_note ("heat map");
  wait_sensitive (ATSPI_ROLE_SPIN_BUTTON, "Strength", FALSE);
  g_assert_true (screen_choose (PLUG_IN, "Target", "Paint over the layer"));
  wait_sensitive (ATSPI_ROLE_SPIN_BUTTON, "Strength", TRUE);
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_TOGGLE_BUTTON, "Advanced", SCREEN_PATIENCE));
  wait_sensitive (ATSPI_ROLE_SPIN_BUTTON, "Compute one step of", FALSE);
  g_assert_true (screen_choose (PLUG_IN, "Compute", "Some steps, extrapolated"));
  set_spin ("Strength", 0.9);
  set_spin ("Number of steps", 6);
  set_spin ("Seed", 12);
  set_spin ("Guide from", 0.2);
  wait_sensitive (ATSPI_ROLE_SPIN_BUTTON, "Compute one step of", TRUE);
  wait_note ("heat map");
  screen_shoot ("12-over-layer");
  press ("Generate");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));

  /* GIMP repeats what was chosen last from its menus, so the state is looked at only after it. */
  choose ("Repeat");
  text = wait_state ("layer fox · seed 12", 2);
  g_assert_cmpint (count (text, "image 90x90 changed"), ==, 1);
  screen_shoot ("13-repeated");
}

/* A model of prompts: its words appear while the prompt is typed, one that is too long is told, a ticked word has a layer, and
 * its place in the picture can be asked about. The last test, for the dialog opens with the last model. */
static void
test_prompt (void)
{
  g_autoptr (GString) endless = g_string_new ("a red fox");
  g_autofree char *text = NULL, *labels = NULL;

  open_dialog (GENERATE);
  wait_note ("heat map");
  set_text ("Model", "starter-prompt");
  wait_note ("of 120 tokens");
  for (int i = 0; i < 150; i++)
    g_string_append (endless, " runs far");
  g_string_append (endless, " at night"); /* beyond what is read: in red */
  set_text ("Prompt", endless->str);
  wait_note ("too long");
  wait_sensitive (ATSPI_ROLE_PUSH_BUTTON, "Generate", FALSE);
  screen_shoot ("16-too-long");

  set_text ("Prompt", "a red fox on blue grass");
  wait_note ("heat map");
  press ("Fit to image"); /* of 90 pixels; the model paints multiples of 32 */
  for (gint64 until = patience_ends (); g_get_monotonic_time () < until && get_spin ("Width") != 96.0;)
    g_usleep (100000);
  g_assert_cmpfloat (get_spin ("Height"), ==, 96.0);
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_CHECK_BOX, "a", SCREEN_PATIENCE));
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_CHECK_BOX, "on", SCREEN_PATIENCE));
  g_assert_true (screen_click (PLUG_IN, ATSPI_ROLE_CHECK_BOX, "blue", SCREEN_PATIENCE));
  set_spin ("Weight of red", 0.5);
  set_spin ("Number of steps", 3);
  set_spin ("Seed", 21);
  set_text ("Layers", "1");
  set_text ("Steps shown", "1");
  wait_note ("3 heat maps");
  screen_shoot ("17-prompt");
  press ("Generate");
  text = wait_state ("layer a red fox on blue grass · seed 21", 1);
  g_assert_cmpint (count (text, "layer “red” — Word, layer 1"), ==, 1);
  g_assert_cmpint (count (text, "layer “fox” — Word, layer 1"), ==, 1);
  g_assert_cmpint (count (text, "layer “grass” — Word, layer 1"), ==, 1);
  g_assert_cmpint (count (text, "— Word"), ==, 3);
  screen_shoot ("18-prompted");

  choose ("All");
  choose ("Who named this?");
  wait_there (ATSPI_ROLE_PUSH_BUTTON, "Close");
  wait_there (ATSPI_ROLE_DIALOG, "Who named this?");
  labels = screen_labels (PLUG_IN);
  g_assert_nonnull (strstr (labels, "grass"));
  g_assert_nonnull (strstr (labels, "everywhere"));
  screen_shoot ("19-who-named");
  press ("Close");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
}

/* A place for a word, here what is selected; run again, the word lies where it was recorded. */
static void
test_placed (void)
{
  g_autofree char *text = NULL, *again = NULL;

  open_dialog (GENERATE);
  wait_note ("3 heat maps");
  g_assert_true (screen_choose (PLUG_IN, "Place of fox", "in the selection"));
  set_spin ("Seed", 22);
  wait_note ("3 heat maps");
  press ("Generate");
  text = wait_state ("layer a red fox on blue grass · seed 22", 1);
  open_dialog ("Run again...");
  wait_note ("3 heat maps");
  g_assert_cmpfloat (get_spin ("Weight of red"), ==, 0.5);
  screen_shoot ("20-placed-again");
  press ("Generate");
  again = wait_state ("layer a red fox on blue grass · seed 22", 2);
}

static void
test_indexed (void)
{
  g_autofree char *opened = NULL;

  choose ("Open an indexed image");
  opened = wait_state ("image 80x80", 1);
  open_dialog (GENERATE);
  g_assert_true (screen_choose (PLUG_IN, "Target", "Current image"));
  wait_note ("Mode > RGB"); /* cause and remedy, before anything is computed */
  wait_sensitive (ATSPI_ROLE_PUSH_BUTTON, "Generate", FALSE);
  screen_shoot ("6-indexed");
  press ("Cancel");
}

static void
test_error_dialog (void)
{
  g_autofree char *labels = NULL, *after = NULL;

  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  choose ("Run again..."); /* the indexed image has no record */
  wait_there (ATSPI_ROLE_DIALOG, "Pentimento");
  labels = screen_labels (PLUG_IN);
  g_assert_nonnull (strstr (labels, "holds no record"));
  g_assert_nonnull (strstr (labels, "pentimento.log"));
  press ("Copy report");
  screen_shoot ("7-error");
  press ("Close");
  g_assert_true (screen_wait_gone (PLUG_IN, SCREEN_PATIENCE));
  after = wait_state ("image ", 3);
}

int
main (int argc, char **argv)
{
  AtspiAccessible *started;

  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  screen_init ();
  started = screen_find (GIMP, ATSPI_ROLE_MENU_ITEM, GENERATE, 600.0); /* GIMP looks at all its plug-ins first */
  g_clear_object (&started);
  g_test_add_func ("/gui/menu", test_menu);
  g_test_add_func ("/gui/generate", test_generate);
  g_test_add_func ("/gui/export", test_export);
  g_test_add_func ("/gui/many", test_many);
  g_test_add_func ("/gui/cancel", test_cancel);
  g_test_add_func ("/gui/current-image", test_current_image);
  g_test_add_func ("/gui/run-again", test_run_again);
  g_test_add_func ("/gui/indexed", test_indexed);
  g_test_add_func ("/gui/error-dialog", test_error_dialog);
  g_test_add_func ("/gui/closed", test_closed);
  g_test_add_func ("/gui/region", test_region);
  g_test_add_func ("/gui/over-layer", test_over_layer);
  g_test_add_func ("/gui/quick", test_quick);
  g_test_add_func ("/gui/prompt", test_prompt);
  g_test_add_func ("/gui/prompt-placed", test_placed);
  return g_test_run ();
}
