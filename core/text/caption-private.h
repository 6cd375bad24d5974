/* Parts of cleaning a caption that are Python's string functions and Beautiful Soup, not patterns of the pipeline. */
#ifndef PM_CAPTION_PRIVATE_H
#define PM_CAPTION_PRIVATE_H

#include "text/entities.h"

/* What Python's re means by \w, \s and \b in text; PCRE's own depend on its version and differ. */
#define PM_PY_WORD "[\\p{L}\\p{N}_]"
#define PM_PY_SPACES "\\t-\\r\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define PM_PY_SPACE "[" PM_PY_SPACES "]"
#define PM_PY_NO_SPACE "[^" PM_PY_SPACES "]"
#define PM_PY_BORDER "(?:(?<=" PM_PY_WORD ")(?!" PM_PY_WORD ")|(?<!" PM_PY_WORD ")(?=" PM_PY_WORD "))"

/* All of these: UTF-8 in, UTF-8 out, free with g_free. */

/* urllib.parse.unquote_plus: + is a space, %41 a byte; what is no UTF-8 then becomes U+FFFD, and so does %00. */
char *pm_caption_unquote (const char *text);

/* Web addresses: the scheme ("http", followed by an s or not) and what follows its colon, and domains with all behind them. */
char *pm_caption_remove_urls (const char *text, const char *scheme, gboolean may_be_secure, GError **error);

/* In each run without white space, all up to the last suffix of a file. */
char *pm_caption_remove_files (const char *text);

/* str.isspace, str.strip and str.lower. */
gboolean pm_caption_is_space (gunichar c);
char *pm_caption_strip (const char *text);
char *pm_caption_fold (const char *text);

/* A pattern of which each place costs so much at most; NULL as in pm_caption_clean. */
GRegex *pm_caption_compile (const char *pattern);

/* BeautifulSoup (text, "html.parser").text, text in lower case. Errors: PM_ERROR_FAILED. */
char *pm_caption_strip_html (const PmEntities *entities, const char *text, GError **error);

/* For a pattern that found no end. */
void pm_caption_set_error (GError **error);

#endif
