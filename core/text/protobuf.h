/* Protocol buffers' wire format (protobuf.dev/programming-guides/encoding), read from bytes that are not trusted. */
#ifndef PM_PROTOBUF_H
#define PM_PROTOBUF_H

#include <glib.h>

typedef struct
{
  const guint8 *at, *end; /* borrowed */
} PmProtobuf;

typedef struct
{
  guint32       number;
  enum { PM_WIRE_VARINT = 0, PM_WIRE_64 = 1, PM_WIRE_BYTES = 2, PM_WIRE_32 = 5 } wire;
  guint64       value; /* varint, and the fixed ones as little-endian numbers */
  const guint8 *bytes; /* [n] borrowed */
  gsize         n;
} PmProtobufField;

/* The next field. FALSE at the end, where at == end, and where the bytes make no sense, where at < end. */
gboolean pm_protobuf_next (PmProtobuf *message, PmProtobufField *field);

/* A field's value of a type; FALSE when it is encoded as another one. */
gboolean pm_protobuf_get_float (const PmProtobufField *field, float *value);
gboolean pm_protobuf_get_bool (const PmProtobufField *field, gboolean *value);
gboolean pm_protobuf_get_int (const PmProtobufField *field, int *value);
gboolean pm_protobuf_get_message (const PmProtobufField *field, PmProtobuf *message);

/* UTF-8 without zeros, to be freed; frees and replaces *value. */
gboolean pm_protobuf_get_string (const PmProtobufField *field, char **value);

#endif
