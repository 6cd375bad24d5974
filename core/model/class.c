/* Names of classes: which class a text means, and the names of models that bring none. A name may be several, between commas:
 * what the class is called first, then synonyms, as ImageNet's classes and diffusers' id2label have it. ImageNet's have names in
 * the user's language beside; what a record says stays as the model has it. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "model/private.h"

#define MAX_NEAR 5
#define N_IMAGENET 1000
#define IMAGENET "imagenet-1k"

/* How well a class fits a text, by its own name or by that in the user's language; the better ones last. */
typedef enum
{
  NOT,
  LOCAL_PART,
  PART,
  LOCAL_NAME, /* of several none is the chief one: a wordnet's words come in any order */
  SYNONYM,
  WHOLE,
  N_RANKS
} Rank;

const char *
pm_model_get_class_name (PmModel *model, int class_index)
{
  if (! model->info.classes || class_index < 0 || class_index >= model->info.n_classes)
    return NULL;
  return model->info.classes[class_index];
}

/* NULL where it has none. */
static const char *
local_name (PmModel *model, int class_index)
{
  return model->info.local_classes ? model->info.local_classes[class_index] : NULL;
}

/* Case left out, and accents written in one way; free with g_free. */
static char *
fold (const char *text)
{
  g_autofree char *folded = g_utf8_casefold (text, -1);
  char            *normal = g_utf8_normalize (folded, -1, G_NORMALIZE_ALL);

  return normal ? normal : g_steal_pointer (&folded);
}

char *
pm_class_label (const char *name, const char *local)
{
  g_autofree char *folded = fold (name);
  g_autofree char *other = local ? fold (local) : NULL;

  return local && ! g_str_equal (folded, other) ? g_strdup_printf ("%s (%s)", local, name) : g_strdup (name);
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
      g_autofree char *name = fold (model->info.classes[i]);
      g_autofree char *local = local_name (model, i) ? fold (local_name (model, i)) : NULL;
      scores[i] = name_distance (name, text);
      if (local)
        scores[i] = MIN (scores[i], name_distance (local, text));
    }
  for (int n = 0; n < MAX_NEAR; n++)
    {
      int best = 0;
      for (int i = 1; i < model->info.n_classes; i++)
        if (scores[i] < scores[best])
          best = i;
      if (model->info.n_classes == 0 || scores[best] == G_MAXINT)
        break;
      g_autofree char *label = pm_class_label (model->info.classes[best], local_name (model, best));
      g_string_append_printf (near, "%s“%s”", near->len ? ", " : "", label);
      scores[best] = G_MAXINT;
    }
  return g_string_free (g_steal_pointer (&near), FALSE);
}

/* How well a name fits: 3 the whole of it, 2 one of its synonyms, 1 a part, 0 not at all. All folded. */
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

/* How well a class fits: what its own name says counts before what the user's language does, so that a text means the same in
 * every language. */
static Rank
rank_class (PmModel *model, int class_index, const char *wanted, gboolean is_local)
{
  static const Rank own[] = { NOT, PART, SYNONYM, WHOLE }, other[] = { NOT, LOCAL_PART, LOCAL_NAME, LOCAL_NAME };
  const char       *local = is_local ? local_name (model, class_index) : NULL;
  g_autofree char  *name = fold (model->info.classes[class_index]);
  g_autofree char  *folded = local ? fold (local) : NULL;
  Rank              rank = own[rate_name (name, wanted)];

  return local ? MAX (rank, other[rate_name (folded, wanted)]) : rank;
}

/* also: another rank that is meant; NOT: none. */
static void
set_ambiguous (PmModel *model, const char *text, const char *wanted, Rank rank, Rank also, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (int i = 0; i < model->info.n_classes; i++)
    {
      g_autofree char *label = pm_class_label (model->info.classes[i], local_name (model, i));
      Rank             its = rank_class (model, i, wanted, TRUE);
      if (its == rank || (also != NOT && its == also))
        g_string_append_printf (list, "%s%d (“%s”)", list->len ? ", " : "", i, label);
    }
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS,
               _("Several classes of the model “%s” are called “%s”: %s. Give the number of the one that is meant."), model->name,
               text, list->str);
}

static int
find_by_name (PmModel *model, const char *text, gboolean is_local, GError **error)
{
  g_autofree char *wanted = fold (text);
  int              last[N_RANKS], n[N_RANKS] = { 0 };
  Rank             best = WHOLE, also = NOT;

  for (int i = 0; i < model->info.n_classes; i++)
    {
      Rank rank = rank_class (model, i, wanted, is_local);
      last[rank] = i;
      n[rank]++;
    }
  while (best > NOT && n[best] == 0)
    best--;
  if (best == LOCAL_NAME && n[PART] == 1)
    also = PART; /* which would have done in English */
  if (best != NOT && n[best] == 1 && also == NOT)
    return last[best];
  if (best > PART)
    {
      set_ambiguous (model, text, wanted, best, also, error);
      return -1;
    }
  g_autofree char *near = near_names (model, wanted);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; the nearest are: %s."), model->name, text,
               near);
  return -1;
}

static int
find (PmModel *model, const char *text, gboolean is_local, GError **error)
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
    return find_by_name (model, text, is_local, error);
  g_set_error (error, PM_ERROR, PM_ERROR_NO_CLASS, _("The model “%s” has no class “%s”; its classes have the numbers 0 to %d."),
               model->name, text, model->info.n_classes - 1);
  return -1;
}

int
pm_model_find_class (PmModel *model, const char *text, GError **error)
{
  return find (model, text, TRUE, error);
}

char *
pm_model_portable_class (PmModel *model, const char *text, int class_index)
{
  const char *name = pm_model_get_class_name (model, class_index);

  if (find (model, text, FALSE, NULL) == class_index)
    return g_strdup (text);
  if (name && find (model, name, FALSE, NULL) == class_index)
    return g_strdup (name);
  return g_strdup_printf ("%d", class_index);
}

/* The names in a file of classes/ beside a folder of models, the first that holds them. NULL when there is none, with an error
 * where one is damaged. */
static char **
load_imagenet (const char *file, gboolean has_gaps, GError **error)
{
  g_auto (GStrv)     folders = pm_model_folders ();
  g_autoptr (GError) damage = NULL;

  for (int i = 0; folders[i]; i++)
    {
      g_autofree char *data = g_path_get_dirname (folders[i]);
      g_autofree char *path = g_build_filename (data, "classes", file, NULL);
      g_autofree char *shown = g_filename_display_name (path);
      if (! g_file_test (path, G_FILE_TEST_IS_REGULAR))
        continue;
      g_clear_error (&damage);
      char **names = pm_config_load_names (path, has_gaps, &damage);
      if (names && g_strv_length (names) == N_IMAGENET)
        return names;
      if (names)
        g_set_error (&damage, PM_ERROR, PM_ERROR_DAMAGED, _("%s should hold %d class names; install it again."), shown,
                     N_IMAGENET);
      g_strfreev (names);
    }
  if (damage)
    g_propagate_error (error, g_steal_pointer (&damage));
  return NULL;
}

char **
pm_model_default_classes (int n_classes)
{
  return n_classes == N_IMAGENET ? load_imagenet (IMAGENET ".json", FALSE, NULL) : NULL;
}

/* The names in the first of the user's languages that has some; English needs none. What the environment says may become a file's
 * name only where it looks like a language. */
static char **
load_local (GError **error)
{
  const char *const *languages = g_get_language_names ();
  g_autoptr (GError) damage = NULL;
  char             **names = NULL;

  for (int i = 0; languages[i] && ! names && ! damage; i++)
    {
      g_autofree char *file = g_strdup_printf (IMAGENET ".%s.json", languages[i]);
      if (g_str_equal (languages[i], "en") || g_str_equal (languages[i], "C"))
        break;
      if (languages[i][strspn (languages[i], G_CSET_A_2_Z G_CSET_a_2_z "_@")] == '\0')
        names = load_imagenet (file, TRUE, &damage);
    }
  if (damage)
    g_propagate_error (error, g_steal_pointer (&damage));
  return names;
}

/* Whether a model's class has a name in common with ImageNet's. */
static gboolean
is_same (const char *name, const char *imagenet)
{
  g_autofree char *folded = fold (name);
  g_autofree char *other = fold (imagenet);
  g_auto (GStrv)   synonyms = g_strsplit (other, ",", -1);

  for (int i = 0; synonyms[i]; i++)
    if (rate_name (folded, g_strstrip (synonyms[i])) > 1)
      return TRUE;
  return FALSE;
}

gboolean
pm_model_load_local_classes (PmModel *model, GError **error)
{
  g_autoptr (GError) damage = NULL;
  g_auto (GStrv)     local = NULL;
  g_auto (GStrv)     imagenet = NULL;

  if (model->info.n_classes != N_IMAGENET || ! model->class_names || g_strv_length (model->class_names) != N_IMAGENET)
    return TRUE;
  local = load_local (&damage);
  imagenet = local ? load_imagenet (IMAGENET ".json", FALSE, &damage) : NULL;
  if (damage)
    {
      g_propagate_error (error, g_steal_pointer (&damage));
      return FALSE;
    }
  if (! imagenet)
    return TRUE;
  model->local_names = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < N_IMAGENET; i++)
    {
      gboolean is_known = *local[i] && is_same (model->class_names[i], imagenet[i]);
      g_ptr_array_add (model->local_names, is_known ? g_strdup (local[i]) : NULL);
    }
  model->info.local_classes = (const char *const *) model->local_names->pdata;
  return TRUE;
}
