/* Small files for the tests of formats: a folder that is removed at the end, and writers that also write nonsense. */
#ifndef PM_FIXTURE_H
#define PM_FIXTURE_H

#include "base/error.h"
#include "format/checkpoint.h"

/* A new empty folder; fixture_remove deletes it with its files and frees the name. */
char *fixture_folder (void);
void  fixture_remove (char *folder);

/* Writes bytes [n] into folder/name; n < 0: a text. */
void fixture_write (const char *folder, const char *name, gconstpointer bytes, gssize n);

/* Length, header text, data [n]: whatever the header says. */
void fixture_write_safetensors (const char *folder, const char *name, const char *header, gconstpointer data, gsize n);

/* A file of tests/core/files; free with g_free. */
char *fixture_path (const char *name);

/* Opens and asserts success. */
PmCheckpoint *fixture_open (const char *path);

/* Asserts that path cannot be opened, for that reason, and that the message contains says and is a sentence. */
void fixture_assert_refused (const char *path, PmErrorCode code, const char *says);

/* Asserts that the error is of the program's with that code, and that its message contains says and is a sentence. */
void fixture_assert_error (const GError *error, PmErrorCode code, const char *says);

/* Copies a file of tests/reference into folder; with from, all of that text in it becomes to, once at least. */
void fixture_copy_changed (const char *source, const char *folder, const char *name, const char *from, const char *to);

/* Asserts a tensor's type and shape ("[2, 3]") and every element as f32. */
void fixture_assert_tensor (PmCheckpoint *checkpoint, const char *name, PmDtype dtype, const char *shape, const float *values);

/* Whether one of the sentences (NULL-terminated) contains says. */
gboolean fixture_has_note (const char *const *notes, const char *says);

#endif
