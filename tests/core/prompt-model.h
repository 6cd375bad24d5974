/* A small whole model that reads prompts, put together from parts of tests/reference: PixArt-Sigma, a text encoder of its width,
 * a tokenizer, and where wanted a VAE. */
#ifndef PM_PROMPT_MODEL_H
#define PM_PROMPT_MODEL_H

#include "pentimento.h"

/* Writes it into a folder that is there. */
void prompt_model_make (const char *folder, gboolean with_vae);

/* One file of tests/reference, to a place below the folder. */
void prompt_model_copy (const char *from, const char *folder, const char *to);

/* Opens it, asserting success. */
PmModel *prompt_model_open (const char *folder);

#endif
