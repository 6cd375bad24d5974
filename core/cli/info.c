/* `pentimento info`: what the program sees in a model, what it makes of it, and what is missing. */
#include "cli/cli.h"

#define MAX_CLASSES_SHOWN 100
#define FEW_CLASSES 10 /* of those that have more */

typedef struct
{
  char *name, *device;
  gboolean is_json;
} Info;

static void
add_parts (JsonBuilder *line, const PmModelInfo *info)
{
  json_builder_set_member_name (line, "parts");
  json_builder_begin_array (line);
  for (int i = 0; i < info->n_parts; i++)
    {
      json_builder_begin_object (line);
      pm_cli_json_string (line, "name", info->parts[i].name);
      pm_cli_json_string (line, "path", info->parts[i].path);
      pm_cli_json_string (line, "is", info->parts[i].is);
      pm_cli_json_string (line, "problem", info->parts[i].problem);
      json_builder_end_object (line);
    }
  json_builder_end_array (line);
}

/* null where a class has no name in the user's language; nothing where there is no such language. */
static void
add_local_classes (JsonBuilder *line, const PmModelInfo *info)
{
  if (! info->local_classes)
    return;
  json_builder_set_member_name (line, "local_classes");
  json_builder_begin_array (line);
  for (int i = 0; i < info->n_classes; i++)
    if (info->local_classes[i])
      json_builder_add_string_value (line, info->local_classes[i]);
    else
      json_builder_add_null_value (line);
  json_builder_end_array (line);
}

static void
print_json (const PmModelInfo *info, char **fallbacks)
{
  JsonBuilder *line = pm_cli_json_begin ("info");

  pm_cli_json_string (line, "name", info->name);
  pm_cli_json_string (line, "path", info->path);
  pm_cli_json_string (line, "family", info->family);
  pm_cli_json_string (line, "dialect", info->dialect);
  pm_cli_json_string (line, "format", info->format);
  pm_cli_json_int (line, "parameters", (gint64) info->n_parameters);
  pm_cli_json_int (line, "bytes", (gint64) info->n_bytes);
  pm_cli_json_int (line, "layers", info->n_layers);
  pm_cli_json_int (line, "heads", info->n_heads);
  pm_cli_json_int (line, "width", info->width);
  pm_cli_json_int (line, "patch", info->patch);
  pm_cli_json_int (line, "channels", info->n_channels);
  pm_cli_json_boolean (line, "latent", info->is_latent);
  pm_cli_json_string (line, "vae", info->vae);
  pm_cli_json_boolean (line, "takes_prompt", info->takes_prompt);
  pm_cli_json_int (line, "max_tokens", info->max_tokens);
  pm_cli_json_string (line, "text_encoder", info->text_encoder);
  pm_cli_json_boolean (line, "makes_picture", info->makes_picture);
  add_parts (line, info);
  pm_cli_json_int (line, "n_classes", info->n_classes);
  pm_cli_json_strings (line, "classes", info->classes);
  add_local_classes (line, info);
  json_builder_set_member_name (line, "recommended_layers");
  json_builder_begin_array (line);
  for (int i = 0; i < info->n_recommended_layers; i++)
    json_builder_add_int_value (line, info->recommended_layers[i]);
  json_builder_end_array (line);
  pm_cli_json_string (line, "prediction", info->prediction);
  pm_cli_json_string (line, "schedule", info->schedule);
  pm_cli_json_string (line, "sampler", info->default_sampler);
  pm_cli_json_int (line, "steps", info->default_steps);
  pm_cli_json_number (line, "guidance", info->default_guidance);
  json_builder_set_member_name (line, "guidance_interval");
  json_builder_begin_array (line);
  json_builder_add_double_value (line, info->guidance_interval[0]);
  json_builder_add_double_value (line, info->guidance_interval[1]);
  json_builder_end_array (line);
  pm_cli_json_int (line, "size", info->default_size);
  pm_cli_json_int (line, "size_multiple", info->size_multiple);
  pm_cli_json_int (line, "min_size", info->min_size);
  pm_cli_json_int (line, "max_size", info->max_size);
  pm_cli_json_int (line, "text_width", info->text_width);
  pm_cli_json_strings (line, "notes", info->notes);
  if (fallbacks)
    pm_cli_json_strings (line, "fallbacks", (const char *const *) fallbacks);
  pm_cli_json_end (line);
}

static void
print_parts (const PmModelInfo *info)
{
  for (int i = 0; i < info->n_parts; i++)
    {
      const PmModelPart *part = &info->parts[i];
      g_print (_("Part:        %s, %s\n"), part->name, part->path ? part->path : _("not found"));
      if (part->is)
        g_print ("             %s\n", part->is);
      if (part->problem)
        g_print (_("  to do:     %s\n"), part->problem);
    }
}

/* Told with the part already. */
static gboolean
is_problem (const PmModelInfo *info, const char *note)
{
  for (int i = 0; i < info->n_parts; i++)
    if (g_strcmp0 (info->parts[i].problem, note) == 0)
      return TRUE;
  return FALSE;
}

static void
print_text (const PmModelInfo *info, char **fallbacks)
{
  g_autofree char *bytes = pm_cli_format_bytes (info->n_bytes);

  g_print (_("Model:       %s (%s)\n"), info->name, info->path);
  g_print (_("Family:      %s in the layout of %s, read as %s\n"), info->family, info->dialect, info->format);
  g_print (_("Parameters:  %.1f million, %s\n"), info->n_parameters / 1e6, bytes);
  g_print (_("Network:     %d layers, %d heads, width %d, patch %d, %d channels (%s)\n"), info->n_layers, info->n_heads,
           info->width, info->patch, info->n_channels, info->is_latent ? _("latents") : _("pixels"));
  g_print (_("Predicts:    %s, schedule %s\n"), info->prediction, info->schedule);
  g_print (_("Defaults:    %s, %d steps, guidance %g in %g..%g, %d pixels\n"), info->default_sampler, info->default_steps,
           info->default_guidance, info->guidance_interval[0], info->guidance_interval[1], info->default_size);
  if (info->any_size)
    g_print (_("Sizes:       sides of %d to %d pixels, multiples of %d\n"), info->min_size, info->max_size, info->size_multiple);
  if (info->takes_prompt)
    g_print (_("Reads:       prompts of up to %d tokens, as embeddings of width %d\n"), info->max_tokens, info->text_width);
  g_print (_("Look first:  layers"));
  for (int i = 0; i < info->n_recommended_layers; i++)
    g_print (" %d", info->recommended_layers[i]);
  g_print (info->takes_prompt ? "\n" : _("\nClasses:     %d\n"), info->n_classes);
  int n_shown = info->n_classes <= MAX_CLASSES_SHOWN ? info->n_classes : FEW_CLASSES;
  for (int i = 0; info->classes && i < n_shown; i++)
    {
      g_autofree char *label = pm_class_label (info->classes[i], info->local_classes ? info->local_classes[i] : NULL);
      g_print ("  %4d %s\n", i, label);
    }
  if (info->classes && n_shown < info->n_classes)
    g_print (_("  and %d more, all with --json\n"), info->n_classes - n_shown);
  for (int i = 0; info->notes[i]; i++)
    if (! is_problem (info, info->notes[i]))
      g_print (_("Note:        %s\n"), info->notes[i]);
  print_parts (info);
  if (fallbacks)
    {
      g_autofree char *list = g_strjoinv (", ", fallbacks);
      g_print (_("Fallbacks:   %s\n"), fallbacks[0] ? list : _("none"));
    }
}

/* Parts that are there and do not work: told already, but a script should notice. */
static gboolean
check_parts (const PmModelInfo *info, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (int i = 0; i < info->n_parts; i++)
    if (info->parts[i].path && info->parts[i].problem)
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", info->parts[i].name);
  if (names->len > 0)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("The model “%s” has parts that do not work: %s. What is told of each says what helps."), info->name,
                 names->str);
  return names->len == 0;
}

static gboolean
info_work (PmJob *job, gpointer data, GError **error)
{
  const Info *self = data;
  g_autoptr (PmModel) model = pm_cli_open_model (self->name, NULL, error);
  g_auto (GStrv) fallbacks = NULL;

  if (! model)
    return FALSE;
  if (self->device && ! (fallbacks = pm_device_fallbacks (model, self->device, error)))
    return FALSE;
  if (self->is_json)
    print_json (pm_model_get_info (model), fallbacks);
  else
    print_text (pm_model_get_info (model), fallbacks);
  return check_parts (pm_model_get_info (model), error);
}

/* What there is to compute on, and what stands in the way of it. */
static void
print_device (const PmDevice *device, gboolean is_json)
{
  g_autofree char *total = pm_cli_format_bytes (device->total_bytes);

  if (is_json)
    {
      JsonBuilder *line = pm_cli_json_begin ("device");
      pm_cli_json_string (line, "id", device->id);
      pm_cli_json_string (line, "name", device->name);
      pm_cli_json_int (line, "total_bytes", (gint64) device->total_bytes);
      pm_cli_json_string (line, "problem", device->problem);
      pm_cli_json_end (line);
    }
  else if (device->problem)
    g_print ("%-8s %s\n", device->id, device->problem);
  else if (device->total_bytes > 0)
    g_print (_("%-8s %s, %s of memory\n"), device->id, device->name, total);
  else
    g_print ("%s\n", device->name);
}

static int
print_devices (gboolean is_json)
{
  g_autoptr (GPtrArray) devices = pm_device_find_all ();

  for (guint i = 0; i < devices->len; i++)
    print_device (g_ptr_array_index (devices, i), is_json);
  return PM_EXIT_DONE;
}

int
pm_cli_info (int argc, char **argv)
{
  Info self = { 0 };
  g_autofree char *name = NULL;
  g_autofree char *device = NULL;
  gboolean devices = FALSE;
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &name, N_("Name or path of the model"), N_("MODEL") },
    { "device", 0, 0, G_OPTION_ARG_STRING, &device, N_("Also list the operations that this device leaves to the plain loops"),
      N_("NAME") },
    { "devices", 0, 0, G_OPTION_ARG_NONE, &devices,
      N_("Instead list what there is to compute on, and why a GPU cannot be used"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.is_json, N_("One line of JSON"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;

  if (! pm_cli_parse (argc, argv, entries, _("[MODEL]"), _("Tells what the program sees in a model."), &rest, &error))
    return pm_cli_report (error);
  if (rest[0] && (name || rest[1]))
    {
      g_set_error (&error, PM_ERROR, PM_ERROR_USAGE, _("More than one model was named; `pentimento info` takes one."));
      return pm_cli_report (error);
    }
  if (devices)
    return print_devices (self.is_json);
  self.name = rest[0] ? rest[0] : name;
  self.device = device;
  return pm_cli_run (info_work, &self, NULL, NULL);
}
