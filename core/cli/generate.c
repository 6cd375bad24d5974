/* `pentimento generate`: a request in, a picture and its maps out. */
#include "cli/generate.h"

#include <inttypes.h>

typedef struct
{
  PmGenerateOptions options;
  PmGenerateFiles files;
  PmCliProgress progress;
} Generate;

static const char *const storages[]
    = { [PM_MAP_STORAGE_F32] = "f32", [PM_MAP_STORAGE_F16] = "f16", [PM_MAP_STORAGE_FILE] = "file" };

static void
print_storage (const PmEstimate *estimate)
{
  g_autofree char *file = pm_cli_format_bytes (estimate->map_file_bytes);

  g_print (_("Maps: %d\n"), estimate->n_maps);
  if (estimate->map_storage == PM_MAP_STORAGE_F16)
    g_print (_("They exceed the map budget: recorded with half precision, and kept in a temporary file of %s at the end\n"),
             file);
  else if (estimate->map_storage == PM_MAP_STORAGE_FILE)
    g_print (_("They exceed the map budget: recorded in a temporary file of %s\n"), file);
}

static void
print_device (const PmEstimate *estimate)
{
  g_autofree char *used = pm_cli_format_bytes (estimate->device_bytes);
  g_autofree char *available = pm_cli_format_bytes (estimate->device_free_bytes);
  g_autofree char *streamed = pm_cli_format_bytes (estimate->streamed_bytes);

  if (estimate->device_bytes > 0)
    g_print (_("The GPU's memory: %s of %s\n"), used, available);
  if (estimate->streamed_bytes > 0)
    g_print (_("Weights that do not fit into it, and are fetched in every step: %s\n"), streamed);
}

static void
print_estimate (const PmEstimate *estimate, gboolean is_json)
{
  if (is_json)
    {
      JsonBuilder *line = pm_cli_json_begin ("estimate");
      pm_cli_json_number (line, "flops", estimate->floor_flops);
      pm_cli_json_number (line, "seconds", estimate->seconds);
      pm_cli_json_int (line, "weight_bytes", (gint64) estimate->weight_bytes);
      pm_cli_json_int (line, "work_bytes", (gint64) estimate->work_bytes);
      pm_cli_json_int (line, "vae_file_bytes", (gint64) estimate->vae_file_bytes);
      pm_cli_json_int (line, "map_bytes", (gint64) estimate->map_bytes);
      pm_cli_json_int (line, "map_file_bytes", (gint64) estimate->map_file_bytes);
      pm_cli_json_string (line, "map_storage", storages[estimate->map_storage]);
      pm_cli_json_int (line, "free_bytes", (gint64) estimate->free_bytes);
      pm_cli_json_int (line, "device_bytes", (gint64) estimate->device_bytes);
      pm_cli_json_int (line, "device_free_bytes", (gint64) estimate->device_free_bytes);
      pm_cli_json_int (line, "streamed_bytes", (gint64) estimate->streamed_bytes);
      pm_cli_json_int (line, "maps", estimate->n_maps);
      pm_cli_json_end (line);
      return;
    }
  g_autofree char *weights = pm_cli_format_bytes (estimate->weight_bytes);
  g_autofree char *work = pm_cli_format_bytes (estimate->work_bytes);
  g_autofree char *maps = pm_cli_format_bytes (estimate->map_bytes);
  g_autofree char *available = pm_cli_format_bytes (estimate->free_bytes);
  g_print (_("Operations: %.4g billion\n"), estimate->floor_flops / 1e9);
  if (estimate->seconds >= 0)
    g_print (_("Time: about %.1f seconds\n"), estimate->seconds);
  g_print (_("Memory: %s of weights (mapped), %s of work space, %s of maps; %s are free\n"), weights, work, maps, available);
  print_device (estimate);
  if (estimate->vae_file_bytes > 0)
    {
      g_autofree char *file = pm_cli_format_bytes (estimate->vae_file_bytes);
      g_print (_("Temporary files while the picture is decoded: %s\n"), file);
    }
  print_storage (estimate);
}

static void
print_map_json (const PmGenerateOptions *options, const PmMap *map)
{
  g_autofree char *path = pm_generate_map_path (options, map);
  JsonBuilder *line = pm_cli_json_begin ("map");

  pm_cli_json_string (line, "id", map->id);
  pm_cli_json_string (line, "title", map->title);
  pm_cli_json_string (line, "read", map->reading);
  pm_cli_json_string (line, "word", map->word);
  pm_cli_json_int (line, "layer", map->layer);
  pm_cli_json_int (line, "head", map->head);
  pm_cli_json_int (line, "step", map->step);
  pm_cli_json_number (line, "time", map->time);
  pm_cli_json_int (line, "grid_width", map->grid_w);
  pm_cli_json_int (line, "grid_height", map->grid_h);
  pm_cli_json_number (line, "low", map->low);
  pm_cli_json_number (line, "high", map->high);
  pm_cli_json_number (line, "min", map->stats.min);
  pm_cli_json_number (line, "max", map->stats.max);
  pm_cli_json_number (line, "mean", map->stats.mean);
  json_builder_set_member_name (line, "sinks");
  json_builder_begin_array (line);
  for (int i = 0; i < MIN (map->stats.n_sinks, PM_MAP_MAX_SINKS); i++)
    {
      json_builder_begin_object (line);
      pm_cli_json_int (line, "x", map->stats.sinks[i].x);
      pm_cli_json_int (line, "y", map->stats.sinks[i].y);
      pm_cli_json_number (line, "value", map->stats.sinks[i].value);
      json_builder_end_object (line);
    }
  json_builder_end_array (line);
  pm_cli_json_string (line, "file", path);
  pm_cli_json_end (line);
}

static void
print_result_json (const PmGenerateOptions *options, const PmRequest *request, const PmResult *result)
{
  for (guint i = 0; i < result->maps->len; i++)
    print_map_json (options, g_ptr_array_index (result->maps, i));

  JsonBuilder *line = pm_cli_json_begin ("result");
  pm_cli_json_string (line, "model", request->model);
  pm_cli_json_string (line, "class", request->class_name);
  pm_cli_json_string (line, "prompt", request->prompt);
  pm_cli_json_string (line, "negative", request->negative_prompt);
  pm_cli_json_int (line, "seed", (gint64) request->seed);
  pm_cli_json_int (line, "width", result->width);
  pm_cli_json_int (line, "height", result->height);
  pm_cli_json_int (line, "steps", result->n_steps);
  pm_cli_json_int (line, "maps", result->maps->len);
  pm_cli_json_number (line, "seconds", result->seconds);
  pm_cli_json_string (line, "picture", options->out);
  pm_cli_json_string (line, "sheet", options->sheet);
  pm_cli_json_string (line, "gif", options->gif);
  pm_cli_json_string (line, "npy", options->npy);
  pm_cli_json_string (line, "raw", options->raw);
  pm_cli_json_string (line, "record", options->record);
  pm_cli_json_end (line);
}

static void
print_result (const PmGenerateOptions *options, const PmRequest *request, const PmResult *result)
{
  g_print (g_dngettext (GETTEXT_PACKAGE, "Painted %d x %d pixels in %d step and %.2f seconds, seed %" PRIu64 "\n",
                        "Painted %d x %d pixels in %d steps and %.2f seconds, seed %" PRIu64 "\n", result->n_steps),
           result->width, result->height, result->n_steps, result->seconds, request->seed);
  if (options->out)
    g_print ("%s\n", options->out);
  for (guint i = 0; i < result->maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (result->maps, i);
      g_autofree char *path = pm_generate_map_path (options, map);
      g_print ("%s  %s  %.4g..%.4g\n", path ? path : map->id, map->title, map->stats.min, map->stats.max);
    }
  const char *const files[] = { options->sheet, options->gif, options->npy, options->raw, options->record };
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (files[i])
      g_print ("%s\n", files[i]);
}

/* The request: of a record or the model's defaults, with the options over it. */
static PmRequest *
make_request (const PmGenerateOptions *options, PmModel **model, GError **error)
{
  g_autoptr (PmRequest) request = NULL;

  if (options->from_record && ! (request = pm_generate_options_load_record (options->from_record, error)))
    return NULL;
  *model = pm_cli_open_model (options->model || ! request ? options->model : request->model, options->prompt, error);
  if (! *model)
    return NULL;
  if (! request)
    request = pm_request_new_for_model (*model);
  if (options->model)
    {
      g_free (request->model);
      request->model = g_strdup (options->model);
    }
  return pm_generate_options_apply (options, request, error) ? g_steal_pointer (&request) : NULL;
}

static char *
compare_record (const char *path, PmModel *model, PmJob *job)
{
  g_autofree char *record = NULL;
  return g_file_get_contents (path, &record, NULL, NULL) ? pm_record_compare_model (record, model, job) : NULL;
}

static gboolean
generate_work (PmJob *job, gpointer data, GError **error)
{
  Generate *self = data;
  const PmGenerateOptions *options = &self->options;
  g_autoptr (PmModel) model = NULL;
  g_autoptr (PmRequest) request = make_request (options, &model, error);
  g_autofree char *difference = NULL;
  PmEstimate estimate = { 0 };

  if (! request)
    return FALSE;
  if (options->estimate)
    {
      if (! pm_generate_estimate (model, request, &estimate, error))
        return FALSE;
      print_estimate (&estimate, options->is_json);
      return TRUE;
    }
  if (options->out && ! pm_model_check_picture (model, error))
    return FALSE;
  if (pm_request_get_unused (request))
    g_printerr ("pentimento: %s\n", pm_request_get_unused (request));
  if (options->from_record && (difference = compare_record (options->from_record, model, job)))
    g_printerr ("pentimento: %s\n", difference);
  if (! pm_generate_files_reserve (&self->files, options, error))
    return FALSE;

  g_autoptr (PmResult) result = pm_generate (model, request, job, error);
  if (result && self->progress.error)
    {
      g_propagate_error (error, g_steal_pointer (&self->progress.error));
      return FALSE;
    }
  if (! result || ! pm_generate_files_write (&self->files, options, request, result, job, error))
    return FALSE;

  pm_cli_progress_wipe (&self->progress);
  if (options->is_json)
    print_result_json (options, request, result);
  else if (! options->is_quiet)
    print_result (options, request, result);
  return TRUE;
}

int
pm_cli_generate (int argc, char **argv)
{
  Generate self = { 0 };
  g_autoptr (GError) error = NULL;
  int code;

  pm_generate_options_init (&self.options);
  if (pm_generate_options_parse (&self.options, argc, argv, &error))
    {
      g_autoptr (PmCliOutputs) outputs = pm_cli_outputs_new ();
      self.files.outputs = outputs;
      pm_cli_progress_init (&self.progress, self.options.is_json, self.options.is_quiet);
      self.progress.preview_dir = self.options.preview_dir;
      code = pm_cli_run (generate_work, &self, &self.progress, outputs);
    }
  else
    code = pm_cli_report (error);
  pm_cli_progress_clear (&self.progress);
  pm_generate_options_clear (&self.options);
  return code;
}
