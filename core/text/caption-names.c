/* Web addresses and names of files in a caption. As patterns they would take the square of the text's length, since every
 * place of a run of characters tries all that follow; but whether a run holds what is looked for does not depend on where one
 * begins. */
#include <string.h>

#include "text/caption-private.h"

/* What the pipeline's pattern wants behind a dot. */
#define DOMAIN_END "(?:com|co|ru|net|org|edu|gov|it)[\\p{L}\\p{N}_/-]*" PM_PY_BORDER "/?(?!@)"

static gboolean
is_word (gunichar c)
{
  return c == '_' || g_unichar_isalnum (c);
}

static gboolean
is_border (const char *text, const char *at)
{
  const gboolean before = at > text && is_word (g_utf8_get_char (g_utf8_prev_char (at)));

  return before != (*at && is_word (g_utf8_get_char (at)));
}

static gboolean
is_domain (char c)
{
  return g_ascii_isalnum (c) || c == '.' || c == '-';
}

/* "https:" or the like, then slashes or a character: what of it goes, or 0. */
static gsize
measure_scheme (const char *at, const char *scheme, gboolean may_be_secure)
{
  gsize n = strlen (scheme), n_slashes;

  if (strncmp (at, scheme, n) != 0)
    return 0;
  n += may_be_secure && at[n] == 's';
  if (at[n] != ':')
    return 0;
  n_slashes = strspn (at + n + 1, "/");
  if (n_slashes > 0)
    return n + 1 + MIN (n_slashes, 3);
  return g_ascii_isalnum (at[n + 1]) || at[n + 1] == '%' ? n + 2 : 0;
}

/* The address that begins at `at` and reaches farthest in its run [at, end): where it ends, or NULL. */
static const char *
find_domain_end (const GRegex *ending, const char *text, const char *at, const char *end, gboolean *is_lost)
{
  for (const char *dot = end - 1; dot > at; dot--)
    {
      g_autoptr (GMatchInfo) info = NULL;
      g_autoptr (GError) error = NULL;
      int first, after;

      if (*dot != '.' || ! strchr ("crnoegi", dot[1]))
        continue;
      if (g_regex_match_full (ending, text, -1, (int) (dot + 1 - text), G_REGEX_MATCH_ANCHORED, &info, &error)
          && g_match_info_fetch_pos (info, 0, &first, &after))
        return text + after;
      *is_lost = *is_lost || error;
    }
  return NULL;
}

char *
pm_caption_remove_urls (const char *text, const char *scheme, gboolean may_be_secure, GError **error)
{
  g_autoptr (GRegex) ending = pm_caption_compile (DOMAIN_END);
  GString    *out = g_string_new (NULL);
  const char *tried = text; /* up to here runs hold no address */
  gboolean    is_lost = FALSE;

  for (const char *at = text; *at;)
    {
      const char *end = at, *next = g_utf8_next_char (at);

      if (is_border (text, at))
        {
          const gsize n = measure_scheme (at, scheme, may_be_secure);

          while (at >= tried && is_domain (*end))
            end++;
          if (n > 0)
            {
              at += n;
              continue;
            }
          if (end > at && (end = find_domain_end (ending, text, at, end, &is_lost)))
            {
              at = end;
              continue;
            }
          for (end = at; is_domain (*end); end++)
            ;
          tried = MAX (tried, end);
        }
      g_string_append_len (out, at, next - at);
      at = next;
    }
  if (is_lost)
    pm_caption_set_error (error);
  return g_string_free (out, is_lost);
}

/* Bytes of a dot and a suffix of picture, document or program files, or 0. */
static gsize
measure_suffix (const char *at, const char *end)
{
  static const char *const suffixes[] = { ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".eps", ".pdf", ".apk", ".mp4" };

  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if ((gsize) (end - at) >= strlen (suffixes[i]) && strncmp (at, suffixes[i], strlen (suffixes[i])) == 0)
      return strlen (suffixes[i]);
  return 0;
}

char *
pm_caption_remove_files (const char *text)
{
  GString *out = g_string_new (NULL);

  while (*text)
    {
      const char *end = text, *from = text;

      while (*end && ! pm_caption_is_space (g_utf8_get_char (end)))
        end = g_utf8_next_char (end);
      for (const char *dot = end - 1; from == text && dot > text; dot--)
        if (measure_suffix (dot, end) > 0)
          from = dot + measure_suffix (dot, end);
      if (*end)
        end = g_utf8_next_char (end);
      g_string_append_len (out, from, end - from);
      text = end;
    }
  return g_string_free (out, FALSE);
}
