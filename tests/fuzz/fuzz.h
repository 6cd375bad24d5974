/* What a fuzz target is: one function that must survive any bytes. */
#ifndef PM_FUZZ_H
#define PM_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes /* [n] */, size_t n);

#endif
