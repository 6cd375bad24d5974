/* A test plug-in that runs inside GIMP: it calls Pentimento's procedures as any other plug-in would, and writes TAP lines. */
#ifndef PM_CHECK_H
#define PM_CHECK_H

#include <json-glib/json-glib.h>
#include <libgimp/gimp.h>

/* One TAP line; FALSE is "not ok". */
gboolean check (gboolean condition, const char *format, ...) G_GNUC_PRINTF (2, 3);
gboolean check_near (double value, double expected, double tolerance, const char *what);
gboolean check_text (const char *value, const char *expected, const char *what);
gboolean check_contains (const char *text, const char *part, const char *what);

/* What a call of a procedure returned. */
typedef struct
{
  GimpPDBStatusType status;
  char             *error;
  GimpImage        *image;
  GimpLayer        *picture, *group;
  int               count; /* the first value when it is a number */
} Call;

/* Calls with run-mode non-interactive; then names and values of arguments, ended by NULL (first may be it). */
Call call (const char *procedure, GimpImage *image, GimpLayer *layer, const char *first, ...);

/* How the suite's standard run is painted and laid. */
#define STANDARD_CALL                                                                                                        \
  "class", "fox", "seed", 7, "num-steps", 4, "width", 64, "height", 64, "read", "subject,received", "show-layers", "3,5",    \
    "show-heads", "0,2", "show-steps", "1,-1", "palette", "magma", "blend-mode", "screen", "opacity", 40.0
#define STANDARD_MAPS 10 /* subject at two steps; received at two layers, heads and steps */

/* Group, layers, filters, records of the standard run; filters are expected when has_filters. */
void check_group (GimpLayer *group, gboolean is_grey, gboolean has_filters);
void check_picture (GimpLayer *picture);

/* Pixels as R'G'B'A float, [height, width, 4]; free with g_free. */
float *pixels_of (GimpDrawable *drawable);
double largest_difference (const float *a, const float *b, int n_pixels, gboolean with_alpha);

/* The record parasite of an item, or of the image where item is NULL. NULL without one. */
JsonObject *record_of (GimpImage *image, GimpItem *item, JsonParser **keep);

/* A copy of the starter model in folder; its path, to be freed with g_free. */
char *copy_model (const char *folder, const char *name);

/* What Pentimento has written into its log since the last call; free with g_free. */
char *log_news (void);

GimpLayer *first_child (GimpLayer *group);
GimpImage *blank_image (int width, int height, GimpImageBaseType type);

/* The menu items of tests with windows. */
GList         *check_state_list (void);
GimpProcedure *check_state_create (GimpPlugIn *plug_in, const char *name);

/* Parts of the suite "reopen". */
void check_start_reopened (const char *folder);
void check_export_reopened (const char *folder);
void check_words_reopened (const char *folder);

/* Suites: files are passed from one to the next in folder. */
void suite_paint (const char *folder);
void suite_place (const char *folder);
void suite_start (const char *folder);
void suite_export (const char *folder);
void suite_words (const char *folder);  /* with a model that reads prompts */
void suite_errors (const char *folder);
void suite_bare (const char *folder);   /* in a GIMP without the operation */
void suite_reopen (const char *folder);
void suite_german (const char *folder); /* with a small catalogue beside the plug-in, and LANGUAGE=de */

#endif
