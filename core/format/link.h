/* Links: followed wherever they lead, and told apart from a file that is not there when they lead nowhere. */
#ifndef PM_LINK_H
#define PM_LINK_H

#include <glib.h>

/* FALSE with PM_ERROR_IO when path is a link whose end does not exist, as in a cache that was moved or partly removed. */
gboolean pm_link_check (const char *path, GError **error);

#endif
