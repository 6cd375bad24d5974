/* `pentimento eval STAGE`: one stage of the way on tensors from a file, for comparing with other programs. */
#include "cli/cli.h"

#include <math.h>
#include <string.h>

typedef struct
{
  char *stage, *model, *in, *out, *capture, *sampler, *guidance_interval, *class_name, *prompt, *negative, *seed, *size;
  char *device, *precision, *memory;
  double guidance;
  int num_steps, n_threads;
  gboolean is_quiet;
  PmCliOutputs *outputs;
} Eval;

static gboolean
fill_request (const Eval *self, PmRequest *request, GError **error)
{
  const struct
  {
    const char *from;
    char **to;
  } texts[]
      = { { self->sampler, &request->sampler }, { self->class_name, &request->class_name },
          { self->prompt, &request->prompt }, { self->negative, &request->negative_prompt },
          { self->device, &request->device } };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].from)
      {
        g_free (*texts[i].to);
        *texts[i].to = g_strdup (texts[i].from);
      }
  if (self->num_steps != G_MININT)
    request->num_steps = self->num_steps;
  if (! isnan (self->guidance))
    request->guidance = self->guidance;
  request->n_threads = self->n_threads;
  return (! self->guidance_interval || pm_cli_parse_interval (self->guidance_interval, request->guidance_interval, error))
         && (! self->size || pm_cli_parse_size (self->size, &request->width, &request->height, error))
         && (! self->seed || pm_cli_parse_seed (self->seed, &request->seed, error))
         && pm_cli_parse_precision (self->precision ? self->precision : "f32", &request->precision, error);
}

static gboolean
fill_options (const Eval *self, PmEvalOptions *options, GError **error)
{
  *options = (PmEvalOptions) { .device = self->device, .n_threads = self->n_threads, .memory = self->memory,
                               .has_seed = self->seed != NULL };
  return (! self->seed || pm_cli_parse_seed (self->seed, &options->seed, error))
         && pm_cli_parse_precision (self->precision ? self->precision : "f32", &options->precision, error);
}

/* A stage runs on a model that is open already, or (takes_path) opens what it needs of the path itself. */
typedef struct
{
  const char *name;
  gboolean    takes_path;
  gboolean    prints;     /* where --out is left out */
  const char *in; /* the tensors that it cannot do without; NULL: --in may be left out */
  PmBundle *(*run) (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error);
} Stage;

static PmBundle *
run_denoise (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  PmEvalOptions options;
  return fill_options (self, &options, error) ? pm_eval_denoise (model, &options, in, self->capture, job, error) : NULL;
}

static PmBundle *
run_sample (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  if (! fill_request (self, request, error))
    return NULL;
  return pm_eval_sample (model, request, in, job, error);
}

static PmBundle *
run_vae (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  PmEvalOptions options;
  return fill_options (self, &options, error) ? pm_eval_vae (self->model, self->stage, in, &options, job, error) : NULL;
}

static PmBundle *
run_text_encode (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  PmEvalOptions options;
  return fill_options (self, &options, error) ? pm_eval_text_encode (self->model, in, &options, job, error) : NULL;
}

static PmBundle *
run_tokenize (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  return pm_eval_tokenize (model, self->prompt, error);
}

static gboolean
print_prompt (const Eval *self, PmModel *model, GError **error)
{
  g_autoptr (PmPrompt) prompt = pm_model_read_prompt (model, self->prompt, error);
  JsonBuilder         *line;

  if (! prompt)
    return FALSE;
  line = pm_cli_json_begin ("prompt");
  pm_cli_json_string (line, "cleaned", prompt->cleaned);
  pm_cli_json_int (line, "tokens", prompt->n_tokens);
  pm_cli_json_int (line, "max_tokens", prompt->max_tokens);
  json_builder_set_member_name (line, "ids");
  json_builder_begin_array (line);
  for (int i = 0; i < prompt->n_tokens; i++)
    json_builder_add_int_value (line, prompt->ids[i]);
  json_builder_end_array (line);
  json_builder_set_member_name (line, "words");
  json_builder_begin_array (line);
  for (int i = 0; i < prompt->n_words; i++)
    {
      json_builder_begin_object (line);
      pm_cli_json_string (line, "text", prompt->words[i].text);
      pm_cli_json_int (line, "first", prompt->words[i].first);
      pm_cli_json_int (line, "n", prompt->words[i].n);
      json_builder_end_object (line);
    }
  json_builder_end_array (line);
  pm_cli_json_end (line);
  return TRUE;
}

static const Stage stages[] = {
  { "denoise", FALSE, FALSE, "x, t, y or text", run_denoise },
  { "sample", FALSE, FALSE, NULL, run_sample },
  { "vae-decode", TRUE, FALSE, "latent", run_vae },
  { "vae-encode", TRUE, FALSE, "image", run_vae },
  { "text-encode", TRUE, FALSE, "ids", run_text_encode },
  { "tokenize", FALSE, TRUE, NULL, run_tokenize },
};

static const Stage *
find_stage (const char *name)
{
  for (gsize i = 0; name && i < G_N_ELEMENTS (stages); i++)
    if (strcmp (name, stages[i].name) == 0)
      return &stages[i];
  return NULL;
}

static gboolean
eval_work (PmJob *job, gpointer data, GError **error)
{
  const Eval  *self = data;
  const Stage *stage = find_stage (self->stage);
  g_autoptr (PmModel) model = stage->takes_path ? NULL : pm_cli_open_model (self->model, self->prompt, error);
  g_autoptr (PmBundle) in = NULL;

  if ((! stage->takes_path && ! model) || (self->in && ! (in = pm_bundle_load (self->in, error))))
    return FALSE;
  if (stage->prints && ! self->out)
    return print_prompt (self, model, error);
  const char *path = pm_cli_outputs_add (self->outputs, self->out, error);
  if (! path)
    return FALSE;
  g_autoptr (PmBundle) out = stage->run (self, model, in, job, error);
  return out && pm_bundle_save (out, path, error) && pm_cli_outputs_commit (self->outputs, error);
}

static gboolean
check (const Eval *self, char **rest, GError **error)
{
  const Stage        *stage = find_stage (self->stage);
  g_autoptr (GString) names = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++)
    g_string_append_printf (names, "%s%s", i ? ", " : "", stages[i].name);
  if (! self->stage || rest[1])
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("`pentimento eval` takes one stage; these are there: %s."), names->str);
  else if (! stage)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no such stage; these are there: %s."), names->str);
  else if (! self->out && ! stage->prints)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("Say where the result goes with --out FILE.safetensors."));
  else if (stage->takes_path && ! self->model)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The stage %s needs --model with a path or a name."), stage->name);
  else if (stage->run == run_tokenize && ! self->prompt)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("The stage tokenize needs a text; give it with --prompt."));
  else if (stage->in && ! self->in)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("The stage %s needs tensors (%s); give them with --in FILE.safetensors."),
                 stage->name, stage->in);
  else if (stage->run != run_denoise && self->capture)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                         _("--capture belongs to the stage denoise; maps of a whole run come from `pentimento generate --raw`."));
  else
    return TRUE;
  return FALSE;
}

static gboolean
parse (Eval *e, int argc, char **argv, char ***rest, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &e->model, N_("Name or path of the model"), N_("MODEL") },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &e->in,
      N_("Tensors that go in (denoise: x, t, y; sample: noise; vae-decode: latent; vae-encode: image; text-encode: ids)"),
      N_("FILE") },
    { "out", 'o', 0, G_OPTION_ARG_FILENAME, &e->out, N_("Tensors that come out"), N_("FILE") },
    { "capture", 0, 0, G_OPTION_ARG_STRING, &e->capture,
      N_("Also: received,entropy,distance,from,to,rollout,probs:LAYER,subject"), N_("LIST") },
    { "sampler", 0, 0, G_OPTION_ARG_STRING, &e->sampler, N_("euler, ddim, ddpm, dpmpp2m or unipc"), N_("NAME") },
    { "steps", 0, 0, G_OPTION_ARG_INT, &e->num_steps, N_("Sampler steps"), "N" },
    { "guidance", 0, 0, G_OPTION_ARG_DOUBLE, &e->guidance, N_("Strength of guidance; 1 is none"), "G" },
    { "guidance-interval", 0, 0, G_OPTION_ARG_STRING, &e->guidance_interval, N_("Guide only inside this part of 0..1"),
      "LO,HI" },
    { "class", 'c', 0, G_OPTION_ARG_STRING, &e->class_name, N_("A class's name or number"), N_("CLASS") },
    { "prompt", 'p', 0, G_OPTION_ARG_STRING, &e->prompt, N_("What to paint, for models that read words"), N_("TEXT") },
    { "negative", 0, 0, G_OPTION_ARG_STRING, &e->negative, N_("What to guide away from"), N_("TEXT") },
    { "seed", 's', 0, G_OPTION_ARG_STRING, &e->seed,
      N_("Seed of the noise; 0 when not given. vae-encode: draw instead of taking the mean"), "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &e->size, N_("Size in pixels"), "WxH" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &e->device, N_("Where to compute; `ref` is the plain loops"), N_("NAME") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &e->precision, N_("On a GPU: f32 (so without the option), auto, bf16, f16"),
      N_("TYPE") },
    { "threads", 0, 0, G_OPTION_ARG_INT, &e->n_threads, N_("Threads; 0 is one a processor"), "N" },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &e->memory, N_("VAE: MiB in memory, full (no files) or half (f16)"), N_("HOW") },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &e->is_quiet, N_("Print nothing but errors"), NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (! pm_cli_parse (argc, argv, entries, _("STAGE"),
                      _("Runs one stage (denoise, sample, vae-decode, vae-encode, text-encode, tokenize) on the tensors of a "
                         "safetensors file."),
                      rest, error))
    return FALSE;
  e->stage = (*rest)[0];
  return check (e, *rest, error);
}

int
pm_cli_eval (int argc, char **argv)
{
  Eval self = { .guidance = NAN, .num_steps = G_MININT };
  PmCliProgress progress;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;
  int code;

  if (parse (&self, argc, argv, &rest, &error))
    {
      g_autoptr (PmCliOutputs) outputs = pm_cli_outputs_new ();
      self.outputs = outputs;
      pm_cli_progress_init (&progress, FALSE, self.is_quiet);
      code = pm_cli_run (eval_work, &self, &progress, outputs);
    }
  else
    code = pm_cli_report (error);

  char *const texts[] = { self.model, self.in,   self.out,        self.capture, self.sampler, self.guidance_interval,
                          self.seed,  self.size, self.class_name, self.device,  self.memory, self.prompt, self.negative,
                          self.precision };
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  return code;
}
