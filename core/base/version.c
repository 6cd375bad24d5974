/* The version, given by core/meson.build as PM_VERSION. */
#include "base/version.h"

const char *
pm_version (void)
{
  return PM_VERSION;
}
