/* The words of a prompt as rows: a tick to show the word's heat map, how much the word counts, and where in the picture. */
#ifndef PM_WORD_LIST_H
#define PM_WORD_LIST_H

#include <gtk/gtk.h>

#define PM_TYPE_WORD_LIST (pm_word_list_get_type ())
G_DECLARE_FINAL_TYPE (PmWordList, pm_word_list, PM, WORD_LIST, GtkBox)

/* Signal: "changed" when the user ticked, weighed or placed a word. */
GtkWidget *pm_word_list_new (void);

/* Where words may be placed, beside "everywhere": ids and titles [n] NULL-terminated; before the first words. */
void pm_word_list_set_places (PmWordList *list, const char *const *ids, const char *const *titles);

/* words: [n], each once. Those after the first n_read are too many for the model and shown in red. A word that stays keeps its
 * row; a new one has a tick while all have one, and counts as it is. */
void pm_word_list_set_words (PmWordList *list, const char *const *words, int n, int n_read);

/* The line below: "17 of 300 tokens"; in red when it is a problem. NULL: none. */
void pm_word_list_set_note (PmWordList *list, const char *text, gboolean is_problem);

/* "all" when every word is ticked, "" when none is, else a list (pairs.h). Free with g_free. */
char *pm_word_list_get_shown (PmWordList *list);
void  pm_word_list_set_shown (PmWordList *list, const char *text);

/* "cat=1.5, hat=0": the words that do not count as they are. The setter gives all others 1; what is no row is told back by the
 * getter, for a phrase has none. */
char *pm_word_list_get_weights (PmWordList *list);
void  pm_word_list_set_weights (PmWordList *list, const char *text);

/* "cat=ID": the words that are placed; as of weights. */
char *pm_word_list_get_places (PmWordList *list);
void  pm_word_list_set_placed (PmWordList *list, const char *text);

#endif
