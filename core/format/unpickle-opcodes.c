/* The pickle machine's instructions: each takes its argument from the stream and its operands from the stack.
 * Source of truth: CPython, Lib/pickletools.py (opcodes of protocols 0 to 5). */
#include <string.h>

#include "format/unpickle-private.h"

#define MAX_NUMBER_CHARS 40

static gboolean
push (PmUnpickler *u, PmPickleValue *value)
{
  if (value)
    g_ptr_array_add (u->stack, value);
  return value != NULL;
}

/* The lowest position that may be popped: what lies below the last mark is out of reach. */
static guint
floor_of_stack (PmUnpickler *u)
{
  return u->marks->len ? g_array_index (u->marks, guint, u->marks->len - 1) : 0;
}

static PmPickleValue *
pop (PmUnpickler *u)
{
  if (u->stack->len <= floor_of_stack (u))
    return NULL;
  return g_ptr_array_steal_index (u->stack, u->stack->len - 1);
}

static PmPickleValue *
peek (PmUnpickler *u)
{
  return u->stack->len > floor_of_stack (u) ? g_ptr_array_index (u->stack, u->stack->len - 1) : NULL;
}

/* Removes the last mark; the values above it begin at *first. */
static gboolean
pop_mark (PmUnpickler *u, guint *first)
{
  if (u->marks->len == 0)
    return FALSE;
  *first = floor_of_stack (u);
  g_array_set_size (u->marks, u->marks->len - 1);
  return TRUE;
}

static const guint8 *
take (PmUnpickler *u, guint64 n)
{
  const guint8 *bytes = u->next;

  if (n > (gsize) (u->end - u->next))
    return NULL;
  u->next += n;
  return bytes;
}

/* n <= 8 bytes, little-endian. */
static gboolean
take_number (PmUnpickler *u, int n, guint64 *value)
{
  const guint8 *bytes = take (u, n);

  *value = 0;
  for (int i = n - 1; bytes && i >= 0; i--)
    *value = *value << 8 | bytes[i];
  return bytes != NULL;
}

static gboolean
take_line (PmUnpickler *u, const char **text, gsize *n)
{
  const guint8 *end = memchr (u->next, '\n', u->end - u->next);

  if (! end)
    return FALSE;
  *text = (const char *) u->next;
  *n = end - u->next;
  u->next = end + 1;
  return TRUE;
}

static gboolean
push_int (PmUnpickler *u, PmPickleKind kind, gint64 integer)
{
  PmPickleValue *value = pm_unpickler_new_value (u, kind);

  if (value)
    value->integer = integer;
  return push (u, value);
}

static gboolean
push_text (PmUnpickler *u, PmPickleKind kind, const char *text, gsize n)
{
  PmPickleValue *value = pm_unpickler_new_value (u, kind);

  if (value)
    {
      value->text = text;
      value->n_text = n;
    }
  return push (u, value);
}

static gboolean
run_protocol (PmUnpickler *u, guint8 opcode)
{
  guint64 number;

  if (opcode == 0x95) /* FRAME: only a hint for buffered readers */
    return take (u, 8) != NULL;
  return take_number (u, 1, &number) && number <= 5;
}

static gboolean
run_constant (PmUnpickler *u, guint8 opcode)
{
  return opcode == 'N' ? push (u, pm_unpickler_new_value (u, PM_PICKLE_NONE)) : push_int (u, PM_PICKLE_BOOL, opcode == 0x88);
}

static gboolean
run_int (PmUnpickler *u, guint8 opcode)
{
  int     n_bytes = opcode == 'J' || opcode == 0x8b ? 4 : opcode == 'M' ? 2 : 1;
  guint64 number;

  if (! take_number (u, n_bytes, &number))
    return FALSE;
  if (opcode == 0x8a || opcode == 0x8b) /* LONG1, LONG4: the number's own length, then two's complement */
    {
      guint64 n = number, shift;

      if (n > 8)
        return take (u, n) && push (u, pm_unpickler_new_opaque (u, NULL));
      if (! take_number (u, (int) n, &number))
        return FALSE;
      shift = 64 - 8 * n;
      return push_int (u, PM_PICKLE_INT, n == 0 ? 0 : (gint64) (number << shift) >> shift);
    }
  return push_int (u, PM_PICKLE_INT, opcode == 'J' ? (gint32) (guint32) number : (gint64) number);
}

static gboolean
run_number_line (PmUnpickler *u, guint8 opcode)
{
  char           digits[MAX_NUMBER_CHARS + 1] = "";
  PmPickleValue *value;
  const char    *text;
  gsize          n;

  if (! take_line (u, &text, &n))
    return FALSE;
  if (n > MAX_NUMBER_CHARS)
    return push (u, pm_unpickler_new_opaque (u, NULL));
  memcpy (digits, text, n);
  if (opcode == 'F')
    {
      value = pm_unpickler_new_value (u, PM_PICKLE_FLOAT);
      if (value)
        value->real = g_ascii_strtod (digits, NULL);
      return push (u, value);
    }
  if (opcode == 'I' && (strcmp (digits, "00") == 0 || strcmp (digits, "01") == 0))
    return push_int (u, PM_PICKLE_BOOL, digits[1] == '1');
  return push_int (u, PM_PICKLE_INT, g_ascii_strtoll (digits, NULL, 10));
}

static gboolean
run_float (PmUnpickler *u, guint8 opcode)
{
  const guint8  *bytes = take (u, 8);
  PmPickleValue *value = bytes ? pm_unpickler_new_value (u, PM_PICKLE_FLOAT) : NULL;
  guint64        bits = 0;

  for (int i = 0; bytes && i < 8; i++) /* the one big-endian number of the format */
    bits = bits << 8 | bytes[i];
  if (value)
    memcpy (&value->real, &bits, sizeof bits);
  return push (u, value);
}

static gboolean
run_text (PmUnpickler *u, guint8 opcode)
{
  const gboolean is_bytes = opcode == 'B' || opcode == 'C' || opcode == 0x8e || opcode == 0x96;
  int            n_bytes = 4; /* T, X, B */
  guint64        n;
  const guint8  *text;

  if (opcode == 'U' || opcode == 0x8c || opcode == 'C')
    n_bytes = 1;
  else if (opcode == 0x8d || opcode == 0x8e || opcode == 0x96)
    n_bytes = 8;
  if (! take_number (u, n_bytes, &n) || ! (text = take (u, n)))
    return FALSE;
  return push_text (u, is_bytes ? PM_PICKLE_BYTES : PM_PICKLE_STRING, (const char *) text, n);
}

/* Protocol 0: escapes are kept as they are, quotes are dropped. */
static gboolean
run_text_line (PmUnpickler *u, guint8 opcode)
{
  const char *text;
  gsize       n;

  if (! take_line (u, &text, &n))
    return FALSE;
  if (opcode == 'S' && n >= 2 && (text[0] == '\'' || text[0] == '"') && text[n - 1] == text[0])
    return push_text (u, PM_PICKLE_STRING, text + 1, n - 2);
  return push_text (u, PM_PICKLE_STRING, text, n);
}

static gboolean
run_empty (PmUnpickler *u, guint8 opcode)
{
  PmPickleKind kind = opcode == ']' ? PM_PICKLE_LIST : opcode == ')' ? PM_PICKLE_TUPLE : PM_PICKLE_DICT;

  return push (u, opcode == 0x8f ? pm_unpickler_new_opaque (u, NULL) : pm_unpickler_new_value (u, kind));
}

/* Moves the values from first on to the end of into's items; what has none swallows them. */
static void
move_items (PmUnpickler *u, guint first, PmPickleValue *into)
{
  for (guint i = first; pm_pickle_has_items (into->kind) && i < u->stack->len; i++)
    g_ptr_array_add (into->items, g_ptr_array_index (u->stack, i));
  g_ptr_array_set_size (u->stack, (int) first);
}

static gboolean
run_collect (PmUnpickler *u, guint8 opcode)
{
  PmPickleKind   kind = opcode == 'l' ? PM_PICKLE_LIST : opcode == 'd' ? PM_PICKLE_DICT : PM_PICKLE_TUPLE;
  PmPickleValue *value = opcode == 0x91 ? pm_unpickler_new_opaque (u, NULL) : pm_unpickler_new_value (u, kind);
  guint          first, n = opcode - 0x84; /* TUPLE1 .. TUPLE3 */

  if (! value)
    return FALSE;
  if (opcode >= 0x85 && opcode <= 0x87)
    {
      if (u->stack->len - floor_of_stack (u) < n)
        return FALSE;
      first = u->stack->len - n;
    }
  else if (! pop_mark (u, &first))
    return FALSE;
  if (kind == PM_PICKLE_DICT && (u->stack->len - first) % 2 != 0)
    return FALSE;
  move_items (u, first, value);
  return push (u, value);
}

/* APPEND(S), ADDITEMS, SETITEM(S): into the value below. */
static gboolean
run_extend (PmUnpickler *u, guint8 opcode)
{
  const gboolean is_pair = opcode == 's' || opcode == 'u';
  guint          n = opcode == 's' ? 2 : 1, first;
  PmPickleValue *into;

  if (opcode == 'a' || opcode == 's')
    {
      if (u->stack->len - floor_of_stack (u) <= n)
        return FALSE;
      first = u->stack->len - n;
    }
  else if (! pop_mark (u, &first))
    return FALSE;
  if (first <= floor_of_stack (u) || (is_pair && (u->stack->len - first) % 2 != 0))
    return FALSE;
  into = g_ptr_array_index (u->stack, first - 1);
  if (into->kind != PM_PICKLE_OPAQUE && into->kind != (is_pair ? PM_PICKLE_DICT : PM_PICKLE_LIST))
    return FALSE;
  move_items (u, first, into);
  return TRUE;
}

static gboolean
run_stack (PmUnpickler *u, guint8 opcode)
{
  guint first = u->stack->len;

  if (opcode == '(')
    {
      g_array_append_val (u->marks, first);
      return u->marks->len <= PM_PICKLE_MAX_VALUES;
    }
  if (opcode == '2')
    return push (u, peek (u)) && u->stack->len <= PM_PICKLE_MAX_VALUES;
  if (opcode == '0' && u->stack->len > floor_of_stack (u))
    return pop (u) != NULL;
  if (! pop_mark (u, &first)) /* POP_MARK, or POP of a mark */
    return FALSE;
  g_ptr_array_set_size (u->stack, (int) first);
  return TRUE;
}

static gboolean
run_memo (PmUnpickler *u, guint8 opcode)
{
  const gboolean is_get = opcode == 'g' || opcode == 'h' || opcode == 'j';
  guint64        number = g_hash_table_size (u->memo); /* MEMOIZE */
  const char    *text;
  gsize          n;
  gpointer       key;

  if (opcode == 'g' || opcode == 'p')
    {
      char digits[MAX_NUMBER_CHARS + 1] = "";

      if (! take_line (u, &text, &n) || n > MAX_NUMBER_CHARS)
        return FALSE;
      memcpy (digits, text, n);
      number = g_ascii_strtoull (digits, NULL, 10);
    }
  else if (opcode != 0x94 && ! take_number (u, opcode == 'h' || opcode == 'q' ? 1 : 4, &number))
    return FALSE;
  if (number > G_MAXUINT32)
    return FALSE;
  key = GUINT_TO_POINTER ((guint) number);
  if (is_get)
    return push (u, g_hash_table_lookup (u->memo, key)) && u->stack->len <= PM_PICKLE_MAX_VALUES;
  if (peek (u))
    g_hash_table_insert (u->memo, key, peek (u));
  return peek (u) != NULL;
}

/* GLOBAL and INST name a class by two lines, STACK_GLOBAL by two strings, EXT by a number known only to its writer. */
static gboolean
run_global (PmUnpickler *u, guint8 opcode)
{
  PmPickleValue *global = pm_unpickler_new_value (u, PM_PICKLE_GLOBAL);
  guint          first;

  if (! global)
    return FALSE;
  if (opcode >= 0x82 && opcode <= 0x84)
    return take (u, 1u << (opcode - 0x82)) && push (u, pm_unpickler_new_opaque (u, NULL));
  if (opcode == 0x93)
    {
      PmPickleValue *name = pop (u), *module = pop (u);

      if (! module || name->kind != PM_PICKLE_STRING || module->kind != PM_PICKLE_STRING)
        return FALSE;
      global->text = module->text;
      global->n_text = module->n_text;
      global->name = name->text;
      global->n_name = name->n_text;
      return push (u, global);
    }
  if (! take_line (u, &global->text, &global->n_text) || ! take_line (u, &global->name, &global->n_name))
    return FALSE;
  if (opcode == 'c')
    return push (u, global);
  if (! pop_mark (u, &first))
    return FALSE;
  g_ptr_array_set_size (u->stack, (int) first);
  return push (u, pm_unpickler_new_opaque (u, global));
}

static gboolean
run_call (PmUnpickler *u, guint8 opcode)
{
  PmPickleValue *callable, *args;
  guint          first;

  if (opcode == 'o') /* OBJ: a mark, the class, its arguments */
    {
      if (! pop_mark (u, &first) || first >= u->stack->len)
        return FALSE;
      callable = g_ptr_array_index (u->stack, first);
      g_ptr_array_set_size (u->stack, (int) first);
      return push (u, pm_unpickler_new_opaque (u, callable));
    }
  if (opcode == 0x92 && ! pop (u)) /* NEWOBJ_EX: named arguments on top */
    return FALSE;
  args = pop (u);
  callable = pop (u);
  return callable && push (u, pm_unpickle_call (u, callable, args));
}

/* BUILD would give the object below its attributes: they are dropped. */
static gboolean
run_build (PmUnpickler *u, guint8 opcode)
{
  return pop (u) && peek (u);
}

static gboolean
run_persistent (PmUnpickler *u, guint8 opcode)
{
  PmPickleValue *id;
  const char    *text;
  gsize          n;

  if (opcode == 'P')
    return take_line (u, &text, &n) && push (u, pm_unpickler_new_opaque (u, NULL));
  id = pop (u);
  return id && push (u, pm_unpickle_persistent (u, id));
}

static gboolean
run_stop (PmUnpickler *u, guint8 opcode)
{
  u->root = pop (u);
  return u->root != NULL;
}

const PmOpcodeFunc pm_pickle_opcodes[256] = {
  ['.'] = run_stop,       ['('] = run_stack,      ['0'] = run_stack,       ['1'] = run_stack,      ['2'] = run_stack,
  ['N'] = run_constant,   [0x88] = run_constant,  [0x89] = run_constant,   ['J'] = run_int,        ['K'] = run_int,
  ['M'] = run_int,        [0x8a] = run_int,       [0x8b] = run_int,        ['I'] = run_number_line, ['L'] = run_number_line,
  ['F'] = run_number_line, ['G'] = run_float,     ['S'] = run_text_line,   ['V'] = run_text_line,  ['T'] = run_text,
  ['U'] = run_text,       ['X'] = run_text,       [0x8c] = run_text,       [0x8d] = run_text,      ['B'] = run_text,
  ['C'] = run_text,       [0x8e] = run_text,      [0x96] = run_text,       [']'] = run_empty,      [')'] = run_empty,
  ['}'] = run_empty,      [0x8f] = run_empty,     ['t'] = run_collect,     ['l'] = run_collect,    ['d'] = run_collect,
  [0x85] = run_collect,   [0x86] = run_collect,   [0x87] = run_collect,    [0x91] = run_collect,   ['a'] = run_extend,
  ['e'] = run_extend,     ['s'] = run_extend,     ['u'] = run_extend,      [0x90] = run_extend,    ['g'] = run_memo,
  ['h'] = run_memo,       ['j'] = run_memo,       ['p'] = run_memo,        ['q'] = run_memo,       ['r'] = run_memo,
  [0x94] = run_memo,      ['c'] = run_global,     [0x93] = run_global,     ['i'] = run_global,     [0x82] = run_global,
  [0x83] = run_global,    [0x84] = run_global,    ['R'] = run_call,        ['o'] = run_call,       [0x81] = run_call,
  [0x92] = run_call,      ['b'] = run_build,      ['P'] = run_persistent,  ['Q'] = run_persistent, [0x80] = run_protocol,
  [0x95] = run_protocol,
};
