/* See word-ranks.h. */
#include "ui/word-ranks.h"

#include "ui/i18n.h"

static void
add_word (GtkWidget *grid, int row, const PmWordAt *word, double largest)
{
  GtkWidget *name = gtk_label_new (word->word), *bar = gtk_level_bar_new ();
  g_autofree char *text = g_strdup_printf (_("%.1f %%, everywhere %.1f %%"), 100.0 * word->value, 100.0 * word->mean);
  GtkWidget *share = gtk_label_new (text);

  gtk_widget_set_name (name, "pentimento-rank-word");
  gtk_label_set_xalign (GTK_LABEL (name), 0.0);
  gtk_level_bar_set_value (GTK_LEVEL_BAR (bar), largest > 0.0 ? CLAMP (word->value / largest, 0.0, 1.0) : 0.0);
  gtk_widget_set_size_request (bar, 200, 14);
  gtk_widget_set_valign (bar, GTK_ALIGN_CENTER);
  gtk_widget_set_hexpand (bar, TRUE);
  gtk_label_set_xalign (GTK_LABEL (share), 1.0);
  gtk_grid_attach (GTK_GRID (grid), name, 0, row, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), bar, 1, row, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), share, 2, row, 1, 1);
}

GtkWidget *
pm_word_ranks_new (GPtrArray *words, const char *prompt)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12), *scrolled = gtk_scrolled_window_new (NULL, NULL);
  GtkWidget *grid = gtk_grid_new (), *label = gtk_label_new (prompt);
  double largest = words->len ? ((PmWordAt *) words->pdata[0])->value : 0.0;

  gtk_widget_set_name (box, "pentimento-ranks");
  gtk_container_set_border_width (GTK_CONTAINER (box), 12);
  gtk_label_set_line_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 60);
  gtk_style_context_add_class (gtk_widget_get_style_context (label), GTK_STYLE_CLASS_DIM_LABEL);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);

  gtk_widget_set_name (grid, "pentimento-rank-grid");
  gtk_grid_set_column_spacing (GTK_GRID (grid), 12);
  gtk_grid_set_row_spacing (GTK_GRID (grid), 4);
  for (guint i = 0; i < words->len; i++)
    add_word (grid, i, words->pdata[i], largest);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scrolled), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scrolled), 420);
  gtk_container_add (GTK_CONTAINER (scrolled), grid);
  gtk_box_pack_start (GTK_BOX (box), scrolled, TRUE, TRUE, 0);
  return box;
}
