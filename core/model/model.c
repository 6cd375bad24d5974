/* Opening a model: the checkpoint, its configuration, the family that claims it. Finding one is in model/find.c. */
#include "model/private.h"

#include "base/error.h"
#include "base/i18n.h"

static const char *const prediction_names[] = { "unknown", "eps", "eps_learned_range", "v", "x0" };

static const PmFamily *
find_family (PmCheckpoint *checkpoint, const PmConfig *config, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (int i = 0; pm_families[i]; i++)
    {
      if (pm_families[i]->probe (checkpoint))
        return pm_families[i];
      g_string_append_printf (known, "%s%s", known->len ? ", " : "", pm_families[i]->id);
    }
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The tensors of “%s” belong to no kind of model that this version knows (%s); choose another model, or a newer "
                 "Pentimento."),
               pm_checkpoint_get_path (checkpoint), known->str);
  return NULL;
}

/* Recommended layers: the configuration's where they exist, else the middle half. */
static void
set_recommended (PmModel *model)
{
  int      n_layers = model->network_info.n_layers, n = 0;
  GArray  *said = model->config->recommended_layers;
  gboolean all_there = said && said->len > 0;

  for (guint i = 0; all_there && i < said->len; i++)
    all_there = g_array_index (said, int, i) >= 0 && g_array_index (said, int, i) < n_layers;
  int first = n_layers / 4, count = all_there ? (int) said->len : MAX (n_layers - 2 * first, 1);
  model->recommended = g_new (int, count);
  for (; n < count; n++)
    model->recommended[n] = all_there ? g_array_index (said, int, n) : first + n;
  model->info.recommended_layers = model->recommended;
  model->info.n_recommended_layers = count;
}

static void
set_notes (PmModel *model, gboolean is_imagenet, const GError *local_error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  if (model->config->notes)
    g_strv_builder_addv (builder, (const char **) model->config->notes);
  if (model->config->family && g_strcmp0 (model->config->family, model->family->id) != 0)
    {
      g_autofree char *note = g_strdup_printf (_("The configuration says family “%s”, but the tensors are those of “%s”."),
                                               model->config->family, model->family->id);
      g_strv_builder_add (builder, note);
    }
  if (is_imagenet)
    g_strv_builder_add (builder, _("The model names none of its 1000 classes; they are shown by ImageNet's names."));
  if (local_error)
    {
      g_autofree char *note = g_strdup_printf (_("The classes are named in English only: %s"), local_error->message);
      g_strv_builder_add (builder, note);
    }
  if (model->config->default_size > 0 && model->config->default_size != model->info.default_size)
    {
      g_autofree char *note = g_strdup_printf (_("The configuration says size %d, but the positions are those of %d pixels."),
                                               model->config->default_size, model->info.default_size);
      g_strv_builder_add (builder, note);
    }
  if (model->config->recommended_layers && model->info.n_recommended_layers != (int) model->config->recommended_layers->len)
    g_strv_builder_add (builder, _("The configuration recommends layers that the model lacks; the middle half is taken."));
  if (! model->info.makes_picture)
    g_strv_builder_add (builder, pm_model_no_picture (model));
  model->notes = g_strv_builder_end (builder);
  model->info.notes = (const char *const *) model->notes;
}

const char *
pm_model_no_picture (PmModel *model)
{
  if (model->vae_error)
    return model->vae_error->message;
  if (model->vae || (! model->network_info.is_latent && model->network_info.in_channels == 3))
    return model->encoder_error ? model->encoder_error->message : model->tokenizer_error ? model->tokenizer_error->message : NULL;
  if (model->network_info.is_latent)
    return _("This model paints latents, and its VAE is not here (diffusers' folder “vae”, in the model's folder); it can be "
             "evaluated and inspected, but makes no picture.");
  return _("This model's output has not three channels; it can be evaluated and inspected, but makes no picture.");
}

void
pm_model_fit_size (PmModel *model, int width, int height, int *fit_width, int *fit_height)
{
  const PmModelInfo *info = &model->info;
  double             scale = MIN (1.0, info->max_size / (double) MAX (MAX (width, height), 1));
  int                sides[] = { width, height };

  for (int i = 0; i < 2; i++)
    {
      int side = (int) (sides[i] * scale / info->size_multiple + 0.5) * info->size_multiple;
      sides[i] = info->any_size ? CLAMP (side, info->min_size, info->max_size / info->size_multiple * info->size_multiple)
                                : info->default_size;
    }
  *fit_width = sides[0];
  *fit_height = sides[1];
}

gboolean
pm_model_check_picture (PmModel *model, GError **error)
{
  const GError *cause = model->vae_error       ? model->vae_error
                        : model->encoder_error ? model->encoder_error
                                               : model->tokenizer_error;

  if (model->info.makes_picture)
    return TRUE;
  g_set_error_literal (error, PM_ERROR, cause ? cause->code : PM_ERROR_UNSUPPORTED, pm_model_no_picture (model));
  return FALSE;
}

int
pm_model_get_class_row (PmModel *model, int class_index)
{
  int null_class = model->network_info.null_class;
  if (class_index >= model->network_info.n_classes)
    return null_class;
  return class_index + (null_class >= 0 && class_index >= null_class ? 1 : 0);
}

/* One name a class: a list that names the null class too loses that name. ImageNet's where the model has as many classes and
 * names none; TRUE when they were taken. */
static gboolean
set_class_names (PmModel *model)
{
  g_auto (GStrv)           imagenet = NULL;
  char *const             *names = model->config->classes;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (! names)
    names = imagenet = pm_model_default_classes (model->network_info.n_classes);
  int n_names = names ? (int) g_strv_length ((char **) names) : 0;
  for (int i = 0; i < n_names; i++)
    if (n_names == model->network_info.n_classes || i != model->network_info.null_class)
      g_strv_builder_add (builder, names[i]);
  model->class_names = n_names > 0 ? g_strv_builder_end (builder) : NULL;
  model->info.classes = (const char *const *) model->class_names;
  return imagenet != NULL;
}

static void
set_info (PmModel *model)
{
  const PmNetworkInfo *network = &model->network_info;
  const PmConfig      *config = model->config;
  PmModelInfo         *info = &model->info;
  gboolean             is_flow = network->schedule.type == PM_SCHEDULE_FLOW;
  int                  scale = model->vae ? pm_vae_get_info (model->vae)->factor : network->is_latent ? 8 : 1;

  *info = (PmModelInfo) {
    .name = model->name,
    .path = model->path,
    .family = model->family->id,
    .dialect = network->dialect,
    .format = pm_checkpoint_get_format (model->checkpoint),
    .n_bytes = pm_checkpoint_get_bytes (model->checkpoint),
    .n_layers = network->n_layers,
    .n_heads = network->n_heads,
    .width = network->width,
    .patch = network->patch,
    .n_channels = network->in_channels,
    .is_latent = network->is_latent,
    .vae = model->vae ? model->vae_path : NULL,
    .n_classes = network->n_classes,
    .takes_prompt = network->text_width > 0,
    .max_tokens = network->text_width > 0 ? network->max_text : 0,
    .text_encoder = model->encoder ? model->encoder_path : NULL,
    .makes_picture = pm_model_no_picture (model) == NULL,
    .prediction = prediction_names[network->prediction],
    .schedule = is_flow ? "flow" : "linear",
    .default_sampler = config->default_sampler ? config->default_sampler
                       : network->sampler      ? network->sampler
                       : is_flow               ? "euler"
                                               : "ddim",
    .default_steps = config->default_steps > 0 ? config->default_steps
                     : network->steps > 0      ? network->steps
                     : is_flow                 ? 24
                                               : 50,
    .default_guidance = ! network->has_null             ? 1
                        : config->default_guidance >= 0 ? config->default_guidance
                        : network->guidance > 0         ? network->guidance
                                                        : 4,
    .guidance_interval = { config->guidance_interval[0], config->guidance_interval[1] },
    .default_size = network->grid_w * network->patch * scale,
    .any_size = network->any_size,
    .text_width = network->text_width,
    .size_multiple = network->patch * scale,
    .min_size = network->any_size ? network->patch * scale : network->grid_w * network->patch * scale,
    .max_size = (network->any_size ? network->max_side : network->grid_w) * network->patch * scale,
  };
  for (guint i = 0; i < pm_checkpoint_get_n_tensors (model->checkpoint); i++)
    info->n_parameters += pm_checkpoint_get_tensor (model->checkpoint, i)->n_elements;
  gboolean is_imagenet = set_class_names (model);
  g_autoptr (GError) local_error = NULL;
  pm_model_load_local_classes (model, &local_error);
  set_recommended (model);
  set_notes (model, is_imagenet, local_error);
  pm_model_set_parts (model);
}

/* The decoder of a latent model; one that is missing or damaged leaves a model that can still be looked into. */
static void
open_vae (PmModel *model)
{
  const PmNetworkInfo *network = &model->network_info;

  if (! network->is_latent)
    return;
  model->vae_path = pm_model_find_vae (model->path, model->config);
  if (! model->vae_path)
    model->vae_path = pm_model_find_published_vae (model);
  if (model->vae_path)
    model->vae = pm_vae_open (model->vae_path, &model->vae_error);
  if (! model->vae || pm_vae_get_info (model->vae)->latent_channels == network->in_channels)
    return;
  g_set_error (&model->vae_error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The decoder “%s” reads latents of %d channels, but the model paints %d; put the decoder there that the model "
                 "was trained with."),
               model->vae_path, pm_vae_get_info (model->vae)->latent_channels, network->in_channels);
  g_clear_pointer (&model->vae, pm_vae_free);
}

/* The noise of a flow cannot be told from its start, where there is nothing else: x0 = (x - s e) / (1 - s) has no value there. */
static gboolean
check_prediction (PmModel *model, GError **error)
{
  PmPrediction prediction = model->network_info.prediction;

  if (model->network_info.schedule.type != PM_SCHEDULE_FLOW || prediction == PM_PREDICTION_V || prediction == PM_PREDICTION_X0)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
               _("The model “%s” would predict noise along a flow, which has no picture at its start; correct \"prediction\" "
                 "(v or x0) or \"schedule\" in its configuration."),
               model->name);
  return FALSE;
}

PmModel *
pm_model_new_from_checkpoint (PmCheckpoint *checkpoint, PmConfig *config, const char *name, GError **error)
{
  PmModel *model = g_new0 (PmModel, 1);
  model->ref_count = 1;
  model->name = g_strdup (name);
  model->path = g_strdup (pm_checkpoint_get_path (checkpoint));
  model->checkpoint = checkpoint;
  model->config = config;
  model->family = find_family (checkpoint, config, error);
  if (model->family)
    model->network = model->family->load (checkpoint, config, &model->network_info, error);
  if (! model->network || ! check_prediction (model, error))
    {
      pm_model_unref (model);
      return NULL;
    }
  open_vae (model);
  pm_model_open_text (model);
  set_info (model);
  return model;
}

PmModel *
pm_model_ref (PmModel *model)
{
  g_atomic_int_inc (&model->ref_count);
  return model;
}

void
pm_model_unref (PmModel *model)
{
  if (! model || ! g_atomic_int_dec_and_test (&model->ref_count))
    return;
  if (model->network)
    model->family->free (model->network, &model->network_info);
  pm_checkpoint_free (model->checkpoint);
  pm_config_free (model->config);
  pm_vae_free (model->vae);
  g_clear_error (&model->vae_error);
  pm_model_close_text (model);
  g_clear_pointer (&model->parts, g_array_unref);
  g_free (model->vae_path);
  g_strfreev (model->class_names);
  g_clear_pointer (&model->local_names, g_ptr_array_unref);
  g_free (model->recommended);
  g_strfreev (model->notes);
  g_free (model->name);
  g_free (model->path);
  g_free (model);
}

const PmModelInfo *
pm_model_get_info (PmModel *model)
{
  return &model->info;
}
