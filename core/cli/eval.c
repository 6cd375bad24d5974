/* `pentimento eval STAGE`: one stage of the way on tensors from a file, for comparing with other programs. */
#include "cli/cli.h"

#include <math.h>
#include <string.h>

typedef struct
{
  char *stage, *model, *in, *out, *capture, *sampler, *guidance_interval, *class_name, *seed, *size, *device, *memory;
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
      = { { self->sampler, &request->sampler }, { self->class_name, &request->class_name }, { self->device, &request->device } };

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
         && (! self->seed || pm_cli_parse_seed (self->seed, &request->seed, error));
}

static gboolean
is_vae_stage (const Eval *self)
{
  return strcmp (self->stage, "vae-decode") == 0 || strcmp (self->stage, "vae-encode") == 0;
}

static PmBundle *
run_vae (const Eval *self, PmBundle *in, PmJob *job, GError **error)
{
  PmEvalVae options = { .device = self->device ? self->device : "cpu",
                        .n_threads = self->n_threads,
                        .memory = self->memory,
                        .has_seed = self->seed != NULL };

  if (self->seed && ! pm_cli_parse_seed (self->seed, &options.seed, error))
    return NULL;
  return pm_eval_vae (self->model, self->stage, in, &options, job, error);
}

static PmBundle *
run_stage (const Eval *self, PmModel *model, PmBundle *in, PmJob *job, GError **error)
{
  if (strcmp (self->stage, "denoise") == 0)
    return pm_eval_denoise (model, self->device ? self->device : "cpu", in, self->capture, self->n_threads, job, error);

  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  if (! fill_request (self, request, error))
    return NULL;
  return pm_eval_sample (model, request, in, job, error);
}

static gboolean
eval_work (PmJob *job, gpointer data, GError **error)
{
  const Eval *self = data;
  gboolean is_vae = is_vae_stage (self);
  g_autoptr (PmModel) model = is_vae ? NULL : pm_cli_open_model (self->model, error);
  g_autoptr (PmBundle) in = NULL;

  if ((! is_vae && ! model) || (self->in && ! (in = pm_bundle_load (self->in, error))))
    return FALSE;
  const char *path = pm_cli_outputs_add (self->outputs, self->out, error);
  if (! path)
    return FALSE;
  g_autoptr (PmBundle) out = is_vae ? run_vae (self, in, job, error) : run_stage (self, model, in, job, error);
  return out && pm_bundle_save (out, path, error) && pm_cli_outputs_commit (self->outputs, error);
}

static gboolean
check (const Eval *self, char **rest, GError **error)
{
  const char *message = NULL;

  if (! self->stage || rest[1])
    message = _("`pentimento eval` takes one stage: denoise, sample, vae-decode or vae-encode.");
  else if (strcmp (self->stage, "denoise") != 0 && strcmp (self->stage, "sample") != 0 && ! is_vae_stage (self))
    message = _("There is no such stage; the stages are denoise, sample, vae-decode and vae-encode.");
  else if (! self->out)
    message = _("Say where the result goes with --out FILE.safetensors.");
  else if (strcmp (self->stage, "denoise") == 0 && ! self->in)
    message = _("The stage denoise needs tensors x, t and y; give them with --in FILE.safetensors.");
  else if (is_vae_stage (self) && (! self->in || ! self->model))
    message = _("The stages vae-decode and vae-encode need --model with a VAE, and --in FILE.safetensors with the tensor "
                 "latent, or image.");
  else if (strcmp (self->stage, "denoise") != 0 && self->capture)
    message = _("--capture belongs to the stage denoise; maps of a whole run come from `pentimento generate --raw`.");
  if (message)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, message);
  return message == NULL;
}

static gboolean
parse (Eval *e, int argc, char **argv, char ***rest, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &e->model, N_("Name or path of the model"), N_("MODEL") },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &e->in,
      N_("Tensors that go in (denoise: x, t, y; sample: noise; vae-decode: latent; vae-encode: image)"), N_("FILE") },
    { "out", 'o', 0, G_OPTION_ARG_FILENAME, &e->out, N_("Tensors that come out"), N_("FILE") },
    { "capture", 0, 0, G_OPTION_ARG_STRING, &e->capture,
      N_("Also: received,entropy,distance,from,to,rollout,probs:LAYER,subject"), N_("LIST") },
    { "sampler", 0, 0, G_OPTION_ARG_STRING, &e->sampler, N_("euler, ddim, ddpm, dpmpp2m or unipc"), N_("NAME") },
    { "steps", 0, 0, G_OPTION_ARG_INT, &e->num_steps, N_("Sampler steps"), "N" },
    { "guidance", 0, 0, G_OPTION_ARG_DOUBLE, &e->guidance, N_("Strength of guidance; 1 is none"), "G" },
    { "guidance-interval", 0, 0, G_OPTION_ARG_STRING, &e->guidance_interval, N_("Guide only inside this part of 0..1"),
      "LO,HI" },
    { "class", 'c', 0, G_OPTION_ARG_STRING, &e->class_name, N_("A class's name or number"), N_("CLASS") },
    { "seed", 's', 0, G_OPTION_ARG_STRING, &e->seed,
      N_("Seed of the noise; 0 when not given. vae-encode: draw instead of taking the mean"), "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &e->size, N_("Size in pixels"), "WxH" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &e->device, N_("Where to compute; `ref` is the plain loops"), N_("NAME") },
    { "threads", 0, 0, G_OPTION_ARG_INT, &e->n_threads, N_("Threads; 0 is one a processor"), "N" },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &e->memory, N_("VAE: MiB in memory, full (no files) or half (f16)"), N_("HOW") },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &e->is_quiet, N_("Print nothing but errors"), NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (! pm_cli_parse (argc, argv, entries, _("STAGE"),
                      _("Runs one stage (denoise, sample, vae-decode, vae-encode) on the tensors of a safetensors file."), rest,
                      error))
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
                          self.seed,  self.size, self.class_name, self.device,  self.memory };
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  return code;
}
