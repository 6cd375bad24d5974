/* Opens cuBLASLt; folders.cu knows where it may be. */
#include "backend/cuda/lt.h"

#include <dlfcn.h>

#include "backend/cuda/module.h"

/* The functions that are called have not changed between the two. */
static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so.12" };

static bool
find_functions (PmLt *lt, void *library)
{
#define X(name)                                             \
  lt->name = (decltype (lt->name)) dlsym (library, #name);  \
  if (! lt->name)                                           \
    return false;
  PM_LT_FUNCTIONS (X)
#undef X
  return true;
}

bool
pm_lt_open (PmLt *lt, const std::vector<std::string> &given, PmCudaError *error)
{
  for (const std::string &folder : pm_lt_folders (given))
    for (const char *name : names)
      {
        std::string path = folder.empty () ? name : folder + "/" + name;
        void       *library = dlopen (path.c_str (), RTLD_NOW | RTLD_LOCAL);
        if (library && find_functions (lt, library))
          return true;
        if (library)
          dlclose (library);
      }
  pm_lt_set_missing (error, names[0], given);
  return false;
}
