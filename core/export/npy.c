/* See npy.h. */
#include "export/npy.h"

#include <string.h>

#define MAGIC "\x93NUMPY\x01" /* and a 0: version 1.0 */
#define MAGIC_BYTES 8
#define ALIGNMENT 64 /* of the values in the file */

GBytes *
pm_map_to_npy (const PmMap *map)
{
  GByteArray      *file = g_byte_array_new ();
  gboolean         is_little = G_BYTE_ORDER == G_LITTLE_ENDIAN;
  g_autofree char *header = g_strdup_printf ("{'descr': '%cf4', 'fortran_order': False, 'shape': (%d, %d), }",
                                             is_little ? '<' : '>', map->grid_h, map->grid_w);
  gsize            used = MAGIC_BYTES + 2 + strlen (header) + 1; /* with the line's end */
  gsize            padding = (ALIGNMENT - used % ALIGNMENT) % ALIGNMENT;
  g_autofree char *line = g_strdup_printf ("%s%*s\n", header, (int) padding, "");
  guint16          length = GUINT16_TO_LE ((guint16) strlen (line));

  g_byte_array_append (file, (const guint8 *) MAGIC, MAGIC_BYTES);
  g_byte_array_append (file, (const guint8 *) &length, 2);
  g_byte_array_append (file, (const guint8 *) line, (guint) strlen (line));
  g_byte_array_append (file, (const guint8 *) map->values, (guint) (sizeof (float) * map->grid_w * map->grid_h));

  return g_byte_array_free_to_bytes (file);
}
