/* Fuzz targets: a PyTorch file, and its pickle alone, which mutations of a whole archive seldom reach deeply. */
#include "checkpoint.h"
#include "format/unpickle.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmUnpickler) unpickler = pm_unpickle (bytes, n, "input", &error);

  g_assert_true ((unpickler == NULL) == (error != NULL));
  open_checkpoint (bytes, n);
  return 0;
}
