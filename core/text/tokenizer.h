/* Tokenizers: from a prompt to the numbers that a text encoder reads, with each token's place in the prompt.
 *
 * Two files are read. spiece.model is sentencepiece's: ids are those of sentencepiece's processor, and text that looks like a
 * control symbol ("</s>") is text. tokenizer.json is Hugging Face's: ids are those of the library `tokenizers`, whose added
 * tokens are found in the text. The two differ on purpose where their references do (github.com/google/sentencepiece,
 * github.com/huggingface/tokenizers). */
#ifndef PM_TOKENIZER_H
#define PM_TOKENIZER_H

#include <glib.h>

#define PM_TEXT_MAX_BYTES (256 * 1024) /* of a prompt */

typedef struct _PmTokenizer PmTokenizer;

/* The tokens of one text, in order. */
typedef struct
{
  int       n;
  int      *ids;         /* [n] */
  gsize    *begin, *end; /* [n] bytes of the text that a token stands for, white space before it included; begin == end: none */
  gboolean *is_special;  /* [n] put there by the file's template (</s>), or a special token found in the text */
} PmTokens;

/* path: spiece.model, tokenizer.json, or a folder with one. In a folder spiece.model comes first: T5Tokenizer, which the
 * pipelines of diffusers name, reads it even where a tokenizer.json lies beside it. Files of 64 MiB at most. Errors:
 * PM_ERROR_NO_MODEL, PM_ERROR_IO, PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED (names the part that is unknown here). */
PmTokenizer *pm_tokenizer_open (const char *path, GError **error);
void         pm_tokenizer_free (PmTokenizer *tokenizer);

/* All tokens of the text and what the file's template adds (T5: </s> at the end); nothing is cut, also where tokenizer.json
 * says so. Reentrant. text: UTF-8 of at most PM_TEXT_MAX_BYTES. Errors: PM_ERROR_USAGE when it is longer or no UTF-8
 * (sentencepiece would put U+FFFD), PM_ERROR_DAMAGED when the file's character map points outside itself, PM_ERROR_UNSUPPORTED
 * when a character is unknown and the file has no token for that. */
PmTokens *pm_tokenizer_encode (const PmTokenizer *tokenizer, const char *text, GError **error);
void      pm_tokens_free (PmTokens *tokens);

/* The tokens that stand for any of the bytes begin..end of the text. They follow each other; FALSE when there are none. */
gboolean pm_tokens_find (const PmTokens *tokens, gsize begin, gsize end, int *first, int *count);

/* The file that was read, and its sha256 in hexadecimal digits; borrowed. */
const char *pm_tokenizer_get_file (const PmTokenizer *tokenizer);
const char *pm_tokenizer_get_sum (const PmTokenizer *tokenizer);

/* "spiece.model" or "tokenizer.json"; "unigram". */
const char *pm_tokenizer_get_format (const PmTokenizer *tokenizer);
const char *pm_tokenizer_get_kind (const PmTokenizer *tokenizer);

/* Ids reach from 0 to below this; an encoder's table may have more rows. */
int pm_tokenizer_get_n_ids (const PmTokenizer *tokenizer);

/* -1 when the file has none. */
int pm_tokenizer_get_pad_id (const PmTokenizer *tokenizer);
int pm_tokenizer_get_end_id (const PmTokenizer *tokenizer);
int pm_tokenizer_get_unknown_id (const PmTokenizer *tokenizer);

/* As the file has it ("▁world"), borrowed; NULL outside the ids. */
const char *pm_tokenizer_get_piece (const PmTokenizer *tokenizer, int id);

/* The same for people: "▁" as a space. Free with g_free. */
char *pm_tokenizer_show_piece (const PmTokenizer *tokenizer, int id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTokenizer, pm_tokenizer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTokens, pm_tokens_free)

#endif
