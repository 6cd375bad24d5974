/* The arguments of plug-in-pentimento-generate: dialog, presets, last values and the PDB's help follow from what is
 * declared here. Names are fixed by the project's contracts; scripts depend on them, so they are append-only.
 * Open sets (models, classes, samplers, readings) are strings, because GIMP caches declared choices. */
#include "plugin/arguments.h"

#include <math.h>
#include <string.h>

#include "plugin/i18n.h"

typedef struct
{
  const char   *id;
  GimpLayerMode mode;
  const char   *label;
} BlendMode;

static const BlendMode blend_modes[] = {
  { "normal", GIMP_LAYER_MODE_NORMAL, N_("Normal") },
  { "multiply", GIMP_LAYER_MODE_MULTIPLY, N_("Multiply") },
  { "screen", GIMP_LAYER_MODE_SCREEN, N_("Screen") },
  { "overlay", GIMP_LAYER_MODE_OVERLAY, N_("Overlay") },
  { "soft-light", GIMP_LAYER_MODE_SOFTLIGHT, N_("Soft light") },
  { "hard-light", GIMP_LAYER_MODE_HARDLIGHT, N_("Hard light") },
  { "addition", GIMP_LAYER_MODE_ADDITION, N_("Addition") },
  { "subtract", GIMP_LAYER_MODE_SUBTRACT, N_("Subtract") },
  { "difference", GIMP_LAYER_MODE_DIFFERENCE, N_("Difference") },
  { "lighten", GIMP_LAYER_MODE_LIGHTEN_ONLY, N_("Lighten only") },
  { "darken", GIMP_LAYER_MODE_DARKEN_ONLY, N_("Darken only") },
  { "color", GIMP_LAYER_MODE_LCH_COLOR, N_("Colour (LCh)") },
  { "luminance", GIMP_LAYER_MODE_LUMINANCE, N_("Luminance") },
};

static const char *const palette_labels[PM_N_PALETTES] = {
  N_("Viridis"), N_("Magma"), N_("Inferno"), N_("Turbo"), N_("Cividis"), N_("Grey"),
};

static const struct
{
  const char *id, *label, *help;
} targets[] = {
  { "new-image", N_("New image"), N_("Open the result as a new image") },
  { "current-image", N_("Current image"), N_("Add the result to the image, covering the canvas") },
  { "selection", N_("Selection"), N_("Add the result to the image, covering the selection, behind a layer mask") },
};

static const struct
{
  const char *id, *label, *help;
} whiches[] = {
  { "condition", N_("With the class"), N_("Attention while the model paints the class") },
  { "null", N_("Without a class"), N_("Attention of the unguided half") },
  { "difference", N_("Difference"), N_("With the class minus without; only at guided steps") },
};

const char *
pm_blend_mode_id (GimpLayerMode mode)
{
  for (guint i = 0; i < G_N_ELEMENTS (blend_modes); i++)
    if (blend_modes[i].mode == mode)
      return blend_modes[i].id;
  return "normal";
}

gboolean
pm_blend_mode_from_id (const char *id, GimpLayerMode *mode)
{
  for (guint i = 0; i < G_N_ELEMENTS (blend_modes); i++)
    if (g_strcmp0 (blend_modes[i].id, id) == 0)
      {
        *mode = blend_modes[i].mode;
        return TRUE;
      }
  return FALSE;
}

const char *
pm_target_id (PmTarget target)
{
  return targets[target].id;
}

int
pm_target_from_id (const char *id)
{
  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    if (g_strcmp0 (targets[i].id, id) == 0)
      return i;
  return -1;
}

static const struct
{
  const char *id, *label, *help;
} caches[] = {
  [PM_CACHE_NONE] = { "none", N_("Every step"), N_("Compute every step") },
  [PM_CACHE_STATIC] = { "static", N_("Every second step"), N_("Repeat what a step computed in the next one") },
  [PM_CACHE_TAYLOR] = { "taylor", N_("Every second step, extrapolated"), N_("Extrapolate from the computed steps") },
};

static void
declare_picture (GimpProcedure *procedure)
{
  GimpChoice *cache = gimp_choice_new ();

  gimp_procedure_add_string_argument (procedure, "model", _("_Model"),
                                      _("Name of an installed model, or the path of a model folder or checkpoint"),
                                      "starter-pixel", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "class", _("Class"),
                                      _("What to paint: name or number of a class of the model; empty paints without a class"),
                                      "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "device", _("Device"), _("Where to compute: cpu, or another device found here"),
                                      "cpu", G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "num-steps", _("Number o_f steps"),
                                   _("Number of sampler steps; 0 takes the model's default"), 0, 1000, 0, G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "sampler", _("Sampler"),
                                      _("euler, ddim, ddpm, dpmpp2m or unipc; empty takes the model's default"), "",
                                      G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "guidance", _("G_uidance"),
                                      _("Strength of classifier-free guidance, 1 is none; -1 takes the model's default"),
                                      -1.0, 50.0, -1.0, G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "seed", _("Se_ed"),
                                   _("Start of the random numbers: the same seed paints the same picture; -1 draws a new one, "
                                     "which the layer's name then shows"),
                                   -1, G_MAXINT, -1, G_PARAM_READWRITE);
  for (guint i = 0; i < G_N_ELEMENTS (caches); i++)
    gimp_choice_add (cache, caches[i].id, i, _(caches[i].label), _(caches[i].help));
  gimp_procedure_add_choice_argument (procedure, "cache", _("Compute"),
                                      _("Which steps are computed; the others, about half, follow from them. Steps whose maps "
                                        "are shown are always computed"),
                                      cache, "none", G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "width", _("_Width"), _("Width in pixels; 0 takes the model's default"),
                                   0, 16384, 0, G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "height", _("Heigh_t"), _("Height in pixels; 0 takes the model's default"),
                                   0, 16384, 0, G_PARAM_READWRITE);
}

static void
declare_show (GimpProcedure *procedure)
{
  GimpChoice *which = gimp_choice_new ();

  gimp_procedure_add_string_argument (procedure, "read", _("Reading"),
                                      _("What to read from the attention, several with commas: subject, received, entropy, "
                                        "distance, and from and to for the selection; empty adds no heat maps"),
                                      "subject", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-layers", _("La_yers"),
                                      _("Layers of the model to show: recommended, all, or numbers from 0 such as 2,8 or 3-7; "
                                        "mean:3-7 averages them"),
                                      "recommended", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-heads", _("Hea_ds"),
                                      _("Attention heads to show: mean, all, or numbers from 0 such as 0,5"),
                                      "mean", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-steps", _("Steps show_n"),
                                      _("Sampler steps to show: auto takes three in the middle of the run; or all, mean, or "
                                        "numbers from 0, the noisiest; -1 is the last"),
                                      "auto", G_PARAM_READWRITE);
  for (guint i = 0; i < G_N_ELEMENTS (whiches); i++)
    gimp_choice_add (which, whiches[i].id, i, _(whiches[i].label), _(whiches[i].help));
  gimp_procedure_add_choice_argument (procedure, "show-which", _("_View"), _("Which half of a guided run to show"),
                                      which, "condition", G_PARAM_READWRITE);
}

static void
declare_look (GimpProcedure *procedure)
{
  GimpChoice *palette = gimp_choice_new ();
  GimpChoice *blend = gimp_choice_new ();

  for (guint i = 0; i < PM_N_PALETTES; i++)
    gimp_choice_add (palette, pm_palette_id (i), i, _(palette_labels[i]), NULL);
  gimp_procedure_add_choice_argument (procedure, "palette", _("_Palette"), _("Colours of the heat maps"), palette, "viridis",
                                      G_PARAM_READWRITE);

  for (guint i = 0; i < G_N_ELEMENTS (blend_modes); i++)
    gimp_choice_add (blend, blend_modes[i].id, i, _(blend_modes[i].label), NULL);
  gimp_procedure_add_choice_argument (procedure, "blend-mode", _("_Blend mode"),
                                      _("How heat-map layers are laid over the picture"), blend, "normal", G_PARAM_READWRITE);

  gimp_procedure_add_double_argument (procedure, "opacity", _("Op_acity"), _("Opacity of heat-map layers in percent"),
                                      0.0, 100.0, 60.0, G_PARAM_READWRITE);
}

void
pm_arguments_declare_target (GimpProcedure *procedure)
{
  GimpChoice *target = gimp_choice_new ();

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    gimp_choice_add (target, targets[i].id, i, _(targets[i].label), _(targets[i].help));
  gimp_procedure_add_choice_argument (procedure, "target", _("Pa_int into"), _("Where the result goes"), target, "new-image",
                                      G_PARAM_READWRITE);
}

void
pm_arguments_declare (GimpProcedure *procedure)
{
  declare_picture (procedure);
  declare_show (procedure);
  declare_look (procedure);
  pm_arguments_declare_target (procedure);
}

char *
pm_arguments_auto_steps (int num_steps)
{
  int     last = -1;
  GString *list = g_string_new (NULL);

  for (int quarter = 1; quarter <= 3; quarter++)
    {
      int step = CLAMP ((int) lround (quarter * num_steps / 4.0), 0, MAX (num_steps - 1, 0));

      if (step != last)
        g_string_append_printf (list, "%s%d", list->len ? "," : "", step);
      last = step;
    }
  return g_string_free (list, FALSE);
}

static gboolean
is_nothing (const char *text)
{
  return ! text || ! *text || strcmp (text, "none") == 0;
}

static gboolean
set_show (GimpProcedureConfig *config, PmRequest *request, GError **error)
{
  g_autofree char *layers = NULL, *heads = NULL, *steps = NULL, *read = NULL, *which = NULL, *text = NULL;

  g_object_get (config, "show-layers", &layers, "show-heads", &heads, "show-steps", &steps, "read", &read, "show-which", &which,
                NULL);
  if (is_nothing (read))
    return TRUE;

  if (g_strcmp0 (steps, "auto") == 0)
    {
      g_free (steps);
      steps = pm_arguments_auto_steps (request->num_steps);
    }
  text = g_strdup_printf ("layers=%s;heads=%s;steps=%s;read=%s;which=%s", layers ? layers : "", heads ? heads : "",
                          steps ? steps : "", read, which);
  return pm_request_set_show (request, text, error);
}

PmRequest *
pm_arguments_get_request (GimpProcedureConfig *config, PmModel *model, GError **error)
{
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autofree char *name = NULL, *class_name = NULL, *device = NULL, *sampler = NULL;
  int    num_steps, seed, width, height;
  double guidance;

  g_object_get (config, "model", &name, "class", &class_name, "device", &device, "sampler", &sampler, "num-steps", &num_steps,
                "seed", &seed, "width", &width, "height", &height, "guidance", &guidance, NULL);

  g_set_str (&request->model, name);
  g_set_str (&request->class_name, class_name ? class_name : "");
  g_set_str (&request->device, device && *device ? device : "cpu");
  if (sampler && *sampler)
    g_set_str (&request->sampler, sampler);
  if (num_steps > 0)
    request->num_steps = num_steps;
  if (guidance >= 0.0)
    request->guidance = guidance;
  if (width > 0)
    request->width = width;
  if (height > 0)
    request->height = height;
  request->cache = gimp_procedure_config_get_choice_id (config, "cache");
  request->seed = seed >= 0 ? (guint64) seed : (guint64) g_random_int_range (0, G_MAXINT);

  if (pm_model_find_class (model, request->class_name, error) < 0)
    return NULL;
  if (! set_show (config, request, error))
    return NULL;
  return g_steal_pointer (&request);
}

void
pm_arguments_get_look (GimpProcedureConfig *config, PmLook *look)
{
  g_autofree char *blend = NULL;

  g_object_get (config, "opacity", &look->opacity, "blend-mode", &blend, NULL);
  look->palette = gimp_procedure_config_get_choice_id (config, "palette");
  look->target = gimp_procedure_config_get_choice_id (config, "target");
  if (! pm_blend_mode_from_id (blend, &look->blend_mode))
    look->blend_mode = GIMP_LAYER_MODE_NORMAL;
}

/* The value of one part ("steps") of "layers=..;heads=..;..", as pm_show_to_string() writes it; free with g_free. */
static char *
show_part (const char *text, const char *part)
{
  g_auto (GStrv) parts = g_strsplit (text, ";", -1);

  for (int i = 0; parts[i]; i++)
    {
      gsize length = strlen (part);

      if (strncmp (parts[i], part, length) == 0 && parts[i][length] == '=')
        return g_strdup (parts[i] + length + 1);
    }
  return g_strdup ("");
}

static void
set_show_arguments (GimpProcedureConfig *config, const PmShow *show)
{
  g_autofree char *text = pm_show_to_string (show);
  g_autofree char *layers = show_part (text, "layers"), *heads = show_part (text, "heads"), *steps = show_part (text, "steps");
  g_autofree char *read = show_part (text, "read");

  g_object_set (config, "read", read, "show-which", whiches[show->which].id, NULL);
  if (*read)
    g_object_set (config, "show-layers", layers, "show-heads", heads, "show-steps", steps, NULL);
}

void
pm_arguments_set (GimpProcedureConfig *config, const PmRequest *request, const PmLook *look)
{
  g_object_set (config, "model", request->model, "class", request->class_name ? request->class_name : "", "device",
                request->device ? request->device : "cpu", "sampler", request->sampler ? request->sampler : "", "num-steps",
                CLAMP (request->num_steps, 0, 1000), "guidance", CLAMP (request->guidance, -1.0, 50.0), "seed",
                request->seed <= G_MAXINT ? (int) request->seed : -1, "width", CLAMP (request->width, 0, 16384), "height",
                CLAMP (request->height, 0, 16384), NULL);
  g_object_set (config, "cache", caches[request->cache].id, NULL);
  g_object_set (config, "palette", pm_palette_id (look->palette), "blend-mode", pm_blend_mode_id (look->blend_mode), "opacity",
                look->opacity, "target", pm_target_id (look->target), NULL);
  set_show_arguments (config, &request->show);
}
