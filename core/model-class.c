/* Names of classes: which class a text means, and the names of models that bring none. A name may be several, between commas:
 * what the class is called first, then synonyms, as ImageNet's classes and diffusers' id2label have it. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "model-private.h"

#define MAX_NEAR 5
#define N_IMAGENET 1000

const char *
pm_model_get_class_name (PmModel *model, int class_index)
{
  if (! model->info.classes || class_index < 0 || class_index >= model->info.n_classes)
    return NULL;
  return model->info.classes[class_index];
}

/* Levenshtein's distance of two case-folded texts, characters beyond 63 left out. */
static int
text_distance (const char *a, const char *b)
{
  int row[64], n = (int) MIN (strlen (b), 63);
  for (int j = 0; j <= n; j++)
    row[j] = j;
  for (int i = 1; a[i - 1] && i < 64; i++)
    {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= n; j++)
        {
          int replaced = diagonal + (a[i - 1] != b[j - 1]);
          diagonal = row[j];
          row[j] = MIN (replaced, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[n];
}

/* How far a class's name is from a text, in folded case: nothing when it has it as a part, else by the nearest of its synonyms
 * and words, words a little further. */
static int
name_distance (const char *name, const char *text)
{
  g_auto (GStrv) synonyms = g_strsplit (name, ",", -1);
  g_auto (GStrv) words = g_strsplit_set (name, " ,", -1);
  int            best = strstr (name, text) ? 0 : G_MAXINT - 1;

  for (int i = 0; synonyms[i]; i++)
    best = MIN (best, 2 * text_distance (text, g_strstrip (synonyms[i])));
  for (int i = 0; words[i]; i++)
    best = MIN (best, 1 + 2 * text_distance (text, words[i]));
  return best;
}

/* The names nearest to text, joined for a message. */
static char *
near_names (PmModel *model, const char *text)
{
  g_autoptr (GString) near = g_string_new (NULL);
  g_autofree int     *scores = g_new (int, model->info.n_classes);

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *name = g_utf8_casefold (model->info.classes[i], -1);
      scores[i] = name_distance (name, text);
    }
  for (int n = 0; n < MAX_NEAR; n++)
    {
      int best = 0;
      for (int i = 1; i < model->info.n_classes; i++)
        if (scores[i] < scores[best])
          best = i;
      if (model->info.n_classes == 0 || scores[best] == G_MAXINT)
        break;
      g_string_append_printf (near, "%s“%s”", near->len ? ", " : "", model->info.classes[best]);
      scores[best] = G_MAXINT;
    }
  return g_string_free (g_steal_pointer (&near), FALSE);
}

/* How well a class's name fits: 3 the whole of it, 2 one of its synonyms, 1 a part, 0 not at all. All in folded case. */
static int
rate_name (const char *name, const char *wanted)
{
  g_auto (GStrv) synonyms = g_strsplit (name, ",", -1);

  if (g_str_equal (name, wanted))
    return 3;
  for (int i = 0; synonyms[i]; i++)
    if (g_str_equal (g_strstrip (synonyms[i]), wanted))
      return 2;
  return strstr (name, wanted) ? 1 : 0;
}

static void
set_ambiguous (PmModel *model, const char *text, const char *wanted, int rating, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *name = g_utf8_casefold (model->info.classes[i], -1);
      if (rate_name (name, wanted) == rating)
        g_string_append_printf (list, "%s%d (“%s”)", list->len ? ", " : "", i, model->info.classes[i]);
    }
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS,
               _("Several classes of the model “%s” are called “%s”: %s. Give the number of the one that is meant."), model->name,
               text, list->str);
}

static int
find_by_name (PmModel *model, const char *text, GError **error)
{
  g_autofree char *wanted = g_utf8_casefold (text, -1);
  int              best = -1, best_rating = 0, n_best = 0;

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *name = g_utf8_casefold (model->info.classes[i], -1);
      int              rating = rate_name (name, wanted);
      if (rating > best_rating)
        {
          best_rating = rating;
          best = i;
          n_best = 0;
        }
      n_best += rating > 0 && rating == best_rating;
    }
  if (n_best == 1)
    return best;
  if (best_rating > 1)
    {
      set_ambiguous (model, text, wanted, best_rating, error);
      return -1;
    }
  g_autofree char *near = near_names (model, wanted);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; the nearest are: %s."), model->name, text,
               near);
  return -1;
}

int
pm_model_find_class (PmModel *model, const char *text, GError **error)
{
  char  *end = NULL;
  gint64 number;

  if ((! text || ! *text) && model->network_info.null_class < 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” cannot paint without a class; choose one."),
                   model->name);
      return -1;
    }
  if (! text || ! *text)
    return model->info.n_classes;
  if (! g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The name of the class is not valid UTF-8; type it again."));
      return -1;
    }
  number = g_ascii_strtoll (text, &end, 10);
  for (int i = 0; *end == '\0' && model->info.classes && i < model->info.n_classes; i++)
    if (g_str_equal (model->info.classes[i], text)) /* a name that is a number */
      return i;
  if (*end == '\0' && number >= 0 && number < model->info.n_classes)
    return (int) number;
  if (*end != '\0' && model->info.classes)
    return find_by_name (model, text, error);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; its classes have the numbers 0 to %d."),
               model->name, text, model->info.n_classes - 1);
  return -1;
}

char **
pm_model_default_classes (int n_classes)
{
  g_auto (GStrv) folders = n_classes == N_IMAGENET ? pm_model_folders () : NULL;

  for (int i = 0; folders && folders[i]; i++)
    {
      g_autofree char *data = g_path_get_dirname (folders[i]);
      g_autofree char *path = g_build_filename (data, "classes", "imagenet-1k.json", NULL);
      char           **names = g_file_test (path, G_FILE_TEST_IS_REGULAR) ? pm_config_load_names (path, NULL) : NULL;
      if (names && g_strv_length (names) == N_IMAGENET)
        return names;
      g_strfreev (names);
    }
  return NULL;
}
