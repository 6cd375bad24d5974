/* Words ranked by how much a place looks at them: bars with shares, and beside each what it is in the whole picture. */
#ifndef PM_WORD_RANKS_H
#define PM_WORD_RANKS_H

#include <gtk/gtk.h>

#include "pentimento.h"

/* words: of PmWordAt, largest first. prompt: what they are of. Neither is needed afterwards. */
GtkWidget *pm_word_ranks_new (GPtrArray *words, const char *prompt);

#endif
