/* A prompt without a model around it. */
#ifndef PM_PROMPT_PRIVATE_H
#define PM_PROMPT_PRIVATE_H

#include "text/prompt.h"
#include "text/tokenizer.h"

/* cleaned: what the tokenizer is given. Errors as pm_tokenizer_encode. */
PmPrompt *pm_prompt_new (const PmTokenizer *tokenizer, const char *cleaned, int max_tokens, GError **error);

#endif
