/* Python's string functions that cleaning a caption calls (Lib/urllib/parse.py; str.lower and str.strip of CPython, whose
 * Objects/unicodeobject.c has the rule for the sigma at the end of a word). */
#include "text/caption-private.h"

#include <string.h>

/* White_Space of Unicode and the four separators of ASCII. */
gboolean
pm_caption_is_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680
         || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

char *
pm_caption_strip (const char *text)
{
  const char *end = text + strlen (text);

  while (*text && pm_caption_is_space (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  while (end > text && pm_caption_is_space (g_utf8_get_char (g_utf8_prev_char (end))))
    end = g_utf8_prev_char (end);
  return g_strndup (text, (gsize) (end - text));
}

/* Bytes of what begins here and can still become a character, at least 1; is_whole: it is one. Python replaces each of
 * these that is not whole by one U+FFFD. */
static gsize
measure_character (const guint8 *bytes, gsize n, gboolean *is_whole)
{
  const guint8 first = bytes[0];
  const guint8 low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const guint8 high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  const gsize  length = first < 0x80 ? 1 : first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  gsize i = 1;

  while (i < length && i < n && bytes[i] >= (i == 1 ? low : 0x80) && bytes[i] <= (i == 1 ? high : 0xbf))
    i++;
  *is_whole = i == length && first != 0;
  return i;
}

static void
append_decoded (GString *out, const guint8 *bytes, gsize n)
{
  gsize length;

  for (gsize i = 0; i < n; i += length)
    {
      gboolean is_whole;

      length = measure_character (bytes + i, n - i, &is_whole);
      if (is_whole)
        g_string_append_len (out, (const char *) bytes + i, (gssize) length);
      else
        g_string_append_unichar (out, 0xfffd);
    }
}

/* Bytes of an escape decode together only within a run of ASCII. */
char *
pm_caption_unquote (const char *text)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GByteArray) run = g_byte_array_new ();

  while (*text)
    {
      for (; *text && (guint8) *text < 0x80; text++)
        {
          guint8 byte = *text == '+' ? ' ' : (guint8) *text;

          if (*text == '%' && g_ascii_isxdigit (text[1]) && g_ascii_isxdigit (text[2]))
            {
              byte = (guint8) (g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2]));
              text += 2;
            }
          g_byte_array_append (run, &byte, 1);
        }
      append_decoded (out, run->data, run->len);
      g_byte_array_set_size (run, 0);
      for (; (guint8) *text >= 0x80; text++)
        g_string_append_c (out, *text);
    }
  return g_string_free (out, FALSE);
}

/* Letters that have a case, among them ordinal signs, Roman numerals and letters in circles. */
static gboolean
is_cased (gunichar c)
{
  return g_unichar_isupper (c) || g_unichar_islower (c) || g_unichar_istitle (c) || c == 0xaa || c == 0xba
         || (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9);
}

static gboolean
is_case_ignorable (gunichar c)
{
  static const gunichar marks[] = { '\'',   '.',    ':',    0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                    0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a };
  const GUnicodeType type = g_unichar_type (c);

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    if (c == marks[i])
      return TRUE;
  return type == G_UNICODE_NON_SPACING_MARK || type == G_UNICODE_ENCLOSING_MARK || type == G_UNICODE_FORMAT
         || type == G_UNICODE_MODIFIER_LETTER || type == G_UNICODE_MODIFIER_SYMBOL;
}

/* A capital sigma behind a letter and before none, but for what is ignored. */
static gboolean
is_final (const char *text, const char *at)
{
  const char *before = at, *after = g_utf8_next_char (at);

  while (before > text && is_case_ignorable (g_utf8_get_char (g_utf8_prev_char (before))))
    before = g_utf8_prev_char (before);
  while (*after && is_case_ignorable (g_utf8_get_char (after)))
    after = g_utf8_next_char (after);
  return before > text && is_cased (g_utf8_get_char (g_utf8_prev_char (before)))
         && ! (*after && is_cased (g_utf8_get_char (after)));
}

static gunichar
to_lower (gunichar c)
{
  if (c >= 0x2160 && c <= 0x216f) /* Roman numerals, letters in circles: no letters to GLib */
    return c + 16;
  if (c >= 0x24b6 && c <= 0x24cf)
    return c + 26;
  return g_unichar_tolower (c);
}

char *
pm_caption_fold (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *at = text; *at; at = g_utf8_next_char (at))
    {
      const gunichar c = g_utf8_get_char (at);

      if (c == 0x130)
        g_string_append (out, "i\u0307");
      else if (c == 0x3a3)
        g_string_append_unichar (out, is_final (text, at) ? 0x3c2 : 0x3c3);
      else
        g_string_append_unichar (out, to_lower (c));
    }
  return g_string_free (out, FALSE);
}
