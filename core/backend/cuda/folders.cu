/* Where cuBLASLt is looked for: where the core says, beside the module, where the system's loader looks, in CUDA's own folders,
 * and in the folders of Python's packages nvidia-cublas, which is where most people have it without knowing: of the environment
 * that is active, of every Python on the path, the user's, the system's, and of environments below /opt. */
#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/lt.h"
#include "backend/cuda/module.h"

#define PACKAGES "/lib*/python3*/*-packages/nvidia/*/lib" /* below where a Python is installed; "lib64" with some systems */

static const char *const system_folders[] = {
  "/usr/local/cuda/lib64", "/usr/local/cuda-*/lib64", "/opt/cuda/lib64", "/usr/local" PACKAGES, "/usr" PACKAGES,
  "/opt" PACKAGES,         "/opt/*" PACKAGES,         "/opt/*/.venv" PACKAGES, "/opt/*/venv" PACKAGES,
};

/* Below the folders that these variables name. */
static const char *const named_folders[][2] = {
  { "CUDA_HOME", "/lib64" },   { "CUDA_PATH", "/lib64" },     { "VIRTUAL_ENV", PACKAGES },
  { "CONDA_PREFIX", "/lib" },  { "CONDA_PREFIX", PACKAGES },  { "HOME", "/.local" PACKAGES },
};

/* What a message says of all this. */
#define PLACES                                                                                                        \
  "the system's folders, those of CUDA (CUDA_HOME, /usr/local/cuda*), and Python's packages (nvidia/*/lib in those of " \
  "VIRTUAL_ENV, CONDA_PREFIX, each python3 of PATH, ~/.local, /usr, /usr/local, /opt/*, /opt/*/.venv)"

static void
add_matches (std::vector<std::string> *folders, const std::string &pattern)
{
  glob_t found;
  if (glob (pattern.c_str (), 0, NULL, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; i++)
      folders->push_back (found.gl_pathv[i]);
  globfree (&found);
}

/* Of each python3 that would be found, be its environment active or not: FOLDER/bin/python3 has its packages below FOLDER. */
static void
add_pythons (std::vector<std::string> *folders)
{
  const char *left = getenv ("PATH");

  while (left && *left)
    {
      std::string folder (left, strcspn (left, ":"));
      left += folder.size ();
      left += *left == ':';
      if (folder.size () > 4 && folder.compare (folder.size () - 4, 4, "/bin") == 0
          && access ((folder + "/python3").c_str (), X_OK) == 0)
        add_matches (folders, folder.substr (0, folder.size () - 4) + PACKAGES);
    }
}

std::vector<std::string>
pm_lt_folders (std::vector<std::string> folders)
{
  Dl_info own;

  if (dladdr ((const void *) pm_lt_folders, &own) && own.dli_fname && strrchr (own.dli_fname, '/'))
    folders.push_back (std::string (own.dli_fname, strrchr (own.dli_fname, '/')));
  folders.push_back ("");
  for (const char *const *named : named_folders)
    if (const char *value = getenv (named[0]))
      add_matches (&folders, std::string (value) + named[1]);
  add_pythons (&folders);
  for (const char *pattern : system_folders)
    add_matches (&folders, pattern);
  return folders;
}

void
pm_lt_set_missing (PmCudaError *error, const char *name, const std::vector<std::string> &given)
{
  pm_cuda_set_error (error, PM_CUDA_NO_LIBRARY, "%s is not in %s, " PLACES, name,
                     given.empty () ? "the module's folder" : given[0].c_str ());
}
