/* JSON from a file that is not trusted: parsed only after its nesting, characters and size were checked. */
#ifndef PM_JSON_H
#define PM_JSON_H

#include <json-glib/json-glib.h>

#define PM_JSON_MAX_DEPTH 64

/* text: [n], needs no end. path is for messages. Refuses what json-glib would tolerate: comments, more than
 * PM_JSON_MAX_DEPTH levels, a key twice in one object, and what is neither one object nor one array. Errors: PM_ERROR_DAMAGED.
 * Free with json_node_unref. */
JsonNode *pm_json_parse (const char *text, gsize n, const char *path, GError **error);

/* A whole file of at most max_bytes. Errors: PM_ERROR_IO, PM_ERROR_DAMAGED. */
JsonNode *pm_json_load (const char *path, gsize max_bytes, GError **error);

/* FALSE unless the node (which may be NULL) is a whole number from 0 to G_MAXINT64. */
gboolean pm_json_read_size (JsonNode *node, gsize *value);

/* FALSE unless the node (which may be NULL) is a number. */
gboolean pm_json_read_number (JsonNode *node, double *value);

/* TRUE when the node (which may be NULL) is `true`. */
gboolean pm_json_read_boolean (JsonNode *node);

/* NULL unless the node (which may be NULL) is a string; borrowed. */
const char *pm_json_read_string (JsonNode *node);

#endif
