/* Prompts as PixArt's networks were trained on them: captions of the web, cleaned. */
#ifndef PM_CAPTION_H
#define PM_CAPTION_H

#include <glib.h>

#define PM_CAPTION_MAX_BYTES (16 * 1024)

/* huggingface/diffusers: pipelines/pixart_alpha/pipeline_pixart_alpha.py, _text_preprocessing with clean_caption: URLs, HTML,
 * numbers of articles, names of files and much else go, twice over. What the pipeline does by ftfy, repairing text that was
 * decoded wrongly, is left out. Places in tokens of the result are places in the result: show people that text, not theirs.
 * NULL when the text is no UTF-8 or longer than PM_CAPTION_MAX_BYTES (PM_ERROR_USAGE), or so made that a pattern finds no end
 * in it (PM_ERROR_FAILED). Free with g_free. */
char *pm_caption_clean (const char *text, GError **error);

/* The same without clean_caption: lower case, no white space at the ends. */
char *pm_caption_lower (const char *text, GError **error);

#endif
