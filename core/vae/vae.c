/* Opening a decoder, and what is the same for every kind: the latent's scale, and draws from a posterior. */
#include "vae/vae.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/memory.h"
#include "format/config.h"
#include "vae/config.h"

#define MAX_PIXELS (1 << 20) /* of a latent: its attention looks from each at each */

struct _PmVae
{
  PmCheckpoint    *checkpoint;
  const PmVaeKind *kind;
  PmVaeNetwork    *network;
  PmVaeInfo        info;
};

static const PmVaeKind *
find_kind (PmCheckpoint *checkpoint, GError **error)
{
  for (int i = 0; pm_vaes[i]; i++)
    if (pm_vaes[i]->probe (checkpoint))
      return pm_vaes[i];
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("“%s” is no decoder of latents that is known here (AutoencoderKL, named as in diffusers or in "
                 "latent-diffusion); give the folder “vae” of a diffusers model."),
               pm_checkpoint_get_path (checkpoint));
  return NULL;
}

PmVae *
pm_vae_new_from_checkpoint (PmCheckpoint *checkpoint, const char *config_path, GError **error)
{
  g_autoptr (PmVae) vae = g_new0 (PmVae, 1);
  PmVaeConfig       config;

  vae->checkpoint = checkpoint;
  vae->kind = find_kind (checkpoint, error);
  if (! vae->kind || ! pm_vae_config_load (config_path, &config, error))
    return NULL;
  vae->network = vae->kind->load (checkpoint, &config, &vae->info, error);
  if (! vae->network)
    return NULL;
  vae->info.scaling = config.scaling;
  vae->info.shift = config.shift;
  return g_steal_pointer (&vae);
}

PmVae *
pm_vae_open (const char *path, GError **error)
{
  PmCheckpoint    *checkpoint = pm_checkpoint_open (path, error);
  g_autofree char *config = pm_config_find (path);
  return checkpoint ? pm_vae_new_from_checkpoint (checkpoint, config, error) : NULL;
}

void
pm_vae_free (PmVae *vae)
{
  if (! vae)
    return;
  if (vae->network)
    vae->kind->free (vae->network);
  pm_checkpoint_free (vae->checkpoint);
  g_free (vae);
}

const PmVaeInfo *
pm_vae_get_info (PmVae *vae)
{
  return &vae->info;
}

PmCheckpoint *
pm_vae_get_checkpoint (PmVae *vae)
{
  return vae->checkpoint;
}

PmVaeCost
pm_vae_measure (PmVae *vae, PmBackend *backend, const PmVaeCall *call)
{
  return vae->kind->measure (vae->network, backend, call);
}

static float *
new_floats (gsize n, GError **error)
{
  float *values = g_try_new (float, n);
  if (! values)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                         _("There is not enough memory to run the decoder; close other programs and try again."));
  return values;
}

/* A device's memory is asked for when it is needed, because other things in it can make room. */
static gboolean
check_size (PmVae *vae, PmBackend *backend, const PmVaeCall *call, GError **error)
{
  int      factor = vae->info.factor;
  guint64  there = pm_memory_available ();
  gboolean is_possible = (gint64) call->h * call->w <= MAX_PIXELS;
  gsize    bytes = is_possible && ! pm_backend_has_memory (backend) ? pm_vae_measure (vae, backend, call).work_bytes : 0;

  if (is_possible && bytes <= there)
    return TRUE;
  g_autofree char *needed = g_format_size (bytes);
  g_autofree char *left = g_format_size (there);
  if (is_possible)
    g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                 _("A picture of %d × %d pixels needs %s of memory in the decoder, but only %s are free; close other programs, "
                   "or choose a smaller picture."),
                 call->w * factor, call->h * factor, needed, left);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("A latent of %d × %d is too large for the decoder; 1024 × 1024 is the most."),
                 call->w, call->h);
  return FALSE;
}

static gboolean
run (PmVae *vae, PmBackend *backend, const PmVaeCall *call, GError **error)
{
  if (! check_size (vae, backend, call, error))
    return FALSE;
  pm_backend_set_job (backend, call->job);
  gboolean done = vae->kind->run (vae->network, backend, call, error);
  pm_backend_set_job (backend, NULL);
  return done;
}

gboolean
pm_vae_decode (PmVae *vae, PmBackend *backend, int h, int w, const float *latent, PmVaeMemory memory, float *picture,
               PmJob *job, GError **error)
{
  gsize             n = (gsize) vae->info.latent_channels * h * w;
  g_autofree float *raw = new_floats (n, error);

  if (! raw)
    return FALSE;
  for (gsize i = 0; i < n; i++)
    raw[i] = (float) (latent[i] / vae->info.scaling + vae->info.shift);
  return run (vae, backend, &(PmVaeCall) { .direction = PM_VAE_DECODE, .h = h, .w = w, .in = raw, .out = picture,
                                           .memory = memory, .job = job }, error);
}

gboolean
pm_vae_encode (PmVae *vae, PmBackend *backend, int h, int w, const float *picture, PmVaeMemory memory, PmRandom *random,
               float *latent, PmJob *job, GError **error)
{
  gsize             n = (gsize) vae->info.latent_channels * h * w;
  g_autofree float *moments = new_floats (2 * n, error);

  if (! moments)
    return FALSE;
  if (! vae->info.has_encoder)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("“%s” has a decoder but no encoder of pictures; download the whole autoencoder."),
                   pm_checkpoint_get_path (vae->checkpoint));
      return FALSE;
    }
  if (! run (vae, backend, &(PmVaeCall) { .direction = PM_VAE_ENCODE, .h = h, .w = w, .in = picture, .out = moments,
                                          .memory = memory, .job = job }, error))
    return FALSE;
  if (random)
    pm_random_normal (random, n, latent);
  for (gsize i = 0; i < n; i++)
    {
      double spread = random ? exp (0.5 * CLAMP (moments[n + i], -30.f, 20.f)) * latent[i] : 0;
      latent[i] = (float) ((moments[i] + spread - vae->info.shift) * vae->info.scaling);
    }
  return TRUE;
}
