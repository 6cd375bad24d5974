/* LZW as GIF89a wants it (CompuServe, "Graphics Interchange Format, Version 89a", appendix F), for 8-bit indices. */
#include <string.h>

#include "export/gif.h"

#define INDEX_BITS 8
#define CODE_CLEAR 256
#define CODE_END 257
#define CODE_FIRST 258
#define N_CODES 4096
#define N_PLACES 16384 /* of the table from (code, index) to code; a power of two, at most a quarter full */

typedef struct
{
  GByteArray *file;
  guint8      block[255];
  int         n_block;
  guint32     bits; /* not yet written, the first lowest */
  int         n_bits;

  guint32 keys[N_PLACES];  /* 1 + (code << 8 | index); 0: free */
  guint16 codes[N_PLACES];
  int     next, size;      /* the next code, and bits of a code */
} Writer;

static void
flush_block (Writer *writer)
{
  guint8 length = (guint8) writer->n_block;

  if (! length)
    return;
  g_byte_array_append (writer->file, &length, 1);
  g_byte_array_append (writer->file, writer->block, length);
  writer->n_block = 0;
}

static void
put_byte (Writer *writer, guint8 byte)
{
  writer->block[writer->n_block++] = byte;
  if (writer->n_block == (int) sizeof writer->block)
    flush_block (writer);
}

static void
put_code (Writer *writer, int code)
{
  writer->bits |= (guint32) code << writer->n_bits;
  writer->n_bits += writer->size;
  for (; writer->n_bits >= 8; writer->n_bits -= 8, writer->bits >>= 8)
    put_byte (writer, (guint8) writer->bits);
}

static void
begin_table (Writer *writer)
{
  memset (writer->keys, 0, sizeof writer->keys);
  writer->next = CODE_FIRST;
  writer->size = INDEX_BITS + 1;
}

/* Where the pair lies in the table, or would. */
static int
find_place (const Writer *writer, guint32 key)
{
  guint32 place = key * 2654435761u >> 18; /* Knuth's multiplicative hash, 14 bits */

  while (writer->keys[place] && writer->keys[place] != key)
    place = (place + 1) % N_PLACES;

  return (int) place;
}

/* The pair becomes the next code; a full table is begun anew. */
static void
learn (Writer *writer, int place, guint32 key)
{
  if (writer->next == N_CODES)
    {
      put_code (writer, CODE_CLEAR);
      begin_table (writer);
      return;
    }

  if (writer->next == 1 << writer->size)
    writer->size++;
  writer->keys[place] = key;
  writer->codes[place] = (guint16) writer->next++;
}

void
pm_gif_append_lzw (GByteArray *file, const guint8 *indices, gsize n)
{
  const guint8       minimum = INDEX_BITS, end = 0;
  g_autofree Writer *writer = g_new0 (Writer, 1);
  int                code = n ? indices[0] : -1;

  writer->file = file;
  g_byte_array_append (file, &minimum, 1);
  begin_table (writer);
  put_code (writer, CODE_CLEAR);

  for (gsize i = 1; i < n; i++)
    {
      guint32 key = 1 + ((guint32) code << 8 | indices[i]);
      int     place = find_place (writer, key);

      if (writer->keys[place])
        {
          code = writer->codes[place];
          continue;
        }
      put_code (writer, code);
      learn (writer, place, key);
      code = indices[i];
    }

  if (code >= 0)
    {
      put_code (writer, code);
      if (writer->next < N_CODES && writer->next == 1 << writer->size)
        writer->size++;
    }
  put_code (writer, CODE_END);
  if (writer->n_bits)
    put_byte (writer, (guint8) writer->bits);
  flush_block (writer);
  g_byte_array_append (file, &end, 1);
}
