/* See pairs.h. */
#include "ui/pairs.h"

#include <string.h>

static void
pair_free (gpointer data)
{
  PmPair *pair = data;

  g_free (pair->name);
  g_free (pair->value);
  g_free (pair);
}

/* Reads up to an unescaped character of ends; at is moved onto it. */
static char *
read_part (const char **at, const char *ends)
{
  GString *part = g_string_new (NULL);
  gsize    kept = 0; /* what is escaped is kept, though it were a space at the end */

  while (g_ascii_isspace (**at))
    (*at)++;
  for (; **at && ! strchr (ends, **at); (*at)++)
    {
      gboolean is_escaped = **at == '\\' && (*at)[1];

      if (is_escaped)
        (*at)++;
      g_string_append_c (part, **at);
      if (is_escaped || ! g_ascii_isspace (**at))
        kept = part->len;
    }
  g_string_truncate (part, kept);
  return g_string_free (part, FALSE);
}

GPtrArray *
pm_pairs_parse (const char *text)
{
  GPtrArray  *pairs = g_ptr_array_new_with_free_func (pair_free);
  const char *at = text ? text : "";

  while (*at)
    {
      PmPair *pair = g_new0 (PmPair, 1);

      pair->name = read_part (&at, ",=");
      if (*at == '=')
        {
          at++;
          pair->value = read_part (&at, ",");
        }
      if (*at == ',')
        at++;
      if (*pair->name)
        g_ptr_array_add (pairs, pair);
      else
        pair_free (pair);
    }
  return pairs;
}

static void
append_escaped (GString *text, const char *part)
{
  gsize n = strlen (part);

  for (gsize i = 0; i < n; i++)
    {
      gboolean is_outer_space = g_ascii_isspace (part[i]) && (i == 0 || i == n - 1);

      if (is_outer_space || strchr (",=\\", part[i]))
        g_string_append_c (text, '\\');
      g_string_append_c (text, part[i]);
    }
}

void
pm_pairs_append (GString *text, const char *name, const char *value)
{
  if (text->len)
    g_string_append (text, ", ");
  append_escaped (text, name);
  if (! value)
    return;
  g_string_append_c (text, '=');
  append_escaped (text, value);
}

const PmPair *
pm_pairs_find (GPtrArray *pairs, const char *name)
{
  g_autofree char *folded = g_utf8_casefold (name, -1);

  for (guint i = 0; i < pairs->len; i++)
    {
      const PmPair *pair = g_ptr_array_index (pairs, i);
      g_autofree char *own = g_utf8_casefold (pair->name, -1);

      if (strcmp (own, folded) == 0)
        return pair;
    }
  return NULL;
}
