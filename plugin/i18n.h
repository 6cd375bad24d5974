/* Text for people in the plug-in: looked up in the program's one text domain, which libgimp binds (see main.c). */
#ifndef PM_PLUGIN_I18N_H
#define PM_PLUGIN_I18N_H

#include <glib.h>

#define _(text) g_dgettext (GETTEXT_PACKAGE, text)
#define N_(text) (text)

#endif
