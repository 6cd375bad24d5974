/* The arguments of plug-in-pentimento-generate: dialog, presets, last values and the PDB's help follow from what is
 * declared here. Names are fixed by the project's contracts; scripts depend on them, so they are append-only.
 * Open sets (models, classes, samplers, readings) are strings, because GIMP caches declared choices. */
#include "plugin/arguments.h"

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

static const char *const precisions[PM_N_PRECISIONS] = {
  [PM_PRECISION_AUTO] = N_("As fast as the GPU can"),
  [PM_PRECISION_F32] = N_("f32"),
  [PM_PRECISION_BF16] = N_("bf16"),
  [PM_PRECISION_F16] = N_("f16"),
};

static const char *const shortages[PM_N_SHORTAGES] = {
  [PM_SHORTAGE_STREAM] = N_("Fetch weights in every step"),
  [PM_SHORTAGE_CPU] = N_("That, and if need be paint on the CPU"),
  [PM_SHORTAGE_STOP] = N_("Stop"),
};

static const struct
{
  const char *id, *label, *help;
} targets[] = {
  [PM_TARGET_NEW_IMAGE] = { "new-image", N_("New image"), N_("Open the result as a new image") },
  [PM_TARGET_CURRENT_IMAGE]
  = { "current-image", N_("Current image"), N_("Add the result to the image, covering the canvas") },
  [PM_TARGET_SELECTION] = { "selection", N_("Selection"),
                            N_("Add the result to the image, covering the selection, behind a layer mask") },
  [PM_TARGET_OVER_LAYER]
  = { "over-layer", N_("Paint over the layer"),
      N_("Begin with the pixels of the selected layer, as far as strength leaves them, and cover the layer with the result") },
  [PM_TARGET_INTO_SELECTION]
  = { "into-selection", N_("Paint into the selection"),
      N_("Begin with the pixels of the selected layer and paint only what is selected, so that it fits its surroundings") },
};

static const struct
{
  const char *id, *label, *help;
} whiches[] = {
  { "condition", N_("With class or prompt"), N_("Attention while the model paints what it was told") },
  { "null", N_("Without"), N_("Attention of the unguided half") },
  { "difference", N_("Difference"), N_("With class or prompt minus without; only at guided steps") },
};

const char *
pm_which_id (PmWhich which)
{
  return whiches[which].id;
}

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
  const char *label, *help;
} caches[] = {
  [PM_CACHE_NONE] = { N_("Every step"), N_("Compute every step") },
  [PM_CACHE_STATIC] = { N_("Some steps"), N_("Repeat what a step computed in the next ones") },
  [PM_CACHE_TAYLOR] = { N_("Some steps, extrapolated"), N_("Extrapolate from the computed steps") },
};

static void
declare_what (GimpProcedure *procedure)
{
  gimp_procedure_add_string_argument (procedure, "model", _("_Model"),
                                      _("Name of an installed model, or the path of a model folder or checkpoint"),
                                      PM_MODEL_DEFAULT, G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "class", _("Class"),
                                      _("What to paint: name or number of a class of the model; empty paints without a class"),
                                      "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "prompt", _("Prompt"),
                                      _("What to paint in words, for models that read a prompt instead of a class"), "",
                                      G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "negative-prompt", _("Negative prompt"),
                                      _("What guidance leads away from, in words; empty is nothing in particular"), "",
                                      G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "word-weights", _("Word weights"),
                                      _("How much words or phrases of the prompt count, such as cat=1.5, hat=0.7: 1 as it is, 0 "
                                        "hides them"),
                                      "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "word-regions", _("Word regions"),
                                      _("Where in the picture words or phrases may be looked at: names of layers that are called "
                                        "like them, or phrase=layer, or phrase=[selection]; what a layer covers is the region. "
                                        "A phrase that the prompt has not is added to it"),
                                      "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "device", _("Device"), _("Where to compute: cpu, or another device found here"),
                                      "cpu", G_PARAM_READWRITE);
}

static void
declare_picture (GimpProcedure *procedure)
{
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
  gimp_procedure_add_int_argument (procedure, "width", _("W_idth"), _("Width in pixels; 0 takes the model's default"),
                                   0, 16384, 0, G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "height", _("_Height"), _("Height in pixels; 0 takes the model's default"),
                                   0, 16384, 0, G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "strength", _("Stre_ngth"),
                                      _("How much of the layer is painted anew, where the target begins with its pixels: the "
                                        "share of the steps that are run, above 0. 0.5 keeps what is large in it, 1 hardly "
                                        "anything"),
                                      0.0, 1.0, 0.75, G_PARAM_READWRITE);
}

/* For computing on a GPU. */
static void
declare_device (GimpProcedure *procedure)
{
  GimpChoice *precision = gimp_choice_new (), *shortage = gimp_choice_new ();

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    gimp_choice_add (precision, pm_precision_id (i), i, _(precisions[i]), "");
  gimp_procedure_add_choice_argument (procedure, "precision", _("Precision"),
                                      _("On a GPU: the type of weights and of what passes between operations; sums are f32"),
                                      precision, "auto", G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "vram-limit", _("GPU memory (MiB)"),
                                   _("How much of a GPU's memory to use at most, in MiB; 0 takes what is free"), 0,
                                   PM_VRAM_LIMIT_MAX, 0, G_PARAM_READWRITE);
  for (guint i = 0; i < G_N_ELEMENTS (shortages); i++)
    gimp_choice_add (shortage, pm_shortage_id (i), i, _(shortages[i]), "");
  gimp_procedure_add_choice_argument (procedure, "on-out-of-memory", _("Out of memory"),
                                      _("What to do when a GPU's memory is too small for the model and the picture"), shortage,
                                      "stream", G_PARAM_READWRITE);
}

/* What few runs need: the dialog folds it away. */
static void
declare_advanced (GimpProcedure *procedure)
{
  GimpChoice *cache = gimp_choice_new ();

  gimp_procedure_add_double_argument (procedure, "guidance-from", _("Guide from"),
                                      _("Guidance works only above this part of the model's time, 0 to 1; -1 takes the model's "
                                        "default"),
                                      -1.0, 1.0, -1.0, G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "guidance-to", _("Guide up to"),
                                      _("Guidance works only below this part of the model's time, 0 to 1; -1 takes the model's "
                                        "default"),
                                      -1.0, 1.0, -1.0, G_PARAM_READWRITE);
  for (guint i = 0; i < G_N_ELEMENTS (caches); i++)
    gimp_choice_add (cache, pm_cache_id (i), i, _(caches[i].label), _(caches[i].help));
  gimp_procedure_add_choice_argument (procedure, "cache", _("Compute"),
                                      _("Which steps are computed; the others follow from them. Steps whose maps are shown are "
                                        "always computed"),
                                      cache, "none", G_PARAM_READWRITE);
  gimp_procedure_add_int_argument (procedure, "cache-interval", _("Compute one step of"),
                                   _("Every so many steps one is computed, unless every step is"), 2, 10,
                                   PM_CACHE_DEFAULT_INTERVAL, G_PARAM_READWRITE);
}

static void
declare_show (GimpProcedure *procedure)
{
  GimpChoice *which = gimp_choice_new ();

  gimp_procedure_add_string_argument (procedure, "read", _("Reading"),
                                      _("What to read from the attention, several with commas: subject, received, entropy, "
                                        "distance, and from and to for the selection; word, word-share and sink of a prompt; "
                                        "empty adds no heat maps"),
                                      "subject", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-words", _("Words sho_wn"),
                                      _("Words or phrases of the prompt that readings of words show, such as cat, red hat; all "
                                        "of them, or empty for none"),
                                      "all", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-layers", _("La_yers"),
                                      _("Layers of the model to show: recommended, all, or numbers from 0 such as 2,8 or 3-7; "
                                        "mean:3-7 averages them"),
                                      "recommended", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-heads", _("Hea_ds"),
                                      _("Attention heads to show: mean, all, or numbers from 0 such as 0,5"),
                                      "mean", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "show-steps", _("Steps shown"),
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
  gimp_procedure_add_choice_argument (procedure, "target", _("_Target"),
                                      _("Where the result goes, and whether it begins with what is there"), target, "new-image",
                                      G_PARAM_READWRITE);
}

void
pm_arguments_declare (GimpProcedure *procedure)
{
  declare_what (procedure);
  declare_picture (procedure);
  declare_advanced (procedure);
  declare_device (procedure);
  declare_show (procedure);
  declare_look (procedure);
  pm_arguments_declare_target (procedure);
}
