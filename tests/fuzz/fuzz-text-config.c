/* Fuzz target: the config.json of a text encoder, beside weights that are as they should be. */
#include "fuzz.h"
#include "input.h"
#include "text/encoder.h"

#define MATRIX(name, rows, columns) "\"" name "\": {\"shape\": [" #rows ", " #columns "]}, "
#define VECTOR(name) "\"" name "\": {\"shape\": [4]}, "
#define ATTENTION "encoder.block.0.layer.0.SelfAttention."

static const char weights[] = "{\"format\": \"pentimento-hash-1\", \"tensors\": {" MATRIX ("shared.weight", 9, 4)
    MATRIX (ATTENTION "q.weight", 6, 4) MATRIX (ATTENTION "k.weight", 6, 4) MATRIX (ATTENTION "v.weight", 6, 4)
        MATRIX (ATTENTION "o.weight", 4, 6) MATRIX (ATTENTION "relative_attention_bias.weight", 8, 2)
            MATRIX ("encoder.block.0.layer.1.DenseReluDense.wi.weight", 5, 4)
                MATRIX ("encoder.block.0.layer.1.DenseReluDense.wo.weight", 4, 5)
                    VECTOR ("encoder.block.0.layer.0.layer_norm.weight") VECTOR ("encoder.block.0.layer.1.layer_norm.weight")
    "\"encoder.final_layer_norm.weight\": {\"shape\": [4]}}}";

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  static PmCheckpoint *checkpoint; /* made once: making it costs more than reading */
  int                  fd;
  g_autofree char     *path = input_path (bytes, n, &fd);
  g_autoptr (GError)   error = NULL;
  PmTextEncoderInfo    info;

  if (! checkpoint)
    checkpoint = pm_checkpoint_new_hash (weights, NULL);
  g_assert_nonnull (checkpoint);
  for (int i = 0; pm_text_encoders[i]; i++)
    {
      PmTextNetwork *network = pm_text_encoders[i]->probe (checkpoint)
                                   ? pm_text_encoders[i]->load (checkpoint, path, &info, &error)
                                   : NULL;
      g_assert_true ((network == NULL) == (error != NULL));
      if (network)
        pm_text_encoders[i]->free (network);
    }
  close (fd);
  return 0;
}
