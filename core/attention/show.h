/* Which attention to show: axes of layers, heads and steps, words of the prompt, and readings;
 * "layers=2,8;heads=all;steps=0,5;words=cat,red hat;read=word". */
#ifndef PM_SHOW_H
#define PM_SHOW_H

#include <glib.h>

/* Along one axis: a list of numbers; `mean` averages over them instead of making a map each.
 * Text: "2,8", "3-7", "all", "recommended" (layers only), each with an optional prefix "mean:"; "mean" is "mean:all";
 * "" or "none" is nothing. For steps, negative numbers count from the end (-1 the last). */
typedef struct
{
  gboolean all, recommended, mean;
  GArray  *numbers; /* of int; NULL when all or recommended */
} PmAxis;

typedef enum
{
  PM_WHICH_CONDITION,  /* of the conditional half: the default */
  PM_WHICH_NULL,
  PM_WHICH_DIFFERENCE  /* condition minus null; only at guided steps */
} PmWhich;

typedef struct
{
  PmAxis   layers, heads, steps;
  char   **words;    /* for readings of words: words or phrases of the prompt as pm_prompt_find takes them; NULL-terminated;
                      * NULL: all words */
  char   **readings; /* ids of reductions: "subject", "received"; NULL-terminated; NULL: show nothing */
  PmWhich  which;
} PmShow;

void     pm_show_init (PmShow *show);  /* shows nothing */
void     pm_show_clear (PmShow *show);
void     pm_show_copy (const PmShow *from, PmShow *to);

/* Parts left out: layers=recommended, heads=mean, steps=all, words=all, which=condition, and read=subject, or read=word where
 * words are given. "" and "none" show nothing, as does read=none. A backslash before a character of a word takes it as it is:
 * "1\,5" has a comma in it, "\all" is the word and not all of them. PM_ERROR_USAGE names the wrong part and lists what is
 * possible. show must be initialised; it is unchanged on failure. */
gboolean pm_show_parse (PmShow *show, const char *text, GError **error);
gboolean pm_axis_parse (PmAxis *axis, const char *axis_name, const char *text, GError **error);
char    *pm_show_to_string (const PmShow *show);

/* The axis as sorted distinct numbers in 0..n-1, [*n_out]; free with g_free. PM_ERROR_USAGE when a number is outside. */
int *pm_axis_resolve (const PmAxis *axis, const char *axis_name, int n, const int *recommended, int n_recommended,
                      int *n_out, GError **error);

/* Ids and titles of all readings, in the registry's order: NULL-terminated, borrowed. */
const char *const *pm_reading_ids (void);
const char *pm_reading_title (const char *id);      /* translated; NULL when unknown */
gboolean    pm_reading_needs_region (const char *id);

gboolean    pm_reading_needs_prompt (const char *id); /* is of how a picture looks at a prompt */
gboolean    pm_reading_needs_words (const char *id);  /* of that, has a map for each word */

/* One of `words` with all that has a meaning in the text of what to show behind a backslash; free with g_free. */
char *pm_show_escape_word (const char *word);

#endif
