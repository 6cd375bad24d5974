/* The text of options to numbers, and the choice of a model: what several subcommands read the same way. */
#include "cli/cli.h"

#include <math.h>
#include <string.h>

/* Splits text at the separators into exactly n numbers; trailing or missing parts are FALSE. */
static gboolean
parse_numbers (const char *text, const char *separators, int n, double *numbers)
{
  g_auto (GStrv) parts = g_strsplit_set (text, separators, -1);

  if ((int) g_strv_length (parts) != n)
    return FALSE;
  for (int i = 0; i < n; i++)
    {
      char *end = NULL;
      numbers[i] = g_ascii_strtod (parts[i], &end);
      if (end == parts[i] || *end != '\0' || ! isfinite (numbers[i]))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_whole (double number, double low, double high)
{
  return number >= low && number <= high && floor (number) == number;
}

gboolean
pm_cli_parse_seed (const char *text, guint64 *seed, GError **error)
{
  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, seed, NULL))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is no seed; give a whole number of 0 or more, such as --seed 7."), text);
  return FALSE;
}

gboolean
pm_cli_parse_size (const char *text, int *width, int *height, GError **error)
{
  double sides[2];

  if (parse_numbers (text, "xX", 2, sides) && is_whole (sides[0], 1, 65536) && is_whole (sides[1], 1, 65536))
    {
      *width = (int) sides[0];
      *height = (int) sides[1];
      return TRUE;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is no size; give width and height in pixels, such as --size 64x64."),
               text);
  return FALSE;
}

gboolean
pm_cli_parse_interval (const char *text, double interval[2], GError **error)
{
  if (parse_numbers (text, ",", 2, interval) && interval[0] >= 0 && interval[1] <= 1 && interval[0] <= interval[1])
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("“%s” is no guidance interval; give two rising numbers from 0 to 1, such as --guidance-interval 0.1,0.95."),
               text);
  return FALSE;
}

gboolean
pm_cli_parse_place (const char *text, double place[2], GError **error)
{
  if (parse_numbers (text, ",", 2, place))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("“%s” is no place; give it in pixels from the left and the top, such as --at 40,25."), text);
  return FALSE;
}

gboolean
pm_cli_parse_rectangle (const char *text, int rectangle[4], GError **error)
{
  double n[4];

  if (parse_numbers (text, ",", 4, n) && is_whole (n[0], 0, 65536) && is_whole (n[1], 0, 65536)
      && is_whole (n[2], n[0] + 1, 65536) && is_whole (n[3], n[1] + 1, 65536))
    {
      for (int i = 0; i < 4; i++)
        rectangle[i] = (int) n[i];
      return TRUE;
    }
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("“%s” is no region; give the left, top, right and bottom edge in pixels, such as --region 16,16,48,48."), text);
  return FALSE;
}

gboolean
pm_cli_parse_precision (const char *text, PmPrecision *precision, GError **error)
{
  int id = pm_precision_from_id (text);

  if (id < 0)
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is no precision; give auto, f32, bf16 or f16."), text);
  else
    *precision = (PmPrecision) id;
  return id >= 0;
}

gboolean
pm_cli_parse_bytes (const char *text, guint64 *n_bytes, GError **error)
{
  static const struct
  {
    const char *unit;
    double bytes;
  } units[] = { { "", 1 }, { "B", 1 }, { "KiB", 0x1p10 }, { "MiB", 0x1p20 }, { "GiB", 0x1p30 } };
  char *end = NULL;
  double number = g_ascii_strtod (text, &end);

  while (end > text && *end == ' ')
    end++;
  for (gsize i = 0; end > text && i < G_N_ELEMENTS (units); i++)
    if (g_ascii_strcasecmp (end, units[i].unit) == 0 && number * units[i].bytes >= 1 && number * units[i].bytes <= 0x1p50)
      {
        *n_bytes = (guint64) (number * units[i].bytes);
        return TRUE;
      }
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("“%s” is no amount of memory; give bytes, MiB or GiB, such as 6GiB."), text);
  return FALSE;
}

PmModel *
pm_cli_open_model (const char *name, const char *prompt, GError **error)
{
  const char *bundled = prompt ? PM_MODEL_DEFAULT_PROMPT : PM_MODEL_DEFAULT;

  if (name && *name)
    return pm_model_open (name, error);

  g_auto (GStrv) names = pm_model_list ();
  if (g_strv_length (names) == 1)
    return pm_model_open (names[0], error);
  if (g_strv_contains ((const char *const *) names, bundled))
    return pm_model_open (bundled, error);

  g_autofree char *list = g_strjoinv (", ", names);
  if (names[0])
    g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("No model was named; add --model with one of: %s."), list);
  else
    g_set_error (error, PM_ERROR, PM_ERROR_NO_MODEL,
                 _("No model was named and none is installed; add --model with the path of a model folder."));
  return NULL;
}

char *
pm_cli_format_bytes (guint64 n_bytes)
{
  return g_format_size_full (n_bytes, G_FORMAT_SIZE_IEC_UNITS);
}
