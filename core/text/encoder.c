/* See encoder.h. */
#include "text/encoder.h"

#include "base/error.h"
#include "base/i18n.h"
#include "base/memory.h"
#include "format/config.h"
#include "format/identity.h"

struct _PmTextEncoder
{
  PmCheckpoint            *checkpoint;
  const PmTextEncoderKind *kind;
  PmTextNetwork           *network;
  PmTextEncoderInfo        info;
  char                    *config_sum; /* of config.json; of nothing where there is none */
};

static char *
sum_file (const char *path)
{
  g_autofree char *text = NULL;
  gsize            n = 0;

  if (path)
    g_file_get_contents (path, &text, &n, NULL);
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) (text ? text : ""), n);
}

static const PmTextEncoderKind *
find_kind (PmCheckpoint *checkpoint, GError **error)
{
  for (int i = 0; pm_text_encoders[i]; i++)
    if (pm_text_encoders[i]->probe (checkpoint))
      return pm_text_encoders[i];
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("“%s” is no encoder of text that this version knows (T5); give the folder “text_encoder” that the model was "
                 "published with."),
               pm_checkpoint_get_path (checkpoint));
  return NULL;
}

PmTextEncoder *
pm_text_encoder_open (const char *path, GError **error)
{
  g_autoptr (PmTextEncoder) encoder = g_new0 (PmTextEncoder, 1);
  g_autofree char          *config = pm_config_find (path);

  encoder->checkpoint = pm_checkpoint_open (path, error);
  encoder->kind = encoder->checkpoint ? find_kind (encoder->checkpoint, error) : NULL;
  encoder->network = encoder->kind ? encoder->kind->load (encoder->checkpoint, config, &encoder->info, error) : NULL;
  if (! encoder->network)
    return NULL;
  encoder->info.kind = encoder->kind->id;
  encoder->config_sum = sum_file (config);
  return g_steal_pointer (&encoder);
}

void
pm_text_encoder_free (PmTextEncoder *encoder)
{
  if (! encoder)
    return;
  if (encoder->network)
    encoder->kind->free (encoder->network);
  pm_checkpoint_free (encoder->checkpoint);
  g_free (encoder->config_sum);
  g_free (encoder);
}

char *
pm_text_encoder_identity (PmTextEncoder *encoder)
{
  g_autofree char *files = pm_identity_find (encoder->checkpoint);
  return files ? g_strconcat (encoder->info.kind, " ", files, " ", encoder->config_sum, NULL) : NULL;
}

const PmTextEncoderInfo *
pm_text_encoder_get_info (PmTextEncoder *encoder)
{
  return &encoder->info;
}

PmCheckpoint *
pm_text_encoder_get_checkpoint (PmTextEncoder *encoder)
{
  return encoder->checkpoint;
}

PmTextCost
pm_text_encoder_measure (PmTextEncoder *encoder, int n, PmDtype acts)
{
  return encoder->kind->measure (encoder->network, n, acts);
}

static gboolean
check (PmTextEncoder *encoder, const int *ids, int n, GError **error)
{
  guint64 there = pm_memory_available ();

  for (int i = 0; i < n; i++)
    if (ids[i] < 0 || ids[i] >= encoder->info.n_vocabulary)
      {
        g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                     _("The text has the token %d, but the encoder “%s” knows only 0 to %d; put the tokenizer beside it that it "
                       "was published with."),
                     ids[i], pm_checkpoint_get_path (encoder->checkpoint), encoder->info.n_vocabulary - 1);
        return FALSE;
      }
  gsize bytes = pm_text_encoder_measure (encoder, n, PM_DTYPE_F32).work_bytes;
  if (bytes <= there)
    return pm_checkpoint_verify (encoder->checkpoint, error);
  g_autofree char *needed = g_format_size (bytes);
  g_autofree char *left = g_format_size (there);
  g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
               _("Reading the prompt needs %s of memory, but only %s are free; close other programs, or write a shorter prompt."),
               needed, left);
  return FALSE;
}

gboolean
pm_text_encoder_run (PmTextEncoder *encoder, PmBackend *backend, const int *ids, int n, float *out, PmJob *job, GError **error)
{
  g_autoptr (PmBackend) wide = NULL;

  g_assert (n > 0);
  if (! check (encoder, ids, n, error))
    return FALSE;
  if (pm_backend_get_wide_dtype (backend) != pm_backend_get_activation_dtype (backend))
    {
      if (! (wide = pm_backend_open_wide (backend, error)))
        return FALSE;
      backend = wide;
    }
  pm_backend_set_job (backend, job);
  gboolean done = encoder->kind->run (encoder->network, backend, ids, n, out, job, error);
  pm_backend_set_job (backend, NULL);
  return done;
}
