/* `pentimento who-named`: the words of a prompt, ranked by how much a place in a picture looks at them. */
#include "cli/cli.h"

#include <string.h>

typedef struct
{
  char *model, *prompt, *in, *at, *device;
  double radius;
  int n_threads;
  gboolean is_json;
} WhoNamed;

/* All of a picture, [height, width, 3] 0..1. */
static float *
read_picture (const char *path, int *width, int *height, GError **error)
{
  g_autofree guint8 *rgb = pm_png_read_rgb (path, width, height, error);
  gsize n = rgb ? (gsize) *width * *height * 3 : 0;
  float *picture = rgb ? g_try_new (float, n) : NULL;

  if (rgb && ! picture)
    g_set_error (error, PM_ERROR, PM_ERROR_MEMORY, _("There is too little memory for “%s”; choose a smaller picture."), path);
  for (gsize i = 0; picture && i < n; i++)
    picture[i] = rgb[i] / 255.0f;
  return picture;
}

static void
print_words (const WhoNamed *self, GPtrArray *words)
{
  for (guint i = 0; i < words->len; i++)
    {
      const PmWordAt *at = g_ptr_array_index (words, i);
      if (self->is_json)
        {
          JsonBuilder *line = pm_cli_json_begin ("word");
          pm_cli_json_string (line, "word", at->word);
          pm_cli_json_number (line, "share", at->value);
          pm_cli_json_number (line, "mean", at->mean);
          pm_cli_json_end (line);
        }
      else
        g_print (_("%5.1f %%  %s  (%.1f %% in the whole picture)\n"), 100 * at->value, at->word, 100 * at->mean);
    }
}

static gboolean
who_named_work (PmJob *job, gpointer data, GError **error)
{
  const WhoNamed *self = data;
  double place[2];
  int width, height;

  if (! pm_cli_parse_place (self->at, place, error))
    return FALSE;
  g_autofree float *picture = read_picture (self->in, &width, &height, error);
  gboolean is_inside = picture && pm_words_at_check (width, height, place[0], place[1], self->radius, error);
  g_autoptr (PmModel) model = is_inside ? pm_cli_open_model (self->model, self->prompt, error) : NULL;
  g_autoptr (PmRequest) request = model ? pm_words_at_request (model, self->prompt, picture, width, height, error) : NULL;
  if (! request)
    return FALSE;
  request->n_threads = self->n_threads;
  if (self->device)
    {
      g_free (request->device);
      request->device = g_strdup (self->device);
    }
  g_autoptr (PmResult) result = pm_generate (model, request, job, error);
  g_autoptr (GPtrArray) words
      = result ? pm_words_at (result->maps, width, height, place[0], place[1], self->radius, error) : NULL;
  if (words)
    print_words (self, words);
  return words != NULL;
}

int
pm_cli_who_named (int argc, char **argv)
{
  WhoNamed self = { 0 };
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &self.model, N_("Name or path of the model"), N_("MODEL") },
    { "prompt", 'p', 0, G_OPTION_ARG_STRING, &self.prompt, N_("The words to choose from"), N_("TEXT") },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &self.in, N_("A PNG picture, painted by the model or not"), N_("FILE") },
    { "at", 0, 0, G_OPTION_ARG_STRING, &self.at, N_("The place, in its pixels"), "X,Y" },
    { "radius", 0, 0, G_OPTION_ARG_DOUBLE, &self.radius, N_("Of a disc around the place, in pixels; 0 is one patch"), "R" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &self.n_threads, N_("Threads; 0 is one a processor"), "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &self.device, N_("Where to compute"), N_("NAME") },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.is_json, N_("A line of JSON for each word"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;
  int code;

  if (pm_cli_parse (argc, argv, entries, NULL, _("Tells which words of a prompt a place in a picture looks at."), &rest, &error)
      && (rest[0] || ! self.prompt || ! self.in || ! self.at || self.n_threads < 0))
    g_set_error (&error, PM_ERROR, PM_ERROR_USAGE,
                 _("The question is incomplete; write it like pentimento who-named --prompt TEXT --in picture.png --at X,Y."));
  code = error ? pm_cli_report (error) : pm_cli_run (who_named_work, &self, NULL, NULL);

  char *const texts[] = { self.model, self.prompt, self.in, self.at, self.device };
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  return code;
}
