/* The text encoder by itself, on given tokens. */
#include "base/error.h"
#include "base/i18n.h"
#include "eval.h"
#include "model-private.h"

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
pm_eval_text_encode (const char *model, PmBundle *in, const char *device, int n_threads, PmJob *job, GError **error)
{
  g_autoptr (PmTextEncoder) encoder = open_encoder (model, error);
  g_autoptr (PmBackend)     backend = NULL;
  g_autoptr (PmBundle)      out = pm_bundle_new ();
  const PmTensor           *ids = pm_bundle_find (in, "ids");
  gsize                     n = ids && ids->rank == 1 ? MIN (ids->n_elements, MAX_TOKENS) : 1;
  const gint32             *tokens = encoder ? pm_bundle_get_i32 (in, "ids", 1, (gssize[]) { (gssize) MAX (n, 1) }, error) : NULL;

  if (! tokens || ! (backend = pm_backend_open (device, n_threads, error)))
    return NULL;
  gsize  shape[] = { n, pm_text_encoder_get_info (encoder)->width };
  float *embedding = pm_bundle_add (out, "embedding", PM_DTYPE_F32, 2, shape, error);
  if (! embedding || ! pm_text_encoder_run (encoder, backend, tokens, (int) n, embedding, job, error))
    return NULL;
  return g_steal_pointer (&out);
}
