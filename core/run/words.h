/* What a run reads and steers by the words of its prompt: key sets of the tap, and the edit of the conditional half's text. */
#ifndef PM_RUN_WORDS_H
#define PM_RUN_WORDS_H

#include "attention/tap.h"
#include "family/family.h"
#include "request/request.h"
#include "text/prompt.h"

typedef struct
{
  PmTapWord  *words;   /* [n_words] that are shown; none when no reading is of words */
  int         n_words;
  float      *content; /* [n_text] 1: the token says something; 0: it is the end */
  int         n_text;  /* tokens of the prompt */
  PmTextEdit *edit;    /* NULL: nothing is steered */
} PmRunWords;

/* Finds the words that request->show names, all of them where it names none, and those of its steers. PM_ERROR_USAGE when the
 * prompt lacks one, or a steer's weight or region makes no sense; PM_ERROR_MEMORY. words is to be cleared also after failure. */
gboolean pm_run_words_init (PmRunWords *words, const PmPrompt *prompt, const PmRequest *request, const PmShape *shape,
                            GError **error);
void     pm_run_words_clear (PmRunWords *words);

#endif
