/* plug-in-pentimento-who-named: which words of a prompt named a place in the picture. The model looks once more at the layer,
 * noised half the way, and tells how much the patches there look at each word. */
#include <libgimp/gimpui.h>
#include <math.h>

#include "plugin/errors.h"
#include "plugin/i18n.h"
#include "plugin/placement.h"
#include "plugin/procedures.h"
#include "plugin/record.h"
#include "plugin/widgets.h"
#include "plugin/window.h"
#include "ui/progress.h"
#include "ui/word-ranks.h"

#define MAX_SIDE 1024 /* of the picture that the model is shown */

/* Of the question; pixels are the shown picture's. */
typedef struct
{
  GimpDrawable *layer;
  int           x0, y0;        /* the layer's corner on the canvas */
  int           width, height; /* of the picture that is shown */
  double        scale;         /* from the canvas to it */
  float        *picture;       /* [height, width, 3] */
  guint8       *mask;          /* [height, width]; NULL: x, y, radius */
  double        x, y, radius;
  PmModel      *model;
  PmRequest    *request;
  GPtrArray    *words;         /* of PmWordAt: the answer */
} Question;

static void
question_clear (Question *question)
{
  g_free (question->picture);
  g_free (question->mask);
  g_clear_pointer (&question->model, pm_model_unref);
  g_clear_pointer (&question->request, pm_request_free);
  g_clear_pointer (&question->words, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Question, question_clear)

static gboolean
fail_memory (GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("There is too little memory to read the picture; close other images and try again."));
  return FALSE;
}

/* The selected layer, else the picture of the image's record: the lowest layer that holds it. */
static gboolean
read_picture (Question *question, GimpImage *image, GimpDrawable **drawables, GError **error)
{
  g_autoptr (GeglBuffer) buffer = NULL;
  PmWindowSource source = { .format = babl_format ("R'G'B' float"), .n_channels = 3 };
  int            width, height;

  if (! drawables || ! drawables[0] || ! GIMP_IS_LAYER (drawables[0]))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE, _("No layer is selected; select the layer with the picture."));
      return FALSE;
    }
  question->layer = drawables[0];
  width = gimp_drawable_get_width (question->layer);
  height = gimp_drawable_get_height (question->layer);
  gimp_drawable_get_offsets (question->layer, &question->x0, &question->y0);
  question->scale = MIN (1.0, (double) MAX_SIDE / MAX (width, height));
  question->width = MAX ((int) lrint (width * question->scale), 1);
  question->height = MAX ((int) lrint (height * question->scale), 1);
  question->picture = g_try_malloc_n ((gsize) question->width * question->height, 3 * sizeof (float));
  buffer = gimp_drawable_get_buffer (question->layer);
  source.buffer = buffer;
  source.domain = (GeglRectangle) { 0, 0, width, height };
  return (question->picture
          && pm_window_read (&source, 0.0, 0.0, width, height, question->width, question->height, question->picture))
         || fail_memory (error);
}

/* What is selected of the layer. */
static gboolean
read_selection (Question *question, GimpImage *image, GError **error)
{
  gsize n = (gsize) question->width * question->height;
  g_autoptr (GeglBuffer) buffer = NULL;
  g_autofree float *values = g_try_new (float, n);
  PmWindowSource source = { .format = babl_format ("Y float"), .n_channels = 1 };

  if (gimp_selection_is_empty (image))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("Nothing is selected; select the place whose words you want to know, or give x and y."));
      return FALSE;
    }
  question->mask = g_try_malloc (n);
  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (gimp_image_get_selection (image)));
  source.buffer = buffer;
  source.domain = (GeglRectangle) { 0, 0, gimp_image_get_width (image), gimp_image_get_height (image) };
  if (! values || ! question->mask
      || ! pm_window_read (&source, question->x0, question->y0, gimp_drawable_get_width (question->layer),
                           gimp_drawable_get_height (question->layer), question->width, question->height, values))
    return fail_memory (error);
  for (gsize i = 0; i < n; i++)
    question->mask[i] = (guint8) lrintf (CLAMP (values[i], 0.0f, 1.0f) * 255.0f);
  return pm_words_in_check (question->mask, question->width, question->height, error);
}

static gboolean
read_place (Question *question, GimpProcedureConfig *config, GimpImage *image, GError **error)
{
  double x, y, radius;

  g_object_get (config, "x", &x, "y", &y, "radius", &radius, NULL);
  if (x < 0.0 && y < 0.0)
    return read_selection (question, image, error);
  question->x = (x - question->x0) * question->scale;
  question->y = (y - question->y0) * question->scale;
  question->radius = radius * question->scale;
  return pm_words_at_check (question->width, question->height, question->x, question->y, question->radius, error);
}

/* Model and prompt of the arguments, else of the record. */
static gboolean
make_request (Question *question, GimpProcedureConfig *config, GimpImage *image, GimpDrawable **drawables, GError **error)
{
  g_autofree char *model = NULL, *prompt = NULL, *text = NULL;
  g_autoptr (PmRequest) recorded = NULL;
  g_autoptr (GError) local = NULL;
  PmLook look;

  g_object_get (config, "model", &model, "prompt", &prompt, NULL);
  if (! model || ! *model || ! prompt || ! *prompt)
    {
      recorded = pm_record_find_run (image, drawables, &look, &text, &local);
      if (! recorded)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("Which model should look at which prompt was not said, and no record says it (%s). Say both."),
                       local->message);
          return FALSE;
        }
      if (! model || ! *model)
        g_set_str (&model, recorded->model);
      if (! prompt || ! *prompt)
        g_set_str (&prompt, recorded->prompt ? recorded->prompt : "");
    }
  question->model = pm_model_open (model, error);
  if (! question->model)
    return FALSE;
  question->request = pm_words_at_request (question->model, prompt, question->picture, question->width, question->height, error);
  return question->request != NULL;
}

static gboolean
task_cb (PmJob *job, gpointer data, GError **error)
{
  Question *question = data;
  g_autoptr (PmResult) result = pm_generate (question->model, question->request, job, error);

  if (! result)
    return FALSE;
  if (question->mask)
    question->words = pm_words_in (result->maps, question->mask, question->width, question->height, error);
  else
    question->words = pm_words_at (result->maps, question->width, question->height, question->x, question->y, question->radius,
                                   error);
  return question->words != NULL;
}

static gboolean
look (Question *question, GimpRunMode run_mode, GError **error)
{
  GtkWidget *window;
  gboolean   done;

  if (run_mode == GIMP_RUN_NONINTERACTIVE)
    return task_cb (NULL, question, error);
  gimp_ui_init ("pentimento");
  window = pm_progress_new (_("Who named this?"), _("The model looks at the picture"));
  gimp_window_set_transient (GTK_WINDOW (window));
  done = pm_progress_run (window, task_cb, question, error);
  gtk_widget_destroy (window);
  return done;
}

static void
show (const Question *question)
{
  GtkWidget *dialog = gtk_dialog_new_with_buttons (_("Who named this?"), NULL, 0, _("C_lose"), GTK_RESPONSE_CLOSE, NULL);
  GtkWidget *ranks = pm_word_ranks_new (question->words, question->request->prompt);

  gtk_widget_set_name (dialog, "pentimento-who-named");
  gtk_dialog_set_default_response (GTK_DIALOG (dialog), GTK_RESPONSE_CLOSE);
  gtk_container_add (GTK_CONTAINER (gtk_dialog_get_content_area (GTK_DIALOG (dialog))), ranks);
  gtk_widget_show_all (ranks);
  gimp_window_set_transient (GTK_WINDOW (dialog));
  gtk_dialog_run (GTK_DIALOG (dialog));
  gtk_widget_destroy (dialog);
}

static GimpValueArray *
answer (GimpProcedure *procedure, const Question *question)
{
  GimpValueArray *values = gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);
  guint           n = question->words->len;
  char          **names = g_new0 (char *, n + 1);
  g_autofree double *shares = g_new (double, n + 1), *means = g_new (double, n + 1);

  for (guint i = 0; i < n; i++)
    {
      const PmWordAt *word = question->words->pdata[i];

      names[i] = g_strdup (word->word);
      shares[i] = word->value;
      means[i] = word->mean;
    }
  GIMP_VALUES_TAKE_STRV (values, 1, names);
  GIMP_VALUES_SET_DOUBLE_ARRAY (values, 2, shares, n);
  GIMP_VALUES_SET_DOUBLE_ARRAY (values, 3, means, n);
  return values;
}

static GimpValueArray *
who_named_run (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image, GimpDrawable **drawables,
               GimpProcedureConfig *config, gpointer run_data)
{
  g_auto (Question) question = { 0 };
  GError *error = NULL;

  pm_procedure_begin (procedure);
  if (! read_picture (&question, image, drawables, &error) || ! read_place (&question, config, image, &error)
      || ! make_request (&question, config, image, drawables, &error) || ! look (&question, run_mode, &error))
    return pm_procedure_fail (procedure, run_mode, error);
  if (run_mode != GIMP_RUN_NONINTERACTIVE)
    show (&question);
  return answer (procedure, &question);
}

static void
declare (GimpProcedure *procedure)
{
  gimp_procedure_add_string_argument (procedure, "model", _("_Model"), _("The model that looks; empty takes that of the record"),
                                      "", G_PARAM_READWRITE);
  gimp_procedure_add_string_argument (procedure, "prompt", _("Prompt"),
                                      _("The words to choose from; empty takes those of the record"), "", G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "x", _("_X"),
                                      _("The place in pixels of the image; with y, -1 takes what is selected"), -1.0,
                                      GIMP_MAX_IMAGE_SIZE, -1.0, G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "y", _("_Y"),
                                      _("The place in pixels of the image; with x, -1 takes what is selected"), -1.0,
                                      GIMP_MAX_IMAGE_SIZE, -1.0, G_PARAM_READWRITE);
  gimp_procedure_add_double_argument (procedure, "radius", _("_Radius"),
                                      _("Of a disc around the place, in pixels; 0 is the patch that it lies in"), 0.0,
                                      GIMP_MAX_IMAGE_SIZE, 0.0, G_PARAM_READWRITE);
  gimp_procedure_add_string_array_return_value (procedure, "words", _("Words"),
                                                _("Words of the prompt, the one that the place looks at most first"),
                                                G_PARAM_READWRITE);
  gimp_procedure_add_double_array_return_value (procedure, "shares", _("Shares"),
                                                _("How much the place looks at each word, of all that it looks at the prompt"),
                                                G_PARAM_READWRITE);
  gimp_procedure_add_double_array_return_value (procedure, "means", _("Means"), _("The same over the whole picture"),
                                                G_PARAM_READWRITE);
}

static GimpProcedure *
who_named_create (GimpPlugIn *plug_in, const char *name)
{
  GimpProcedure *procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN, who_named_run, NULL, NULL);

  gimp_procedure_set_image_types (procedure, "*");
  gimp_procedure_set_sensitivity_mask (procedure, GIMP_PROCEDURE_SENSITIVE_DRAWABLE | GIMP_PROCEDURE_SENSITIVE_DRAWABLES);
  gimp_procedure_set_menu_label (procedure, _("_Who named this?"));
  gimp_procedure_add_menu_path (procedure, PM_MENU_FILTERS);
  gimp_procedure_set_documentation (procedure, _("Tell which words of the prompt named a place"),
                                    _("Lets the model that painted the picture, or another that reads prompts, look at the "
                                      "selected layer once more, and ranks the words of the prompt by how much the selected "
                                      "place looks at them."),
                                    name);
  declare (procedure);
  return procedure;
}

const PmProcedure pm_procedure_who_named = { "plug-in-pentimento-who-named", who_named_create };
