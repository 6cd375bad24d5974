/* Models in the cache of Hugging Face's own programs: a folder models--ORG--NAME with refs/main, which names the snapshot that is
 * meant, and snapshots/HASH/, whose files are links into blobs/. Source of truth: huggingface_hub, file_download.py. */
#ifndef PM_MODEL_HUB_H
#define PM_MODEL_HUB_H

#include <glib.h>

/* "ORG/NAME" of what is there of the pipelines that this version knows; adds to the builder. */
void pm_hub_list (GStrvBuilder *builder);

/* The cache's folder of "ORG/NAME"; NULL when it is not there. Free with g_free. */
char *pm_hub_find (const char *name);

/* The snapshot that a folder of the cache stands for; a copy of any other path. Errors: PM_ERROR_NO_MODEL. Free with g_free. */
char *pm_hub_resolve (const char *path, GError **error);

/* "ORG/NAME" for the path of a snapshot; NULL for any other path. Free with g_free. */
char *pm_hub_name (const char *path);

#endif
