/* Tries every file of the folders and files given, each as it is and with a fixed series of random changes: bytes
 * flipped, runs removed, repeated, or overwritten with numbers at the limits. For compilers without libFuzzer. */
#include <glib.h>
#include <string.h>

#include "fuzz.h"

#define N_CHANGED 400
#define MAX_BYTES 65536

/* One random change in place; the array may grow or shrink. */
static void
change (GByteArray *bytes, GRand *rand)
{
  static const guint64 limits[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, G_MAXINT64,
                                    G_MAXUINT64 };
  gsize   at = g_rand_int_range (rand, 0, (gint32) bytes->len);
  gsize   run = (gsize) 1 << g_rand_int_range (rand, 0, 6), n = MIN (bytes->len - at, run);
  guint64 number = limits[g_rand_int_range (rand, 0, G_N_ELEMENTS (limits))];

  switch (g_rand_int_range (rand, 0, 5))
    {
    case 0:
      bytes->data[at] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
      break;
    case 1:
      bytes->data[at] = (guint8) g_rand_int_range (rand, 0, 256);
      break;
    case 2:
      memcpy (bytes->data + at, &number, MIN (n, sizeof number));
      break;
    case 3:
      if (n < bytes->len)
        g_byte_array_remove_range (bytes, (guint) at, (guint) n);
      break;
    default:
      if (bytes->len + n <= MAX_BYTES)
        {
          g_byte_array_set_size (bytes, (guint) (bytes->len + n));
          memmove (bytes->data + at + n, bytes->data + at, bytes->len - at - n);
        }
    }
}

static void
try_file (const char *path)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree char *whole = NULL;
  gsize n;

  if (! g_file_get_contents (path, &whole, &n, NULL) || n == 0 || n > MAX_BYTES)
    return;
  LLVMFuzzerTestOneInput ((const uint8_t *) whole, n);
  for (int i = 0; i < N_CHANGED; i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_byte_array_append (bytes, (const guint8 *) whole, (guint) n);
      for (int n_changes = g_rand_int_range (rand, 1, 6); n_changes > 0; n_changes--)
        change (bytes, rand);
      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
}

int
main (int argc, char **argv)
{
  guint n_tried = 0;

  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GDir) dir = g_dir_open (argv[i], 0, NULL);
      const char *name;

      for (; dir && (name = g_dir_read_name (dir)); n_tried++)
        {
          g_autofree char *path = g_build_filename (argv[i], name, NULL);

          try_file (path);
        }
    }
  g_print ("%u files tried\n", n_tried);
  return n_tried == 0;
}
