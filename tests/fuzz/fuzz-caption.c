/* Fuzz target: captions, cleaned and not. */
#include <string.h>

#include "fuzz.h"
#include "text/caption.h"

#define MAX_TEXT 1024 /* longer ones find nothing more and take long */

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  g_autofree char *text = g_strndup ((const char *) bytes, MIN (n, MAX_TEXT));
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *const texts[] = { text, valid };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) lower_error = NULL;
      g_autofree char *clean = pm_caption_clean (texts[i], &error);
      g_autofree char *lower = pm_caption_lower (texts[i], &lower_error);

      g_assert_true ((clean == NULL) == (error != NULL));
      g_assert_true ((lower == NULL) == (lower_error != NULL));
      g_assert_true ((! clean || g_utf8_validate (clean, -1, NULL)) && (! lower || g_utf8_validate (lower, -1, NULL)));
    }
  return 0;
}
