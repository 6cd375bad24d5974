/* The words of a prompt, and the tokens that stand for them: what a person names and what attention looks at. */
#ifndef PM_PROMPT_H
#define PM_PROMPT_H

#include "model/model.h"

typedef struct
{
  char *text;       /* without the punctuation around it */
  int   first, n;   /* its tokens */
  gsize begin, end; /* its bytes in `cleaned` */
} PmWord;

typedef struct
{
  char    *cleaned;     /* what the tokenizer is given: the prompt as the model's own program cleans it */
  int     *ids;         /* [n_tokens] */
  int      n_tokens;    /* the end token included */
  int      max_tokens;  /* of the model */
  gboolean is_too_long; /* n_tokens > max_tokens; a run refuses it */
  PmWord  *words;       /* [n_words] in their order */
  int      n_words;
} PmPrompt;

/* Cheap: needs the model's tokenizer alone. Words are parted by white space; what is punctuation alone is none. Where a script
 * writes no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese), every piece of the tokenizer is a word. Errors:
 * PM_ERROR_UNSUPPORTED for a model that reads no prompts, PM_ERROR_NO_MODEL when its tokenizer is missing, PM_ERROR_USAGE for a
 * text that is no UTF-8 or longer than 256 KiB (16 KiB where it is cleaned). */
PmPrompt *pm_model_read_prompt (PmModel *model, const char *text, GError **error);
void      pm_prompt_free (PmPrompt *prompt);

/* Sets tokens [n_tokens] to TRUE where they stand for a word, or a phrase of words that follow each other, in folded case: all
 * its occurrences, or with "#2" behind it the second alone. PM_ERROR_USAGE lists the words that there are. */
gboolean pm_prompt_find (const PmPrompt *prompt, const char *words, gboolean *tokens, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmPrompt, pm_prompt_free)

#endif
