/* Opens bytes as a tokenizer and cuts texts by it. */
#ifndef PM_FUZZ_TOKENIZER_H
#define PM_FUZZ_TOKENIZER_H

#include <string.h>

#include "input.h"
#include "text/tokenizer.h"

static inline void
open_tokenizer (const guint8 *bytes, gsize n)
{
  static const char *const texts[] = { "", "A cab  [K] be\u0301\u00a0\u200b</s>",
                                       " <PAINT>sky fox\r\n\u2581\U0001f600\u0378 <extra_id_0>" };
  int fd;
  g_autofree char *path = input_path (bytes, n, &fd);
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTokenizer) tokenizer = pm_tokenizer_open (path, &error);

  g_assert_true ((tokenizer == NULL) == (error != NULL));
  for (gsize i = 0; tokenizer && i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) encode_error = NULL;
      g_autoptr (PmTokens) tokens = pm_tokenizer_encode (tokenizer, texts[i], &encode_error);

      g_assert_true ((tokens == NULL) == (encode_error != NULL));
      for (int j = 0; tokens && j < tokens->n; j++)
        {
          g_assert_nonnull (pm_tokenizer_get_piece (tokenizer, tokens->ids[j]));
          g_assert_true (tokens->begin[j] <= tokens->end[j] && tokens->end[j] <= strlen (texts[i]));
        }
    }
  close (fd);
}

#endif
