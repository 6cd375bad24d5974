/* PM_CLONES before a function: compiled for several levels of x86-64, the best one chosen when the program starts.
 * Where compiler, C library or processor lack the means, or the whole program is compiled for one processor (meson.build finds
 * out), it is empty and the plain function remains. Sanitizers instrument the resolver, which runs too early for them, so they
 * get the plain function as well. */
#ifndef PM_CLONES_H
#define PM_CLONES_H

#include <glib.h>

#if defined(PM_TARGET_V4) && defined(PM_TARGET_V3) && defined(__GLIBC__) && defined(__GNUC__) && ! defined(__clang__) \
    && __GNUC__ >= 12 && ! defined(__SANITIZE_ADDRESS__) && ! defined(__SANITIZE_THREAD__)
#define PM_CLONES __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PM_CLONES
#endif

#endif
