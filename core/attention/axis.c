/* One axis of what to show: "2,8", "3-7", "mean:all", and the numbers that it stands for in a given model.
 * Source of truth of the grammar: show.h. */
#include "attention/axis.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

/* Far above any model; keeps "0-2000000000" from filling the memory. */
#define MAX_NUMBER 9999

static gboolean
counts_from_end (const char *axis_name)
{
  return strcmp (axis_name, "steps") == 0;
}

void
pm_axis_init (PmAxis *axis)
{
  *axis = (PmAxis) { 0 };
}

void
pm_axis_clear (PmAxis *axis)
{
  g_clear_pointer (&axis->numbers, g_array_unref);
  pm_axis_init (axis);
}

void
pm_axis_copy (const PmAxis *from, PmAxis *to)
{
  GArray *numbers = from->numbers ? g_array_copy (from->numbers) : NULL;

  pm_axis_clear (to);
  *to = *from;
  to->numbers = numbers;
}

/* One whole number at *text, which moves behind it. */
static gboolean
parse_number (const char **text, gboolean may_be_negative, int *number)
{
  const char *digits = *text + (may_be_negative && **text == '-');
  char       *end;
  gint64      value;

  if (! g_ascii_isdigit (*digits))
    return FALSE;

  errno = 0;
  value = g_ascii_strtoll (*text, &end, 10);
  if (errno || value < -MAX_NUMBER || value > MAX_NUMBER)
    return FALSE;

  *text = end;
  *number = (int) value;

  return TRUE;
}

/* "5", "3-7" or "-4--1": adds what it lists. */
static gboolean
parse_run (const char *text, gboolean may_be_negative, GArray *numbers)
{
  int first, last;

  if (! parse_number (&text, may_be_negative, &first))
    return FALSE;

  last = first;
  if (*text == '-')
    {
      text++;
      if (! parse_number (&text, may_be_negative, &last) || last < first || (first < 0 && last >= 0))
        return FALSE;
    }
  if (*text || numbers->len + (guint) (last - first) > MAX_NUMBER)
    return FALSE;

  for (int number = first; number <= last; number++)
    g_array_append_val (numbers, number);

  return TRUE;
}

static gboolean
parse_list (PmAxis *axis, const char *axis_name, const char *text, GError **error)
{
  g_auto (GStrv) runs = g_strsplit (text, ",", -1);

  axis->numbers = g_array_new (FALSE, FALSE, sizeof (int));

  for (int i = 0; runs[i]; i++)
    if (! parse_run (g_strstrip (runs[i]), counts_from_end (axis_name), axis->numbers))
      {
        if (counts_from_end (axis_name))
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("“%s” is not a list for %s; write numbers (0,5,-1; -1 is the last), ranges (3-7), “all” or “none”, "
                          "with “mean:” in front to average."),
                       text, axis_name);
        else
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("“%s” is not a list for %s; write numbers (2,8), ranges (3-7), “all” or “none”, with “mean:” in front "
                          "to average."),
                       text, axis_name);
        return FALSE;
      }

  return TRUE;
}

gboolean
pm_axis_parse (PmAxis *axis, const char *axis_name, const char *text, GError **error)
{
  g_autofree char *owned = g_strstrip (g_strdup (text ? text : ""));
  const char      *list = owned;
  PmAxis           parsed;

  pm_axis_init (&parsed);

  if (strcmp (list, "mean") == 0)
    list = "mean:all";
  if (g_str_has_prefix (list, "mean:"))
    {
      parsed.mean = TRUE;
      list += strlen ("mean:");
      list += strspn (list, " ");
    }

  if (strcmp (list, "all") == 0)
    parsed.all = TRUE;
  else if (strcmp (list, "recommended") == 0 && strcmp (axis_name, "layers") == 0)
    parsed.recommended = TRUE;
  else if (*list == '\0' || strcmp (list, "none") == 0)
    parsed.numbers = g_array_new (FALSE, FALSE, sizeof (int));
  else if (! parse_list (&parsed, axis_name, list, error))
    {
      pm_axis_clear (&parsed);
      return FALSE;
    }

  pm_axis_clear (axis);
  *axis = parsed;

  return TRUE;
}

char *
pm_axis_to_string (const PmAxis *axis)
{
  GString   *text = g_string_new (axis->mean ? "mean:" : "");
  const int *numbers = axis->numbers ? (const int *) (gpointer) axis->numbers->data : NULL;
  int        n = axis->numbers ? (int) axis->numbers->len : 0;

  if (axis->all)
    g_string_append (text, "all");
  else if (axis->recommended)
    g_string_append (text, "recommended");
  else if (n == 0)
    g_string_append (text, "none");

  for (int i = 0; i < n;)
    {
      int last = i;

      while (last + 1 < n && numbers[last + 1] == numbers[last] + 1 && numbers[i] >= 0)
        last++;

      g_string_append_printf (text, "%s%d", i ? "," : "", numbers[i]);
      if (last > i + 1)
        g_string_append_printf (text, "-%d", numbers[last]);
      i = last > i + 1 ? last + 1 : i + 1;
    }

  return g_string_free (text, FALSE);
}

static void
set_outside_error (const char *axis_name, int number, int n, GError **error)
{
  if (n <= 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("Number %d of %s cannot be shown, because there are none; choose another model."), number, axis_name);
  else if (strcmp (axis_name, "layers") == 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no layer %d; choose layers from 0 to %d."), number, n - 1);
  else if (strcmp (axis_name, "heads") == 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no head %d; choose heads from 0 to %d."), number, n - 1);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                 _("There is no step %d; choose steps from 0 (noisiest) to %d, or count back from -1, the last."), number,
                 n - 1);
}

int *
pm_axis_resolve (const PmAxis *axis, const char *axis_name, int n, const int *recommended, int n_recommended, int *n_out,
                 GError **error)
{
  g_autofree gboolean *is_chosen = g_new0 (gboolean, MAX (n, 1));
  const int           *list = recommended;
  int                  n_listed = n_recommended, *numbers;
  gboolean             all = axis->all || (axis->recommended && n_recommended <= 0);

  if (! axis->recommended)
    {
      list = axis->numbers ? (const int *) (gpointer) axis->numbers->data : NULL;
      n_listed = axis->numbers ? (int) axis->numbers->len : 0;
    }

  for (int i = 0; ! all && i < n_listed; i++)
    {
      int number = list[i] < 0 && counts_from_end (axis_name) ? list[i] + n : list[i];

      if (number < 0 || number >= n)
        {
          set_outside_error (axis_name, list[i], n, error);
          return NULL;
        }
      is_chosen[number] = TRUE;
    }

  *n_out = 0;
  numbers = g_new (int, MAX (n, 1));
  for (int i = 0; i < n; i++)
    if (all || is_chosen[i])
      numbers[(*n_out)++] = i;

  return numbers;
}
