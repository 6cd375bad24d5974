/* The class list: GtkSearchEntry, and a GtkTreeView over a filtered list store. A row matches when the search's text is part
 * of its name, case and accents ignored, or the start of its number. */
#include "ui/class-list.h"

#include <string.h>

#include "pentimento.h"
#include "ui/i18n.h"

enum
{
  COLUMN_INDEX,
  COLUMN_NUMBER, /* text; "" for "no class" */
  COLUMN_NAME,   /* what a request calls it */
  COLUMN_LABEL,  /* what is shown */
  COLUMN_FOLDED, /* for the search */
  N_COLUMNS
};

enum
{
  SIGNAL_CHANGED,
  SIGNAL_ACTIVATED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

struct _PmClassList
{
  GtkBox        parent_instance;
  GtkWidget    *entry, *view, *empty;
  GtkListStore *store;
  GtkTreeModel *filter;
  char         *folded; /* what is searched */
  gboolean      has_names;
  gboolean      is_filling;
};

G_DEFINE_TYPE (PmClassList, pm_class_list, GTK_TYPE_BOX)

static char *
fold (const char *text)
{
  g_autofree char *decomposed = g_utf8_normalize (text, -1, G_NORMALIZE_ALL);
  GString *out = g_string_new (NULL);

  for (const char *at = decomposed ? decomposed : ""; *at; at = g_utf8_next_char (at))
    if (! g_unichar_ismark (g_utf8_get_char (at)))
      g_string_append_unichar (out, g_unichar_tolower (g_utf8_get_char (at)));
  return g_string_free (out, FALSE);
}

static gboolean
is_visible_cb (GtkTreeModel *model, GtkTreeIter *iter, gpointer data)
{
  PmClassList *list = data;
  g_autofree char *folded = NULL, *number = NULL;

  if (! list->folded || ! *list->folded)
    return TRUE;
  gtk_tree_model_get (model, iter, COLUMN_FOLDED, &folded, COLUMN_NUMBER, &number, -1);
  return (folded && strstr (folded, list->folded)) || (number && *number && g_str_has_prefix (number, list->folded));
}

static GtkTreeSelection *
selection_of (PmClassList *list)
{
  return gtk_tree_view_get_selection (GTK_TREE_VIEW (list->view));
}

/* The first match is chosen when the search hides the row that was. */
static void
search_changed_cb (GtkSearchEntry *entry, gpointer data)
{
  PmClassList *list = data;
  GtkTreeIter  iter;

  g_free (list->folded);
  list->folded = fold (gtk_entry_get_text (GTK_ENTRY (entry)));
  gtk_tree_model_filter_refilter (GTK_TREE_MODEL_FILTER (list->filter));
  gtk_widget_set_visible (list->empty, pm_class_list_get_n_visible (list) == 0);

  if (! gtk_tree_selection_get_selected (selection_of (list), NULL, NULL)
      && gtk_tree_model_get_iter_first (list->filter, &iter))
    gtk_tree_selection_select_iter (selection_of (list), &iter);
}

static void
activate_entry_cb (GtkEntry *entry, gpointer data)
{
  if (pm_class_list_get_selected (data) > -2)
    g_signal_emit (data, signals[SIGNAL_ACTIVATED], 0);
}

static gboolean
entry_key_cb (GtkWidget *entry, GdkEventKey *event, gpointer data)
{
  PmClassList *list = data;

  if (event->keyval != GDK_KEY_Down)
    return FALSE;
  gtk_widget_grab_focus (list->view);
  return TRUE;
}

static void
row_activated_cb (GtkTreeView *view, GtkTreePath *path, GtkTreeViewColumn *column, gpointer data)
{
  g_signal_emit (data, signals[SIGNAL_ACTIVATED], 0);
}

static void
selection_changed_cb (GtkTreeSelection *selection, gpointer data)
{
  PmClassList *list = data;

  if (! list->is_filling && gtk_tree_selection_get_selected (selection, NULL, NULL))
    g_signal_emit (list, signals[SIGNAL_CHANGED], 0);
}

static void
add_column (PmClassList *list, int column, double xalign, gboolean expand)
{
  GtkCellRenderer   *cell = gtk_cell_renderer_text_new ();
  GtkTreeViewColumn *view_column = gtk_tree_view_column_new_with_attributes (NULL, cell, "text", column, NULL);

  g_object_set (cell, "xalign", xalign, "ellipsize", expand ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE, NULL);
  gtk_tree_view_column_set_expand (view_column, expand);
  gtk_tree_view_append_column (GTK_TREE_VIEW (list->view), view_column);
}

static void
set_names (GtkWidget *widget, const char *name, const char *accessible)
{
  gtk_widget_set_name (widget, name);
  atk_object_set_name (gtk_widget_get_accessible (widget), accessible);
}

static void
make_view (PmClassList *list)
{
  GtkWidget *scrolled = gtk_scrolled_window_new (NULL, NULL);

  list->store = gtk_list_store_new (N_COLUMNS, G_TYPE_INT, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
  list->filter = gtk_tree_model_filter_new (GTK_TREE_MODEL (list->store), NULL);
  gtk_tree_model_filter_set_visible_func (GTK_TREE_MODEL_FILTER (list->filter), is_visible_cb, list, NULL);

  list->view = gtk_tree_view_new_with_model (list->filter);
  set_names (list->view, "pentimento-classes", _("Classes"));
  gtk_tree_view_set_headers_visible (GTK_TREE_VIEW (list->view), FALSE);
  gtk_tree_view_set_enable_search (GTK_TREE_VIEW (list->view), FALSE);
  gtk_tree_selection_set_mode (selection_of (list), GTK_SELECTION_BROWSE);
  add_column (list, COLUMN_NUMBER, 1.0, FALSE);
  add_column (list, COLUMN_LABEL, 0.0, TRUE);
  g_signal_connect (list->view, "row-activated", G_CALLBACK (row_activated_cb), list);
  g_signal_connect (selection_of (list), "changed", G_CALLBACK (selection_changed_cb), list);

  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scrolled), GTK_SHADOW_IN);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scrolled), 220);
  gtk_scrolled_window_set_min_content_width (GTK_SCROLLED_WINDOW (scrolled), 220);
  gtk_container_add (GTK_CONTAINER (scrolled), list->view);
  gtk_box_pack_start (GTK_BOX (list), scrolled, TRUE, TRUE, 0);
}

static void
pm_class_list_finalize (GObject *object)
{
  PmClassList *list = PM_CLASS_LIST (object);

  g_clear_object (&list->filter);
  g_clear_object (&list->store);
  g_free (list->folded);
  G_OBJECT_CLASS (pm_class_list_parent_class)->finalize (object);
}

static void
pm_class_list_grab_focus (GtkWidget *widget)
{
  gtk_widget_grab_focus (PM_CLASS_LIST (widget)->entry);
}

static void
pm_class_list_class_init (PmClassListClass *class)
{
  G_OBJECT_CLASS (class)->finalize = pm_class_list_finalize;
  GTK_WIDGET_CLASS (class)->grab_focus = pm_class_list_grab_focus;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", PM_TYPE_CLASS_LIST, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_ACTIVATED]
    = g_signal_new ("activated", PM_TYPE_CLASS_LIST, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
pm_class_list_init (PmClassList *list)
{
  gtk_orientable_set_orientation (GTK_ORIENTABLE (list), GTK_ORIENTATION_VERTICAL);
  gtk_box_set_spacing (GTK_BOX (list), 6);

  list->entry = gtk_search_entry_new ();
  set_names (list->entry, "pentimento-class-search", _("Search classes"));
  gtk_entry_set_placeholder_text (GTK_ENTRY (list->entry), _("Search classes"));
  gtk_box_pack_start (GTK_BOX (list), list->entry, FALSE, FALSE, 0);
  make_view (list);

  list->empty = gtk_label_new (_("No class has this in its name."));
  gtk_widget_set_name (list->empty, "pentimento-class-none");
  gtk_widget_set_no_show_all (list->empty, TRUE);
  gtk_box_pack_start (GTK_BOX (list), list->empty, FALSE, FALSE, 0);

  g_signal_connect (list->entry, "search-changed", G_CALLBACK (search_changed_cb), list);
  g_signal_connect (list->entry, "activate", G_CALLBACK (activate_entry_cb), list);
  g_signal_connect (list->entry, "key-press-event", G_CALLBACK (entry_key_cb), list);
}

GtkWidget *
pm_class_list_new (void)
{
  return g_object_new (PM_TYPE_CLASS_LIST, NULL);
}

void
pm_class_list_set_classes (PmClassList *list, const char *const *names, const char *const *local, int n)
{
  list->is_filling = TRUE;
  list->has_names = names != NULL;
  gtk_entry_set_text (GTK_ENTRY (list->entry), "");
  g_clear_pointer (&list->folded, g_free);
  gtk_tree_view_set_model (GTK_TREE_VIEW (list->view), NULL);
  gtk_list_store_clear (list->store);

  for (int i = -1; i < n; i++)
    {
      g_autofree char *number = i >= 0 ? g_strdup_printf ("%d", i) : g_strdup ("");
      const char *name = i < 0 ? _("No class") : (names ? names[i] : _("class"));
      g_autofree char *label = pm_class_label (name, names && local && i >= 0 ? local[i] : NULL);
      g_autofree char *folded = fold (label);

      gtk_list_store_insert_with_values (list->store, NULL, -1, COLUMN_INDEX, i, COLUMN_NUMBER, number, COLUMN_NAME, name,
                                         COLUMN_LABEL, label, COLUMN_FOLDED, folded, -1);
    }
  gtk_tree_model_filter_refilter (GTK_TREE_MODEL_FILTER (list->filter));
  gtk_tree_view_set_model (GTK_TREE_VIEW (list->view), list->filter);
  gtk_tree_selection_unselect_all (selection_of (list));
  gtk_widget_hide (list->empty);
  list->is_filling = FALSE;
}

gboolean
pm_class_list_select (PmClassList *list, int class_index)
{
  GtkTreePath *path = gtk_tree_path_new_from_indices (class_index + 1, -1);
  gboolean     found;
  GtkTreeIter  iter;

  found = class_index >= -1 && gtk_tree_model_get_iter (GTK_TREE_MODEL (list->store), &iter, path);
  if (found && ! is_visible_cb (GTK_TREE_MODEL (list->store), &iter, list))
    {
      g_clear_pointer (&list->folded, g_free);
      gtk_entry_set_text (GTK_ENTRY (list->entry), "");
      gtk_tree_model_filter_refilter (GTK_TREE_MODEL_FILTER (list->filter));
    }
  if (found)
    {
      GtkTreePath *shown = gtk_tree_model_filter_convert_child_path_to_path (GTK_TREE_MODEL_FILTER (list->filter), path);

      gtk_tree_selection_select_path (selection_of (list), shown);
      gtk_tree_view_scroll_to_cell (GTK_TREE_VIEW (list->view), shown, NULL, FALSE, 0.0, 0.0);
      gtk_tree_path_free (shown);
    }
  gtk_tree_path_free (path);
  return found;
}

int
pm_class_list_get_selected (PmClassList *list)
{
  GtkTreeModel *model;
  GtkTreeIter   iter;
  int           index = -2;

  if (gtk_tree_selection_get_selected (selection_of (list), &model, &iter))
    gtk_tree_model_get (model, &iter, COLUMN_INDEX, &index, -1);
  return index;
}

char *
pm_class_list_get_text (PmClassList *list)
{
  GtkTreeModel *model;
  GtkTreeIter   iter;
  int           index;
  char         *text = NULL;

  if (! gtk_tree_selection_get_selected (selection_of (list), &model, &iter))
    return NULL;
  gtk_tree_model_get (model, &iter, COLUMN_INDEX, &index, -1);
  if (index < 0)
    return g_strdup ("");
  gtk_tree_model_get (model, &iter, list->has_names ? COLUMN_NAME : COLUMN_NUMBER, &text, -1);
  return text;
}

int
pm_class_list_get_n_visible (PmClassList *list)
{
  return gtk_tree_model_iter_n_children (list->filter, NULL);
}
