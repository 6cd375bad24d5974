/* A model: weights, configuration and class names, ready to run; and where models are found. */
#ifndef PM_MODEL_H
#define PM_MODEL_H

#include <glib.h>

typedef struct _PmModel PmModel;

/* A part of a model: its network, and what else it needs to make a picture. */
typedef struct
{
  const char *name;    /* as diffusers calls the folder: "vae", "text_encoder", "tokenizer"; or "network" */
  const char *path;    /* NULL: not found */
  const char *is;      /* a few words for `info`; NULL: not known */
  const char *problem; /* a sentence: what is missing or wrong, and what helps; NULL: nothing */
} PmModelPart;

/* What is known of a model without running it. Borrowed from the model. */
typedef struct
{
  const char  *name;       /* of the folder or file */
  const char  *path;
  const char  *family;     /* "dit" */
  const char  *dialect;    /* "diffusers": whose tensor names and numerics the file has */
  const char  *format;     /* of the checkpoint: "safetensors" */
  guint64      n_parameters;
  guint64      n_bytes;    /* of weights as stored */
  int          n_layers, n_heads, width, patch;
  int          n_channels; /* of the input: 3 for pixel models */
  gboolean     is_latent;  /* paints through a VAE, 8 times smaller than the picture */
  const char  *vae;        /* path of the VAE; NULL: a pixel model, or none works and no picture comes out */
  gboolean     takes_prompt;       /* paints what a prompt says; else a class */
  int          max_tokens;         /* of a prompt, the end token included */
  const char  *text_encoder;       /* path; NULL: reads no prompts, or the encoder is missing */
  gboolean     makes_picture;      /* pm_generate gives a picture; FALSE where a part of it is missing or damaged */
  int          n_classes;  /* the null class left out */
  const char *const *classes;      /* [n_classes] names, NULL-terminated; NULL when there are only numbers */
  const char *const *local_classes; /* [n_classes] in the user's language, NULL where not known; NULL when none is */
  const int   *recommended_layers; /* [n_recommended_layers] */
  int          n_recommended_layers;
  const char  *prediction; /* "x0" */
  const char  *schedule;   /* "flow" */
  const char  *default_sampler;
  int          default_steps;
  double       default_guidance;
  double       guidance_interval[2];
  int          default_size;       /* pixels of both sides; the only size without any_size */
  gboolean     any_size;           /* paints any width and height that are multiples of size_multiple in min_size..max_size */
  int          size_multiple, min_size, max_size; /* pixels */
  const PmModelPart *parts;        /* [n_parts] */
  int          n_parts;
  int          text_width;         /* of the text embeddings that it reads; 0: it has classes */
  const char *const *notes;        /* sentences for `info`; NULL-terminated, never NULL */
} PmModelInfo;

/* name_or_path: a path, or the name of a model in one of the folders of pm_model_folders(). Opens too where only the network is
 * whole: what is wrong with the other parts is told in info.parts, and by what needs them.
 * Errors: PM_ERROR_NO_MODEL lists where was looked and what is there; PM_ERROR_DAMAGED, PM_ERROR_UNSUPPORTED. */
PmModel *pm_model_open (const char *name_or_path, GError **error);
PmModel *pm_model_ref (PmModel *model);
void     pm_model_unref (PmModel *model);

const PmModelInfo *pm_model_get_info (PmModel *model);

/* The size that the model paints which is nearest to a picture of width x height pixels: larger ones are made smaller with their
 * ratio kept, then both sides are rounded. A model of one size has that. */
void pm_model_fit_size (PmModel *model, int width, int height, int *fit_width, int *fit_height);

/* FALSE without makes_picture; the error is that of the part that is missing or damaged, and names what helps. */
gboolean pm_model_check_picture (PmModel *model, GError **error);

/* The class that text names: a name (case ignored; "tench, Tinca tinca" are two names of one class), a number from 0 to
 * n_classes - 1, or a unique part of a name. Names are those of the model, mostly English, then those of the user's language.
 * -1 with PM_ERROR_NO_CLASS whose message lists the nearest names, or the numbers of those that share it. "" or NULL is the null
 * class: n_classes. */
int         pm_model_find_class (PmModel *model, const char *text, GError **error);
const char *pm_model_get_class_name (PmModel *model, int class_index); /* NULL when it has no name */

/* What a user reads: "local (name)", or the name alone where there is no other. local may be NULL. Free with g_free. */
char *pm_class_label (const char *name, const char *local);

/* Folders searched, in order: $PENTIMENTO_MODELS (a path list), $XDG_DATA_HOME/pentimento/models, the system's data
 * directories, models/ beside the program. Free with g_strfreev. */
char **pm_model_folders (void);

/* Names of what is found there, and "ORG/NAME" of what Hugging Face's programs keep in their cache, sorted, each once. Of the
 * latter only pipelines that this version knows. Free with g_strfreev. */
char **pm_model_list (void);

/* The models that are meant where none is named and they are installed, the second where there is a prompt: they come with
 * Pentimento. */
#define PM_MODEL_DEFAULT        "starter-class"
#define PM_MODEL_DEFAULT_PROMPT "starter-prompt"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmModel, pm_model_unref)

#endif
