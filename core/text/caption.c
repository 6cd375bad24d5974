/* Cleaning a caption: the patterns of huggingface/diffusers, pipelines/pixart_alpha/pipeline_pixart_alpha.py, _clean_caption, in
 * its order. Each costs at most MATCH_LIMIT steps at a place of the text. */
#include "text/caption.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "text/caption-private.h"

#define MATCH_LIMIT "(*LIMIT_MATCH=200000)"

#define B PM_PY_BORDER
#define D "\\p{Nd}"
#define S PM_PY_SPACE
#define W PM_PY_WORD
#define SUFFIXES "(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"

typedef struct
{
  const char *pattern, *to; /* to may have \1 */
} Rule;

static const Rule before_urls[] = {
  { "<person>", "person" },
};

static const Rule before_files[] = {
  { "@[\\p{L}\\p{N}_]+" B, "" },
  { "[\\x{31c0}-\\x{31ef}\\x{31f0}-\\x{31ff}\\x{3200}-\\x{32ff}\\x{3300}-\\x{33ff}\\x{3400}-\\x{4dbf}\\x{4dc0}-\\x{4dff}"
    "\\x{4e00}-\\x{9fff}]+", "" },
  { "[\\x2d\\x{58a}\\x{5be}\\x{1400}\\x{1806}\\x{2010}-\\x{2015}\\x{2e17}\\x{2e1a}\\x{2e3a}\\x{2e3b}\\x{2e40}\\x{301c}\\x{3030}"
    "\\x{30a0}\\x{fe31}\\x{fe32}\\x{fe58}\\x{fe63}\\x{ff0d}]+", "-" },
  { "[`\\xb4\\xab\\xbb\\x{201c}\\x{201d}\\xa8]", "\"" },
  { "[\\x{2018}\\x{2019}]", "'" },
  { "&quot;?", "" },
  { "&amp", "" },
  { D "{1,3}\\." D "{1,3}\\." D "{1,3}\\." D "{1,3}", " " },
  { D ":" D D S "+$", "" },
  { "\\\\n", " " },
  { "#" D "{1,3}" B, "" },
  { "#" D "{5,}" B, "" },
  { B D "{6,}" B, "" },
};

static const Rule after_files[] = {
  { "[\"']{2,}", "\"" },
  { "[.]{2,}", " " },
  { "[#\\xae\\x{2022}\\xa9\\x{2122}&@\\xb7\\xba\\xbd\\xbe\\xbf\\xa1\\xa7~)(\\]\\[}{|\\\\/*]+", " " },
  { S "+\\." S "+", " " },
};

static const Rule after_entities[] = {
  { B "[a-zA-Z]{1,3}" D "{3,15}" B, "" },
  { B "[a-zA-Z]+" D "+[a-zA-Z]+" B, "" },
  { B D "+[a-zA-Z]+" D "+" B, "" },
  { "(worldwide" S "+)?(free" S "+)?shipping", "" },
  { "(free" S ")?download(" S "free)?", "" },
  { B "click" B S "(?:for|on)" S W "+", "" },
  { B SUFFIXES "(" S "image[s]?)?", "" },
  { B "page" S "+" D "+" B, "" },
  { B D "*[a-zA-Z]+" D "+[a-zA-Z]+" D "+[a-zA-Z\\p{Nd}]*" B, " " },
  { B D "+\\.?" D "*[x\\x{445}\\xd7]" D "+\\.?" D "*" B, "" },
  { B S "+:" S "+", ": " },
  { "(\\P{Nd}[,./])" B, "\\1 " },
  { S "+", " " },
  { "^[\"']((?s:.)+)[\"']$", "\\1" },
  { "^['_,\\-:;]", "" },
  { "['_,\\-:+]$", "" },
  { "^\\." PM_PY_NO_SPACE "+$", "" },
};

GRegex *
pm_caption_compile (const char *pattern)
{
  g_autofree char *limited = g_strconcat (MATCH_LIMIT, pattern, NULL);
  GRegex *regex = g_regex_new (limited, G_REGEX_NEWLINE_LF, 0, NULL);

  g_assert (regex);
  return regex;
}

/* Frees text, on failure too. */
static char *
apply (const Rule *rules, gsize n, char *text, GError **error)
{
  for (gsize i = 0; text && i < n; i++)
    {
      g_autoptr (GRegex) regex = pm_caption_compile (rules[i].pattern);
      g_autoptr (GError) cause = NULL;
      char *next = g_regex_replace (regex, text, -1, 0, rules[i].to, 0, &cause);

      if (! next)
        pm_caption_set_error (error);
      g_free (text);
      text = next;
    }
  return text;
}

/* this-is-my-cute-cat: more than three of these are spaces. */
static void
space_hyphens (char *text)
{
  guint n = 0;

  for (const char *at = text; *at; at++)
    n += *at == '-' || *at == '_';
  if (n > 3)
    g_strdelimit (text, "-_", ' ');
}

static char *
clean_markup (const PmEntities *entities, const char *text, GError **error)
{
  g_autofree char *unquoted = pm_caption_unquote (text);
  g_autofree char *stripped = pm_caption_strip (unquoted);
  g_autofree char *plain = apply (before_urls, G_N_ELEMENTS (before_urls), pm_caption_fold (stripped), error);
  g_autofree char *no_http = plain ? pm_caption_remove_urls (plain, "http", TRUE, error) : NULL;
  g_autofree char *no_urls = no_http ? pm_caption_remove_urls (no_http, "www", FALSE, error) : NULL;

  return no_urls ? pm_caption_strip_html (entities, no_urls, error) : NULL;
}

static char *
clean_once (const PmEntities *entities, const char *text, GError **error)
{
  char *html = clean_markup (entities, text, error);
  g_autofree char *named = html ? apply (before_files, G_N_ELEMENTS (before_files), html, error) : NULL;
  g_autofree char *plain = named ? apply (after_files, G_N_ELEMENTS (after_files), pm_caption_remove_files (named), error) : NULL;
  g_autofree char *once = NULL;
  g_autofree char *done = NULL;

  if (! plain)
    return NULL;
  space_hyphens (plain);
  once = pm_entities_unescape (entities, plain);
  done = apply (after_entities, G_N_ELEMENTS (after_entities), pm_entities_unescape (entities, once), error);
  return done ? pm_caption_strip (done) : NULL;
}

static gboolean
check (const char *text, GError **error)
{
  const gsize n = strlen (text);

  if (n <= PM_CAPTION_MAX_BYTES && g_utf8_validate (text, (gssize) n, NULL))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               n > PM_CAPTION_MAX_BYTES ? _("The prompt is longer than %d KiB. Shorten it.")
                                        : _("The prompt is not UTF-8, or longer than %d KiB. Write it in that encoding."),
               PM_CAPTION_MAX_BYTES / 1024);
  return FALSE;
}

char *
pm_caption_clean (const char *text, GError **error)
{
  g_autoptr (PmEntities) entities = NULL;
  g_autofree char *once = NULL;

  if (! check (text, error))
    return NULL;
  entities = pm_entities_new ();
  once = clean_once (entities, text, error);
  return once ? clean_once (entities, once, error) : NULL;
}

char *
pm_caption_lower (const char *text, GError **error)
{
  g_autofree char *lower = NULL;

  if (! check (text, error))
    return NULL;
  lower = pm_caption_fold (text);
  return pm_caption_strip (lower);
}
