/* Fuzz target: sentencepiece's models. What would be read as JSON is the other target's. */
#include "fuzz.h"
#include "tokenizer.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  if (n == 0 || bytes[0] != '{')
    open_tokenizer (bytes, n);
  return 0;
}
