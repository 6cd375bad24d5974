/* See words-at.h. */
#include "run/words-at.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "attention/map.h"
#include "request/cells.h"
#include "run/run.h"

#define PARTS 8 /* a patch is tried at so many by so many points */
#define STEPS 8 /* half of which are run: from noise of the middle on, where what is where is decided */
#define STRENGTH 0.5

static void
word_at_free (gpointer data)
{
  PmWordAt *at = data;

  g_free (at->word);
  g_free (at);
}

/* A disc, or what a mask [height, width] covers. */
typedef struct
{
  int           width, height;
  double        x, y, radius;
  const guint8 *mask; /* NULL: the disc */
} Place;

/* How much of each patch lies under the mask, [grid_h, grid_w]; never nowhere, for a mask has a covered pixel. */
static double *
cover_mask (int grid_w, int grid_h, const Place *place)
{
  double *cover = g_new0 (double, (gsize) grid_w * grid_h);

  for (int i = 0; i < place->height; i++)
    for (int j = 0; j < place->width; j++)
      cover[(gsize) ((gint64) i * grid_h / place->height) * grid_w + (gsize) ((gint64) j * grid_w / place->width)]
          += place->mask[(gsize) i * place->width + j];

  return cover;
}

/* How much of each patch lies in the disc, [grid_h, grid_w]. */
static double *
cover_disc (int grid_w, int grid_h, const Place *place)
{
  double  x = place->x, y = place->y, radius = place->radius;
  int     width = place->width, height = place->height;
  double *cover = g_new0 (double, (gsize) grid_w * grid_h), sum = 0;

  for (int i = 0; i < grid_h * PARTS; i++)
    for (int j = 0; j < grid_w * PARTS; j++)
      {
        double dx = (j + 0.5) * width / (grid_w * PARTS) - x, dy = (i + 0.5) * height / (grid_h * PARTS) - y;

        if (dx * dx + dy * dy > radius * radius)
          continue;
        cover[(gsize) (i / PARTS) * grid_w + j / PARTS] += 1;
        sum += 1;
      }
  if (sum == 0)
    cover[(gsize) MIN (y * grid_h / height, grid_h - 1) * grid_w + (gsize) MIN (x * grid_w / width, grid_w - 1)] = 1;

  return cover;
}

static void
add_map (GPtrArray *words, GHashTable *counts, const PmMap *map, const double *cover)
{
  PmWordAt *at = NULL;
  double    place = 0, weight = 0, all = 0;
  gsize     n = (gsize) map->grid_w * map->grid_h;

  for (guint i = 0; i < words->len && ! at; i++)
    if (strcmp (((PmWordAt *) words->pdata[i])->word, map->word) == 0)
      at = words->pdata[i];
  if (! at)
    {
      at = g_new0 (PmWordAt, 1);
      at->word = g_strdup (map->word);
      g_ptr_array_add (words, at);
    }

  for (gsize i = 0; i < n; i++)
    {
      place += cover[i] * map->values[i];
      weight += cover[i];
      all += map->values[i];
    }
  at->value += place / weight;
  at->mean += all / n;
  g_hash_table_insert (counts, at, GINT_TO_POINTER (GPOINTER_TO_INT (g_hash_table_lookup (counts, at)) + 1));
}

/* Stable, as g_ptr_array_sort is. */
static int
compare (gconstpointer a, gconstpointer b)
{
  const PmWordAt *p = *(PmWordAt *const *) a, *q = *(PmWordAt *const *) b;

  return p->value < q->value ? 1 : p->value > q->value ? -1 : 0;
}

/* The reading of words that the maps have; NULL: none. */
static const char *
choose_reading (GPtrArray *maps)
{
  const char *reading = NULL;

  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap *map = maps->pdata[i];

      if (map->word && (! reading || strcmp (map->reading, "word-share") == 0))
        reading = map->reading;
    }

  return reading;
}

static GPtrArray *
rank_words (GPtrArray *maps, const Place *place, GError **error)
{
  const char            *reading = choose_reading (maps);
  g_autoptr (GHashTable) counts = g_hash_table_new (NULL, NULL);
  GPtrArray             *words;

  if (! reading)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("There are no maps of words; show the reading “word-share” of a model that reads prompts."));
      return NULL;
    }
  words = g_ptr_array_new_with_free_func (word_at_free);
  for (guint i = 0; i < maps->len; i++)
    {
      const PmMap       *map = maps->pdata[i];
      g_autofree double *cover = NULL;

      if (! map->word || strcmp (map->reading, reading) != 0)
        continue;
      cover = place->mask ? cover_mask (map->grid_w, map->grid_h, place) : cover_disc (map->grid_w, map->grid_h, place);
      add_map (words, counts, map, cover);
    }
  for (guint i = 0; i < words->len; i++)
    {
      PmWordAt *at = words->pdata[i];
      int       n = GPOINTER_TO_INT (g_hash_table_lookup (counts, at));

      at->value /= n;
      at->mean /= n;
    }
  g_ptr_array_sort (words, compare);

  return words;
}

gboolean
pm_words_at_check (int width, int height, double x, double y, double radius, GError **error)
{
  if (x >= 0 && x < width && y >= 0 && y < height && radius >= 0 && isfinite (radius))
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The place %g, %g (radius %g) is outside the picture of %d × %d pixels; choose one inside."), x, y, radius,
               width, height);

  return FALSE;
}

gboolean
pm_words_in_check (const guint8 *mask, int width, int height, GError **error)
{
  for (gsize i = 0; width > 0 && height > 0 && i < (gsize) width * height; i++)
    if (mask[i])
      return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                       _("No place of the picture is marked; mark the place whose words you want to know."));

  return FALSE;
}

GPtrArray *
pm_words_at (GPtrArray *maps, int width, int height, double x, double y, double radius, GError **error)
{
  const Place place = { width, height, x, y, radius, NULL };

  return pm_words_at_check (width, height, x, y, radius, error) ? rank_words (maps, &place, error) : NULL;
}

GPtrArray *
pm_words_in (GPtrArray *maps, const guint8 *mask, int width, int height, GError **error)
{
  const Place place = { width, height, .mask = mask };

  return pm_words_in_check (mask, width, height, error) ? rank_words (maps, &place, error) : NULL;
}

/* [height, width, 3] to [h, w, 3], each pixel the mean of those it covers, one at least; NULL when memory is short. */
static float *
scale_picture (const float *picture, int width, int height, int w, int h)
{
  gsize             n = (gsize) width * height, n_out = (gsize) w * h;
  g_autofree float *plane = g_try_new (float, n), *scaled = g_try_new (float, n_out), *out = g_try_new (float, 3 * n_out);

  if (! plane || ! scaled || ! out)
    return NULL;
  for (int c = 0; c < 3; c++)
    {
      for (gsize i = 0; i < n; i++)
        plane[i] = picture[3 * i + c];
      pm_cells_average (plane, FALSE, width, height, w, h, scaled);
      for (gsize i = 0; i < n_out; i++)
        out[3 * i + c] = scaled[i];
    }

  return g_steal_pointer (&out);
}

/* A side that the model paints, so that the picture keeps its shape and has as many pixels as those it was trained with: it sees
 * best there, and a large picture takes no longer. pixels: of the whole picture. */
static int
choose_side (const PmModelInfo *info, int side, double pixels)
{
  int multiple = MAX (info->size_multiple, 1);

  if (! info->any_size)
    return info->default_size;
  side = (int) lround (side * info->default_size / sqrt (pixels) / multiple) * multiple;
  while (side < info->min_size)
    side += multiple;
  while (side > info->max_size)
    side -= multiple;

  return MAX (side, multiple);
}

PmRequest *
pm_words_at_request (PmModel *model, const char *prompt, const float *picture, int width, int height, GError **error)
{
  const PmModelInfo    *info = pm_model_get_info (model);
  g_autoptr (PmRequest) request = pm_request_new_for_model (model);
  g_autofree float     *scaled = NULL;

  if (! prompt || ! prompt[strspn (prompt, " \t\r\n")] || ! picture || width < 1 || height < 1)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("To ask who named a place there must be a picture and a prompt; give both."));
      return NULL;
    }
  g_free (request->prompt);
  request->prompt = g_strdup (prompt);
  request->width = choose_side (info, width, (double) width * height);
  request->height = choose_side (info, height, (double) width * height);
  request->num_steps = STEPS;
  request->strength = STRENGTH;
  request->guidance = 1; /* only the half that is told the prompt */
  request->maps_only = TRUE;
  scaled = scale_picture (picture, width, height, request->width, request->height);
  if (! scaled || ! pm_request_set_start (request, scaled, request->width, request->height))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory for the picture to look at; close other programs."));
      return NULL;
    }
  if (! pm_request_set_show (request, "layers=mean:recommended;heads=mean;steps=mean;read=word-share", error))
    return NULL;

  return g_steal_pointer (&request);
}
