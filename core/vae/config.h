/* A decoder's config.json, as diffusers writes it. */
#ifndef PM_VAE_CONFIG_H
#define PM_VAE_CONFIG_H

#include "vae/vae.h"

/* path: the file; NULL or one that is not there gives the defaults. Errors: PM_ERROR_DAMAGED names key and remedy,
 * PM_ERROR_UNSUPPORTED what this version cannot run. */
gboolean pm_vae_config_load (const char *path, PmVaeConfig *config, GError **error);

#endif
