/* The text of a piece of HTML as Beautiful Soup 4 with Python's html.parser has it: bs4/__init__.py and
 * bs4/builder/_htmlparser.py for what becomes text, Lib/html/parser.py (Python 3.13.5) for what is a tag, its two passes over the
 * input and its way with what is damaged. The text is in lower case, so marked sections ("<![CDATA[") never are any. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "text/caption-private.h"

#define NAME "[a-zA-Z][^\\t\\n\\r\\f />\\x00]*"
#define REST "(?:" PM_PY_SPACE "|/(?!>))*"
#define ATTRIBUTE_BEGIN "(?<=['\"/" PM_PY_SPACES "])[^/>" PM_PY_SPACES "][^/=>" PM_PY_SPACES "]*"
#define VALUE "(?:'[^']*'|\"[^\"]*\"|(?!['\"])[^>" PM_PY_SPACES "]*)"
#define EQUALS PM_PY_SPACE "*=+" PM_PY_SPACE "*"

typedef struct
{
  const PmEntities *entities;
  const char *text;  /* [n] */
  gssize      n, at;
  const char *raw;   /* element whose content is not markup ("script", "style"), or NULL */
  GRegex     *tag, *attribute, *whole_tag, *end_tag, *comment_end, *raw_end;
  GString    *out, *data;
  gboolean    has_data;
  GPtrArray  *open;          /* names, outermost first */
  GPtrArray  *closed;        /* empty elements whose end tags are not looked at */
  guint       n_kept, n_hidden; /* open elements that keep white space; whose text is none of the document */
  gboolean    is_lost;       /* a pattern found no end */
} Parser;

static gboolean
is_one_of (const char *name, const char *const *names)
{
  return g_strv_contains (names, name);
}

static gboolean
is_empty_element (const char *name)
{
  static const char *const names[] = { "area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "menuitem",
                                       "meta", "param", "source", "track", "wbr", "basefont", "bgsound", "command", "frame",
                                       "image", "isindex", "nextid", "spacer", NULL };

  return is_one_of (name, names);
}

static gboolean
keeps_space (const char *name)
{
  static const char *const names[] = { "pre", "textarea", NULL };

  return is_one_of (name, names);
}

static gboolean
hides_text (const char *name)
{
  static const char *const names[] = { "rt", "rp", "style", "script", "template", NULL };

  return is_one_of (name, names);
}

static void
add_data (Parser *parser, const char *text, gssize n)
{
  g_string_append_len (parser->data, text, n);
  parser->has_data = TRUE;
}

/* What was collected is a string of the document; of white space alone one character stays. */
static void
end_data (Parser *parser)
{
  const char *data = parser->data->str;

  if (parser->has_data && parser->n_hidden == 0)
    {
      if (parser->n_kept == 0 && strspn (data, " \n\t\f\r") == parser->data->len)
        data = strchr (data, '\n') ? "\n" : " ";
      g_string_append (parser->out, data);
    }
  g_string_truncate (parser->data, 0);
  parser->has_data = FALSE;
}

/* Takes name. */
static void
open_element (Parser *parser, char *name)
{
  end_data (parser);
  parser->n_kept += keeps_space (name);
  parser->n_hidden += hides_text (name);
  g_ptr_array_add (parser->open, name);
}

static void
close_element (Parser *parser, const char *name)
{
  guint from = parser->open->len;

  end_data (parser);
  while (from > 0 && strcmp (g_ptr_array_index (parser->open, from - 1), name) != 0)
    from--;
  while (from > 0 && parser->open->len >= from)
    {
      const char *last = g_ptr_array_index (parser->open, parser->open->len - 1);

      parser->n_kept -= keeps_space (last);
      parser->n_hidden -= hides_text (last);
      g_ptr_array_set_size (parser->open, (int) parser->open->len - 1);
    }
}

/* An end tag in the text: that of an empty element was foreseen. */
static void
close_by_tag (Parser *parser, const char *name)
{
  guint i;

  if (g_ptr_array_find_with_equal_func (parser->closed, name, g_str_equal, &i))
    g_ptr_array_remove_index (parser->closed, i);
  else
    close_element (parser, name);
}

/* The bytes that a pattern matches at a place, or -1; *name: its first group. */
static gssize
match_at (Parser *parser, const GRegex *regex, gssize at, gboolean is_anchored, gssize *begin, char **name)
{
  g_autoptr (GMatchInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_found = g_regex_match_full (regex, parser->text, parser->n, (int) at, is_anchored ? G_REGEX_MATCH_ANCHORED : 0,
                                          &info, &error);
  int first, end;

  parser->is_lost = parser->is_lost || error;
  if (! is_found || ! g_match_info_fetch_pos (info, 0, &first, &end))
    return -1;
  if (begin)
    *begin = first;
  if (name)
    *name = g_match_info_fetch (info, 1);
  return end;
}

static gssize
find (const Parser *parser, char c, gssize from)
{
  const char *found = from < parser->n ? memchr (parser->text + from, c, (gsize) (parser->n - from)) : NULL;

  return found ? found - parser->text : -1;
}

static gboolean
begins (const Parser *parser, gssize at, const char *with)
{
  return strncmp (parser->text + at, with, strlen (with)) == 0;
}

/* Where the start tag ends, -1 when it does not. */
static gssize
find_tag_end (Parser *parser, gssize at)
{
  const gssize end = match_at (parser, parser->whole_tag, at, TRUE, NULL, NULL);
  const char   next = end < 0 ? '\0' : parser->text[end];

  if (end < 0 || next == '\0')
    return -1;
  if (next == '>')
    return end + 1;
  if (next == '/')
    return begins (parser, end, "/>") ? end + 2 : -1;
  return next == '=' || g_ascii_isalpha (next) ? -1 : end;
}

static gssize
parse_start (Parser *parser, gssize at)
{
  const gssize end = find_tag_end (parser, at);
  gssize       rest, next;
  char        *name = NULL;
  g_autofree char *tail = NULL;
  g_autofree char *last = NULL;

  if (end < 0 || (rest = match_at (parser, parser->tag, at + 1, TRUE, NULL, &name)) < 0)
    return -1;
  while (rest < end && (next = match_at (parser, parser->attribute, rest, TRUE, NULL, NULL)) > rest)
    rest = next;
  tail = g_strndup (parser->text + rest, (gsize) MAX (end - rest, 0));
  last = pm_caption_strip (tail);
  if (strcmp (last, ">") != 0 && strcmp (last, "/>") != 0)
    {
      add_data (parser, parser->text + at, end - at);
      g_free (name);
      return end;
    }
  open_element (parser, name);
  if (strcmp (last, "/>") == 0)
    close_element (parser, name);
  else if (is_empty_element (name))
    {
      g_ptr_array_add (parser->closed, g_strdup (name));
      close_element (parser, name);
    }
  else if (strcmp (name, "script") == 0 || strcmp (name, "style") == 0)
    parser->raw = strcmp (name, "script") == 0 ? "script" : "style";
  return end;
}

static gssize
skip_comment (Parser *parser, gssize at)
{
  const gssize close = find (parser, '>', at + 2);

  if (close >= 0)
    end_data (parser);
  return close < 0 ? -1 : close + 1;
}

static gssize
parse_end (Parser *parser, gssize at)
{
  const gssize close = find (parser, '>', at + 1);
  g_autofree char *name = NULL;
  gssize after;

  if (close < 0)
    return -1;
  if (match_at (parser, parser->end_tag, at, TRUE, NULL, &name) >= 0)
    {
      if (parser->raw && strcmp (name, parser->raw) != 0)
        {
          add_data (parser, parser->text + at, close + 1 - at);
          return close + 1;
        }
      close_by_tag (parser, name);
      parser->raw = NULL;
      return close + 1;
    }
  if (parser->raw)
    {
      add_data (parser, parser->text + at, close + 1 - at);
      return close + 1;
    }
  after = match_at (parser, parser->tag, at + 2, TRUE, NULL, &name);
  if (after < 0)
    return begins (parser, at, "</>") ? at + 3 : skip_comment (parser, at);
  close_by_tag (parser, name);
  return find (parser, '>', after) + 1;
}

/* Comments, declarations and instructions: none is text, but each ends one. */
static gssize
parse_other (Parser *parser, gssize at)
{
  gssize end;

  if (! begins (parser, at, "<!--"))
    return skip_comment (parser, begins (parser, at, "<!doctype") ? at + 7 : at);
  end = match_at (parser, parser->comment_end, at + 4, FALSE, NULL, NULL);
  if (end >= 0)
    end_data (parser);
  return end;
}

/* "<" at parser->at; FALSE to wait for more of the text. */
static gboolean
parse_markup (Parser *parser, gboolean is_last)
{
  const gssize at = parser->at;
  const char   next = parser->text[at + 1];
  gssize       end;

  if (g_ascii_isalpha (next))
    end = parse_start (parser, at);
  else if (next == '/')
    end = parse_end (parser, at);
  else if (next == '?' || next == '!')
    end = parse_other (parser, at);
  else if (at + 1 < parser->n || is_last)
    {
      add_data (parser, "<", 1);
      end = at + 1;
    }
  else
    return FALSE;
  if (end < 0)
    {
      if (! is_last)
        return FALSE;
      if (next == '/' && at + 2 == parser->n)
        add_data (parser, "</", 2);
      else if (! g_ascii_isalpha (next) && ! (next == '/' && g_ascii_isalpha (parser->text[at + 2])))
        end_data (parser);
      end = parser->n;
    }
  parser->at = end;
  return TRUE;
}

/* "&#" at parser->at. */
static gboolean
parse_number (Parser *parser)
{
  const char    *digits = parser->text + parser->at + 2;
  const gboolean is_hex = *digits == 'x' || *digits == 'X';
  const gsize    n = strspn (digits + is_hex, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
  const char     after = digits[is_hex + n];
  guint32        number;

  if (n == 0 || after == '\0' || g_ascii_isxdigit (after))
    {
      if (find (parser, ';', parser->at) >= 0)
        {
          add_data (parser, "&#", 2);
          parser->at += 2;
        }
      return FALSE;
    }
  number = pm_entities_fix_number (pm_entities_read_number (digits + is_hex, n, is_hex ? 16 : 10));
  if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
    number = 0xfffd;
  g_string_append_unichar (parser->data, number);
  parser->has_data = TRUE;
  parser->at += 2 + is_hex + (gssize) n + (after == ';');
  return TRUE;
}

/* "&" and a letter: a name must end before the text does. Bytes of the name, or 0. */
static gssize
measure_name (const char *name)
{
  gssize n = 0;

  while (g_ascii_isalnum (name[n]) || name[n] == '-' || name[n] == '.')
    n++;
  if (name[n] != '\0')
    return n;
  while (n > 0 && g_ascii_isalnum (name[n - 1]))
    n--;
  return MAX (n - 1, 0);
}

/* "&" at parser->at, no number. */
static gboolean
parse_name (Parser *parser, gboolean is_last)
{
  const char  *name = parser->text + parser->at + 1;
  const gssize n = g_ascii_isalpha (*name) ? measure_name (name) : 0;
  const char  *found;

  if (n > 0)
    {
      found = pm_entities_find (parser->entities, name, (gsize) n, NULL);
      if (found)
        add_data (parser, found, -1);
      else
        add_data (parser, name - 1, n + 1);
      parser->at += n + 1 + (name[n] == ';');
      return TRUE;
    }
  if (g_ascii_isalpha (*name))
    {
      parser->at += is_last && name[1] == '\0';
      return FALSE;
    }
  if (! *name)
    return FALSE;
  add_data (parser, "&", 1);
  parser->at++;
  return TRUE;
}

/* Where the end tag of the element whose content is no markup begins, or -1. */
static gssize
find_raw_end (Parser *parser)
{
  gssize begin = -1, from = parser->at;

  while (from >= 0)
    {
      g_autofree char *name = NULL;

      from = match_at (parser, parser->raw_end, from, FALSE, &begin, &name);
      if (from >= 0 && strcmp (name, parser->raw) == 0)
        return begin;
    }
  return -1;
}

/* One of the two passes: what the first leaves, as if more were to come, the last one takes. */
static void
run_pass (Parser *parser, gboolean is_last)
{
  gboolean goes_on = TRUE;

  while (goes_on && parser->at < parser->n && ! parser->is_lost)
    {
      gssize next = parser->at + (gssize) strcspn (parser->text + parser->at, "&<");

      if (parser->raw && (next = find_raw_end (parser)) < 0)
        break;
      if (next > parser->at)
        add_data (parser, parser->text + parser->at, next - parser->at);
      parser->at = next;
      if (next == parser->n)
        break;
      if (parser->text[next] == '<')
        goes_on = parse_markup (parser, is_last);
      else
        goes_on = parser->text[next + 1] == '#' ? parse_number (parser) : parse_name (parser, is_last);
    }
  if (is_last && parser->at < parser->n)
    add_data (parser, parser->text + parser->at, parser->n - parser->at);
}

void
pm_caption_set_error (GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_FAILED,
                       _("The prompt cannot be cleaned: it has a run of characters that a pattern finds no end in. Remove what "
                         "is no text."));
}

char *
pm_caption_strip_html (const PmEntities *entities, const char *text, GError **error)
{
  g_autoptr (GRegex) tag = pm_caption_compile ("(" NAME ")" REST);
  g_autoptr (GRegex) attribute = pm_caption_compile ("(?:" ATTRIBUTE_BEGIN ")(?:" EQUALS VALUE ")?" REST);
  g_autoptr (GRegex) whole_tag = pm_caption_compile ("<" NAME "(?:[/" PM_PY_SPACES "]*(?:" ATTRIBUTE_BEGIN "(?:" EQUALS VALUE
                                                     PM_PY_SPACE "*)?" REST ")*)?" PM_PY_SPACE "*");
  g_autoptr (GRegex) end_tag = pm_caption_compile ("</" PM_PY_SPACE "*([a-zA-Z][-.a-zA-Z0-9:_]*)" PM_PY_SPACE "*>");
  g_autoptr (GRegex) comment_end = pm_caption_compile ("--" PM_PY_SPACE "*>");
  g_autoptr (GRegex) raw_end = pm_caption_compile ("</" PM_PY_SPACE "*(script|style)" PM_PY_SPACE "*>");
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GString) data = g_string_new (NULL);
  g_autoptr (GPtrArray) open = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) closed = g_ptr_array_new_with_free_func (g_free);
  Parser parser = { .entities = entities, .text = text, .n = (gssize) strlen (text), .tag = tag, .attribute = attribute,
                    .whole_tag = whole_tag, .end_tag = end_tag, .comment_end = comment_end, .raw_end = raw_end, .out = out,
                    .data = data, .open = open, .closed = closed };

  run_pass (&parser, FALSE);
  run_pass (&parser, TRUE);
  end_data (&parser);
  if (parser.is_lost)
    {
      pm_caption_set_error (error);
      return NULL;
    }
  return g_strdup (out->str);
}
