/* Embeddings kept on disk, so that a prompt is encoded once: files in pentimento/text in the user's cache folder, 256 MiB in all,
 * those unused for longest removed first. A convenience: whatever goes wrong with it only costs the time of encoding again. */
#ifndef PM_TEXT_CACHE_H
#define PM_TEXT_CACHE_H

#include <glib.h>

/* The file of a text: by the encoder's identity (pm_identity_find) and its tokens. Free with g_free. */
char *pm_text_cache_path (const char *identity, const int *ids, int n);

/* FALSE where there is none, or it is damaged. */
gboolean pm_text_cache_load (const char *path, int n, int E, float *embedding /* [n, E] */);

/* Written whole or not at all. */
void pm_text_cache_store (const char *path, int n, int E, const float *embedding /* [n, E] */);

#endif
