/* See sheet-layout.h. The axis along which maps stand side by side makes the columns; of the other two, the one of which there
 * are several makes the rows, layers before steps before heads; the third parts the panels, as readings do. */
#include "export/sheet-layout.h"

#include <math.h>
#include <string.h>

#include "base/i18n.h"

static int
get_number (const PmMap *map, PmSheetBy axis)
{
  switch (axis)
    {
    case PM_SHEET_LAYERS:
      return map->layer;
    case PM_SHEET_HEADS:
      return map->head;
    default:
      return map->step;
    }
}

/* Distinct numbers of the maps along an axis in ascending order; of int. */
static GArray *
gather_numbers (GPtrArray *maps, PmSheetBy axis)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (int));

  for (guint i = 0; i < maps->len; i++)
    {
      int number = get_number (g_ptr_array_index (maps, i), axis);

      if (g_hash_table_add (seen, GINT_TO_POINTER (number + 2)))
        {
          guint at = numbers->len;

          while (at > 0 && g_array_index (numbers, int, at - 1) > number)
            at--;
          g_array_insert_val (numbers, at, number);
        }
    }

  return numbers;
}

static int
find_number (const GArray *numbers, int number)
{
  for (guint i = 0; i < numbers->len; i++)
    if (g_array_index (numbers, int, i) == number)
      return (int) i;

  return -1;
}

static guint
count_numbers (GPtrArray *maps, PmSheetBy axis)
{
  g_autoptr (GArray) numbers = gather_numbers (maps, axis);

  return numbers->len;
}

static PmSheetBy
choose_columns (GPtrArray *maps, PmSheetBy by)
{
  if (by != PM_SHEET_AUTO)
    return by;
  if (count_numbers (maps, PM_SHEET_HEADS) > 1)
    return PM_SHEET_HEADS;

  return count_numbers (maps, PM_SHEET_STEPS) > 1 ? PM_SHEET_STEPS : PM_SHEET_LAYERS;
}

static void
choose_rows (GPtrArray *maps, PmSheetBy columns, PmSheetBy *rows, PmSheetBy *third)
{
  const PmSheetBy axes[] = { PM_SHEET_LAYERS, PM_SHEET_STEPS, PM_SHEET_HEADS };
  PmSheetBy       others[2];
  int             n = 0;

  for (int i = 0; i < 3; i++)
    if (axes[i] != columns)
      others[n++] = axes[i];

  gboolean is_second = count_numbers (maps, others[0]) < 2 && count_numbers (maps, others[1]) > 1;

  *rows = others[is_second];
  *third = others[! is_second];
}

/* Empty for what is averaged. */
static char *
make_title (const PmMap *map, PmSheetBy axis)
{
  int number = get_number (map, axis);

  if (number < 0)
    return g_strdup ("");
  if (axis == PM_SHEET_LAYERS)
    return g_strdup_printf (_("layer %d"), number);
  if (axis == PM_SHEET_HEADS)
    return g_strdup_printf (_("head %d"), number);

  return g_strdup_printf (_("t %d"), (int) lround (map->time));
}

static void
panel_free (gpointer data)
{
  PmSheetPanel *panel = data;

  g_free (panel->title);
  g_free (panel->cells);
  g_strfreev (panel->row_titles);
  g_strfreev (panel->column_titles);
  g_free (panel);
}

/* Appends ", head 2" to a title; nothing for what is averaged. */
static void
extend_title (char **title, const char *number)
{
  g_autofree char *before = *title;

  *title = *number ? g_strdup_printf ("%s, %s", before, number) : g_steal_pointer (&before);
}

static char *
make_panel_title (const PmMap *map, PmSheetBy third, gboolean names_steps)
{
  char            *title = g_strdup (map->what);
  g_autofree char *number = make_title (map, third);

  if (third != PM_SHEET_STEPS || names_steps)
    extend_title (&title, number);

  return title;
}

/* Titles along an axis, of the first map with each number. */
static char **
make_titles (GPtrArray *maps, PmSheetBy axis, const GArray *numbers, gboolean names_steps)
{
  char **titles = g_new0 (char *, numbers->len + 1);

  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (maps, i);
      int          at = find_number (numbers, get_number (map, axis));

      if (! titles[at])
        titles[at] = axis == PM_SHEET_STEPS && ! names_steps ? g_strdup ("") : make_title (map, axis);
    }

  return titles;
}

/* One long row becomes several of about the same length, each cell with the title that its column had; the row's goes up. */
static void
break_row (PmSheetPanel *panel)
{
  int           n = panel->n_columns, n_rows = (n + PM_SHEET_COLUMNS - 1) / PM_SHEET_COLUMNS;
  int           n_columns = (n + n_rows - 1) / n_rows;
  const PmMap **cells = g_new0 (const PmMap *, n_rows *n_columns);

  for (int i = 0; i < n; i++)
    cells[i] = panel->cells[i];
  panel->column_titles = g_renew (char *, panel->column_titles, n_rows * n_columns + 1);
  for (int i = n; i <= n_rows * n_columns; i++)
    panel->column_titles[i] = i < n_rows * n_columns ? g_strdup ("") : NULL;

  extend_title (&panel->title, panel->row_titles[0]);
  g_free (panel->cells);
  g_clear_pointer (&panel->row_titles, g_strfreev);
  panel->cells = cells;
  panel->n_rows = n_rows;
  panel->n_columns = n_columns;
}

/* maps: of one panel. */
static PmSheetPanel *
make_panel (GPtrArray *maps, const PmSheetBy *axes /* columns, rows, third */, gboolean names_steps)
{
  g_autoptr (GArray) column_numbers = gather_numbers (maps, axes[0]);
  g_autoptr (GArray) row_numbers = gather_numbers (maps, axes[1]);
  PmSheetPanel *panel = g_new0 (PmSheetPanel, 1);

  panel->title = make_panel_title (g_ptr_array_index (maps, 0), axes[2], names_steps);
  panel->n_rows = (int) row_numbers->len;
  panel->n_columns = (int) column_numbers->len;
  panel->row_titles = make_titles (maps, axes[1], row_numbers, names_steps);
  panel->column_titles = make_titles (maps, axes[0], column_numbers, names_steps);
  panel->cells = g_new0 (const PmMap *, panel->n_rows * panel->n_columns);

  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap *map = g_ptr_array_index (maps, i);
      int          row = find_number (row_numbers, get_number (map, axes[1]));
      int          column = find_number (column_numbers, get_number (map, axes[0]));

      panel->cells[row * panel->n_columns + column] = map;
    }
  if (panel->n_rows == 1 && panel->n_columns > PM_SHEET_COLUMNS)
    break_row (panel);

  return panel;
}

GPtrArray *
pm_sheet_layout_new (GPtrArray *maps, PmSheetBy by, gboolean names_steps)
{
  PmSheetBy              axes[3] = { choose_columns (maps, by) }; /* columns, rows, third */
  g_autoptr (GPtrArray)  parts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref); /* maps of a panel */
  g_autoptr (GHashTable) found = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  GPtrArray             *panels = g_ptr_array_new_with_free_func (panel_free);

  choose_rows (maps, axes[0], &axes[1], &axes[2]);

  for (guint i = 0; i < maps->len; i++)
    {
      PmMap     *map = g_ptr_array_index (maps, i);
      gint64     key = (gint64) map->group << 32 | (guint32) get_number (map, axes[2]);
      GPtrArray *part = g_hash_table_lookup (found, &key);

      if (! part)
        {
          part = g_ptr_array_new ();
          g_ptr_array_add (parts, part);
          g_hash_table_insert (found, g_memdup2 (&key, sizeof key), part);
        }
      g_ptr_array_add (part, map);
    }

  for (guint i = 0; i < parts->len; i++)
    g_ptr_array_add (panels, make_panel (g_ptr_array_index (parts, i), axes, names_steps));

  return panels;
}
