/* The dialog's part for models that read words: prompt, negative prompt, and the prompt's words with ticks, weights and places.
 * What is typed becomes the arguments at once; the words follow with the dialog's next refresh. */
#include "plugin/generate-dialog-private.h"

#include "plugin/i18n.h"
#include "plugin/widgets.h"
#include "ui/word-list.h"

static char *
buffer_text (GtkWidget *view)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (GTK_TEXT_VIEW (view));
  GtkTextIter    begin, end;

  gtk_text_buffer_get_bounds (buffer, &begin, &end);
  return gtk_text_buffer_get_text (buffer, &begin, &end, FALSE);
}

static void
set_from_view (PmDialog *self, GtkWidget *view, const char *argument)
{
  g_autofree char *text = buffer_text (view), *now = pm_dialog_get_string (self, argument);

  if (g_strcmp0 (text, now) != 0)
    g_object_set (self->config, argument, text, NULL);
}

static void
prompt_changed_cb (GtkTextBuffer *buffer, gpointer data)
{
  PmDialog *self = data;

  if (self->is_refreshing)
    return;
  set_from_view (self, self->prompt, "prompt");
  set_from_view (self, self->negative, "negative-prompt");
}

static void
words_changed_cb (PmWordList *list, gpointer data)
{
  PmDialog *self = data;
  g_autofree char *shown = pm_word_list_get_shown (list), *weights = pm_word_list_get_weights (list);
  g_autofree char *places = pm_word_list_get_places (list);

  if (! self->is_refreshing)
    g_object_set (self->config, "show-words", shown, "word-weights", weights, "word-regions", places, NULL);
}

static GtkWidget *
add_view (PmDialog *self, GtkWidget *box, const char *name, const char *title, int height)
{
  GtkWidget *label = gtk_label_new (title), *scrolled = gtk_scrolled_window_new (NULL, NULL), *view = gtk_text_view_new ();

  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  pm_widget_set_names (view, name, title);
  gtk_text_view_set_wrap_mode (GTK_TEXT_VIEW (view), GTK_WRAP_WORD_CHAR);
  gtk_text_view_set_accepts_tab (GTK_TEXT_VIEW (view), FALSE);
  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scrolled), GTK_SHADOW_IN);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scrolled), height);
  gtk_scrolled_window_set_min_content_width (GTK_SCROLLED_WINDOW (scrolled), 340);
  gtk_container_add (GTK_CONTAINER (scrolled), view);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), scrolled, FALSE, FALSE, 0);
  g_signal_connect (gtk_text_view_get_buffer (GTK_TEXT_VIEW (view)), "changed", G_CALLBACK (prompt_changed_cb), self);
  return view;
}

static void
add_layer_names (GimpItem **items, GPtrArray *ids, GPtrArray *titles)
{
  for (int i = 0; items && items[i]; i++)
    {
      g_autofree GimpItem **children = gimp_item_is_group (items[i]) ? gimp_item_get_children (items[i]) : NULL;
      char *name = gimp_item_get_name (items[i]);

      g_ptr_array_add (ids, name);
      g_ptr_array_add (titles, g_strdup (name));
      add_layer_names (children, ids, titles);
    }
}

/* The selection, the recorded region when there is one, and all layers. */
static void
set_places (PmDialog *self)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free), titles = g_ptr_array_new_with_free_func (g_free);
  const PmRequest *recorded = self->paint->recorded;
  gboolean         has_recorded = FALSE;

  for (int i = 0; recorded && i < recorded->n_steers; i++)
    has_recorded |= recorded->steers[i].region != NULL;
  g_ptr_array_add (ids, g_strdup (PM_REGION_SELECTION));
  g_ptr_array_add (titles, g_strdup (_("in the selection")));
  if (has_recorded)
    {
      g_ptr_array_add (ids, g_strdup (PM_REGION_RECORD));
      g_ptr_array_add (titles, g_strdup (_("as recorded")));
    }
  if (self->paint->image)
    {
      g_autofree GimpLayer **layers = gimp_image_get_layers (self->paint->image);

      add_layer_names ((GimpItem **) layers, ids, titles);
    }
  g_ptr_array_add (ids, NULL);
  g_ptr_array_add (titles, NULL);
  pm_word_list_set_places (PM_WORD_LIST (self->words), (const char *const *) ids->pdata, (const char *const *) titles->pdata);
}

GtkWidget *
pm_dialog_new_prompt (PmDialog *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);

  self->prompt = add_view (self, box, "prompt", _("Prompt"), 80);
  self->negative = add_view (self, box, "negative-prompt", _("Negative prompt"), 44);
  self->words = pm_word_list_new ();
  pm_widget_set_names (self->words, "word-list", NULL);
  set_places (self);
  gtk_box_pack_start (GTK_BOX (box), self->words, TRUE, TRUE, 0);
  g_signal_connect (self->words, "changed", G_CALLBACK (words_changed_cb), self);
  return box;
}

static void
show_text (PmDialog *self, GtkWidget *view, const char *argument)
{
  g_autofree char *text = pm_dialog_get_string (self, argument), *shown = buffer_text (view);

  if (g_strcmp0 (text, shown) != 0)
    gtk_text_buffer_set_text (gtk_text_view_get_buffer (GTK_TEXT_VIEW (view)), text, -1);
}

/* Each word once; n_read: those before the first that is beyond what the model reads. */
static void
show_words (PmDialog *self, const PmPrompt *prompt)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  g_autofree char *note = NULL;
  guint n_read = 0;

  for (int i = 0; i < prompt->n_words; i++)
    {
      const PmWord *word = &prompt->words[i];

      if (! g_hash_table_add (seen, g_utf8_casefold (word->text, -1)))
        continue;
      g_ptr_array_add (words, word->text);
      if (word->first + word->n < prompt->max_tokens) /* the last is the end's */
        n_read = words->len;
    }
  note = prompt->is_too_long
           ? g_strdup_printf (_("%d of %d tokens: too long; shorten the prompt."), prompt->n_tokens, prompt->max_tokens)
           : g_strdup_printf (_("%d of %d tokens"), prompt->n_tokens, prompt->max_tokens);
  pm_word_list_set_words (PM_WORD_LIST (self->words), (const char *const *) words->pdata, words->len, n_read);
  pm_word_list_set_note (PM_WORD_LIST (self->words), note, prompt->is_too_long);
}

/* The arguments that the other kind of model has are emptied; what was typed stays in the widgets, and comes back with the
 * kind. */
static void
exchange (PmDialog *self, gboolean takes_prompt)
{
  gtk_stack_set_visible_child_name (GTK_STACK (self->what), takes_prompt ? "prompt" : "class");
  if (takes_prompt)
    {
      g_autofree char *now = pm_dialog_get_string (self, "prompt");

      g_object_set (self->config, "class", "", NULL);
      if (! *now)
        {
          set_from_view (self, self->prompt, "prompt");
          set_from_view (self, self->negative, "negative-prompt");
        }
    }
  else
    g_object_set (self->config, "prompt", "", "negative-prompt", "", "word-weights", "", "word-regions", "", NULL);
}

void
pm_dialog_show_prompt (PmDialog *self, gboolean is_other)
{
  gboolean takes_prompt = pm_model_get_info (self->paint->model)->takes_prompt;
  g_autofree char *text = NULL, *shown = NULL, *weights = NULL, *regions = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (PmPrompt) prompt = NULL;

  if (is_other)
    exchange (self, takes_prompt);
  if (! takes_prompt)
    return;
  show_text (self, self->prompt, "prompt");
  show_text (self, self->negative, "negative-prompt");
  text = pm_dialog_get_string (self, "prompt");
  prompt = pm_model_read_prompt (self->paint->model, text, &error);
  if (prompt)
    show_words (self, prompt);
  else
    pm_word_list_set_note (PM_WORD_LIST (self->words), error->message, TRUE);

  shown = pm_dialog_get_string (self, "show-words");
  weights = pm_dialog_get_string (self, "word-weights");
  regions = pm_dialog_get_string (self, "word-regions");
  pm_word_list_set_shown (PM_WORD_LIST (self->words), shown);
  pm_word_list_set_weights (PM_WORD_LIST (self->words), weights);
  pm_word_list_set_placed (PM_WORD_LIST (self->words), regions);
}
