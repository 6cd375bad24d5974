/* What the rest of the core knows of a model. */
#ifndef PM_MODEL_PRIVATE_H
#define PM_MODEL_PRIVATE_H

#include "family/family.h"
#include "model/model.h"
#include "text/encoder.h"
#include "text/tokenizer.h"
#include "vae/vae.h"

struct _PmModel
{
  gint            ref_count;
  char           *name, *path;
  PmCheckpoint   *checkpoint;
  PmConfig       *config;
  const PmFamily *family;
  PmNetwork      *network;
  PmNetworkInfo   network_info;
  PmVae          *vae;         /* NULL: a pixel model, or none was found, or the reason is in vae_error */
  char           *vae_path;    /* NULL: not found */
  GError         *vae_error;
  PmTextEncoder  *encoder;     /* of a model that reads prompts; NULL with the reason in encoder_error */
  PmTokenizer    *tokenizer;   /* likewise */
  char           *encoder_path, *tokenizer_path; /* NULL: not found */
  GError         *encoder_error, *tokenizer_error;
  PmModelInfo     info;
  char          **class_names; /* behind info.classes */
  GPtrArray      *local_names; /* behind info.local_classes */
  int            *recommended; /* behind info.recommended_layers */
  char          **notes;       /* behind info.notes */
  GArray         *parts;       /* of PmModelPart, behind info.parts */
};

/* The path of a model's name, or of a path that exists. Errors: PM_ERROR_NO_MODEL. Free with g_free. */
char *pm_model_resolve (const char *name_or_path, GError **error);

/* The folder of a model's decoder: what the configuration says, else vae/ beside the weights; NULL where it is not there. Free
 * with g_free. */
char *pm_model_find_vae (const char *path, const PmConfig *config);

/* The decoder where a network that reads prompts was published with its weights, and no configuration says; NULL where it is not
 * there. Free with g_free. */
char *pm_model_find_published_vae (PmModel *model);

/* As pm_model_find_vae, of the encoder of prompts, a folder or a file, and of its tokenizer: what the configuration says, else a
 * folder beside the weights as published models have it. */
char *pm_model_find_text_encoder (const char *path, const PmConfig *config);
char *pm_model_find_tokenizer (const char *path, const PmConfig *config);

/* Fills the text parts of a model whose network is loaded, and frees them. */
void pm_model_open_text (PmModel *model);
void pm_model_close_text (PmModel *model);

/* FALSE with the reason when the model reads no prompts, or lacks its tokenizer, or (encodes) its text encoder. */
gboolean pm_model_check_prompts (PmModel *model, gboolean encodes, GError **error);

/* The row of the class table for a class of pm_model_find_class. */
int pm_model_get_class_row (PmModel *model, int class_index);

/* Fills info.parts, once the rest of the model is. */
void pm_model_set_parts (PmModel *model);

/* The sentence that says why no picture can be made; NULL where one can. */
const char *pm_model_no_picture (PmModel *model);

/* Takes checkpoint and config (freed on failure too). */
PmModel *pm_model_new_from_checkpoint (PmCheckpoint *checkpoint, PmConfig *config, const char *name, GError **error);

/* ImageNet's names for a model of 1000 classes that names none, from classes/imagenet-1k.json beside a folder of models; NULL
 * when there are other numbers of classes or no such file. Free with g_strfreev. */
char **pm_model_default_classes (int n_classes);

/* Fills info.local_classes, once the rest is: where the model calls a class as ImageNet does, its name in the first of the user's
 * languages that classes/imagenet-1k.LANG.json is there for. Errors: PM_ERROR_DAMAGED; the names are then English alone. */
gboolean pm_model_load_local_classes (PmModel *model, GError **error);

/* What names a class in every language, where text named it in the user's: text itself, else its English name or its number. Free
 * with g_free. */
char *pm_model_portable_class (PmModel *model, const char *text, int class_index);

#endif
