/* Protocol buffers' wire format: a key (number and wire type) as a varint, then a varint, 4 or 8 bytes, or a length and bytes.
 * Groups, deprecated since 2008, are taken for damage. */
#include "text/protobuf.h"

#include <string.h>

static gboolean
read_varint (PmProtobuf *message, guint64 *value)
{
  *value = 0;
  for (guint shift = 0; shift < 64 && message->at < message->end; shift += 7)
    {
      const guint8 byte = *message->at++;

      *value |= (guint64) (byte & 0x7f) << shift;
      if (! (byte & 0x80))
        return TRUE;
    }
  return FALSE;
}

static gboolean
read_fixed (PmProtobuf *message, gsize n, guint64 *value)
{
  if ((gsize) (message->end - message->at) < n)
    return FALSE;
  *value = 0;
  for (gsize i = 0; i < n; i++)
    *value |= (guint64) message->at[i] << (8 * i);
  message->at += n;
  return TRUE;
}

static gboolean
read_bytes (PmProtobuf *message, PmProtobufField *field)
{
  guint64 n;

  if (! read_varint (message, &n) || n > (guint64) (message->end - message->at))
    return FALSE;
  field->bytes = message->at;
  field->n = (gsize) n;
  message->at += n;
  return TRUE;
}

gboolean
pm_protobuf_next (PmProtobuf *message, PmProtobufField *field)
{
  PmProtobuf rest = *message;
  guint64    key;
  gboolean   is_read = FALSE;

  memset (field, 0, sizeof *field);
  if (message->at >= message->end || ! read_varint (&rest, &key) || key >> 3 == 0 || key >> 3 > G_MAXUINT32)
    return FALSE;
  field->number = (guint32) (key >> 3);
  field->wire = (guint) (key & 7);
  if (field->wire == PM_WIRE_VARINT)
    is_read = read_varint (&rest, &field->value);
  else if (field->wire == PM_WIRE_64 || field->wire == PM_WIRE_32)
    is_read = read_fixed (&rest, field->wire == PM_WIRE_64 ? 8 : 4, &field->value);
  else if (field->wire == PM_WIRE_BYTES)
    is_read = read_bytes (&rest, field);
  if (is_read)
    *message = rest;
  return is_read;
}

gboolean
pm_protobuf_get_float (const PmProtobufField *field, float *value)
{
  const guint32 bits = (guint32) field->value;

  if (field->wire == PM_WIRE_32)
    memcpy (value, &bits, sizeof *value);
  return field->wire == PM_WIRE_32;
}

gboolean
pm_protobuf_get_bool (const PmProtobufField *field, gboolean *value)
{
  if (field->wire == PM_WIRE_VARINT)
    *value = field->value != 0;
  return field->wire == PM_WIRE_VARINT;
}

gboolean
pm_protobuf_get_int (const PmProtobufField *field, int *value)
{
  if (field->wire == PM_WIRE_VARINT)
    *value = (gint32) (guint32) field->value;
  return field->wire == PM_WIRE_VARINT;
}

gboolean
pm_protobuf_get_message (const PmProtobufField *field, PmProtobuf *message)
{
  if (field->wire == PM_WIRE_BYTES)
    *message = (PmProtobuf){ field->bytes, field->bytes + field->n };
  return field->wire == PM_WIRE_BYTES;
}

gboolean
pm_protobuf_get_string (const PmProtobufField *field, char **value)
{
  if (field->wire != PM_WIRE_BYTES || ! g_utf8_validate_len ((const char *) field->bytes, field->n, NULL))
    return FALSE;
  g_free (*value);
  *value = g_strndup ((const char *) field->bytes, field->n);
  return TRUE;
}
