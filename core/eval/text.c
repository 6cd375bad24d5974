/* From a prompt to tokens, and from given tokens through the text encoder, each by itself. */
#include "eval/private.h"

#include <string.h>

#include "model/private.h"
#include "text/prompt.h"

#define MAX_TOKENS 65536

/* A model's own encoder, or the encoder that the path is. */
static PmTextEncoder *
open_encoder (const char *name, GError **error)
{
  g_autofree char     *path = pm_model_resolve (name, error);
  g_autoptr (PmConfig) config = path ? pm_config_load (path, NULL) : NULL;
  g_autofree char     *inside = config ? pm_model_find_text_encoder (path, config) : NULL;
  return path ? pm_text_encoder_open (inside ? inside : path, error) : NULL;
}

PmBundle *
pm_eval_text_encode (const char *model, PmBundle *in, const PmEvalOptions *options, PmJob *job, GError **error)
{
  g_autoptr (PmTextEncoder) encoder = open_encoder (model, error);
  g_autoptr (PmBackend)     backend = NULL;
  g_autoptr (PmBundle)      out = pm_bundle_new ();
  const PmTensor           *ids = pm_bundle_find (in, "ids");
  gsize                     n = ids && ids->rank == 1 ? MIN (ids->n_elements, MAX_TOKENS) : 1;
  const gint32             *tokens = encoder ? pm_bundle_get_i32 (in, "ids", 1, (gssize[]) { (gssize) MAX (n, 1) }, error) : NULL;

  if (! tokens || ! (backend = pm_eval_open_backend (options, error)))
    return NULL;
  gsize  shape[] = { n, pm_text_encoder_get_info (encoder)->width };
  float *embedding = pm_bundle_add (out, "embedding", PM_DTYPE_F32, 2, shape, error);
  if (! embedding || ! pm_text_encoder_run (encoder, backend, tokens, (int) n, embedding, job, error))
    return NULL;
  return g_steal_pointer (&out);
}

PmBundle *
pm_eval_tokenize (PmModel *model, const char *text, GError **error)
{
  g_autoptr (PmPrompt) prompt = pm_model_read_prompt (model, text, error);
  g_autoptr (PmBundle) out = pm_bundle_new ();
  gint32              *ids;

  if (! prompt || ! (ids = pm_bundle_add (out, "ids", PM_DTYPE_I32, 1, (gsize[]) { prompt->n_tokens }, error)))
    return NULL;
  memcpy (ids, prompt->ids, sizeof (gint32) * prompt->n_tokens);
  return g_steal_pointer (&out);
}
