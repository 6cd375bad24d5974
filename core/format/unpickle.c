/* Values of a pickle, what may be asked of them, and the loop that reads one. It never recurses, and each opcode makes
 * at most one value, so hostile nesting costs no more than the bytes that ask for it. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/unpickle-private.h"

#define MAX_PICKLE_BYTES ((gsize) 64 << 20)
#define MAX_SHOWN_CHARS 80

gboolean
pm_pickle_has_items (PmPickleKind kind)
{
  return kind == PM_PICKLE_LIST || kind == PM_PICKLE_TUPLE || kind == PM_PICKLE_DICT;
}

static void
value_free (gpointer data)
{
  PmPickleValue *value = data;

  if (pm_pickle_has_items (value->kind))
    g_ptr_array_unref (value->items);
  else if (value->kind == PM_PICKLE_TENSOR)
    g_free (value->tensor);
  g_free (value);
}

PmPickleValue *
pm_unpickler_new_value (PmUnpickler *u, PmPickleKind kind)
{
  PmPickleValue *value = NULL;

  if (u->values->len < PM_PICKLE_MAX_VALUES)
    {
      value = g_new0 (PmPickleValue, 1);
      value->kind = kind;
      if (pm_pickle_has_items (kind))
        value->items = g_ptr_array_new ();
      g_ptr_array_add (u->values, value);
    }
  return value;
}

PmPickleValue *
pm_unpickler_new_opaque (PmUnpickler *u, const PmPickleValue *origin)
{
  PmPickleValue *value = pm_unpickler_new_value (u, PM_PICKLE_OPAQUE);

  if (value && origin && (origin->kind == PM_PICKLE_GLOBAL || origin->kind == PM_PICKLE_OPAQUE))
    {
      value->text = origin->text;
      value->n_text = origin->n_text;
      value->name = origin->name;
      value->n_name = origin->n_name;
    }
  return value;
}

PmUnpickler *
pm_unpickle (const guint8 *bytes, gsize n, const char *path, GError **error)
{
  g_autoptr (PmUnpickler) u = g_new0 (PmUnpickler, 1);
  gboolean good = n <= MAX_PICKLE_BYTES;

  u->next = bytes;
  u->end = bytes + n;
  u->values = g_ptr_array_new_with_free_func (value_free);
  u->stack = g_ptr_array_new ();
  u->marks = g_array_new (FALSE, FALSE, sizeof (guint));
  u->memo = g_hash_table_new (NULL, NULL);
  while (good && ! u->root)
    {
      good = u->next < u->end && pm_pickle_opcodes[*u->next];
      if (good)
        {
          guint8 opcode = *u->next++;

          good = pm_pickle_opcodes[opcode](u, opcode);
        }
    }
  if (! good)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: its list of tensors makes no sense at byte %zu. Download it again."), path,
                   (gsize) (u->next - bytes));
      return NULL;
    }
  return g_steal_pointer (&u);
}

void
pm_unpickler_free (PmUnpickler *u)
{
  if (! u)
    return;
  g_hash_table_unref (u->memo);
  g_array_unref (u->marks);
  g_ptr_array_unref (u->stack);
  g_ptr_array_unref (u->values);
  g_free (u);
}

const PmPickleValue *
pm_unpickler_get_root (PmUnpickler *u)
{
  return u->root;
}

gboolean
pm_pickle_is_text (const PmPickleValue *value, const char *text)
{
  return value->kind == PM_PICKLE_STRING && value->n_text == strlen (text) && memcmp (value->text, text, value->n_text) == 0;
}

const PmPickleValue *
pm_pickle_dict_find (const PmPickleValue *value, const char *key)
{
  const PmPickleValue *found = NULL;

  for (guint i = 0; value->kind == PM_PICKLE_DICT && i + 1 < value->items->len; i += 2)
    if (pm_pickle_is_text (g_ptr_array_index (value->items, i), key))
      found = g_ptr_array_index (value->items, i + 1);
  return found;
}

char *
pm_pickle_describe (const PmPickleValue *value)
{
  g_autofree char *module = g_utf8_make_valid (value->text ? value->text : "", (gssize) MIN (value->n_text, MAX_SHOWN_CHARS));
  g_autofree char *name = g_utf8_make_valid (value->name ? value->name : "", (gssize) MIN (value->n_name, MAX_SHOWN_CHARS));

  return g_strdup_printf ("%s.%s", module, name);
}
