/* Linux tells in /proc/meminfo (proc(5), MemAvailable). */
#include "base/memory.h"

#include <string.h>

guint64
pm_memory_available (void)
{
  g_autofree char *text = NULL;
  const char      *line = g_file_get_contents ("/proc/meminfo", &text, NULL, NULL) ? strstr (text, "MemAvailable:") : NULL;
  return line ? g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10) * 1024 : G_MAXUINT64;
}
