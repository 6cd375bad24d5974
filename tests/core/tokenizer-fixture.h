/* The tokenizers of tests/reference/tokenizer: put together from their parts, and opened. */
#ifndef PM_TOKENIZER_FIXTURE_H
#define PM_TOKENIZER_FIXTURE_H

#include "fixture.h"
#include "text/tokenizer.h"

/* The unpacked bytes of tests/reference/FOLDER/NAME.gz; a 0 follows them. */
GBytes *reference_unpack (const char *folder, const char *name);

/* The file NAME.model or NAME.json ("t5.model") with its character map in it. with_map FALSE: without one. */
GBytes *tokenizer_fixture (const char *name, gboolean with_map);

/* Opens bytes through a file in folder; asserts nothing. */
PmTokenizer *tokenizer_fixture_open (const char *folder, const char *name, GBytes *bytes, GError **error);

/* The same for a whole fixture, asserting success. */
PmTokenizer *tokenizer_fixture_load (const char *name);

#endif
