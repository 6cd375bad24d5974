/* Fuzz target: a safetensors file. */
#include "checkpoint.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  open_checkpoint (bytes, n);
  return 0;
}
