/* Characters that HTML has names or numbers for; unescaping as Python's html.unescape does it (Lib/html/__init__.py). */
#include "text/entities.h"

#include <string.h>

#define MAX_NAME 32 /* characters of a name that are looked at, the semicolon not counted */

struct _PmEntities
{
  GHashTable *by_name; /* name -> Entity */
};

typedef struct
{
  gboolean needs_semicolon;
  char     text[16];
} Entity;

/* One record of the table; what follows it. */
static const char *
read_record (const char *at, GHashTable *by_name)
{
  const gsize n_name = strcspn (at, " !");
  Entity     *entity = g_new0 (Entity, 1);
  char       *name = g_strndup (at, n_name);
  gsize       n = 0;

  entity->needs_semicolon = at[n_name] == ' ';
  at += n_name;
  do
    {
      char *end;

      n += (gsize) g_unichar_to_utf8 ((gunichar) g_ascii_strtoull (at + 1, &end, 16), entity->text + n);
      at = end;
    }
  while (*at == ',');
  g_hash_table_insert (by_name, name, entity);
  return at + 1;
}

PmEntities *
pm_entities_new (void)
{
  PmEntities *entities = g_new0 (PmEntities, 1);
  const char *at = pm_entity_table;

  entities->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  while (*at)
    at = read_record (at, entities->by_name);
  return entities;
}

void
pm_entities_free (PmEntities *entities)
{
  if (entities)
    g_hash_table_unref (entities->by_name);
  g_free (entities);
}

const char *
pm_entities_find (const PmEntities *entities, const char *name, gsize n, gboolean *needs_semicolon)
{
  char          key[MAX_NAME + 1];
  const Entity *entity;

  if (n > MAX_NAME)
    return NULL;
  memcpy (key, name, n);
  key[n] = '\0';
  entity = g_hash_table_lookup (entities->by_name, key);
  if (entity && needs_semicolon)
    *needs_semicolon = entity->needs_semicolon;
  return entity ? entity->text : NULL;
}

guint32
pm_entities_read_number (const char *digits, gsize n, guint base)
{
  guint64 number = 0;

  for (gsize i = 0; i < n && number <= 0x10ffff; i++)
    number = number * base + (guint) g_ascii_xdigit_value (digits[i]);
  return number > 0x10ffff ? G_MAXUINT32 : (guint32) number;
}

guint32
pm_entities_fix_number (guint32 number)
{
  static const guint16 windows[32] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
  };

  return number >= 0x80 && number <= 0x9f ? windows[number - 0x80] : number;
}

/* Numbers that unescaping drops: controls but white space, and what is no character. */
static gboolean
is_dropped (guint32 number)
{
  return (number >= 0x1 && number <= 0x8) || number == 0xb || (number >= 0xe && number <= 0x1f) || number == 0x7f
         || (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) == 0xfffe;
}

/* text: behind "&#"; 0 when this is no number, else the bytes read. */
static gsize
unescape_number (const char *text, GString *out)
{
  const gboolean is_hex = text[0] == 'x' || text[0] == 'X';
  const gsize    n = strspn (text + is_hex, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
  guint32        number;

  if (n == 0)
    return 0;
  number = pm_entities_read_number (text + is_hex, n, is_hex ? 16 : 10);
  if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
    g_string_append_unichar (out, 0xfffd);
  else if (! is_dropped (number))
    g_string_append_unichar (out, pm_entities_fix_number (number));
  return is_hex + n + (text[is_hex + n] == ';');
}

/* text: behind "&"; the longest name that it begins with. 0 when there is none, else the bytes read. */
static gsize
unescape_name (const PmEntities *entities, const char *text, GString *out)
{
  gsize n = 0;

  while (n < MAX_NAME && g_ascii_isalnum (text[n]))
    n++;
  for (; n > 1; n--)
    {
      gboolean    needs_semicolon;
      const char *found = pm_entities_find (entities, text, n, &needs_semicolon);

      if (! found || (needs_semicolon && text[n] != ';'))
        continue;
      g_string_append (out, found);
      return n + (text[n] == ';');
    }
  return 0;
}

char *
pm_entities_unescape (const PmEntities *entities, const char *text)
{
  GString *out = g_string_new (NULL);

  while (*text)
    {
      gsize n = strcspn (text, "&");

      g_string_append_len (out, text, (gssize) n);
      text += n;
      if (! *text)
        break;
      n = text[1] == '#' ? unescape_number (text + 2, out) : unescape_name (entities, text + 1, out);
      if (n == 0)
        g_string_append_c (out, '&');
      text += n == 0 ? 1 : text[1] == '#' ? n + 2 : n + 1;
    }
  return g_string_free (out, FALSE);
}
