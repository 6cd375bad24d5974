/* Driving windows through the accessibility bus (AT-SPI), as a screen reader would: by role and name. */
#ifndef PM_SCREEN_H
#define PM_SCREEN_H

#include <atspi/atspi.h>

/* The application of that name ("gimp", "pentimento"); NULL when it is not there. Unref. */
AtspiAccessible *screen_app (const char *name);

/* How long anything is waited for that should come; a machine that does other things too takes its time. */
#define SCREEN_PATIENCE 180.0

/* To be called first. A busy program answers late, and one that did not answer would be taken for gone. */
void screen_init (void);

/* The first descendant of that role whose name is, or begins with, name ("" matches any). Waits up to seconds. Unref. */
AtspiAccessible *screen_find (const char *app, AtspiRole role, const char *name, double seconds);

/* FALSE when there still is such a descendant after seconds. */
gboolean screen_wait_absent (const char *app, AtspiRole role, const char *name, double seconds);

/* FALSE when it is still there after seconds. */
gboolean screen_wait_gone (const char *app, double seconds);

/* Presses a button, chooses a menu item. FALSE when there is no such thing, or it is insensitive, even after seconds. */
gboolean screen_click (const char *app, AtspiRole role, const char *name, double seconds);
gboolean screen_is_sensitive (AtspiAccessible *accessible);

/* Presses what was found before. */
gboolean screen_act (AtspiAccessible *accessible);

/* Types into an entry, replacing its text; sets a spin button or scale. */
gboolean screen_type (AtspiAccessible *entry, const char *text);
gboolean screen_set_value (AtspiAccessible *accessible, double value);

/* All text of labels below the application's windows, joined; free with g_free. */
char *screen_labels (const char *app);

/* Chooses an item of a combo box by name, waiting for both. */
gboolean screen_choose (const char *app, const char *combo, const char *item);

/* A picture of the whole display into $PENTIMENTO_SCREENSHOTS/name.png. */
void screen_shoot (const char *name);

#endif
