/* Opens cuBLASLt: where the core says, beside the module, where the system's loader looks, in CUDA's own folders, and in the
 * folders of Python's packages nvidia-cublas, which is where most people have it without knowing. */
#include "backend/cuda/lt.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/module.h"

/* The functions that are called have not changed between the two. */
static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so.12" };

static const char *const system_folders[] = {
  "/usr/local/cuda/lib64",
  "/usr/local/cuda-*/lib64",
  "/opt/cuda/lib64",
  "/usr/local/lib/python3*/*-packages/nvidia/*/lib",
  "/usr/lib/python3*/*-packages/nvidia/*/lib",
  "/opt/*/lib/python3*/site-packages/nvidia/*/lib",
};

/* Below the folders that these variables name. */
static const char *const named_folders[][2] = {
  { "CUDA_HOME", "/lib64" },
  { "CUDA_PATH", "/lib64" },
  { "VIRTUAL_ENV", "/lib/python3*/site-packages/nvidia/*/lib" },
  { "CONDA_PREFIX", "/lib" },
  { "CONDA_PREFIX", "/lib/python3*/site-packages/nvidia/*/lib" },
  { "HOME", "/.local/lib/python3*/site-packages/nvidia/*/lib" },
};

static void
add_matches (std::vector<std::string> *folders, const std::string &pattern)
{
  glob_t found;
  if (glob (pattern.c_str (), 0, NULL, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; i++)
      folders->push_back (found.gl_pathv[i]);
  globfree (&found);
}

/* "" is the loader's own search. */
static std::vector<std::string>
list_folders (std::vector<std::string> folders)
{
  Dl_info own;

  if (dladdr ((const void *) pm_lt_open, &own) && own.dli_fname && strrchr (own.dli_fname, '/'))
    folders.push_back (std::string (own.dli_fname, strrchr (own.dli_fname, '/')));
  folders.push_back ("");
  for (const char *const *named : named_folders)
    if (const char *value = getenv (named[0]))
      add_matches (&folders, std::string (value) + named[1]);
  for (const char *pattern : system_folders)
    add_matches (&folders, pattern);
  return folders;
}

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
  std::vector<std::string> folders = list_folders (given);
  std::string              tried;

  for (const std::string &folder : folders)
    for (const char *name : names)
      {
        std::string path = folder.empty () ? name : folder + "/" + name;
        void       *library = dlopen (path.c_str (), RTLD_NOW | RTLD_LOCAL);
        if (library && find_functions (lt, library))
          return true;
        if (library)
          dlclose (library);
      }
  for (const std::string &folder : folders)
    tried += tried.empty () ? folder : folder.empty () ? ", the system's folders" : ", " + folder;
  pm_cuda_set_error (error, PM_CUDA_NO_LIBRARY, "%s was not found in: %s", names[0], tried.c_str ());
  return false;
}
