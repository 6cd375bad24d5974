/* A model's config.json or sidecar NAME.json: what the shapes of tensors cannot tell. */
#ifndef PM_CONFIG_H
#define PM_CONFIG_H

#include <glib.h>

typedef enum
{
  PM_PREDICTION_UNKNOWN, /* not said: the family decides */
  PM_PREDICTION_EPS,
  PM_PREDICTION_EPS_LEARNED_RANGE, /* eps, then as many channels of variance */
  PM_PREDICTION_V,
  PM_PREDICTION_X0
} PmPrediction;

typedef enum
{
  PM_SCHEDULE_LINEAR, /* DDPM's linear betas */
  PM_SCHEDULE_FLOW    /* a straight line from noise to picture */
} PmScheduleType;

/* Which timesteps a run of n steps takes out of N. */
typedef enum
{
  PM_SPACING_UNKNOWN,  /* not said: the family decides */
  PM_SPACING_STRIDE,   /* facebookresearch/DiT: of DDIM the first whole stride that gives exactly n, from 0 */
  PM_SPACING_LINSPACE, /* diffusers: both ends and evenly between; of a flow too, where steps are of equal length otherwise */
  PM_SPACING_LEADING,  /* diffusers: a stride of N / n rounded down, from steps_offset */
  PM_SPACING_TRAILING  /* diffusers: a stride of N / n, from N - 1 downwards */
} PmSpacing;

/* How much noise DDPM adds. */
typedef enum
{
  PM_VARIANCE_LEARNED, /* what the network predicts, or the larger bound when it predicts none */
  PM_VARIANCE_LARGE,   /* a bound, whatever the network predicts */
  PM_VARIANCE_SMALL
} PmVariance;

typedef struct
{
  PmScheduleType type;
  double         beta_start, beta_end; /* LINEAR */
  int            n_train_steps;        /* 1000; of a FLOW with PM_SPACING_LINSPACE only */
  int            noise_at;             /* FLOW: the model's time at pure noise, 0 or 1 */
  double         time_scale;           /* FLOW: times this when it enters the timestep embedding */
  gboolean       is_scaled;            /* LINEAR: the square roots of the betas are evenly spaced, not the betas */
  PmSpacing      spacing;
  int            steps_offset;         /* LINEAR, with PM_SPACING_LEADING */
  PmVariance     variance;             /* LINEAR */
  gboolean       ends_noisy;           /* LINEAR: without draws, the last step ends at timestep 0 and not at the picture */
  int            first_order_below;    /* multistep runs of fewer steps end with one of first order, wherever they end */
  gboolean       is_clipped;           /* LINEAR: multistep runs leave out timesteps with log (alpha / sigma) below: */
  double         least_lambda;
  double         shift;                /* FLOW with PM_SPACING_LINSPACE: noise s becomes shift s / (1 + (shift - 1) s) */
} PmSchedule;

/* What diffusers' config.json says of the network, to be compared with the tensors; 0: not said. */
typedef struct
{
  int    head_dim, n_layers, patch, in_channels, out_channels;
  int    n_classes;   /* the null class left out */
  int    sample_size; /* side of the input; the tensors do not tell it */
  int    cross_dim;   /* width of what the cross attentions look at */
  int    caption_channels; /* width of text embeddings */
  double norm_eps;    /* of the norms in blocks that it is meant for */
  double interpolation; /* scale of positions, see nn/position.h */
} PmConfigNetwork;

typedef struct
{
  char        *path;     /* of the file read; NULL when there was none */
  char        *family;   /* NULL: from tensor names */
  char        *pipeline; /* class of diffusers' pipeline; NULL: not said */
  int          n_heads;  /* 0: not said */
  PmConfigNetwork network;
  PmPrediction prediction;
  PmSchedule   schedule;
  gboolean     has_schedule;
  int          null_class;           /* -1: not said */
  char       **classes;              /* NULL: not said; NULL-terminated */
  int          guidance_channels;    /* 3; 0 = all; -1 = not said */
  gboolean     has_vae;              /* the key was there */
  char        *vae;                  /* NULL with has_vae: a pixel model */
  char        *text_encoder, *tokenizer; /* path, or name in the same folder; NULL: not said */
  GArray      *recommended_layers;   /* of int; NULL: not said */
  char        *default_sampler;      /* NULL: by family */
  int          default_steps;        /* 0: by family */
  double       default_guidance;     /* < 0: by family */
  double       guidance_interval[2]; /* in 0..1 of the model's time; default 0, 1 */
  int          default_size;         /* pixels; 0: by family */
  char       **notes;                /* sentences about unknown or ignored keys, for `info`; NULL-terminated */
} PmConfig;

/* An empty configuration: every default of contracts' schema. */
PmConfig *pm_config_new (void);

/* model_path: a model folder (reads config.json in it when there) or a lone checkpoint (reads NAME.json beside it
 * when there). In diffusers' folder of a pipeline model_index.json, transformer/config.json and scheduler/scheduler_config.json
 * are read before it; a scheduler names the default sampler. Nothing there is no error. Errors: PM_ERROR_DAMAGED names the
 * file, the key and what was expected; PM_ERROR_UNSUPPORTED what the samplers here cannot do. */
PmConfig *pm_config_load (const char *model_path, GError **error);
void      pm_config_free (PmConfig *config);

/* The file that pm_config_load reads, which need not be there; NULL where none can be. Free with g_free. */
char *pm_config_find (const char *model_path);

/* The names in a file as `classes` may name it; NULL with an error. Free with g_strfreev. */
char **pm_config_load_names (const char *path, gboolean has_gaps, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmConfig, pm_config_free)

#endif
