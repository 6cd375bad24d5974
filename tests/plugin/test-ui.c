/* The widgets alone, on a real display, without GIMP: what they show, what they say back, and that Cancel is quick. */
#include "pentimento.h"
#include "ui/check-list.h"
#include "ui/class-list.h"
#include "ui/error-dialog.h"
#include "ui/pairs.h"
#include "ui/progress.h"
#include "ui/word-list.h"
#include "ui/word-ranks.h"

#include <string.h>

static const char *const names[] = { "tabby cat", "tiger cat", "Café", "goldfish", "great white shark", "fox" };

static GtkWidget *
find (GtkWidget *root, const char *name)
{
  GtkWidget *found = NULL;

  if (strcmp (gtk_widget_get_name (root), name) == 0)
    return root;
  if (GTK_IS_CONTAINER (root))
    {
      g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (root));

      for (GList *at = children; at && ! found; at = at->next)
        found = find (at->data, name);
    }
  return found;
}

static void
settle (void)
{
  gint64 until = g_get_monotonic_time () + 300000; /* a search entry waits 150 ms before it says that it changed */

  while (g_get_monotonic_time () < until)
    if (! gtk_main_iteration_do (FALSE))
      g_usleep (5000);
}

static void
search (GtkWidget *list, const char *text)
{
  gtk_entry_set_text (GTK_ENTRY (find (list, "pentimento-class-search")), text);
  settle ();
}

static void
count_cb (GtkWidget *list, gpointer data)
{
  (*(int *) data)++;
}

static void
test_class_list (void)
{
  GtkWidget   *window = gtk_window_new (GTK_WINDOW_TOPLEVEL);
  GtkWidget   *widget = pm_class_list_new ();
  PmClassList *list = PM_CLASS_LIST (widget);
  g_autofree char *text = NULL;
  int n_changed = 0;

  gtk_container_add (GTK_CONTAINER (window), widget);
  gtk_widget_show_all (window);
  g_signal_connect (list, "changed", G_CALLBACK (count_cb), &n_changed);
  pm_class_list_set_classes (list, names, NULL, G_N_ELEMENTS (names));
  settle ();
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 7);
  g_assert_cmpint (pm_class_list_get_selected (list), ==, -2);
  g_assert_cmpint (n_changed, ==, 0);

  g_assert_true (pm_class_list_select (list, 5));
  g_assert_cmpint (n_changed, ==, 1);
  text = pm_class_list_get_text (list);
  g_assert_cmpstr (text, ==, "fox");
  g_assert_false (pm_class_list_select (list, 6));
  g_assert_false (pm_class_list_select (list, -2));

  search (widget, "CAT");
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 2);
  g_assert_cmpint (pm_class_list_get_selected (list), ==, 0);
  search (widget, "cafe");
  g_assert_cmpint (pm_class_list_get_selected (list), ==, 2);
  search (widget, "4");
  g_assert_cmpint (pm_class_list_get_selected (list), ==, 4);
  search (widget, "zebra");
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 0);
  g_assert_true (gtk_widget_get_visible (find (widget, "pentimento-class-none")));
  g_assert_true (pm_class_list_select (list, -1)); /* clears the search that hides it */
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 7);
  g_free (text);
  text = pm_class_list_get_text (list);
  g_assert_cmpstr (text, ==, "");
  gtk_widget_destroy (window);
}

/* The user's language beside the request's: both are shown and searched, and the request's is chosen. */
static void
test_class_local (void)
{
  static const char *const local[] = { "gat", NULL, NULL, NULL, NULL, "Guineu" };
  GtkWidget   *window = gtk_window_new (GTK_WINDOW_TOPLEVEL);
  GtkWidget   *widget = pm_class_list_new ();
  PmClassList *list = PM_CLASS_LIST (widget);
  g_autofree char *text = NULL, *shown = NULL;
  GtkTreeModel    *model;
  GtkTreeIter      iter;

  gtk_container_add (GTK_CONTAINER (window), widget);
  gtk_widget_show_all (window);
  pm_class_list_set_classes (list, names, local, G_N_ELEMENTS (names));
  search (widget, "guine");
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 1);
  g_assert_cmpint (pm_class_list_get_selected (list), ==, 5);
  text = pm_class_list_get_text (list);
  g_assert_cmpstr (text, ==, "fox");
  model = gtk_tree_view_get_model (GTK_TREE_VIEW (find (widget, "pentimento-classes")));
  g_assert_true (gtk_tree_model_get_iter_first (model, &iter));
  gtk_tree_model_get (model, &iter, 3, &shown, -1);
  g_assert_cmpstr (shown, ==, "Guineu (fox)");
  search (widget, "fox");
  g_assert_cmpint (pm_class_list_get_selected (list), ==, 5);
  gtk_widget_destroy (window);
}

static void
test_class_numbers (void)
{
  GtkWidget   *window = gtk_window_new (GTK_WINDOW_TOPLEVEL);
  PmClassList *list = PM_CLASS_LIST (pm_class_list_new ());
  g_autofree char *text = NULL;
  int n_activated = 0;

  gtk_container_add (GTK_CONTAINER (window), GTK_WIDGET (list));
  gtk_widget_show_all (window);
  g_signal_connect (list, "activated", G_CALLBACK (count_cb), &n_activated);
  pm_class_list_set_classes (list, NULL, NULL, 1000);
  g_signal_emit_by_name (find (GTK_WIDGET (list), "pentimento-class-search"), "activate");
  g_assert_cmpint (n_activated, ==, 0); /* nothing is selected yet */
  search (GTK_WIDGET (list), "20");
  g_assert_cmpint (pm_class_list_get_n_visible (list), ==, 11); /* 20, 200..209 */
  text = pm_class_list_get_text (list);
  g_assert_cmpstr (text, ==, "20");
  g_signal_emit_by_name (find (GTK_WIDGET (list), "pentimento-class-search"), "activate");
  g_assert_cmpint (n_activated, ==, 1);
  gtk_widget_destroy (window);
}

static void
check_changed_cb (GtkWidget *list, gpointer data)
{
  (*(int *) data)++;
}

static void
test_check_list (void)
{
  int n_changed = 0;
  GtkWidget *list = g_object_ref_sink (pm_check_list_new ("read", check_changed_cb, &n_changed));
  g_autofree char *text = NULL;

  pm_check_list_add (list, "subject", "Subject", NULL);
  pm_check_list_add (list, "received", "Received", NULL);
  pm_check_list_add (list, "entropy", "Entropy", NULL);
  pm_check_list_set_text (list, "entropy, subject,unknown");
  g_assert_cmpint (n_changed, ==, 0);
  text = pm_check_list_get_text (list);
  g_assert_cmpstr (text, ==, "subject,entropy");
  gtk_button_clicked (GTK_BUTTON (find (list, "read-received")));
  g_assert_cmpint (n_changed, ==, 1);
  g_free (text);
  text = pm_check_list_get_text (list);
  g_assert_cmpstr (text, ==, "subject,received,entropy");
  g_object_unref (list);
}

/* Works until cancelled, or for as long as data says; reports as the core does. */
static gboolean
work_cb (PmJob *job, gpointer data, GError **error)
{
  int n_steps = *(int *) data;

  for (int i = 0; i < n_steps; i++)
    {
      pm_job_report (job, "Painting", i, n_steps, (double) i / n_steps);
      g_usleep (20000);
      if (! pm_job_check (job, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
fail_cb (PmJob *job, gpointer data, GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY, "There is too little memory; close something.");
  return FALSE;
}

typedef struct
{
  GtkWidget *window;
  char      *status;
  gint64     cancelled_at;
  const char *how;
  GdkPixbuf  *preview;
} Watch;

static gboolean
watch_cb (gpointer data)
{
  Watch *watch = data;

  watch->status = g_strdup (gtk_label_get_text (GTK_LABEL (find (watch->window, "pentimento-progress-status"))));
  watch->preview = gtk_image_get_pixbuf (GTK_IMAGE (find (watch->window, "pentimento-progress-preview")));
  if (watch->preview)
    g_object_ref (watch->preview);
  watch->cancelled_at = g_get_monotonic_time ();
  if (g_strcmp0 (watch->how, "button") == 0)
    gtk_button_clicked (GTK_BUTTON (find (watch->window, "pentimento-progress-cancel")));
  else if (g_strcmp0 (watch->how, "close") == 0)
    gtk_window_close (GTK_WINDOW (watch->window));
  return G_SOURCE_REMOVE;
}

static void
test_progress (void)
{
  GtkWidget *window = pm_progress_new ("Title", "Painting a fox");
  g_autoptr (GError) error = NULL;
  Watch watch = { window, NULL, 0, NULL };
  int   n_steps = 30;

  g_timeout_add (350, watch_cb, &watch);
  g_assert_true (pm_progress_run (window, work_cb, &n_steps, &error));
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (watch.status, "Painting: step "));
  g_assert_nonnull (strstr (watch.status, "of 30"));
  g_assert_false (gtk_widget_get_visible (window));

  g_assert_false (pm_progress_run (window, fail_cb, NULL, &error)); /* the window can be used again */
  g_assert_error (error, PM_ERROR, PM_ERROR_MEMORY);
  gtk_widget_destroy (window);
  g_free (watch.status);
}

static void
test_cancel (gconstpointer how)
{
  for (int i = 0; i < 5; i++)
    {
      GtkWidget *window = pm_progress_new ("Title", "Painting a fox");
      g_autoptr (GError) error = NULL;
      Watch watch = { window, NULL, 0, how };
      int   n_steps = 3000;

      g_timeout_add (g_test_rand_int_range (0, 400), watch_cb, &watch);
      g_assert_false (pm_progress_run (window, work_cb, &n_steps, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (g_get_monotonic_time () - watch.cancelled_at, <, G_USEC_PER_SEC);
      gtk_widget_destroy (window);
      g_free (watch.status);
      g_clear_object (&watch.preview);
    }
}

static gboolean
paint_cb (PmJob *job, gpointer data, GError **error)
{
  g_autoptr (PmModel) model = pm_model_open (PM_STARTER, error);
  g_autoptr (PmRequest) request = model ? pm_request_new_for_model (model) : NULL;
  PmResult *result;

  if (! request)
    return FALSE;
  request->num_steps = 1000;
  request->preview_every = 1;
  if (! pm_request_set_show (request, "layers=all;heads=all;steps=0-99;read=subject,received", error))
    return FALSE;
  result = pm_generate (model, request, job, error);
  g_clear_pointer (&result, pm_result_free);
  return result != NULL;
}

/* What the model foresees is shown while it paints. */
static void
test_preview (void)
{
  GtkWidget *window = pm_progress_new ("Title", "Painting a fox");
  g_autoptr (GError) error = NULL;
  Watch         watch = { window, NULL, 0, "button" };
  const guint8 *pixels;
  int           low = 255, high = 0;

  g_assert_false (gtk_widget_get_visible (find (window, "pentimento-progress-preview")));
  g_timeout_add (900, watch_cb, &watch);
  g_assert_false (pm_progress_run (window, paint_cb, NULL, &error));
  g_assert_nonnull (watch.preview);
  g_assert_cmpint (gdk_pixbuf_get_width (watch.preview), ==, 256);
  g_assert_cmpint (gdk_pixbuf_get_height (watch.preview), ==, 256);
  pixels = gdk_pixbuf_get_pixels (watch.preview);
  for (int i = 0; i < 256 * gdk_pixbuf_get_rowstride (watch.preview); i++)
    {
      low = MIN (low, pixels[i]);
      high = MAX (high, pixels[i]);
    }
  g_assert_cmpint (high - low, >, 40); /* a picture, not a grey square */
  gtk_widget_destroy (window);
  g_object_unref (watch.preview);
  g_free (watch.status);
}

/* The real thing, stopped at twenty random moments, the opening of the model among them. */
static void
test_cancel_painting (void)
{
  for (int i = 0; i < 20; i++)
    {
      GtkWidget *window = pm_progress_new ("Title", "Painting a fox");
      g_autoptr (GError) error = NULL;
      Watch watch = { window, NULL, 0, "button" };

      g_timeout_add (g_test_rand_int_range (0, 600), watch_cb, &watch);
      g_assert_false (pm_progress_run (window, paint_cb, NULL, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (g_get_monotonic_time () - watch.cancelled_at, <, G_USEC_PER_SEC);
      gtk_widget_destroy (window);
      g_clear_object (&watch.preview);
      g_free (watch.status);
    }
}

static void
test_time_text (void)
{
  g_autofree char *unknown = pm_progress_time_text (-1.0), *one = pm_progress_time_text (0.4),
                  *many = pm_progress_time_text (41.0), *minutes = pm_progress_time_text (200.0);

  g_assert_cmpstr (unknown, ==, "");
  g_assert_cmpstr (one, ==, "about 1 second left");
  g_assert_cmpstr (many, ==, "about 41 seconds left");
  g_assert_cmpstr (minutes, ==, "about 4 minutes left");
}

static gboolean
press_copy_cb (gpointer dialog)
{
  gtk_button_clicked (GTK_BUTTON (find (dialog, "pentimento-error-copy")));
  return G_SOURCE_REMOVE;
}

static gboolean
press_close_cb (gpointer dialog)
{
  gtk_dialog_response (dialog, GTK_RESPONSE_CLOSE);
  return G_SOURCE_REMOVE;
}

static void
test_error_dialog (void)
{
  GtkWidget *dialog = pm_error_dialog_new (NULL, "Pentimento", "There is no model; install one.", "report text", "/log/file");
  GtkLabel  *message = GTK_LABEL (find (dialog, "pentimento-error-message"));
  g_autofree char *copied = NULL;

  g_assert_cmpstr (gtk_label_get_text (message), ==, "There is no model; install one.");
  g_assert_nonnull (strstr (gtk_label_get_text (GTK_LABEL (find (dialog, "pentimento-error-log"))), "/log/file"));
  g_timeout_add (50, press_copy_cb, dialog);
  g_timeout_add (200, press_close_cb, dialog);
  pm_error_dialog_run (dialog);
  copied = gtk_clipboard_wait_for_text (gtk_clipboard_get (GDK_SELECTION_CLIPBOARD));
  g_assert_cmpstr (copied, ==, "report text");
}

static void
check_pairs (const char *text, const char *expected)
{
  g_autoptr (GPtrArray) pairs = pm_pairs_parse (text);
  g_autoptr (GString) written = g_string_new (NULL);

  for (guint i = 0; i < pairs->len; i++)
    pm_pairs_append (written, ((PmPair *) pairs->pdata[i])->name, ((PmPair *) pairs->pdata[i])->value);
  g_assert_cmpstr (written->str, ==, expected);
}

static void
test_pairs (void)
{
  g_autoptr (GPtrArray) pairs = pm_pairs_parse ("Cat = 1.5 ,red hat,  x\\,y\\=z=Layer #2\\,, =lost,");

  g_assert_cmpuint (pairs->len, ==, 3);
  g_assert_cmpstr (pm_pairs_find (pairs, "cAT")->value, ==, "1.5");
  g_assert_null (pm_pairs_find (pairs, "red hat")->value);
  g_assert_cmpstr (pm_pairs_find (pairs, "x,y=z")->value, ==, "Layer #2,");
  g_assert_null (pm_pairs_find (pairs, "hat"));
  check_pairs ("a = 1, b", "a=1, b");
  check_pairs ("x\\,y\\=z=\\ Layer\\ ", "x\\,y\\=z=\\ Layer\\ ");
  check_pairs ("", "");
  check_pairs ("back\\\\slash", "back\\\\slash");
}

static GtkWidget *
nth_child (GtkWidget *grid, int column, int row)
{
  return gtk_grid_get_child_at (GTK_GRID (grid), column, row);
}

static gboolean
is_red (GtkWidget *check_button)
{
  GtkWidget *label = gtk_bin_get_child (GTK_BIN (check_button));

  return strstr (gtk_label_get_label (GTK_LABEL (label)), "foreground") != NULL;
}

/* What is said of a word stays with it while the prompt is typed. */
static void
test_word_list (void)
{
  static const char *const first[] = { "a", "red", "fox" }, *const second[] = { "a", "fox" }, *const third[] = { "fox", "hat" };
  static const char *const ids[] = { "[selection]", "Sky", NULL }, *const titles[] = { "in the selection", "Sky", NULL };
  GtkWidget  *window = gtk_window_new (GTK_WINDOW_TOPLEVEL), *widget = pm_word_list_new (), *grid;
  PmWordList *list = PM_WORD_LIST (widget);
  g_autofree char *all = NULL, *shown = NULL, *weights = NULL, *places = NULL, *later = NULL, *none = NULL;
  int n_changed = 0;

  gtk_container_add (GTK_CONTAINER (window), widget);
  gtk_widget_show_all (window);
  g_signal_connect (list, "changed", G_CALLBACK (count_cb), &n_changed);
  pm_word_list_set_places (list, ids, titles);
  pm_word_list_set_words (list, first, 3, 2);
  g_assert_cmpstr ((all = pm_word_list_get_shown (list)), ==, "all");
  grid = find (widget, "pentimento-words");
  g_assert_true (is_red (nth_child (grid, 0, 2)));
  g_assert_false (is_red (nth_child (grid, 0, 1)));
  g_assert_cmpint (n_changed, ==, 0);

  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (nth_child (grid, 0, 1)), FALSE);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (nth_child (grid, 1, 2)), 1.5);
  gtk_combo_box_set_active_id (GTK_COMBO_BOX (nth_child (grid, 2, 2)), "Sky");
  g_assert_cmpint (n_changed, ==, 3);
  g_assert_cmpstr ((shown = pm_word_list_get_shown (list)), ==, "a, fox");
  g_assert_cmpstr ((weights = pm_word_list_get_weights (list)), ==, "fox=1.5");
  g_assert_cmpstr ((places = pm_word_list_get_places (list)), ==, "fox=Sky");

  pm_word_list_set_words (list, second, 2, 2);
  pm_word_list_set_words (list, third, 2, 2);
  g_assert_cmpstr ((later = pm_word_list_get_weights (list)), ==, "fox=1.5");
  pm_word_list_set_weights (list, "hat=0, red fox=2");
  pm_word_list_set_shown (list, "");
  g_free (later);
  g_assert_cmpstr ((later = pm_word_list_get_weights (list)), ==, "hat=0, red fox=2");
  g_assert_cmpstr ((none = pm_word_list_get_shown (list)), ==, "");
  g_assert_cmpint (n_changed, ==, 3);
  gtk_widget_destroy (window);
}

static void
test_word_ranks (void)
{
  PmWordAt words[] = { { (char *) "hat", 0.5, 0.1 }, { (char *) "cat", 0.25, 0.2 } };
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  GtkWidget *window = gtk_window_new (GTK_WINDOW_TOPLEVEL), *first;

  g_ptr_array_add (list, &words[0]);
  g_ptr_array_add (list, &words[1]);
  gtk_container_add (GTK_CONTAINER (window), pm_word_ranks_new (list, "a cat in a hat"));
  gtk_widget_show_all (window);
  first = nth_child (find (window, "pentimento-rank-grid"), 0, 0);
  g_assert_nonnull (first);
  g_assert_cmpstr (gtk_label_get_text (GTK_LABEL (first)), ==, "hat");
  gtk_widget_destroy (window);
}

int
main (int argc, char **argv)
{
  gtk_test_init (&argc, &argv);
  g_test_add_func ("/ui/class-list/names", test_class_list);
  g_test_add_func ("/ui/class-list/local", test_class_local);
  g_test_add_func ("/ui/class-list/numbers", test_class_numbers);
  g_test_add_func ("/ui/check-list", test_check_list);
  g_test_add_func ("/ui/progress/run", test_progress);
  g_test_add_data_func ("/ui/progress/cancel-button", "button", test_cancel);
  g_test_add_data_func ("/ui/progress/cancel-close", "close", test_cancel);
  g_test_add_func ("/ui/progress/preview", test_preview);
  g_test_add_func ("/ui/progress/cancel-painting", test_cancel_painting);
  g_test_add_func ("/ui/progress/time", test_time_text);
  g_test_add_func ("/ui/error-dialog", test_error_dialog);
  g_test_add_func ("/ui/pairs", test_pairs);
  g_test_add_func ("/ui/word-list", test_word_list);
  g_test_add_func ("/ui/word-ranks", test_word_ranks);
  return g_test_run ();
}
