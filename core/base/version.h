/* The version of this build, as meson knows it. */
#ifndef PM_VERSION_H
#define PM_VERSION_H

const char *pm_version (void);

#endif
