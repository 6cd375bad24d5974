/* A pipeline's scheduler_config.json: which of diffusers' schedulers, hence the default sampler, and its schedule of noise. Each
 * scheduler has a table of its own before the one that all share. What a sampler here cannot do is refused by a sentence.
 * Source of truth: huggingface/diffusers, schedulers/scheduling_ddim.py, scheduling_ddpm.py, scheduling_dpmsolver_multistep.py,
 * scheduling_unipc_multistep.py and scheduling_flow_match_euler_discrete.py. */
#include "base/error.h"
#include "base/i18n.h"
#include "format/config-private.h"

#define SHORT_RUN 15 /* steps: DPM-Solver++ ends shorter runs carefully */

/* For what changes a schedule into none that is known here. */
static gboolean
is_unset (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (! pm_config_is_off (reader, node, error))
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s: \"%s\" is set, so the schedule cannot be followed. Choose another model."), reader->shown, reader->key);
  return pm_config_is_off (reader, node, error);
}

static gboolean
is_name_of (JsonNode *node, const char *const *names)
{
  const char *name = pm_json_read_string (node);
  return name && g_strv_contains (names, name);
}

static gboolean
read_beta_schedule (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "linear", "scaled_linear", NULL };

  reader->config->schedule.is_scaled = g_strcmp0 (pm_json_read_string (node), "scaled_linear") == 0;
  return is_name_of (node, names);
}

static gboolean
read_prediction_type (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const PmPredictionName names[] = {
    { "epsilon", PM_PREDICTION_UNKNOWN }, /* with or without a variance beside it, as the shapes say */
    { "sample", PM_PREDICTION_X0 },
    { "v_prediction", PM_PREDICTION_V }
  };

  return pm_config_read_prediction (reader, node, names, G_N_ELEMENTS (names));
}

static gboolean
read_spacing (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "linspace", "leading", "trailing", NULL };
  const char              *name = pm_json_read_string (node);

  reader->config->schedule.spacing = g_strcmp0 (name, "trailing") == 0  ? PM_SPACING_TRAILING
                                     : g_strcmp0 (name, "leading") == 0 ? PM_SPACING_LEADING
                                                                        : PM_SPACING_LINSPACE;
  return is_name_of (node, names);
}

static gboolean
read_steps_offset (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 0, 1000, &reader->config->schedule.steps_offset);
}

static const PmConfigKey shared_keys[] = {
  { "beta_start", pm_config_read_beta_start,
    N_("%s: \"beta_start\" should be a number between 0 and 1, such as 0.0001. Correct it.") },
  { "beta_end", pm_config_read_beta_end, N_("%s: \"beta_end\" should be a number between 0 and 1, such as 0.02. Correct it.") },
  { "num_train_timesteps", pm_config_read_train_steps,
    N_("%s: \"num_train_timesteps\" should be a whole number, such as 1000. Correct it.") },
  { "beta_schedule", read_beta_schedule,
    N_("%s: the \"beta_schedule\" is neither \"linear\" nor \"scaled_linear\" and cannot be followed. Choose another model.") },
  { "prediction_type", read_prediction_type,
    N_("%s: \"prediction_type\" should be \"epsilon\", \"sample\" or \"v_prediction\". Correct it.") },
  { "timestep_spacing", read_spacing,
    N_("%s: the \"timestep_spacing\" should be \"linspace\", \"leading\" or \"trailing\". Set it to one of them.") },
  { "steps_offset", read_steps_offset, N_("%s: \"steps_offset\" should be a whole number, such as 0. Correct it.") },
  { "thresholding", pm_config_is_off,
    N_("%s: \"thresholding\" is not false, but thresholds cannot be sampled with. Set it to false or choose another model.") },
  { "trained_betas", pm_config_is_off,
    N_("%s: \"trained_betas\" is set, but only schedules between two betas can be followed. Choose another model.") },
  { "rescale_betas_zero_snr", is_unset, NULL },
  { "use_karras_sigmas", is_unset, NULL },
  { "use_exponential_sigmas", is_unset, NULL },
  { "use_beta_sigmas", is_unset, NULL },
  { "use_lu_lambdas", is_unset, NULL },
  { "use_flow_sigmas", is_unset, NULL },
  { "use_dynamic_shifting", is_unset, NULL },
  { "shift_terminal", is_unset, NULL },
  { "_class_name", NULL, NULL }, /* read before all others */
  { "_diffusers_version", NULL, NULL },
  { "clip_sample_range", NULL, NULL }, /* of what is refused when it is on */
  { "dynamic_thresholding_ratio", NULL, NULL },
  { "sample_max_value", NULL, NULL },
  { "flow_shift", NULL, NULL },
  { "time_shift_type", NULL, NULL },
  { "base_shift", NULL, NULL },
  { "max_shift", NULL, NULL },
  { "base_image_seq_len", NULL, NULL },
  { "max_image_seq_len", NULL, NULL },
};

static const PmConfigTable shared_table = { shared_keys, G_N_ELEMENTS (shared_keys), NULL };

#define CLIPS                                                                                                             \
  N_("%s: \"clip_sample\" is not false, but clipped pictures cannot be sampled. Set it to false or choose another model.")

static gboolean
read_alpha_to_one (PmConfigReader *reader, JsonNode *node, GError **error)
{
  reader->config->schedule.ends_noisy = pm_config_is_off (reader, node, error);
  return reader->config->schedule.ends_noisy || pm_config_is_on (reader, node, error);
}

static const PmConfigKey ddim_keys[] = {
  { "clip_sample", pm_config_is_off, CLIPS },
  { "set_alpha_to_one", read_alpha_to_one, N_("%s: \"set_alpha_to_one\" should be true or false. Correct it.") },
};

static gboolean
read_variance_type (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "fixed_small", "fixed_small_log", "fixed_large", "learned_range", NULL };
  const char              *name = pm_json_read_string (node);

  reader->config->schedule.variance = g_strcmp0 (name, "fixed_large") == 0     ? PM_VARIANCE_LARGE
                                      : g_strcmp0 (name, "learned_range") == 0 ? PM_VARIANCE_LEARNED
                                                                               : PM_VARIANCE_SMALL;
  return is_name_of (node, names);
}

static const PmConfigKey ddpm_keys[] = {
  { "clip_sample", pm_config_is_off, CLIPS },
  { "variance_type", read_variance_type,
    N_("%s: the \"variance_type\" is none of \"fixed_small\", \"fixed_large\" and \"learned_range\" and cannot be followed. "
       "Choose another model.") },
};

static gboolean
is_second_order (PmConfigReader *reader, JsonNode *node, GError **error)
{
  int order;
  return pm_config_read_int (node, 2, 2, &order);
}

static gboolean
read_final_sigmas (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "zero", "sigma_min", NULL };

  reader->config->schedule.ends_noisy = g_strcmp0 (pm_json_read_string (node), "sigma_min") == 0;
  return is_name_of (node, names);
}

static gboolean
is_dpm_solver_pp (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return g_strcmp0 (pm_json_read_string (node), "dpmsolver++") == 0;
}

/* The names of other schedulers' solvers stand for "midpoint". */
static gboolean
is_midpoint (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "midpoint", "logrho", "bh1", "bh2", NULL };
  return is_name_of (node, names);
}

/* Clears the bound that the scheduler begins with. A larger one is "euler_at_final". */
static gboolean
read_lower_order (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (pm_config_is_off (reader, node, error) && reader->config->schedule.first_order_below == SHORT_RUN)
    reader->config->schedule.first_order_below = 0;
  return pm_config_is_off (reader, node, error) || pm_config_is_on (reader, node, error);
}

static gboolean
read_euler_at_final (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (pm_config_is_on (reader, node, error))
    reader->config->schedule.first_order_below = G_MAXINT;
  return pm_config_is_off (reader, node, error) || pm_config_is_on (reader, node, error);
}

/* -Infinity, which Python writes, arrives as null. */
static gboolean
read_least_lambda (PmConfigReader *reader, JsonNode *node, GError **error)
{
  reader->config->schedule.is_clipped = ! JSON_NODE_HOLDS_NULL (node);
  return JSON_NODE_HOLDS_NULL (node) || pm_config_read_double (node, -1e6, 0, &reader->config->schedule.least_lambda);
}

#define FINAL_SIGMAS                                                                                                      \
  { "final_sigmas_type", read_final_sigmas,                                                                               \
    N_("%s: \"final_sigmas_type\" should be \"zero\" or \"sigma_min\". Correct it.") }
#define SOLVER_ORDER                                                                                                      \
  { "solver_order", is_second_order,                                                                                      \
    N_("%s: the \"solver_order\" is not 2, which alone can be sampled with. Set it to 2 or choose another model.") }

static const PmConfigKey dpm_solver_keys[] = {
  { "algorithm_type", is_dpm_solver_pp,
    N_("%s: the \"algorithm_type\" is not \"dpmsolver++\", which alone can be sampled with. Set it to that one or choose another "
       "model.") },
  { "solver_type", is_midpoint,
    N_("%s: the \"solver_type\" is not \"midpoint\", which alone can be sampled with. Set it to that one or choose another "
       "model.") },
  SOLVER_ORDER,
  FINAL_SIGMAS,
  { "lower_order_final", read_lower_order, N_("%s: \"lower_order_final\" should be true or false. Correct it.") },
  { "euler_at_final", read_euler_at_final, N_("%s: \"euler_at_final\" should be true or false. Correct it.") },
  { "lambda_min_clipped", read_least_lambda,
    N_("%s: \"lambda_min_clipped\" should be null or a number below 0, such as -5.1. Correct it.") },
  { "variance_type", NULL, NULL }, /* no noise is added */
};

/* The names of other schedulers' solvers stand for "bh2". */
static gboolean
is_bh2 (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const char *const names[] = { "bh2", "midpoint", "heun", "logrho", NULL };
  return is_name_of (node, names);
}

static gboolean
is_empty (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) == 0;
}

static gboolean
read_every_lower_order (PmConfigReader *reader, JsonNode *node, GError **error)
{
  reader->config->schedule.first_order_below = pm_config_is_on (reader, node, error) ? G_MAXINT : 0;
  return pm_config_is_off (reader, node, error) || pm_config_is_on (reader, node, error);
}

static const PmConfigKey unipc_keys[] = {
  { "solver_type", is_bh2,
    N_("%s: the \"solver_type\" is not \"bh2\", which alone can be sampled with. Set it to that one or choose another model.") },
  { "predict_x0", pm_config_is_on,
    N_("%s: \"predict_x0\" is not true, but only clean pictures can be predicted. Set it to true or choose another model.") },
  { "disable_corrector", is_empty,
    N_("%s: \"disable_corrector\" is not an empty list, but every step is corrected. Empty it or choose another model.") },
  SOLVER_ORDER,
  FINAL_SIGMAS,
  { "lower_order_final", read_every_lower_order, N_("%s: \"lower_order_final\" should be true or false. Correct it.") },
  { "solver_p", is_unset, NULL },
  { "sigma_min", is_unset, NULL },
  { "sigma_max", is_unset, NULL },
};

static gboolean
read_shift (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 1e-3, 1e3, &reader->config->schedule.shift);
}

static const PmConfigKey flow_keys[] = {
  { "shift", read_shift, N_("%s: \"shift\" should be a positive number, such as 3. Correct it.") },
  { "num_train_timesteps", pm_config_read_train_steps,
    N_("%s: \"num_train_timesteps\" should be a whole number, such as 1000. Correct it.") },
  { "invert_sigmas", is_unset, NULL },
  { "stochastic_sampling", is_unset, NULL },
};

/* Steps: what the pipelines that use a scheduler begin with. */
static const struct
{
  const char   *name, *sampler;
  int           steps;
  gboolean      clips; /* unless told otherwise */
  PmSchedule    defaults; /* fields that differ from the configuration's own */
  PmConfigTable table;
} classes[] = {
  { "DDIMScheduler", "ddim", 50, TRUE, { .spacing = PM_SPACING_LEADING },
    { ddim_keys, G_N_ELEMENTS (ddim_keys), &shared_table } },
  { "DDPMScheduler", "ddpm", 50, TRUE, { .spacing = PM_SPACING_LEADING, .variance = PM_VARIANCE_SMALL },
    { ddpm_keys, G_N_ELEMENTS (ddpm_keys), &shared_table } },
  { "DPMSolverMultistepScheduler", "dpmpp2m", 20, FALSE,
    { .spacing = PM_SPACING_LINSPACE, .first_order_below = SHORT_RUN },
    { dpm_solver_keys, G_N_ELEMENTS (dpm_solver_keys), &shared_table } },
  { "UniPCMultistepScheduler", "unipc", 20, FALSE, { .spacing = PM_SPACING_LINSPACE, .first_order_below = G_MAXINT },
    { unipc_keys, G_N_ELEMENTS (unipc_keys), &shared_table } },
  { "FlowMatchEulerDiscreteScheduler", "euler", 28, FALSE, { .type = PM_SCHEDULE_FLOW, .spacing = PM_SPACING_LINSPACE },
    { flow_keys, G_N_ELEMENTS (flow_keys), &shared_table } },
};

/* Which class; DDIM where the file does not say. -1 with an error for one that is not here. */
static int
find_class (JsonObject *object, const char *shown, GError **error)
{
  JsonNode   *node = json_object_get_member (object, "_class_name");
  const char *name = node ? pm_json_read_string (node) : classes[0].name;

  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (g_strcmp0 (classes[i].name, name) == 0)
      return (int) i;
  if (name)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s: the scheduler \"%s\" cannot be followed, only \"DDIMScheduler\", \"DDPMScheduler\", "
                   "\"DPMSolverMultistepScheduler\", \"UniPCMultistepScheduler\" and \"FlowMatchEulerDiscreteScheduler\" can. "
                   "Save the pipeline with one of those, or take the folder \"scheduler\" away to go by the defaults."),
                 shown, name);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s: \"_class_name\" should be a scheduler's name. Correct it."), shown);
  return -1;
}

static void
begin (PmConfig *config, int which)
{
  const PmSchedule *defaults = &classes[which].defaults;

  config->has_schedule = TRUE;
  config->schedule.type = defaults->type;
  config->schedule.spacing = defaults->spacing;
  config->schedule.variance = defaults->variance;
  config->schedule.first_order_below = defaults->first_order_below;
  g_free (config->default_sampler);
  config->default_sampler = g_strdup (classes[which].sampler);
  config->default_steps = classes[which].steps;
}

/* What follows from several keys, in whatever order they came. */
static void
end (PmConfig *config, int which)
{
  if (config->schedule.type == PM_SCHEDULE_FLOW)
    {
      config->prediction = PM_PREDICTION_V;
      config->schedule.noise_at = 1;
      config->schedule.time_scale = config->schedule.n_train_steps;
    }
  else if (classes[which].table.keys == ddpm_keys && config->schedule.variance == PM_VARIANCE_LEARNED
           && config->prediction == PM_PREDICTION_UNKNOWN)
    config->prediction = PM_PREDICTION_EPS_LEARNED_RANGE;
}

gboolean
pm_config_read_scheduler (PmConfig *config, GPtrArray *notes, const char *path, GError **error)
{
  g_autoptr (JsonNode) root = pm_config_load_object (path, error);
  g_autofree char     *shown = g_filename_display_name (path);
  JsonObject          *object = root ? json_node_get_object (root) : NULL;
  int                  which = object ? find_class (object, shown, error) : -1;

  if (which < 0)
    return FALSE;
  begin (config, which);
  if (! pm_config_read_root (config, notes, path, root, &classes[which].table, error))
    return FALSE;
  end (config, which);
  if (! classes[which].clips || json_object_has_member (object, "clip_sample"))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED, g_dgettext (GETTEXT_PACKAGE, CLIPS), shown);
  return FALSE;
}
