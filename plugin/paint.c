/* One run. Interactive runs work in a thread behind our own progress window, because GIMP's status-bar cancel ends the
 * process; the image is touched only after the core has finished, in one burst. */
#include "plugin/paint.h"

#include <libgimp/gimpui.h>

#include "plugin/errors.h"
#include "plugin/i18n.h"
#include "plugin/start.h"
#include "plugin/words.h"
#include "ui/progress.h"

#define MAX_LABEL_CHARS 40

typedef struct
{
  PmPaint  *paint;
  PmResult *result;
} Task;

void
pm_paint_clear (PmPaint *paint)
{
  g_clear_pointer (&paint->model, pm_model_unref);
  g_clear_pointer (&paint->request, pm_request_free);
  g_clear_pointer (&paint->told, g_free);
}

static PmPlace
place_of (const PmPaint *paint)
{
  return (PmPlace) { paint->image, paint->drawables, paint->look.target };
}

void
pm_paint_keep_hidden (PmPaint *paint, GimpProcedureConfig *config)
{
  const PmRequest *recorded = paint->recorded;
  PmRequest *request = paint->request;
  int        seed;

  if (! recorded)
    return;
  g_object_get (config, "seed", &seed, NULL);
  if (seed < 0 && recorded->seed > G_MAXINT)
    request->seed = recorded->seed;
}

/* The core scales a region to the model's patches, so it need not have the picture's size. */
static void
take_recorded_region (PmRequest *request, const PmRequest *recorded)
{
  if (! recorded || ! recorded->region)
    return;
  g_free (request->region);
  request->region_width = recorded->region_width;
  request->region_height = recorded->region_height;
  request->region = g_memdup2 (recorded->region,
                               (gsize) recorded->region_width * recorded->region_height * sizeof (float));
}

static gboolean
set_region (PmPaint *paint, GError **error)
{
  const PmPlace place = place_of (paint);
  const char   *needy = NULL;

  for (int i = 0; paint->request->show.readings && paint->request->show.readings[i] && ! needy; i++)
    if (pm_reading_needs_region (paint->request->show.readings[i]))
      needy = paint->request->show.readings[i];
  if (! needy)
    return TRUE;

  if (! pm_placement_set_region (&place, paint->request, error))
    return FALSE;
  if (! paint->request->region)
    take_recorded_region (paint->request, paint->recorded);
  if (paint->request->region)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The reading “%s” asks about a region; select one in the image first, or choose another reading."),
               pm_reading_title (needy));
  return FALSE;
}

gboolean
pm_paint_has_start (const PmPaint *paint)
{
  return pm_target_has_start (paint->look.target) || (paint->recorded && paint->recorded->start_sum);
}

/* The layer's pixels where the target begins with them, else what the record began with. Pixels of a size that the model
 * would refuse are not read first. */
/* Those that are not NULL, one behind the other; NULL when all are. Free with g_free. */
static char *
join_sentences (const char *first, const char *second, const char *third)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *const sentences[] = { first, second, third };
  g_auto (GStrv) there = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (sentences); i++)
    if (sentences[i])
      g_strv_builder_add (builder, sentences[i]);
  there = g_strv_builder_end (builder);
  return there[0] ? g_strjoinv (" ", there) : NULL;
}

static gboolean
set_start (PmPaint *paint, GError **error)
{
  const PmPlace     place = place_of (paint);
  const PmModelInfo *info = pm_model_get_info (paint->model);
  PmRequest *request = paint->request;
  PmEstimate unused;

  if (! pm_paint_has_start (paint))
    return TRUE;
  if ((request->width != info->default_size || request->height != info->default_size)
      && ! pm_generate_estimate (paint->model, request, &unused, error))
    return FALSE;
  if (pm_target_has_start (paint->look.target))
    return pm_placement_set_start (&place, request, error);
  g_set_str (&request->start_sum, paint->recorded->start_sum);
  g_set_str (&request->mask_sum, paint->recorded->mask_sum);
  return pm_start_take (paint->image, request, error);
}

gboolean
pm_paint_set_inputs (PmPaint *paint, GimpProcedureConfig *config, GError **error)
{
  const PmPlace place = place_of (paint);
  const char   *unused = pm_request_get_unused (paint->request);
  g_autofree char *added = NULL;

  g_clear_pointer (&paint->told, g_free);
  if (! pm_placement_check (&place, error)
      || ! pm_words_apply (config, &place, paint->recorded, paint->model, paint->request, &added, error))
    return FALSE;
  paint->told = join_sentences (added, unused, NULL);
  return set_region (paint, error) && set_start (paint, error);
}

static gboolean
estimate (PmPaint *paint, PmEstimate *estimate_out, guint64 *layer_bytes, GError **error)
{
  const PmPlace place = place_of (paint);

  if (! pm_model_check_picture (paint->model, error) || ! pm_placement_check (&place, error)
      || ! pm_generate_estimate (paint->model, paint->request, estimate_out, error))
    return FALSE;

  pm_placement_compute (&place, paint->request->width, paint->request->height, &paint->placement);
  *layer_bytes = pm_layers_estimate (paint->image, paint->look.target, &paint->placement, estimate_out->n_maps);
  if (estimate_out->n_maps > PM_LAYERS_MAX)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("This would add %d heat-map layers, and the most is %d; show fewer layers, heads or steps, "
                     "or average with mean."),
                   estimate_out->n_maps, PM_LAYERS_MAX);
      return FALSE;
    }
  return TRUE;
}

/* What a run takes of a GPU's memory; NULL: it takes none. Free with g_free. */
static char *
describe_device (const PmEstimate *now)
{
  g_autofree char *used = g_format_size (now->device_bytes), *there = g_format_size (now->device_free_bytes);
  g_autofree char *streamed = g_format_size (now->streamed_bytes);

  if (now->device_bytes == 0)
    return NULL;
  if (now->streamed_bytes > 0)
    return g_strdup_printf (_("GPU memory: %s of %s; %s of weights do not fit and are fetched in every step."), used, there,
                            streamed);
  return g_strdup_printf (_("GPU memory: %s of %s."), used, there);
}

char *
pm_paint_describe (PmPaint *paint, int *n_maps, GError **error)
{
  PmEstimate now;
  guint64    layer_bytes;
  g_autofree char *work = NULL, *layers = NULL, *time = NULL, *costs = NULL, *device = NULL;
  const char      *begins = NULL;

  if (! estimate (paint, &now, &layer_bytes, error))
    return NULL;
  if (n_maps)
    *n_maps = now.n_maps;
  work = g_format_size (now.work_bytes + now.map_bytes);
  layers = g_format_size (layer_bytes);
  time = now.seconds < 0.0 ? g_strdup (_("unknown"))
                           : g_strdup_printf (now.seconds < 10.0 ? _("%.1f s") : _("%.0f s"), now.seconds);
  costs = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE,
                                        "%d heat map. Time: about %s. Memory: %s to paint, %s of layers.",
                                        "%d heat maps. Time: about %s. Memory: %s to paint, %s of layers.", now.n_maps),
                           now.n_maps, time, work, layers);
  if ((device = describe_device (&now)))
    {
      char *both = g_strdup_printf ("%s %s", costs, device);
      g_free (costs);
      costs = both;
    }
  if (paint->request->start && ! pm_target_has_start (paint->look.target))
    begins = _("The run begins with the picture that the recorded one began with.");
  return join_sentences (paint->told, costs, begins);
}

/* Many layers make GIMP slow and files large: better asked than undone. */
static gboolean
ask (int n_maps, guint64 bytes)
{
  g_autofree char *size = g_format_size (bytes);
  GtkWidget *dialog = gtk_message_dialog_new (NULL, 0, GTK_MESSAGE_QUESTION, GTK_BUTTONS_NONE,
                                              _("Add %d heat-map layers?"), n_maps);
  int response;

  gtk_message_dialog_format_secondary_text (GTK_MESSAGE_DIALOG (dialog),
                                            _("They take %s in memory and can take as much in the XCF file."), size);
  gtk_dialog_add_buttons (GTK_DIALOG (dialog), _("_Cancel"), GTK_RESPONSE_CANCEL, _("_Add layers"), GTK_RESPONSE_OK, NULL);
  gtk_widget_set_name (dialog, "pentimento-ask");
  gtk_window_set_title (GTK_WINDOW (dialog), _("Many heat maps"));
  gimp_window_set_transient (GTK_WINDOW (dialog));
  response = gtk_dialog_run (GTK_DIALOG (dialog));
  gtk_widget_destroy (dialog);
  return response == GTK_RESPONSE_OK;
}

static gboolean
task_cb (PmJob *job, gpointer data, GError **error)
{
  Task *task = data;

  task->result = pm_generate (task->paint->model, task->paint->request, job, error);
  return task->result != NULL;
}

static void
headless_progress_cb (const PmProgress *progress, gpointer data)
{
  gimp_progress_update (progress->fraction);
}

/* The first words of a prompt, on one line. */
static char *
shorten (const char *prompt)
{
  g_autofree char *line = g_strdup (prompt ? prompt : "");

  g_strdelimit (g_strstrip (line), "\r\n\t", ' ');
  if (! *line)
    return g_strdup (_("no prompt"));
  if (g_utf8_strlen (line, -1) > MAX_LABEL_CHARS)
    {
      g_autofree char *head = g_utf8_substring (line, 0, MAX_LABEL_CHARS);

      return g_strconcat (g_strchomp (head), "…", NULL);
    }
  return g_steal_pointer (&line);
}

/* What is painted, in a few words; free with g_free. */
static char *
what_label (PmPaint *paint)
{
  const char *text = paint->request->class_name;
  const char *name;

  if (pm_model_get_info (paint->model)->takes_prompt)
    return shorten (paint->request->prompt);
  if (! text || ! *text)
    return g_strdup (_("no class"));
  name = pm_model_get_class_name (paint->model, pm_model_find_class (paint->model, text, NULL));
  return g_strdup (name ? name : text);
}

static gboolean
generate (PmPaint *paint, Task *task, GError **error)
{
  g_autofree char *heading = NULL, *label = NULL;
  GtkWidget *window;
  gboolean   done;

  if (paint->run_mode == GIMP_RUN_NONINTERACTIVE)
    {
      g_autoptr (PmJob) job = pm_job_new (headless_progress_cb, NULL);

      gimp_progress_init (_("Painting with Pentimento"));
      done = task_cb (job, task, error);
      gimp_progress_end ();
      return done;
    }

  paint->request->preview_every = 1;
  label = what_label (paint);
  heading = g_strdup_printf (_("Painting “%s”"), label);
  window = pm_progress_new (_("Generate with Pentimento"), heading);
  gimp_window_set_transient (GTK_WINDOW (window));
  done = pm_progress_run (window, task_cb, task, error);
  gtk_widget_destroy (window);
  return done;
}

/* Not only in the dialog, for a script has none. */
static void
tell (const char *text)
{
  pm_log ("%s", text);
  gimp_message (text);
}

/* While a long run painted, its image may have been closed or its selection dropped: the picture is not thrown away. */
static void
keep_target (PmPaint *paint)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  PmPlace place = place_of (paint);

  if (paint->run_mode == GIMP_RUN_NONINTERACTIVE || pm_placement_check (&place, &error))
    return;
  text = g_strdup_printf (_("The picture was opened as a new image, because where it should go has changed meanwhile: %s"),
                          error->message);
  tell (text);
  place.target = paint->look.target = PM_TARGET_NEW_IMAGE;
  pm_placement_compute (&place, paint->request->width, paint->request->height, &paint->placement);
}

/* A name may stand for other weights than when the record was written. Asked after the run, whose own record needed the files'
 * sums anyway. */
static void
tell_other_model (PmPaint *paint)
{
  g_autofree char *text = NULL;

  if (! paint->record || g_strcmp0 (paint->request->model, paint->recorded->model) != 0)
    return;
  text = pm_record_compare_model (paint->record, paint->model, NULL);
  if (! text)
    return;
  tell (text);
}

gboolean
pm_paint_run (PmPaint *paint, PmLaid *laid, GError **error)
{
  Task       task = { paint, NULL };
  g_autofree char *label = what_label (paint);
  PmEstimate now;
  guint64    layer_bytes;
  gboolean   done;

  if (! estimate (paint, &now, &layer_bytes, error))
    return FALSE;
  if (now.n_maps > PM_LAYERS_ASK_ABOVE && paint->run_mode != GIMP_RUN_NONINTERACTIVE && ! ask (now.n_maps, layer_bytes))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("The run was cancelled."));
      return FALSE;
    }

  if (paint->told && paint->run_mode != GIMP_RUN_INTERACTIVE) /* whose dialog has said so */
    tell (paint->told);
  pm_log ("paint: model %s, %s, seed %" G_GUINT64_FORMAT ", %d steps, %d maps", paint->request->model,
          label, paint->request->seed, paint->request->num_steps, now.n_maps);
  done = generate (paint, &task, error);
  if (done)
    {
      pm_log ("painted in %.2f s", task.result->seconds);
      tell_other_model (paint);
      keep_target (paint);
      done = pm_layers_add (task.result, paint->request, label, &paint->look, paint->image, paint->drawables,
                            &paint->placement, laid, error);
    }
  g_clear_pointer (&task.result, pm_result_free);
  if (done && laid->baked)
    {
      pm_log ("the operation pentimento:heatmap is not installed; colours were baked");
      if (paint->run_mode != GIMP_RUN_NONINTERACTIVE)
        gimp_message (_("GIMP does not know the operation pentimento:heatmap, so the heat maps' colours were written into "
                        "their pixels; install Pentimento's GEGL operation to change them later."));
    }
  return done;
}

void
pm_paint_declare_values (GimpProcedure *procedure)
{
  gimp_procedure_add_image_return_value (procedure, "image", _("Image"), _("The image that holds the result"), FALSE,
                                         G_PARAM_READWRITE);
  gimp_procedure_add_layer_return_value (procedure, "layer", _("Picture"), _("The layer with the picture"), FALSE,
                                         G_PARAM_READWRITE);
  gimp_procedure_add_layer_return_value (procedure, "group", _("Attention"),
                                         _("The group of heat-map layers; none when nothing was shown"), TRUE,
                                         G_PARAM_READWRITE);
}

GimpValueArray *
pm_paint_finish (PmPaint *paint, const PmLaid *laid)
{
  GimpValueArray *values = gimp_procedure_new_return_values (paint->procedure, GIMP_PDB_SUCCESS, NULL);

  GIMP_VALUES_SET_IMAGE (values, 1, laid->image);
  GIMP_VALUES_SET_LAYER (values, 2, laid->picture);
  GIMP_VALUES_SET_LAYER (values, 3, laid->group);
  if (paint->run_mode != GIMP_RUN_NONINTERACTIVE)
    {
      if (paint->look.target == PM_TARGET_NEW_IMAGE)
        gimp_display_new (laid->image);
      gimp_displays_flush ();
    }
  return values;
}
