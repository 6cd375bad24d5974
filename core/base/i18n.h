/* Text for people: whole sentences, looked up in the program's one text domain without touching the process's default. */
#ifndef PM_I18N_H
#define PM_I18N_H

#include <glib.h>

#define _(text) g_dgettext (GETTEXT_PACKAGE, text)
#define N_(text) (text)

#endif
