/* Text for people in widgets: looked up in the program's one text domain, which the program that shows them binds. */
#ifndef PM_UI_I18N_H
#define PM_UI_I18N_H

#include <glib.h>

#define _(text) g_dgettext (GETTEXT_PACKAGE, text)
#define N_(text) (text)

#endif
