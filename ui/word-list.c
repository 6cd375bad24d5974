/* The word list: a grid of rows in a scrolled window. What the user said of a word is kept by the word, not by the row, because
 * words come and go while a prompt is typed. */
#include "ui/word-list.h"

#include <string.h>

#include "ui/i18n.h"
#include "ui/pairs.h"

#define MAX_WEIGHT 100.0
#define ERROR_COLOUR "#d02020"

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

typedef struct
{
  gboolean is_shown;
  double   weight;
  char    *place; /* "": everywhere */
} State;

typedef struct
{
  char      *word;
  State     *state; /* borrowed from states */
  GtkWidget *check, *spin, *combo;
} Row;

struct _PmWordList
{
  GtkBox      parent_instance;
  GtkWidget  *grid, *note;
  GPtrArray  *rows;            /* of Row */
  GHashTable *states;          /* folded word -> State */
  GPtrArray  *weights, *places; /* of PmPair: what the arguments say of names that are no rows */
  char      **place_ids, **place_titles;
  gboolean    is_filling;
};

G_DEFINE_TYPE (PmWordList, pm_word_list, GTK_TYPE_BOX)

static void
state_free (gpointer data)
{
  State *state = data;

  g_free (state->place);
  g_free (state);
}

static void
row_free (gpointer data)
{
  Row *row = data;

  g_free (row->word);
  g_free (row);
}

static gboolean
shows_all (PmWordList *list)
{
  for (guint i = 0; i < list->rows->len; i++)
    if (! ((Row *) list->rows->pdata[i])->state->is_shown)
      return FALSE;
  return TRUE;
}

static State *
state_of (PmWordList *list, const char *word)
{
  g_autofree char *folded = g_utf8_casefold (word, -1);
  State *state = g_hash_table_lookup (list->states, folded);

  if (! state)
    {
      state = g_new0 (State, 1);
      state->is_shown = shows_all (list);
      state->weight = 1.0;
      state->place = g_strdup ("");
      g_hash_table_insert (list->states, g_steal_pointer (&folded), state);
    }
  return state;
}

static void
changed_cb (GtkWidget *widget, gpointer data)
{
  PmWordList *list = data;

  if (list->is_filling)
    return;
  for (guint i = 0; i < list->rows->len; i++)
    {
      Row        *row = list->rows->pdata[i];
      const char *place = gtk_combo_box_get_active_id (GTK_COMBO_BOX (row->combo));

      row->state->is_shown = gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (row->check));
      row->state->weight = gtk_spin_button_get_value (GTK_SPIN_BUTTON (row->spin));
      g_set_str (&row->state->place, place ? place : "");
    }
  g_signal_emit (list, signals[SIGNAL_CHANGED], 0);
}

static void
show_states (PmWordList *list)
{
  gboolean was_filling = list->is_filling;

  list->is_filling = TRUE;
  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];

      gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (row->check), row->state->is_shown);
      gtk_spin_button_set_value (GTK_SPIN_BUTTON (row->spin), row->state->weight);
      if (! gtk_combo_box_set_active_id (GTK_COMBO_BOX (row->combo), row->state->place))
        gtk_combo_box_set_active (GTK_COMBO_BOX (row->combo), 0);
    }
  list->is_filling = was_filling;
}

static void
set_names (GtkWidget *widget, const char *name, const char *accessible)
{
  gtk_widget_set_name (widget, name);
  atk_object_set_name (gtk_widget_get_accessible (widget), accessible);
}

static void
mark_red (GtkWidget *label, const char *text, gboolean is_red)
{
  g_autofree char *markup = is_red ? g_markup_printf_escaped ("<span foreground='" ERROR_COLOUR "'>%s</span>", text) : NULL;

  if (markup)
    gtk_label_set_markup (GTK_LABEL (label), markup);
  else
    gtk_label_set_text (GTK_LABEL (label), text);
}

static void
add_row (PmWordList *list, const char *word, gboolean is_read)
{
  Row *row = g_new0 (Row, 1);
  int  at = list->rows->len;
  g_autofree char *weight_name = g_strdup_printf (_("Weight of %s"), word);
  g_autofree char *place_name = g_strdup_printf (_("Place of %s"), word);

  row->word = g_strdup (word);
  row->state = state_of (list, word);
  row->check = gtk_check_button_new_with_label (word);
  row->spin = gtk_spin_button_new_with_range (0.0, MAX_WEIGHT, 0.1);
  row->combo = gtk_combo_box_text_new ();
  gtk_widget_set_name (row->check, "pentimento-word");
  set_names (row->spin, "pentimento-word-weight", weight_name);
  set_names (row->combo, "pentimento-word-place", place_name);
  mark_red (gtk_bin_get_child (GTK_BIN (row->check)), word, ! is_read);
  gtk_widget_set_hexpand (row->check, TRUE);
  gtk_widget_set_tooltip_text (row->check, is_read ? _("Show a heat map of this word")
                                                   : _("This word is beyond what the model can read; shorten the prompt"));
  gtk_widget_set_tooltip_text (row->spin, _("How much the word counts: 1 as it is, 0 hides it"));
  gtk_widget_set_tooltip_text (row->combo, _("Where in the picture the word may be looked at"));
  gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (row->combo), "", _("everywhere"));
  for (int i = 0; list->place_ids && list->place_ids[i]; i++)
    gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (row->combo), list->place_ids[i], list->place_titles[i]);
  g_ptr_array_add (list->rows, row);
  gtk_grid_attach (GTK_GRID (list->grid), row->check, 0, at, 1, 1);
  gtk_grid_attach (GTK_GRID (list->grid), row->spin, 1, at, 1, 1);
  gtk_grid_attach (GTK_GRID (list->grid), row->combo, 2, at, 1, 1);
  g_signal_connect (row->check, "toggled", G_CALLBACK (changed_cb), list);
  g_signal_connect (row->spin, "value-changed", G_CALLBACK (changed_cb), list);
  g_signal_connect (row->combo, "changed", G_CALLBACK (changed_cb), list);
}

/* The same words in the same state of red need no new rows, which would take the focus from the one that is used. */
static gboolean
has_words (PmWordList *list, const char *const *words, int n, int n_read)
{
  gboolean is_same = (int) list->rows->len == n
                     && GPOINTER_TO_INT (g_object_get_data (G_OBJECT (list), "pm-n-read")) == n_read;

  for (int i = 0; i < n && is_same; i++)
    is_same = strcmp (((Row *) list->rows->pdata[i])->word, words[i]) == 0;
  return is_same;
}

void
pm_word_list_set_words (PmWordList *list, const char *const *words, int n, int n_read)
{
  g_autoptr (GList) children = NULL;

  if (has_words (list, words, n, n_read))
    return;
  list->is_filling = TRUE;
  for (int i = 0; i < n; i++) /* before the rows go: whether all had ticks decides of new ones */
    state_of (list, words[i]);
  children = gtk_container_get_children (GTK_CONTAINER (list->grid));
  g_list_foreach (children, (GFunc) (void *) gtk_widget_destroy, NULL);
  g_ptr_array_set_size (list->rows, 0);
  for (int i = 0; i < n; i++)
    add_row (list, words[i], i < n_read);
  g_object_set_data (G_OBJECT (list), "pm-n-read", GINT_TO_POINTER (n_read));
  show_states (list);
  gtk_widget_show_all (list->grid);
  list->is_filling = FALSE;
}

void
pm_word_list_set_places (PmWordList *list, const char *const *ids, const char *const *titles)
{
  g_strfreev (list->place_ids);
  g_strfreev (list->place_titles);
  list->place_ids = g_strdupv ((char **) ids);
  list->place_titles = g_strdupv ((char **) titles);
}

void
pm_word_list_set_note (PmWordList *list, const char *text, gboolean is_problem)
{
  mark_red (list->note, text ? text : "", is_problem);
  gtk_widget_set_visible (list->note, text != NULL);
}

char *
pm_word_list_get_shown (PmWordList *list)
{
  GString *text = g_string_new (NULL);

  if (shows_all (list))
    return g_string_free (g_string_assign (text, "all"), FALSE);
  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];

      if (row->state->is_shown)
        pm_pairs_append (text, row->word, NULL);
    }
  return g_string_free (text, FALSE);
}

void
pm_word_list_set_shown (PmWordList *list, const char *text)
{
  g_autoptr (GPtrArray) pairs = pm_pairs_parse (text);
  gboolean is_all = g_strcmp0 (text, "all") == 0;

  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];

      row->state->is_shown = is_all || pm_pairs_find (pairs, row->word) != NULL;
    }
  show_states (list);
}

/* What is said of the rows, as set by one getter, and of names that are none. */
static char *
get_pairs (PmWordList *list, GPtrArray *others, char *(*get) (const Row *row))
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];
      g_autofree char *value = get (row);

      if (value)
        pm_pairs_append (text, row->word, value);
    }
  for (guint i = 0; others && i < others->len; i++)
    {
      const PmPair *pair = others->pdata[i];
      g_autofree char *folded = g_utf8_casefold (pair->name, -1);

      if (! g_hash_table_contains (list->states, folded))
        pm_pairs_append (text, pair->name, pair->value);
    }
  return g_string_free (text, FALSE);
}

static char *
get_weight (const Row *row)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  return row->state->weight == 1.0 ? NULL : g_strdup (g_ascii_formatd (number, sizeof number, "%.3g", row->state->weight));
}

static char *
get_place (const Row *row)
{
  return *row->state->place ? g_strdup (row->state->place) : NULL;
}

char *
pm_word_list_get_weights (PmWordList *list)
{
  return get_pairs (list, list->weights, get_weight);
}

char *
pm_word_list_get_places (PmWordList *list)
{
  return get_pairs (list, list->places, get_place);
}

void
pm_word_list_set_weights (PmWordList *list, const char *text)
{
  g_clear_pointer (&list->weights, g_ptr_array_unref);
  list->weights = pm_pairs_parse (text);
  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];
      const PmPair *pair = pm_pairs_find (list->weights, row->word);

      row->state->weight = pair && pair->value ? CLAMP (g_ascii_strtod (pair->value, NULL), 0.0, MAX_WEIGHT) : 1.0;
    }
  show_states (list);
}

void
pm_word_list_set_placed (PmWordList *list, const char *text)
{
  g_clear_pointer (&list->places, g_ptr_array_unref);
  list->places = pm_pairs_parse (text);
  for (guint i = 0; i < list->rows->len; i++)
    {
      Row *row = list->rows->pdata[i];
      const PmPair *pair = pm_pairs_find (list->places, row->word);

      g_set_str (&row->state->place, pair ? (pair->value ? pair->value : pair->name) : "");
    }
  show_states (list);
}

static void
pm_word_list_finalize (GObject *object)
{
  PmWordList *list = PM_WORD_LIST (object);

  g_ptr_array_unref (list->rows);
  g_hash_table_unref (list->states);
  g_clear_pointer (&list->weights, g_ptr_array_unref);
  g_clear_pointer (&list->places, g_ptr_array_unref);
  g_strfreev (list->place_ids);
  g_strfreev (list->place_titles);
  G_OBJECT_CLASS (pm_word_list_parent_class)->finalize (object);
}

static void
pm_word_list_class_init (PmWordListClass *class)
{
  G_OBJECT_CLASS (class)->finalize = pm_word_list_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", PM_TYPE_WORD_LIST, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
pm_word_list_init (PmWordList *list)
{
  GtkWidget *scrolled = gtk_scrolled_window_new (NULL, NULL);

  gtk_orientable_set_orientation (GTK_ORIENTABLE (list), GTK_ORIENTATION_VERTICAL);
  gtk_box_set_spacing (GTK_BOX (list), 6);
  list->rows = g_ptr_array_new_with_free_func (row_free);
  list->states = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, state_free);

  list->note = gtk_label_new (NULL);
  gtk_widget_set_name (list->note, "pentimento-word-note");
  gtk_label_set_xalign (GTK_LABEL (list->note), 0.0);
  gtk_label_set_line_wrap (GTK_LABEL (list->note), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (list->note), 40);
  gtk_box_pack_start (GTK_BOX (list), list->note, FALSE, FALSE, 0);

  list->grid = gtk_grid_new ();
  set_names (list->grid, "pentimento-words", _("Words of the prompt"));
  gtk_grid_set_column_spacing (GTK_GRID (list->grid), 6);
  gtk_grid_set_row_spacing (GTK_GRID (list->grid), 2);
  gtk_container_set_border_width (GTK_CONTAINER (list->grid), 4);
  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scrolled), GTK_SHADOW_IN);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scrolled), 180);
  gtk_container_add (GTK_CONTAINER (scrolled), list->grid);
  gtk_box_pack_start (GTK_BOX (list), scrolled, TRUE, TRUE, 0);
}

GtkWidget *
pm_word_list_new (void)
{
  return g_object_new (PM_TYPE_WORD_LIST, NULL);
}
