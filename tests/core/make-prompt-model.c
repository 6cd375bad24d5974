/* Makes the folder of a small model that reads prompts, for tests of programs: make-prompt-model FOLDER. */
#include <glib/gstdio.h>

#include "prompt-model.h"

int
main (int argc, char **argv)
{
  if (argc != 2 || g_mkdir_with_parents (argv[1], 0700) != 0)
    return 1;
  prompt_model_make (argv[1], TRUE);
  return 0;
}
