/* The decoder of latents by itself, on given tensors. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "eval/private.h"
#include "model/private.h"

/* A model's own decoder, or the decoder that the path is. */
static PmVae *
open_vae (const char *name, GError **error)
{
  g_autofree char     *path = pm_model_resolve (name, error);
  g_autoptr (PmConfig) config = path ? pm_config_load (path, error) : NULL;
  g_autofree char     *inside = config ? pm_model_find_vae (path, config) : NULL;
  return config ? pm_vae_open (inside ? inside : path, error) : NULL;
}

/* NULL: the default. */
static gboolean
read_memory (const char *text, PmVaeMemory *memory, GError **error)
{
  guint64 mib;

  *memory = (PmVaeMemory) { .is_half = g_strcmp0 (text, "half") == 0, .limit = g_strcmp0 (text, "full") == 0 ? G_MAXSIZE : 0 };
  if (! text || memory->is_half || memory->limit)
    return TRUE;
  if (g_ascii_string_to_unsigned (text, 10, 1, 1 << 20, &mib, NULL))
    {
      memory->limit = (gsize) mib << 20;
      return TRUE;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The decoder's memory is full, half or a number of MiB, not “%s”; give one of these."), text);
  return FALSE;
}

/* The tensor that goes in, [B, channels, height, width] with sides that are multiples of `multiple`. */
static const float *
read_input (PmBundle *in, const char *name, int channels, int multiple, gsize size[4], GError **error)
{
  const PmTensor *tensor = pm_bundle_find (in, name);
  gboolean        fits = tensor && tensor->rank == 4;

  for (int i = 0; i < 4; i++)
    {
      size[i] = fits ? tensor->shape[i] : 1;
      fits = fits && size[i] >= 1 && size[i] <= 65536;
    }
  if (fits && (size[2] % multiple || size[3] % multiple))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The picture has %d × %d pixels; both sides should be multiples of %d for this decoder. Crop it."),
                   (int) size[3], (int) size[2], multiple);
      return NULL;
    }
  gssize shape[] = { fits ? (gssize) size[0] : 1, channels, fits ? (gssize) size[2] : 1, fits ? (gssize) size[3] : 1 };
  return pm_bundle_get_f32 (in, name, 4, shape, error);
}

static PmBundle *
run_stage (PmVae *vae, gboolean decodes, PmVaeMemory memory, PmBundle *in, const PmEvalOptions *options, PmJob *job,
           GError **error)
{
  const PmVaeInfo      *info = pm_vae_get_info (vae);
  int                   factor = info->factor, z = info->latent_channels;
  g_autoptr (PmBundle)  out = pm_bundle_new ();
  g_autoptr (PmBackend) backend = NULL;
  PmRandom              random;
  gsize                 size[4];
  const float *from = read_input (in, decodes ? "latent" : "image", decodes ? z : 3, decodes ? 1 : factor, size, error);

  if (! from)
    return NULL;
  gsize h = decodes ? size[2] : size[2] / factor, w = decodes ? size[3] : size[3] / factor;
  gsize n_latent = z * h * w, n_image = 3 * h * w * factor * factor;
  gsize shape[] = { size[0], decodes ? 3 : z, decodes ? h * factor : h, decodes ? w * factor : w };
  float *to = pm_bundle_add (out, decodes ? "image" : "latent", PM_DTYPE_F32, 4, shape, error);
  if (! to || ! (backend = pm_eval_open_backend (options, error)))
    return NULL;
  pm_random_init (&random, options->seed);
  for (gsize b = 0; b < size[0]; b++)
    {
      pm_job_set_range (job, (double) b / size[0], (b + 1.0) / size[0]);
      gboolean done = decodes ? pm_vae_decode (vae, backend, (int) h, (int) w, from + b * n_latent, memory, to + b * n_image, job,
                                               error)
                              : pm_vae_encode (vae, backend, (int) h, (int) w, from + b * n_image, memory,
                                               options->has_seed ? &random : NULL, to + b * n_latent, job, error);
      if (! done)
        return NULL;
    }
  return g_steal_pointer (&out);
}

PmBundle *
pm_eval_vae (const char *model, const char *stage, PmBundle *in, const PmEvalOptions *options, PmJob *job, GError **error)
{
  PmVaeMemory       memory;
  g_autoptr (PmVae) vae = read_memory (options->memory, &memory, error) ? open_vae (model, error) : NULL;
  return vae ? run_stage (vae, strcmp (stage, "vae-decode") == 0, memory, in, options, job, error) : NULL;
}
