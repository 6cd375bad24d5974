/* The options of `pentimento generate`; generate-request.c makes a request of them. */
#include "cli/generate.h"

#include <math.h>
#include <string.h>

void
pm_generate_options_init (PmGenerateOptions *options)
{
  memset (options, 0, sizeof *options);
  options->guidance = NAN;
  options->map_scale = 1;
  options->num_steps = G_MININT;
  options->strength = NAN;
  options->n_threads = G_MININT;
  options->map_budget_mib = G_MININT;
}

void
pm_generate_options_clear (PmGenerateOptions *options)
{
  char **const texts[] = {
    &options->model,    &options->class_name, &options->prompt,
    &options->negative, &options->sampler,    &options->guidance_interval,
    &options->seed,     &options->size,       &options->device,
    &options->show,     &options->region,     &options->region_mask,
    &options->out,      &options->maps,       &options->palette,
    &options->raw,      &options->record,     &options->from_record,
    &options->start,    &options->mask,       &options->preview_dir,
    &options->cache,    &options->sheet,      &options->sheet_by,
    &options->gif,      &options->npy,        &options->precision,
    &options->vram_limit, &options->shortage,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer (texts[i], g_free);
  g_clear_pointer (&options->weights, g_strfreev);
  g_clear_pointer (&options->places, g_strfreev);
}

gboolean
pm_generate_options_want_maps (const PmGenerateOptions *options)
{
  return options->maps || options->raw || options->sheet || options->gif || options->npy;
}

/* What makes no sense whatever the model. */
static gboolean
check_options (const PmGenerateOptions *options, GError **error)
{
  const char *message = NULL;

  if (options->prompt && options->class_name)
    message = _("A model paints a class or a prompt; give --class or --prompt (`pentimento info` says which).");
  else if (options->region && options->region_mask)
    message = _("--region and --region-mask name the same thing twice; give one of them.");
  else if (! (options->map_scale >= 0 && options->map_scale <= 64))
    message = _("--map-scale must lie between 0 and 64; 1 is the picture's size, 0 one pixel a patch.");
  else if (options->n_threads != G_MININT && options->n_threads < 0)
    message = _("--threads must be 0 (one a processor) or more.");
  else if (options->map_budget_mib != G_MININT && options->map_budget_mib < 1)
    message = _("--map-budget must be at least 1 MiB.");
  else if (options->mask && ! options->start)
    message = _("--mask needs a picture to begin with; add --start FILE.");
  else if (options->preview_every < 0)
    message = _("--preview-every must be 1 (every step) or more.");
  else if ((options->preview_every > 0) != (options->preview_dir != NULL))
    message = _("Previews need both --preview-every N and --preview-dir FOLDER; give the other one too.");
  else if (options->sheet_by && pm_sheet_by_from_id (options->sheet_by) < 0)
    message = _("--sheet-by is one of: layers, steps, heads, auto.");
  else if (! options->out && ! options->record && ! options->is_json && ! options->estimate
           && ! pm_generate_options_want_maps (options))
    message = _("Nothing would be kept; say where the picture goes with --out picture.png.");
  if (message)
    g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, message);
  if (message || ! options->palette || pm_palette_from_id (options->palette) >= 0)
    return message == NULL;

  g_autoptr (GString) known = g_string_new (NULL);
  for (int i = 0; i < PM_N_PALETTES; i++)
    g_string_append_printf (known, "%s%s", i ? ", " : "", pm_palette_id (i));
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no palette “%s”; choose one of: %s."), options->palette, known->str);
  return FALSE;
}

/* What to paint, and how. */
static void
add_painting (GArray *all, PmGenerateOptions *o)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model, N_("Name or path of the model"), N_("MODEL") },
    { "class", 'c', 0, G_OPTION_ARG_STRING, &o->class_name, N_("What to paint: a class's name or number"), N_("CLASS") },
    { "prompt", 'p', 0, G_OPTION_ARG_STRING, &o->prompt, N_("What to paint, for models that read words"), N_("TEXT") },
    { "negative", 0, 0, G_OPTION_ARG_STRING, &o->negative, N_("What guidance leads away from"), N_("TEXT") },
    { "weight", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->weights,
      N_("How much words of the prompt count: 1 as they are, 0 not at all; may be repeated"), N_("WORDS=W") },
    { "where", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->places,
      N_("Words count only where this PNG picture is white; may be repeated"), N_("WORDS=FILE") },
    { "num-steps", 0, 0, G_OPTION_ARG_INT, &o->num_steps, N_("Sampler steps; 0 is the model's own number"), "N" },
    { "sampler", 0, 0, G_OPTION_ARG_STRING, &o->sampler, N_("euler, ddim, ddpm, dpmpp2m or unipc"), N_("NAME") },
    { "guidance", 0, 0, G_OPTION_ARG_DOUBLE, &o->guidance, N_("Strength of guidance; 1 is none"), "G" },
    { "cache", 0, 0, G_OPTION_ARG_STRING, &o->cache,
      N_("Let steps stand in for others: none, static, taylor; taylor:3 computes every third"), N_("KIND[:N]") },
    { "guidance-interval", 0, 0, G_OPTION_ARG_STRING, &o->guidance_interval, N_("Guide only inside this part of 0..1"),
      "LO,HI" },
    { "seed", 's', 0, G_OPTION_ARG_STRING, &o->seed, N_("Seed of the noise; random when not given"), "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &o->size, N_("Size in pixels"), "WxH" },
    { "start", 0, 0, G_OPTION_ARG_FILENAME, &o->start, N_("Begin with this PNG picture, of the size that is painted"),
      N_("FILE") },
    { "strength", 0, 0, G_OPTION_ARG_DOUBLE, &o->strength, N_("With --start: share of the steps that are run, up to 1"), "S" },
    { "mask", 0, 0, G_OPTION_ARG_FILENAME, &o->mask, N_("With --start: a PNG picture, white where to paint"), N_("FILE") },
    { "from-record", 0, 0, G_OPTION_ARG_FILENAME, &o->from_record, N_("Run a record again; other options change it"),
      N_("FILE") },
  };

  g_array_append_vals (all, entries, G_N_ELEMENTS (entries));
}

/* Where it is computed. */
static void
add_device (GArray *all, PmGenerateOptions *o)
{
  const GOptionEntry entries[] = {
    { "threads", 0, 0, G_OPTION_ARG_INT, &o->n_threads, N_("Threads; 0 is one a processor"), "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &o->device,
      N_("Where to compute: cpu, cuda, cuda:1 or a GPU's name; `pentimento info --devices` lists them"), N_("NAME") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &o->precision, N_("On a GPU: auto, f32, bf16 or f16"), N_("TYPE") },
    { "vram-limit", 0, 0, G_OPTION_ARG_STRING, &o->vram_limit, N_("How much of a GPU's memory to use, such as 4GiB or 500MiB"),
      N_("SIZE") },
    { "on-out-of-memory", 0, 0, G_OPTION_ARG_STRING, &o->shortage,
      N_("When a GPU's memory is too small: stream weights to it, also fall back to the cpu, or stop"), N_("WHAT") },
  };

  g_array_append_vals (all, entries, G_N_ELEMENTS (entries));
}

/* Which maps, and what becomes of them and of the picture. */
static void
add_results (GArray *all, PmGenerateOptions *o)
{
  const GOptionEntry entries[] = {
    { "show", 0, 0, G_OPTION_ARG_STRING, &o->show,
      N_("Maps to record: layers=2,8;heads=all;steps=0,5;read=received, or words=cat,red hat;read=word"), N_("TEXT") },
    { "region", 0, 0, G_OPTION_ARG_STRING, &o->region, N_("Region for `from`, `to` and `rollout`, in pixels"), "X0,Y0,X1,Y1" },
    { "region-mask", 0, 0, G_OPTION_ARG_FILENAME, &o->region_mask, N_("Region as a PNG picture, white inside"), N_("FILE") },
    { "map-budget", 0, 0, G_OPTION_ARG_INT, &o->map_budget_mib, N_("Memory for recorded maps, in MiB"), "N" },
    { "out", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, N_("The picture, as PNG"), N_("FILE") },
    { "maps", 0, 0, G_OPTION_ARG_FILENAME, &o->maps, N_("Folder for one coloured PNG a map"), N_("FOLDER") },
    { "sheet", 0, 0, G_OPTION_ARG_FILENAME, &o->sheet, N_("All maps on one sheet with titles and colour bars, as PNG"),
      N_("FILE") },
    { "sheet-by", 0, 0, G_OPTION_ARG_STRING, &o->sheet_by, N_("What stands side by side on it: layers, steps, heads"),
      N_("AXIS") },
    { "gif", 0, 0, G_OPTION_ARG_FILENAME, &o->gif, N_("The maps over the steps, as an animation"), N_("FILE") },
    { "npy", 0, 0, G_OPTION_ARG_FILENAME, &o->npy, N_("Folder for each map's values as a NumPy array"), N_("FOLDER") },
    { "palette", 0, 0, G_OPTION_ARG_STRING, &o->palette,
      N_("Colours of the maps: viridis, magma, inferno, turbo, cividis, grey"), N_("NAME") },
    { "map-scale", 0, 0, G_OPTION_ARG_DOUBLE, &o->map_scale, N_("Size of the maps: 1 the picture's, 0 one pixel a patch"), "F" },
    { "raw", 0, 0, G_OPTION_ARG_FILENAME, &o->raw, N_("All maps' values, as safetensors"), N_("FILE") },
    { "preview-every", 0, 0, G_OPTION_ARG_INT, &o->preview_every, N_("Keep the picture foreseen at every N-th step"), "N" },
    { "preview-dir", 0, 0, G_OPTION_ARG_FILENAME, &o->preview_dir, N_("Folder for these, written as they come"), N_("FOLDER") },
    { "record", 0, 0, G_OPTION_ARG_FILENAME, &o->record, N_("Everything to run it again, as JSON"), N_("FILE") },
    { "estimate", 0, 0, G_OPTION_ARG_NONE, &o->estimate, N_("Tell memory and time, and stop"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o->is_json, N_("Progress and results as JSON lines"), NULL },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o->is_quiet, N_("Print nothing but errors"), NULL },
  };

  g_array_append_vals (all, entries, G_N_ELEMENTS (entries));
}

gboolean
pm_generate_options_parse (PmGenerateOptions *options, int argc, char **argv, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (TRUE, TRUE, sizeof (GOptionEntry)); /* ends with a zeroed one */
  g_auto (GStrv) rest = NULL;

  add_painting (entries, options);
  add_device (entries, options);
  add_results (entries, options);
  if (! pm_cli_parse (argc, argv, (const GOptionEntry *) (gpointer) entries->data, NULL,
                      _("Paints a picture and shows the attention behind it."), &rest, error))
    return FALSE;
  if (rest[0])
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” belongs to no option; `pentimento generate --help` lists them."),
                   rest[0]);
      return FALSE;
    }
  return check_options (options, error);
}
