/* Private to the core's request*.c: what their parts share. */
#ifndef PM_REQUEST_PRIVATE_H
#define PM_REQUEST_PRIVATE_H

#include <json-glib/json-glib.h>

#include "request/request.h"

#define PM_REQUEST_MAX_SIDE 65536 /* of pictures and regions */
#define PM_REQUEST_MAX_PIXELS (1 << 28) /* of all regions of a request together */

/* NULL when memory is short, or of NULL. */
gpointer pm_request_try_copy (gconstpointer from, gsize size);

/* to has none yet. FALSE when memory is short. */
gboolean pm_request_copy_steers (const PmRequest *from, PmRequest *to);

/* A region [height, width] 0..1 as an object; 256 levels. */
void pm_request_write_region (JsonBuilder *builder, const float *region, int width, int height);

/* The same back: to be freed with g_free. left: how many pixels it may have, which it is lessened by. NULL for anything wrong,
 * and when memory is short. */
float *pm_request_read_region (JsonNode *node, gsize *left, int *width, int *height);

/* The member "steers", where there are any. */
void     pm_request_write_steers (JsonBuilder *builder, const PmRequest *request);
gboolean pm_request_read_steers (JsonNode *node /* or NULL */, gsize *left, PmRequest *request);

#endif
